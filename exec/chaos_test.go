package exec_test

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/lab"
	"muster/exec/remote"
)

var (
	seed      = flag.Uint64("seed", 1, "of the faults of TestChaos")
	chaosRuns = flag.Int("chaos", 3, "how many runs TestChaos makes")
	chaosFrom = flag.Int("chaos-from", 0, "the `number` of the first of them: each run can be made alone")
	// Most of a run is waiting.
	chaosFields = flag.Int("chaos-fields", 1, "how many fields of five hosts make the runs of TestChaos, side by side")
)

// A mishap is a fault that befalls a host at some moment of a run, and is
// repaired some time later, by itself or after the run.
type mishap struct {
	name  string
	host  string
	at    string        // a stage, "said", "copying", or "" for after
	after time.Duration // since the run began
	for_  time.Duration // until it is repaired; 0 after the run
	down  bool          // the host goes down: it boots what it has as its default
	holds bool          // it can keep the guard from going back
	alone bool          // nobody on the host is left to take it back: that is the deployer's to do
	do    func(*lab.Host) error
	undo  func(*lab.Host) error
}

func (m mishap) String() string {
	repaired := "after the run"
	if m.for_ > 0 {
		repaired = fmt.Sprintf("%v later", m.for_)
	}
	return fmt.Sprintf("%s: %s %s, repaired %s", m.host, m.name, m.moment(), repaired)
}

func (m mishap) moment() string {
	if m.at == "" {
		return fmt.Sprintf("after %v", m.after)
	}
	return "at " + m.at
}

func background(f func(*lab.Host, context.Context) error) func(*lab.Host) error {
	return func(h *lab.Host) error { return f(h, context.Background()) }
}

// inShell is a fault that a shell script on a host brings about.
func inShell(text string, args ...string) func(*lab.Host) error {
	return func(h *lab.Host) error {
		_, err := h.Run(context.Background(), append([]string{"sh", "-c", text, "sh"}, args...)...)
		return err
	}
}

// readOnly makes a directory of a host read-only, and writable changes that back.
func readOnly(dir string) func(*lab.Host) error {
	return inShell(`mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"`, dir)
}

func writable(dir string) func(*lab.Host) error { return inShell(`umount -l "$1"`, dir) }

//go:embed testdata/last-words.sh
var lastWordsScript string

var mishaps = []mishap{
	{name: "power cut", down: true, do: (*lab.Host).Stop, undo: background((*lab.Host).Start)},
	{name: "connections cut", do: (*lab.Host).KillSessions},
	{name: "frozen", do: (*lab.Host).Freeze, undo: (*lab.Host).Thaw},
	{name: "packets dropped", do: (*lab.Host).DropTraffic, undo: (*lab.Host).RestoreTraffic},
	{name: "cable pulled", do: (*lab.Host).Unplug, undo: (*lab.Host).Plug},
	{name: "sshd gone", do: (*lab.Host).StopSSH, undo: background((*lab.Host).StartSSH)},
	{name: "disk full", do: func(h *lab.Host) error { return h.FillDisk(64 << 10) }, undo: (*lab.Host).EmptyDisk},
	{name: "disk full to the last byte", do: func(h *lab.Host) error { return h.FillDisk(0) }, undo: (*lab.Host).EmptyDisk},
	{name: "clock 1 h ahead", do: wrongClock("+ 3600"), undo: rightClock},
	{name: "clock 1 h behind", do: wrongClock("- 3600"), undo: rightClock},
	{name: "restarted", down: true, do: background((*lab.Host).Reboot)},
	{name: "guard killed", do: inShell(killGuardScript, "guard")},
	{name: "what watches over the guard killed", do: inShell(killGuardScript, "watch")},
	{name: "guard and what watches over it killed", alone: true, do: inShell(killGuardScript, "guard watch")},
	{name: "/nix read-only", holds: true, do: readOnly("/nix"), undo: writable("/nix")},
	{name: "/boot read-only", holds: true, do: readOnly("/boot"), undo: writable("/boot")},
	{name: "/run full", holds: true, do: inShell(fillRunScript), undo: inShell(fillRunScript, "off")},
	{name: "NixOS's lock held for 3 s", do: inShell(holdLockScript, "3")},
	{name: "NixOS's lock held for 12 s", holds: true, do: inShell(holdLockScript, "12")},
	{name: "garbage collected", do: inShell("nix-store --gc >/dev/null 2>&1")},
}

