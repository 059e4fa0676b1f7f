package exec_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/exectest"
)

var (
	seed      = flag.Uint64("seed", 1, "of the faults of TestChaos")
	chaosRuns = flag.Int("chaos", 3, "how many runs TestChaos makes")
)

// A mishap is a fault that befalls a host at some moment of a run, and is
// repaired some time later, by itself or after the run.
type mishap struct {
	name  string
	host  string
	at    string        // a stage, "said", "copying", or "" for after
	after time.Duration // since the run began
	for_  time.Duration // until it is repaired; 0 after the run
	do    func(*exectest.Host) error
	undo  func(*exectest.Host) error
}

func (m mishap) String() string {
	when := "at " + m.at
	if m.at == "" {
		when = fmt.Sprintf("after %v", m.after)
	}
	repaired := "after the run"
	if m.for_ > 0 {
		repaired = fmt.Sprintf("%v later", m.for_)
	}
	return fmt.Sprintf("%s: %s %s, repaired %s", m.host, m.name, when, repaired)
}

func background(f func(*exectest.Host, context.Context) error) func(*exectest.Host) error {
	return func(h *exectest.Host) error { return f(h, context.Background()) }
}

var mishaps = []mishap{
	{name: "power cut", do: (*exectest.Host).Stop, undo: background((*exectest.Host).Start)},
	{name: "connections cut", do: (*exectest.Host).KillSessions},
	{name: "frozen", do: (*exectest.Host).Freeze, undo: (*exectest.Host).Thaw},
	{name: "packets dropped", do: (*exectest.Host).DropTraffic, undo: (*exectest.Host).RestoreTraffic},
	{name: "cable pulled", do: (*exectest.Host).Unplug, undo: (*exectest.Host).Plug},
	{name: "sshd gone", do: (*exectest.Host).StopSSH, undo: background((*exectest.Host).StartSSH)},
	{name: "disk full", do: func(h *exectest.Host) error { return h.FillDisk(64 << 10) }, undo: (*exectest.Host).EmptyDisk},
	{name: "restarted", do: background((*exectest.Host).Reboot)},
}

// moments are when a mishap may happen.
var moments = []string{
	"", "", "", string(exec.Inspect), string(exec.Lock), string(exec.Copy), "copying", string(exec.Activate), "said",
	string(exec.Reach), string(exec.Health), string(exec.Confirm),
}

// TestChaos deploys to five hosts again and again while faults befall them, at
// random, and looks at what each host ends on. The same seed makes the same
// faults: go test ./exec -run Chaos -seed N -chaos 200.
func TestChaos(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b", "c", "d", "e"}
	f := newField(t, names...)
	// Whatever else runs on this machine must not look like a fault.
	f.opts.ActivateTimeout, f.opts.RevertTimeout = 12*time.Second, 12*time.Second
	targets := []string{"new", "newer", "slow", "old", "fails", "big"}
	last := "old"
	for run := range *chaosRuns {
		rng := rand.New(rand.NewPCG(*seed, uint64(run)))
		next := targets[rng.IntN(len(targets))]
		for next == last {
			next = targets[rng.IntN(len(targets))]
		}
		last = next
		target := system(t, next)
		var planned []mishap
		struck := map[string]bool{}
		for range 1 + rng.IntN(3) {
			m := mishaps[rng.IntN(len(mishaps))]
			m.host = names[rng.IntN(len(names))]
			m.at = moments[rng.IntN(len(moments))]
			m.after = time.Duration(rng.IntN(2500)) * time.Millisecond
			if rng.IntN(2) == 0 {
				m.for_ = time.Duration(100+rng.IntN(3000)) * time.Millisecond
			}
			if !struck[m.host] {
				struck[m.host] = true
				planned = append(planned, m)
			}
		}
		interrupt := time.Duration(0)
		if rng.IntN(8) == 0 {
			interrupt = time.Duration(rng.IntN(3000)) * time.Millisecond
		}
		if !f.chaos(run, target, planned, interrupt) {
			t.Fatalf("run %d of seed %d: see above", run, *seed)
		}
	}
}

