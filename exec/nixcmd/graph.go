package nixcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/compile/store"
	"muster/exec/builds"
)

// A Graph builds the systems of many hosts as one graph of derivations. Nix's own scheduler
// does it: one nix-store gets all of them, and hands derivations to the builders. What Nix
// does not do is added to it:
//
//   - A system is done when it is built, not when Nix ends.
//   - A derivation that fails is the failure of the systems that need it, and of no other.
//   - A builder that is lost gets no further build. What it was building is built elsewhere: by
//     another process of Nix at once, as Nix counts it as failed.
//   - A derivation that no machine can build makes older versions of Nix end. What does not
//     need it is begun again.
//
// Processes of Nix side by side build nothing twice: each waits for the locks of the others.
type Graph struct {
	// Machines are the builders in the notation of Nix's setting, or files of them behind @; nil
	// leaves them to Nix.
	Machines []string
	// Here says whether this machine builds as well, as many derivations at once as Nix's
	// setting max-jobs says.
	Here bool
	// Own are the systems that this machine builds for, its own first; nil where that is not
	// known.
	Own []string
	// SSH says how Nix reaches the builders of Machines; nil leaves it to the user's
	// configuration.
	SSH func(context.Context) (SSHConfig, error)

	nix *Nix

	mu    sync.Mutex
	named string    // builders that are left to Nix, though they are named; "" for none
	users int       // calls of Build
	open  *machines // nil while there are no users, and where Nix knows its builders by itself
}

// NewGraph returns a Graph whose builders are those of nix.conf.
func (n *Nix) NewGraph() *Graph { return &Graph{Here: true, nix: n} }

// Build builds all wants, and returns when each is done.
func (g *Graph) Build(ctx context.Context, wants []builds.Want, w builds.Watcher) {
	b := &graphBuild{
		graph: g, ctx: ctx, watcher: w,
		drvs: map[store.Path]*derivation{}, failed: map[store.Path]error{}, lost: map[store.Path][]string{}, ended: map[store.Path]bool{},
		roots: make(chan struct{}, 2*runtime.NumCPU()),
	}
	for _, want := range wants {
		b.wants = append(b.wants, &wanted{Want: want})
	}
	var err error
	if b.machines, err = g.acquire(ctx); err != nil {
		for _, want := range wants {
			want.Done("", err)
		}
		return
	}
	defer g.release()
	b.begin(b.wants)
	b.running.Wait()
}

// acquire opens the file of machines for a call of Build.
func (g *Graph) acquire(ctx context.Context) (*machines, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil && g.Machines != nil {
		list, err := parseMachines(g.Machines)
		if errors.Is(err, errTOML) { // Nix reads them itself, and keeps those that are lost
			g.named, g.Machines = strings.Join(g.Machines, "\n"), nil
			g.users++
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		var ssh SSHConfig
		if g.SSH != nil && len(list) > 0 {
			if ssh, err = g.SSH(ctx); err != nil {
				return nil, err
			}
		}
		if g.open, err = openMachines(list, ssh.text(g.nix.sshOptions())); err != nil {
			return nil, err
		}
	}
	g.users++
	return g.open, nil
}

func (g *Graph) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users--; g.users == 0 && g.open != nil {
		// What was lost stays so.
		g.Machines = nil
		for _, m := range g.open.list {
			g.Machines = append(g.Machines, strings.Join(m, " "))
		}
		if g.Machines == nil {
			g.Machines = []string{}
		}
		g.open.close()
		g.open = nil
	}
}

// A wanted is a Want in progress.
type wanted struct {
	builds.Want
	round *round // that builds it; nil once it is done
}

// A graphBuild is one call of Build.
type graphBuild struct {
	graph    *Graph
	ctx      context.Context
	machines *machines // nil where Nix knows them by itself
	running  sync.WaitGroup
	roots    chan struct{} // limits processes that add roots

	mu      sync.Mutex // guards all below, and the watcher
	watcher builds.Watcher
	wants   []*wanted
	rounds  []*round
	drvs    map[store.Path]*derivation
	failed  map[store.Path]error    // what cannot be built
	lost    map[store.Path][]string // the builders that were lost with it
	losses  []string                // of builders, for messages
	ended   map[store.Path]bool     // derivations that were built
	news    int                     // counts what is learned: without any, a new round is of no use
	counted time.Time               // when the watcher was told of counts
}