// moments are when a mishap may happen.
var moments = []string{
	"", "", "", string(exec.Inspect), string(exec.Lock), string(exec.Copy), "copying", string(exec.Activate), "said",
	string(exec.Reach), string(exec.Health), string(exec.Confirm),
}

// A chaosRun is what happens in one run. It is made of the seed and the run's
// number alone.
type chaosRun struct {
	number       int
	from, target string // systems
	mishaps      []mishap
	interrupt    time.Duration // the operator interrupts it; 0 for not
	// kill is when the deployer is killed, and resumed whether its run is gone
	// on with at once.
	kill    *mishap
	resumed bool
	// rival is what a second operator deploys meanwhile, "" for nobody.
	rival string
	later time.Duration
}

// The systems of TestChaos: those that work, and those that do not.
var (
	goodSystems = []string{"new", "newer", "slow", "old", "big"}
	badSystems  = []string{"fails", "unitfails", "hangs", "nosshd", "crashes"}
)

func newChaosRun(names []string, number int) chaosRun {
	rng := rand.New(rand.NewPCG(*seed, uint64(number)))
	pick := func(list []string) string { return list[rng.IntN(len(list))] }
	r := chaosRun{number: number, from: pick(goodSystems)}
	other := func() (name string) {
		for name = r.from; name == r.from; {
			name = pick(goodSystems)
		}
		return name
	}
	if r.target = other(); rng.IntN(6) == 0 {
		r.target = pick(badSystems)
	}
	struck := map[string]bool{}
	for range 1 + rng.IntN(3) {
		m := mishaps[rng.IntN(len(mishaps))]
		m.host = pick(names)
		m.at = pick(moments)
		m.after = time.Duration(rng.IntN(2500)) * time.Millisecond
		if rng.IntN(2) == 0 {
			m.for_ = time.Duration(100+rng.IntN(3000)) * time.Millisecond
		}
		if !struck[m.host] {
			struck[m.host] = true
			r.mishaps = append(r.mishaps, m)
		}
	}
	switch rng.IntN(8) {
	case 0:
		r.interrupt = time.Duration(1+rng.IntN(3000)) * time.Millisecond
	case 1, 2:
		r.kill = &mishap{host: pick(names), at: pick(moments), after: time.Duration(rng.IntN(2500)) * time.Millisecond}
		r.resumed = rng.IntN(2) == 0
		r.mishaps = append(r.mishaps, killedTogether(rng, r.kill, struck)...)
	case 3:
		r.rival, r.later = other(), time.Duration(rng.IntN(4000))*time.Millisecond
	}
	if *chaosPull {
		r.rival, r.later = other(), time.Duration(rng.IntN(4000))*time.Millisecond
		// Which of a deployment and a release is newer is known by clocks.
		r.mishaps = slices.DeleteFunc(r.mishaps, func(m mishap) bool { return strings.HasPrefix(m.name, "clock") })
	}
	// A host on which nobody is left to take it back is the deployer's to take back.
	r.mishaps = slices.DeleteFunc(r.mishaps, func(m mishap) bool { return m.alone && (r.kill != nil || r.target == "nosshd") })
	return r
}

// killedTogether is the guard, or what watches over it, killed with the deployer.
func killedTogether(rng *rand.Rand, kill *mishap, struck map[string]bool) []mishap {
	if rng.IntN(2) == 0 || struck[kill.host] {
		return nil
	}
	for _, m := range mishaps {
		if what := []string{"guard killed", "what watches over the guard killed"}[rng.IntN(2)]; m.name == what {
			m.host, m.at, m.after = kill.host, kill.at, kill.after
			return []mishap{m}
		}
	}
	return nil
}

func (r chaosRun) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "run %d of seed %d: all from %s to %s", r.number, *seed, r.from, r.target)
	if r.interrupt > 0 {
		fmt.Fprintf(&b, "; interrupted after %v", r.interrupt)
	}
	if r.kill != nil {
		fmt.Fprintf(&b, "; the deployer is killed %s", r.kill.moment())
		if r.kill.at != "" {
			fmt.Fprintf(&b, " of %s", r.kill.host)
		}
		if r.resumed {
			b.WriteString(", and its run resumed")
		}
	}
	if r.rival != "" {
		fmt.Fprintf(&b, "; somebody else deploys %s, %v later", r.rival, r.later)
	}
	for _, m := range r.mishaps {
		fmt.Fprintf(&b, "\n  %s", m)
	}
	return b.String()
}

