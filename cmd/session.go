package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/schema"
)

// A session is one use of a verb on hosts. [begin] puts it together in the order
// in which it is cheap to fail, when all flags are checked:
//
//	fleet → hosts → Nix → reporter → systems
//
// and run carries out a plan on its hosts. What it opens stays open until close.
type session struct {
	std   streams
	ui    ui.Reporter
	fleet *schema.Fleet  // nil where the verb reads no inventory
	hosts []*schema.Host // that are selected
	// systems are the hosts whose systems the verb is about, and parts their profiles.
	systems, parts []*schema.Host
	nix            *nixcmd.Nix // nil where the verb needs none
	ssh            *sshFlags   // nil where the verb connects to no hosts

	results  []evaluate.Result // of the hosts that have systems, where they were evaluated
	profiles []evaluate.Result // of the profiles of the hosts
	// unaddressed has why the address of a host or a part of one could not be read.
	unaddressed map[string]error
	// ended are the hosts of a run that is resumed which ended before: they count for the
	// run, and nothing is done to them.
	ended []exec.Outcome

	ignoreCluster bool // hosts are changed without asking their cluster

	// keepRuns says which journals stay after a run that has one; nil for all.
	keepRuns *exec.KeepRuns

	opened []func()
}

// needs says what a session is put together from. A verb leaves out what it does
// without.
type needs struct {
	ui        func(*session) ui.Reporter
	selection *selectFlags                          // the inventory, and which of its hosts
	warnings  bool                                  // print the inventory's warnings
	later     bool                                  // the verb evaluates by itself, so that warnings wait for its errors
	deploys   bool                                  // hosts are changed: those that do not take part are left out
	agree     func(context.Context, *session) error // asks the user about the hosts before more is done; may be nil
	nix       bool
	systems   *evaluateFlags // evaluate the hosts' systems
	connects  bool           // to the hosts: addresses in their configurations are read
}