// A round is one process of Nix, with some of the wants.
type round struct {
	b     *graphBuild
	wants []*wanted
	news  int // b.news at its beginning

	activities map[uint64]*activity
	builds     uint64 // ID of the activity that counts
	counts     [4]int // done, expected, running, failed
	said       []string
	remote     map[store.Path]verdict // the last that a builder has answered
	unplaced   map[store.Path]verdict // for which no machine was found

	checks chan struct{} // asks whether systems are there
	over   chan struct{} // closed when Nix has ended
}

// An activity is a build that Nix tells of.
type activity struct {
	drv   store.Path
	on    string
	since time.Time
	until time.Time // when its outputs were seen; zero before
}

// begin starts a round with wants. What is there already is done at once.
func (b *graphBuild) begin(wants []*wanted) {
	b.running.Go(func() {
		var drvs []*wanted
		b.settle(wants)
		b.mu.Lock()
		for _, w := range wants {
			if w.Drv != "" && !w.isDone() {
				drvs = append(drvs, w)
			}
		}
		b.mu.Unlock()
		for chunk := range slices.Chunk(b.placed(drvs), maxRound) {
			b.start(chunk)
		}
	})
}

// maxRound is how many derivations one process is given: its arguments have a limit.
const maxRound = 10000

// done is the round of what is done.
var done = &round{}

func (w *wanted) isDone() bool { return w.round == done }

// start runs a process of Nix for wants that are not there.
func (b *graphBuild) start(wants []*wanted) {
	b.mu.Lock()
	wants = b.refuse(wants)
	r := &round{
		b: b, wants: wants, news: b.news, activities: map[uint64]*activity{},
		remote: map[store.Path]verdict{}, unplaced: map[store.Path]verdict{}, checks: make(chan struct{}, 1), over: make(chan struct{}),
	}
	for _, w := range wants {
		w.round = r
	}
	b.rounds = append(b.rounds, r)
	b.mu.Unlock()
	if len(wants) > 0 {
		b.running.Go(r.run)
	}
}

// refuse ends the wants that need what has failed, and returns the others. The caller holds
// b.mu.
func (b *graphBuild) refuse(wants []*wanted) (rest []*wanted) {
	for _, w := range wants {
		if w.isDone() {
			continue
		}
		if err := b.failureOf(w.Drv); err != nil {
			b.finish(w, "", err)
		} else {
			rest = append(rest, w)
		}
	}
	return rest
}

// failureOf is why a derivation cannot be built, or nil. The caller holds b.mu.
func (b *graphBuild) failureOf(drv store.Path) error {
	var names []store.Path
	for name := range b.failed {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if b.needs(drv, name) {
			return b.failed[name]
		}
	}
	return nil
}

// settle finishes the wants whose systems are there.
func (b *graphBuild) settle(wants []*wanted) {
	var known []store.Path
	byOut := map[store.Path][]*wanted{}
	b.mu.Lock()
	for _, w := range wants {
		switch {
		case w.isDone():
		case w.Out == "": // known when it is built
		case w.Drv == "":
			b.finish(w, w.Out, nil)
		default:
			if _, err := os.Lstat(string(w.Out)); err == nil && byOut[w.Out] == nil {
				known = append(known, w.Out)
			}
			byOut[w.Out] = append(byOut[w.Out], w)
		}
	}
	b.mu.Unlock()
	for chunk := range slices.Chunk(known, 1000) {
		invalid, err := b.graph.nix.invalid(b.ctx, chunk)
		if err != nil {
			continue // Nix finds out itself
		}
		b.mu.Lock()
		for _, out := range chunk {
			if slices.Contains(invalid, string(out)) {
				continue
			}
			for _, w := range byOut[out] {
				b.finish(w, out, nil)
			}
		}
		b.mu.Unlock()
	}
}

// invalid returns those of some paths that are not in the store.
func (n *Nix) invalid(ctx context.Context, paths []store.Path) ([]string, error) {
	args := []string{"--check-validity", "--print-invalid"}
	for _, p := range paths {
		args = append(args, string(p))
	}
	out, err := n.output(ctx, nil, nil, "nix-store", args...)
	return strings.Fields(string(out)), err
}