// TestChaos deploys to five hosts again and again while faults befall them, the
// deployer or both, at random, and looks at what each host ends on. The same
// seed makes the same faults: go test ./exec -run Chaos -seed N -chaos 200.
// What a run that fails says also makes that run alone.
func TestChaos(t *testing.T) {
	t.Parallel()
	var taken atomic.Int64
	for i := range *chaosFields {
		t.Run(fmt.Sprintf("field %d", i+1), func(t *testing.T) {
			t.Parallel()
			for made := 0; made >= 0; {
				made = chaosOnField(t, func() (int, bool) {
					n := int(taken.Add(1)) - 1
					return *chaosFrom + n, n < *chaosRuns
				})
			}
		})
	}
}

// chaosOnField makes runs on five hosts of their own until there are no more, and
// then returns -1, or until one fails.
func chaosOnField(t *testing.T, next func() (int, bool)) int {
	names := []string{"a", "b", "c", "d", "e"}
	f := newField(t, names...)
	f.opts = patient(f.opts)
	f.dialer = remote.NewDialer(remote.Config{ConfigFile: f.lab.SSHConfig, ConnectTimeout: 2 * connectTimeout, KeepAlive: 2 * time.Second})
	defer f.dialer.Close()
	for made := 0; ; made++ {
		number, more := next()
		if !more {
			break
		}
		// A boot menu of many generations takes long to write.
		if made%5 == 4 {
			clean := f.plan(exec.Clean, f.all(""))
			clean.Keep = exec.Keep{Last: 1}
			f.mustEnd(f.run(t.Context(), clean, f.opts, nil))
		}
		ok := t.Run(fmt.Sprintf("run %d", number), func(t *testing.T) {
			f.TB = t
			r := newChaosRun(names, number)
			// The way to the run's start shows that all hosts can be deployed again.
			f.mustEnd(f.deploy(t.Context(), exec.Switch, f.all(system(t, r.from)), nil))
			if t.Failed() || !f.chaos(r) {
				t.Fatalf("go test ./exec -run Chaos -v -seed %d -chaos-from %d -chaos 1", *seed, number)
			}
		})
		if f.TB = t; !ok {
			return made
		}
		f.awaitLocks()
	}
	f.mustEnd(f.deploy(t.Context(), exec.Switch, f.all(system(t, "newer")), nil))
	return -1
}

// mustEnd fails the test for each host that did not end as was asked.
func (f *field) mustEnd(out []exec.Outcome) {
	f.Helper()
	for _, o := range out {
		if !o.OK() {
			f.Errorf("%s: %s: %s: %v", o.Host, o.Status, o.Stage, o.Err)
		}
	}
}

// awaitLocks waits until the locks that nobody could give back have lapsed.
func (f *field) awaitLocks() {
	for _, h := range f.lab.Hosts {
		if _, err := h.ReadFile("/run/muster/lock"); err == nil {
			time.Sleep(f.opts.LockTimeout)
			return
		}
	}
}

// A damage says which hosts were struck, which of them went down, and on which
// something kept the guard from going back.
type damage struct{ struck, down, held map[string]bool }

// A striker has the mishaps of a run happen, and their repairs.
type striker struct {
	f       *field
	mishaps []mishap
	repairs sync.WaitGroup

	mu            sync.Mutex
	begun, undone []bool
	at            map[string]time.Time // when each host was struck
}

func (s *striker) strike(i int) {
	s.mu.Lock()
	m := &s.mishaps[i]
	again := s.begun[i]
	s.begun[i] = true
	if !again {
		s.at[m.host] = time.Now()
	}
	s.mu.Unlock()
	if again {
		return
	}
	_ = m.do(s.f.lab.Host(m.host))
	if m.for_ > 0 {
		s.repairs.Add(1)
		time.AfterFunc(m.for_, func() { defer s.repairs.Done(); s.undo(i) })
	}
}