// begin puts a session together. The caller closes it.
func begin(ctx context.Context, std streams, args []string, n needs) (_ *session, err error) {
	s := &session{std: std}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if n.selection != nil {
		if err := s.load(ctx, args, n); err != nil {
			return nil, err
		}
		if n.agree != nil {
			if err := n.agree(ctx, s); err != nil {
				return nil, err
			}
		}
	}
	if n.nix {
		if s.nix, err = wireNix(); err != nil {
			return nil, err
		}
	}
	if n.ui != nil {
		s.show(n.ui(s))
	}
	if n.systems != nil {
		if err := s.evaluate(ctx, n.systems); err != nil {
			return nil, err
		}
	}
	if n.connects {
		if err := s.readAddresses(ctx, cmp.Or(n.systems, defaultEvaluation())); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// show has a reporter show what the session does.
func (s *session) show(r ui.Reporter) {
	s.ui = r
	s.opened = append(s.opened, r.Close)
	s.std.err = r.Around(s.std.err)
}

// load reads the inventory and chooses hosts.
func (s *session) load(ctx context.Context, args []string, n needs) (err error) {
	if s.fleet, err = n.selection.reading.load(ctx, args); err != nil {
		return err
	}
	if n.warnings {
		ui.NewProblemPrinter(s.std.warn, ui.ColorAuto, ui.MostOfAKind).Print(s.fleet.Warnings)
	}
	if s.hosts, err = n.selection.hosts(s.std, s.fleet); err != nil {
		return err
	}
	if n.agree != nil || n.systems == nil && !n.later {
		s.std.warn.show() // before the user is asked, or at once if nothing is evaluated
	}
	if n.deploys {
		if err := s.takePart(n.selection.on); err != nil {
			return err
		}
	}
	s.systems, s.parts, err = n.selection.profile.of(s.hosts)
	return err
}

// evaluate finds the systems of the hosts.
func (s *session) evaluate(ctx context.Context, how *evaluateFlags) (err error) {
	s.doing("evaluating %s", human.Count(len(s.hosts), "host"))
	began := time.Now()
	if len(s.systems) > 0 || len(s.parts) == 0 {
		s.results, err = how.systems(ctx, s.nix, s.fleet, s.systems, s.std.warn)
	}
	if err == nil {
		s.profiles, err = how.profiles(ctx, s.nix, s.fleet, s.parts, s.std.warn)
	}
	if err == nil && systemsIn(s.results) == len(s.results) {
		s.std.warn.show()
	}
	switch found := systemsIn(s.results); {
	case err != nil && found > 0:
		s.note("evaluated %d of %s", found, human.Count(len(s.hosts), "host"))
	case err == nil:
		s.doing("evaluated %s in %s", human.Count(len(s.hosts), "host"), human.Duration(time.Since(began)))
	}
	return err
}

// systemsIn returns how many hosts have a system.
func systemsIn(results []evaluate.Result) (n int) {
	for _, r := range results {
		if r.Err == nil {
			n++
		}
	}
	return n
}

// note reports something about the run as a whole, where there is a reporter.
func (s *session) note(format string, args ...any) {
	if s.ui != nil {
		s.ui.Note(format, args...)
	}
}

// doing reports what is done before a run, where there is a reporter.
func (s *session) doing(format string, args ...any) {
	if s.ui != nil {
		s.ui.Doing(format, args...)
	}
}

// close closes what the session opened, the latest first.
func (s *session) close() {
	for i := len(s.opened) - 1; i >= 0; i-- {
		s.opened[i]()
	}
	s.opened = nil
}

// plan is a plan for the session's hosts, with the systems that were evaluated.
func (s *session) plan(action exec.Action) *exec.Plan {
	list := steps(s.results)
	if action.TakesProfiles() {
		list = inOrder(s.fleet, append(list, steps(s.profiles)...))
	}
	s.failUnaddressed(list)
	s.addBuildHosts(list)
	p := exec.NewPlan(action, list)
	p.Dir, p.Builders, p.OnlyThere, p.Cache = s.fleet.Dir, s.fleet.Builders, s.fleet.Build.OnlyThere, s.fleet.Cache
	for _, m := range s.fleet.Build.Machines {
		if m.Host != nil {
			p.BuilderHosts = append(p.BuilderHosts, m.Host.Reachable())
		}
	}
	p.JoinSites(s.fleet)
	return p
}

// planWithoutSystems is a plan for the session's hosts that is about no system.
func (s *session) planWithoutSystems(action exec.Action) *exec.Plan {
	var steps []exec.Step
	hosts := s.systems
	if action == exec.Command || action == exec.CopyPaths { // for any host
		hosts = s.hosts
	}
	for _, h := range hosts {
		steps = append(steps, exec.Step{Host: h})
	}
	if action.TakesProfiles() {
		for _, part := range s.parts {
			steps = append(steps, exec.Step{Host: part})
		}
		steps = inOrder(s.fleet, steps)
	}
	s.failUnaddressed(steps)
	p := exec.NewPlan(action, steps)
	p.Dir = s.fleet.Dir
	return p
}

// runFlags are flags that say how a plan is carried out.
type runFlags interface {
	apply(s *session, plan *exec.Plan, o *exec.Options)
}

// options are those of a run of a plan as some flags say. With Nix, it can build
// and copy.
func (s *session) options(plan *exec.Plan, groups ...runFlags) exec.Options {
	s.opened = append(s.opened, narrow())
	o := exec.Options{Who: operator()}
	if s.ui != nil {
		o.Sink = s.ui.Event
	}
	if tell := s.std.ended; tell != nil {
		show := o.Sink
		o.Sink = func(e exec.Event) {
			show(e)
			if h, ok := e.(exec.HostEnded); ok {
				tell(h.Outcome)
			}
		}
	}
	if s.nix != nil {
		local, closeLocal := wireLocal(s.nix)
		s.opened = append(s.opened, closeLocal)
		o.Builder, o.Source, o.Roots = s.nix.NewGraph(), local, stateDir(plan.Dir, "gcroots")
		if note := noteOnState(o.Roots); note != "" {
			fmt.Fprintln(s.std.err, "note: "+note)
		}
	}
	for _, g := range groups {
		g.apply(s, plan, &o)
	}
	fitDescriptors(&o, s.std.err)
	return o
}

// run carries a plan out and reports how it ended, without a journal.
func (s *session) run(ctx context.Context, plan *exec.Plan, groups ...runFlags) error {
	return s.runWithJournal(ctx, plan, nil, groups...)
}

// end reports how a run ended, and returns its exit status as an error.
func (s *session) end(ctx context.Context, outcomes []exec.Outcome) error {
	s.ui.End(outcomes)
	return status(ctx, slices.Concat(s.ended, outcomes))
}

// runWithJournal carries a plan out with a journal, if there is one, by which it
// can be resumed.
func (s *session) runWithJournal(ctx context.Context, plan *exec.Plan, journal *exec.Journal, groups ...runFlags) error {
	o := s.options(plan, groups...)
	if err := s.joinCluster(plan, &o); err != nil {
		return err
	}
	o.BeforeChange = func() { s.keepDefinitions(plan) }
	if journal != nil {
		o.Sink = journal.Sink(o.Sink)
		defer journal.Close()
	}
	outcomes := s.carryOut(ctx, plan, o, journal)
	// A run that was interrupted has no end: it can be resumed.
	switch status := exec.ExitStatus(ctx, slices.Concat(s.ended, outcomes)); {
	case journal != nil && status == exec.ExitInterrupted:
		defer fmt.Fprintf(s.std.err, "interrupted: run %s is not over; to continue it: muster resume\n", plan.Run)
	case journal != nil:
		if err := journal.End(status); err != nil {
			s.note("warning: %v", err)
		}
		s.removeOldRuns(plan)
	}
	return s.end(ctx, outcomes)
}

// carryOut carries a plan out and shows it. What goes on is told when the user interrupts.
func (s *session) carryOut(ctx context.Context, plan *exec.Plan, o exec.Options, journal *exec.Journal) []exec.Outcome {
	if s.ui == nil {
		return exec.Run(ctx, plan, o)
	}
	o.Run = cmp.Or(plan.Run, exec.NewRunID())
	run := ui.Run{ID: o.Run, Action: plan.Action, Recorded: journal != nil}
	for _, step := range plan.Steps {
		run.Hosts = append(run.Hosts, step.Host.Name)
	}
	s.ui.Begin(run)
	told := make(chan struct{})
	ended := context.AfterFunc(ctx, func() {
		defer close(told)
		s.ui.Interrupted()
	})
	defer func() {
		if !ended() {
			<-told // before the end is
		}
	}()
	return exec.Run(ctx, plan, o)
}

// journal gives a plan's run its name and its journal. Without one, which is
// reported before anything is done to a host, the run goes on all the same.
func (s *session) journal(plan *exec.Plan) *exec.Journal {
	plan.Run, plan.Who = "", operator()
	j, err := createJournal(plan)
	if err != nil {
		plan.Run = exec.NewRunID()
		s.ui.Event(exec.JournalFailed{Err: err.Error() + "; it cannot be resumed"})
		return nil
	}
	return j
}

func createJournal(plan *exec.Plan) (*exec.Journal, error) {
	dir := stateDir(plan.Dir, "runs")
	if dir == "" {
		return nil, errNoState
	}
	return exec.CreateJournal(dir, plan)
}

// errNoState says that there is no directory for what muster keeps.
var errNoState = hinted{errors.New("neither XDG_STATE_HOME nor HOME is set, so there is no directory for journals"), stateHint}

// status is the exit status of a run, as an error.
func status(ctx context.Context, outcomes []exec.Outcome) error {
	if s := exec.ExitStatus(ctx, outcomes); s != exec.ExitOK {
		return exitError(s)
	}
	return nil
}