// finish ends a want. The caller holds b.mu.
func (b *graphBuild) finish(w *wanted, out store.Path, err error) {
	if w.isDone() {
		return
	}
	w.round = done
	if err != nil || w.Root == "" && out != "" {
		b.running.Go(func() { w.Done(out, err) })
		return
	}
	b.running.Go(func() {
		b.roots <- struct{}{}
		built, err := b.graph.nix.realise(b.ctx, cmp.Or(out, w.Drv), w.Root, nil)
		<-b.roots
		w.Done(built, err)
	})
}

// run runs Nix, and ends with the round's wants done or in another round.
func (r *round) run() {
	b := r.b
	checked := make(chan struct{})
	go r.checkWhenAsked(checked)
	args := []string{"--realise", "--keep-going", "--log-format", "internal-json", "--option", "build-poll-interval", "1"}
	args = append(args, b.graph.options(b.machines)...)
	for _, w := range r.wants {
		args = append(args, string(w.Drv))
	}
	_, err := b.graph.withMachines(b.machines).output(b.ctx, nil, r.line, "nix-store", args...)
	close(r.over)
	close(r.checks)
	<-checked
	r.end(err)
}

// options are the options of Nix about where is built.
func (g *Graph) options(m *machines) []string {
	var args []string
	if g.named != "" {
		args = append(args, "--option", "builders", g.named)
	}
	if m != nil {
		builders := ""
		if m.count() > 0 {
			builders = "@" + m.file()
		}
		args = append(args, "--option", "builders", builders)
	}
	if !g.Here {
		args = append(args, "--option", "max-jobs", "0")
	}
	return args
}

// withMachines is Nix with the options for ssh to builders.
func (g *Graph) withMachines(m *machines) *Nix {
	if m == nil || m.count() == 0 {
		return g.nix
	}
	return &Nix{Env: append(slices.Clone(g.nix.Env), "NIX_SSHOPTS="+m.sshOptions(g.nix.sshOptions()))}
}

// sshOptions are the options that Nix gives to ssh.
func (n *Nix) sshOptions() string {
	set := os.Getenv("NIX_SSHOPTS")
	for _, v := range n.Env {
		if value, ok := strings.CutPrefix(v, "NIX_SSHOPTS="); ok {
			set = value
		}
	}
	return set
}

// checkWhenAsked finishes the wants that are there by now, and tells of the builds that have
// ended: what Nix says of the systems that it was asked for comes at its end. A check takes
// two processes, so the next one waits for a moment.
func (r *round) checkWhenAsked(checked chan struct{}) {
	defer close(checked)
	const pause = 200 * time.Millisecond
	for range r.checks {
		r.b.settle(r.wants)
		r.tellBuilt()
		select {
		case <-time.After(pause):
		case <-r.over:
		}
	}
}

// end sorts out what has become of the wants of a process that has ended.
func (r *round) end(err error) {
	b := r.b
	if b.ctx.Err() == nil {
		b.settle(r.wants)
		r.tellBuilt()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r.stopRest()
	b.rounds = slices.DeleteFunc(b.rounds, func(other *round) bool { return other == r })
	var again []*wanted
	for _, w := range r.wants {
		switch {
		case w.round != r: // done, or in another round
		case b.ctx.Err() != nil:
			b.finish(w, "", context.Cause(b.ctx))
		case err == nil && w.Out == "":
			b.finish(w, "", nil)
		case err == nil:
			b.finish(w, "", fmt.Errorf("nix-store --realise: it has built %s, but not %s", w.Drv, w.Out))
		default:
			again = append(again, w)
		}
	}
	if again = b.refuse(again); len(again) == 0 {
		return
	}
	if b.news == r.news {
		for _, w := range again {
			b.finish(w, "", r.explain(err))
		}
		return
	}
	b.begin(again)
}

// stopRest ends the builds that Nix has not told the end of.
func (r *round) stopRest() {
	for _, a := range r.activities {
		r.tellEnd(a.drv, "stopped, as Nix has ended")
	}
	r.counts = [4]int{}
	r.b.counted = time.Time{}
	r.b.count()
}

// explain is the error of a process of Nix, with what it has said in words.
func (r *round) explain(err error) error {
	var exit *ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if strings.Contains(exit.Stderr, "unknown flag '--log-format'") {
		return errors.New("this machine's Nix is older than 2.4: install a newer one, or set build_on to a host that has it")
	}
	return &ExitError{Command: exit.Command, Status: exit.Status, Stderr: strings.Join(r.said, "\n")}
}