func (s *striker) undo(i int) {
	s.mu.Lock()
	again := s.undone[i]
	s.undone[i] = true
	s.mu.Unlock()
	if m := &s.mishaps[i]; m.undo != nil && !again {
		// A host that is off cannot be thawed; it is started below.
		_ = m.undo(s.f.lab.Host(m.host))
	}
}

// moment strikes what an event is the moment for.
func (s *striker) moment(e exec.Event) {
	for i, m := range s.mishaps {
		if m.at != "" && happens(e, m.host, m.at) {
			s.strike(i)
		}
	}
}

// start has the mishaps happen that only wait for their time. What it returns
// ends that, repairs everything and tells what came of it.
func (s *striker) start() (end func() damage) {
	over := make(chan struct{})
	for i, m := range s.mishaps {
		if m.at == "" {
			s.repairs.Go(func() {
				select {
				case <-time.After(m.after):
					s.strike(i)
				case <-over:
				}
			})
		}
	}
	return func() damage {
		close(over)
		s.repairs.Wait()
		d := damage{struck: map[string]bool{}, down: map[string]bool{}, held: map[string]bool{}}
		for i, m := range s.mishaps {
			if s.begun[i] {
				s.undo(i)
				d.struck[m.host] = true
				d.down[m.host] = d.down[m.host] || m.down
				d.held[m.host] = d.held[m.host] || m.holds
			}
		}
		return d
	}
}