// chaos makes one run and reports whether all that must hold holds.
func (f *field) chaos(run int, target store.Path, planned []mishap, interrupt time.Duration) bool {
	before := map[string]onHost{}
	for _, h := range f.lab.Hosts {
		before[h.Name] = f.on(h.Name)
	}
	var story []string
	say := func(format string, args ...any) { story = append(story, fmt.Sprintf(format, args...)) }
	say("run %d: all to %s; interrupted after %v", run, systemName(target), interrupt)
	for _, m := range planned {
		say("  %s", m)
	}

	ctx, cancel := context.WithCancelCause(f.Context())
	defer cancel(nil)
	if interrupt > 0 {
		time.AfterFunc(interrupt, func() { cancel(errors.New("interrupted")) })
	}
	var repairs sync.WaitGroup
	var mu sync.Mutex
	begun := make([]bool, len(planned))
	undone := make([]bool, len(planned))
	undo := func(i int) {
		mu.Lock()
		again := undone[i]
		undone[i] = true
		mu.Unlock()
		if planned[i].undo != nil && !again {
			// A host that is off cannot be thawed; it is started below.
			_ = planned[i].undo(f.lab.Host(planned[i].host))
		}
	}
	strike := func(i int) {
		mu.Lock()
		again := begun[i]
		begun[i] = true
		mu.Unlock()
		if again {
			return
		}
		_ = planned[i].do(f.lab.Host(planned[i].host))
		if planned[i].for_ > 0 {
			repairs.Add(1)
			time.AfterFunc(planned[i].for_, func() { defer repairs.Done(); undo(i) })
		}
	}
	over := make(chan struct{})
	for i, m := range planned {
		if m.at == "" {
			repairs.Add(1)
			go func() {
				defer repairs.Done()
				select {
				case <-time.After(m.after):
					strike(i)
				case <-over:
				}
			}()
		}
	}
	began := time.Now()
	out := f.deploy(ctx, exec.Switch, f.all(target), func(e exec.Event) {
		for i, m := range planned {
			if m.at != "" && happens(e, m.host, m.at) {
				strike(i)
			}
		}
	})
	took := time.Since(began)
	close(over)
	struck := map[string]bool{}
	mu.Lock()
	for i, m := range planned {
		struck[m.host] = struck[m.host] || begun[i]
	}
	mu.Unlock()
	repairs.Wait()
	for i := range planned {
		if begun[i] {
			undo(i)
		}
	}

	well := true
	wrong := func(format string, args ...any) {
		if well {
			f.Errorf("%s", strings.Join(story, "\n"))
		}
		well = false
		f.Errorf(format, args...)
	}
	for i := range out {
		o := &out[i]
		say("  %s: %s: %s: %v (%v)", o.Host, o.Status, o.Stage, o.Err, o.Took.Round(time.Millisecond))
	}
	limit := f.opts.ActivateTimeout + f.opts.ConfirmTimeout + 2*f.opts.RevertTimeout + 4*f.opts.AnswerTimeout + 20*time.Second
	if took > limit {
		wrong("it took %v, more than %v", took, limit)
	}
	for i := range out {
		o := &out[i]
		h := f.lab.Host(o.Host)
		f.settle(h)
		on, was := f.on(o.Host), before[o.Host]
		for _, p := range on.problems {
			wrong("%s: %s", o.Host, p)
		}
		for what, s := range map[string]store.Path{"runs": on.running, "has the profile": on.profile, "would boot": on.boot} {
			if s != target && s != was.running && s != was.profile && s != was.boot {
				wrong("%s %s %s, neither what it had nor what it was to get", o.Host, what, s)
			}
		}
		switch o.Status {
		case exec.Activated, exec.Unchanged:
			// A host that was struck after it was done boots what is its default.
			if on.running != target || on.profile != target || on.boot != target {
				wrong("%s: %s is reported, and it is on %s, %s, %s", o.Host, o.Status, systemName(on.running), systemName(on.profile), systemName(on.boot))
			}
		case exec.RolledBack:
			if on.profile != was.profile || on.boot != was.boot || on.running != was.running && on.running != was.boot {
				wrong("%s: it is reported as rolled back, and it is on %s, %s, %s", o.Host, systemName(on.running), systemName(on.profile), systemName(on.boot))
			}
		case exec.Skipped:
			if interrupt == 0 {
				wrong("%s: skipped: %v", o.Host, o.Err)
			}
		case exec.Failed:
			if !struck[o.Host] && interrupt == 0 {
				wrong("%s: nothing befell it, and it failed: %s: %v", o.Host, o.Stage, o.Err)
			}
		default:
			wrong("%s: reported as %s", o.Host, o.Status)
		}
		if !struck[o.Host] && interrupt == 0 && systemName(target) != "fails" && !o.OK() {
			wrong("%s: nothing befell it, and it is %s: %v", o.Host, o.Status, o.Err)
		}
	}
	// All can be deployed again. A lock that nobody could give back lapses.
	time.Sleep(f.opts.LockTimeout)
	next := target
	if systemName(target) == "fails" {
		next = system(f, "new")
	}
	for _, o := range f.deploy(f.Context(), exec.Switch, f.all(next), nil) {
		if !o.OK() {
			wrong("%s: afterwards: %s: %s: %v", o.Host, o.Status, o.Stage, o.Err)
		}
		f.expect(o.Host, systemName(next), systemName(next), systemName(next))
	}
	if testing.Verbose() {
		f.Log(strings.Join(story, "\n"))
	}
	return well && !f.Failed()
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