// chaos makes one run and reports whether all that must hold holds.
func (f *field) chaos(r chaosRun) bool {
	before := map[string]onHost{}
	for _, h := range f.lab.Hosts {
		before[h.Name] = f.look(h.Name, "")
		for _, p := range []store.Path{before[h.Name].running, before[h.Name].profile, before[h.Name].boot} {
			if systemName(p) != r.from {
				f.Errorf("%s is on %s at the start, want %s", h.Name, systemName(p), r.from)
			}
		}
	}
	story := []string{r.String()}
	say := func(format string, args ...any) { story = append(story, fmt.Sprintf(format, args...)) }
	target := system(f, r.target)

	ctx, cancel := context.WithCancelCause(f.Context())
	defer cancel(nil)
	if r.interrupt > 0 {
		time.AfterFunc(r.interrupt, func() { cancel(errors.New("interrupted")) })
	}
	s := &striker{f: f, mishaps: r.mishaps, begun: make([]bool, len(r.mishaps)), undone: make([]bool, len(r.mishaps)), at: map[string]time.Time{}}
	end := s.start()
	began := time.Now()
	var out, rivals []exec.Outcome
	ended := map[string]time.Time{} // when each deployer was done with each host
	var rival sync.WaitGroup
	if r.rival != "" {
		o := f.opts
		o.Who = "bob@desk"
		o.Sink = func(e exec.Event) {
			if e, ok := e.(exec.HostEnded); ok {
				s.mu.Lock()
				ended["rival "+e.Outcome.Host] = time.Now()
				s.mu.Unlock()
			}
		}
		rival.Go(func() {
			time.Sleep(r.later)
			if !*chaosPull {
				rivals = exec.Run(f.Context(), f.plan(exec.Switch, f.all(system(f, r.rival))), o)
				return
			}
			p := newPuller(f.TB, f, o)
			if err := p.publish(f.Context(), system(f, r.rival)); err != nil {
				f.Error(err)
			}
			rivals = p.pull(f.Context())
		})
	}
	observe := func(e exec.Event) {
		s.moment(e)
		if e, ok := e.(exec.HostEnded); ok {
			s.mu.Lock()
			ended[e.Outcome.Host] = time.Now()
			s.mu.Unlock()
		}
	}
	if r.kill == nil {
		out = f.deploy(ctx, exec.Switch, f.all(target), observe)
	} else {
		var past *exec.Record
		past, out = f.deployKilled(r, target, observe)
		if out == nil && r.resumed {
			rest := past.Rest(func(_ string, ended *exec.Outcome) bool { return ended == nil || ended.OK() })
			out = f.run(ctx, rest, f.opts, observe)
			say("  resumed:")
		}
	}
	rival.Wait()
	took := time.Since(began)
	hit := end()
	struck, down := hit.struck, hit.down

	well := true
	wrong := func(format string, args ...any) {
		if well {
			f.Errorf("%s", strings.Join(story, "\n"))
			for _, h := range f.lab.Hosts {
				said, _ := h.Run(f.Context(), "sh", "-c", lastWordsScript)
				f.Logf("%s: %s", h.Name, said)
			}
		}
		well = false
		f.Errorf(format, args...)
	}
	tell := func(who string, out []exec.Outcome) {
		for i := range out {
			o := &out[i]
			say("  %s%s: %s: %s: %v (%v)", who, o.Host, o.Status, o.Stage, o.Err, o.Took.Round(time.Millisecond))
		}
	}
	tell("", out)
	tell("the other: ", rivals)
	o := &f.opts
	limit := o.ActivateTimeout + o.ConfirmTimeout + 2*o.RevertTimeout + 4*o.AnswerTimeout + 2*time.Minute
	if r.kill != nil || r.rival != "" {
		limit *= 2 // one after the other
	}
	if *chaosPull {
		limit += patience
	}
	if took > limit {
		wrong("it took %v, more than %v", took, limit)
	}
	byHost := func(out []exec.Outcome) map[string]*exec.Outcome {
		m := map[string]*exec.Outcome{}
		for i := range out {
			m[out[i].Host] = &out[i]
		}
		return m
	}
	first, second := byHost(out), byHost(rivals)
	for _, h := range f.lab.Hosts {
		name := h.Name
		f.settle(h)
		on, was := f.on(name), before[name]
		systems := [3]store.Path{on.running, on.profile, on.boot}
		names := fmt.Sprintf("runs %s, has the profile %s, would boot %s", systemName(on.running), systemName(on.profile), systemName(on.boot))
		for _, p := range on.problems {
			wrong("%s: %s", name, p)
		}
		mayBe := map[store.Path]bool{was.running: true, target: true}
		if r.rival != "" {
			mayBe[system(f, r.rival)] = true
		}
		for _, p := range systems {
			if !mayBe[p] {
				wrong("%s %s: neither what it had nor what it was to get", name, names)
			}
		}
		// Only one that goes down between the profile and the boot loader boots
		// the old one with the new one as its profile. One that something kept from
		// going back is reported as it is.
		one, two := first[name], second[name]
		stuck := hit.held[name] && (one == nil || strings.Contains(one.Error, "stuck: "))
		if !down[name] && !stuck && r.target != "crashes" && (on.running != on.profile || on.running != on.boot) {
			wrong("%s %s: it is between two systems", name, names)
		}
		// What was read for the report is what is there, unless something came after it.
		if one != nil && one.Running != "" && two == nil && !(down[name] && s.at[name].After(ended[name].Add(-2*time.Second))) {
			said := fmt.Sprintf("runs %s, has the profile %s, would boot %s", systemName(one.Running), systemName(one.After.System), systemName(one.Boots))
			if said != names {
				wrong("%s: it is reported that it %s, and it %s", name, said, names)
			}
		}
		all := func(p store.Path) bool { return systems == [3]store.Path{p, p, p} }
		switch {
		case one == nil: // the deployer is dead
		case two != nil && two.OK() && (!one.OK() || ended["rival "+name].After(ended[name])):
			if !all(system(f, r.rival)) {
				wrong("%s: the other reports %s, and it %s", name, two.Status, names)
			}
		case one.OK():
			if one.Status != exec.Activated && one.Status != exec.Unchanged {
				wrong("%s: reported as %s", name, one.Status)
			}
			if !all(target) {
				wrong("%s: %s is reported, and it %s", name, one.Status, names)
			}
		case one.Status == exec.RolledBack:
			back := was
			if two != nil {
				break // it had what the other gave it, or not yet
			}
			if !all(back.running) {
				wrong("%s: it is reported as rolled back, and it %s", name, names)
			}
		case one.Status == exec.Skipped:
			if r.interrupt == 0 {
				wrong("%s: skipped: %v", name, one.Err)
			}
			if two == nil && !all(was.running) {
				wrong("%s: skipped, and it %s", name, names)
			}
		case one.Status != exec.Failed:
			wrong("%s: reported as %s", name, one.Status)
		case two == nil && r.kill == nil && slices.Contains(untouching, one.Stage) && !all(was.running):
			wrong("%s: it failed at %s, and it %s", name, one.Stage, names)
		}
		if struck[name] || r.interrupt > 0 || one == nil {
			continue
		}
		// Nothing befell it.
		switch {
		case r.good() == "" && two == nil && one.Status != exec.RolledBack:
			wrong("%s: %s does not work, and it is %s: %v", name, r.target, one.Status, one.Err)
		case r.kill != nil && one.Status == exec.RolledBack: // nobody confirmed it in time
		case r.target == r.good() && !one.OK() && (two == nil || !two.OK()):
			wrong("%s: nothing befell it, and it is %s: %s: %v", name, one.Status, one.Stage, one.Err)
		}
	}
	if testing.Verbose() {
		f.Log(strings.Join(story, "\n"))
	}
	return well && !f.Failed()
}

// untouching are the stages in which nothing of what a host is on changes.
var untouching = []exec.Stage{exec.ConnectTo, exec.Inspect, exec.Build, exec.Lock, exec.Copy}

// good is the target if it works, and "" if not.
func (r chaosRun) good() string {
	for _, bad := range badSystems {
		if r.target == bad {
			return ""
		}
	}
	return r.target
}

// deployKilled has a process of its own deploy, and kills it when the run says.
// Where that moment never comes, it returns the outcomes; and in any case what
// the journal says.
func (f *field) deployKilled(r chaosRun, target store.Path, on func(exec.Event)) (*exec.Record, []exec.Outcome) {
	f.Helper()
	order := deployerOrder{SSHConfig: f.lab.SSHConfig, System: target, Run: exec.NewRunID(), Journal: f.TempDir(), Told: true, Patient: true}
	for _, h := range f.lab.Hosts {
		order.Hosts = append(order.Hosts, h.Name)
	}
	text, err := json.Marshal(order)
	if err != nil {
		f.Fatal(err)
	}
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), deployerEnv+"="+string(text), nixConfig)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		f.Fatal(err)
	}
	told, err := cmd.StdoutPipe()
	if err != nil {
		f.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	if r.kill.at == "" {
		timer := time.AfterFunc(r.kill.after, func() { cmd.Process.Kill() })
		defer timer.Stop()
	}
	for lines := bufio.NewScanner(told); lines.Scan(); {
		host, at, _ := strings.Cut(lines.Text(), " ")
		e := toldEvent(host, at)
		on(e)
		if r.kill.at != "" && happens(e, r.kill.host, r.kill.at) {
			cmd.Process.Kill()
			break
		}
		io.WriteString(in, "\n")
	}
	err = cmd.Wait()
	names, nameErr := exec.Journals(order.Journal)
	if nameErr != nil || len(names) != 1 {
		// It was killed before it began.
		return &exec.Record{Plan: &exec.Plan{Action: exec.Switch, Run: order.Run, Steps: f.plan(exec.Switch, f.all(target)).Steps}}, nil
	}
	past, readErr := exec.ReadJournal(names[0])
	if readErr != nil {
		return &exec.Record{Plan: &exec.Plan{Action: exec.Switch, Run: order.Run, Steps: f.plan(exec.Switch, f.all(target)).Steps}}, nil
	}
	var exit *osexec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == -1 {
		return past, nil
	}
	var out []exec.Outcome
	for _, name := range order.Hosts {
		o, ok := past.Outcomes[name]
		if !ok {
			f.Errorf("%s: the journal of a run that ended has no outcome", name)
		}
		if o.Error != "" {
			o.Err = errors.New(o.Error)
		}
		out = append(out, o)
	}
	return past, out
}

// toldEvent is the event of which a deployer of another process has told.
func toldEvent(host, at string) exec.Event {
	switch at {
	case "said":
		return exec.Said{Host: host, Stage: exec.Activate}
	case "copying":
		return exec.Progressed{Host: host, Stage: exec.Copy, Done: 1}
	}
	return exec.StageStarted{Host: host, Stage: exec.Stage(at)}
}

// happens reports whether an event is a moment of a host.
func happens(e exec.Event, host, at string) bool {
	switch e := e.(type) {
	case exec.StageStarted:
		return e.Host == host && string(e.Stage) == at
	case exec.Said:
		return e.Host == host && at == "said" && e.Stage == exec.Activate
	case exec.Progressed:
		return e.Host == host && at == "copying" && e.Done > 0
	}
	return false
}
