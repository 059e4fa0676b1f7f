package exec_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec"
)

// siteOf is a field whose hosts are one site, and a plan that pushes a system of 8 MB to
// them.
func siteOf(t *testing.T, names ...string) (*field, *exec.Plan) {
	t.Helper()
	f := newField(t, names...)
	p := f.plan(exec.Push, f.all(system(t, "big")))
	for i := range p.Steps {
		p.Steps[i].Site = "@site"
	}
	return f, p
}

// notes are what was found on a host about its peers.
func notes(o *exec.Outcome) (all []string) {
	for _, found := range o.Findings {
		if found.Check == "peers" {
			all = append(all, found.Text)
		}
	}
	return all
}

// hasAll fails the test where a host does not have a whole system with the right contents.
func (f *field) hasAll(name string, p store.Path) {
	f.Helper()
	closure, err := f.source.Closure(f.Context(), []store.Path{p})
	if err != nil {
		f.Fatal(err)
	}
	argv := []string{"nix-store", "--verify-path"}
	for _, info := range closure {
		argv = append(argv, string(info.Path))
	}
	if out, err := f.lab.Host(name).Run(f.Context(), argv...); err != nil {
		f.Errorf("%s: %v\n%s", name, err, out)
	}
}

func TestASiteIsSentAClosureOnce(t *testing.T) {
	t.Parallel()
	f, p := siteOf(t, "a", "b", "c", "d")
	before, err := f.lab.UplinkBytes()
	if err != nil {
		t.Fatal(err)
	}
	out := f.run(t.Context(), p, f.opts, nil)
	after, err := f.lab.UplinkBytes()
	if err != nil {
		t.Fatal(err)
	}
	var most, all int64
	for i := range out {
		if out[i].Status != exec.Copied || len(notes(&out[i])) > 0 {
			t.Errorf("%s: %s: %v, %q", out[i].Host, out[i].Status, out[i].Err, notes(&out[i]))
		}
		most, all = max(most, out[i].Bytes), all+out[i].Bytes
		f.hasAll(out[i].Host, system(t, "big"))
	}
	if most < 7<<20 || all != most {
		t.Errorf("%d bytes of archives were sent, %d to one host", all, most)
	}
	if sent := after - before; sent > most*3/2 {
		t.Errorf("%d bytes went over the uplink, for archives of %d", sent, most)
	}
	for _, h := range f.lab.Hosts {
		if out, err := h.Run(t.Context(), "sh", "-c", "ls -d /run/muster/peer.* /run/muster/fetch.* 2>/dev/null || true"); err != nil || out != "" {
			t.Errorf("%s has %s %v", h.Name, out, err)
		}
	}
}

// Hosts of a site do not wait for the first one to have all.
func TestASiteSendsOnWhatHasCome(t *testing.T) {
	t.Parallel()
	f := newField(t, "a", "b", "c", "d", "e", "f")
	if err := f.lab.RateUplink(6_000_000); err != nil {
		t.Fatal(err)
	}
	closure := f.randomClosure(8_000_000, 30)
	plan := &exec.Plan{Action: exec.Push}
	for _, h := range f.lab.Hosts {
		plan.Steps = append(plan.Steps, exec.Step{Host: f.hosts[h.Name], System: exec.System{Out: closure[0]}, Site: "@site"})
	}
	has := map[string]int{} // when the first one had all
	out := f.run(t.Context(), plan, f.opts, func(e exec.Event) {
		if ended, ok := e.(exec.StageEnded); !ok || ended.Stage != exec.Copy || len(has) > 0 {
			return
		}
		for _, h := range f.lab.Hosts {
			all, err := h.Run(t.Context(), "ls", "/nix/store")
			if err != nil {
				t.Error(err)
			}
			for _, p := range closure {
				if strings.Contains(all, p.Base()+"\n") {
					has[h.Name]++
				}
			}
		}
	})
	for i := range out {
		if out[i].Status != exec.Copied || len(notes(&out[i])) > 0 {
			t.Errorf("%s: %s: %v, %q", out[i].Host, out[i].Status, out[i].Err, notes(&out[i]))
		}
		f.hasAll(out[i].Host, closure[0])
	}
	if len(has) < 2 {
		t.Errorf("when the first host had all, these had something: %v", has)
	}
}

// onSecondCopy calls do when a host begins to copy after another one has ended that.
func onSecondCopy(do func(first string)) func(exec.Event) {
	var mu sync.Mutex
	var once sync.Once
	done := ""
	return func(e exec.Event) {
		mu.Lock()
		defer mu.Unlock()
		switch e := e.(type) {
		case exec.StageEnded:
			if e.Stage == exec.Copy && done == "" {
				done = e.Host
			}
		case exec.StageStarted:
			if e.Stage == exec.Copy && done != "" {
				once.Do(func() { do(done) })
			}
		}
	}
}

// onFirstBytes calls do when a host is being sent its system.
func onFirstBytes(do func(first string)) func(exec.Event) {
	var once sync.Once
	return func(e exec.Event) {
		if e, ok := e.(exec.Progressed); ok && e.Done > 0 {
			once.Do(func() { do(e.Host) })
		}
	}
}

// A peerFault happens to the first host of a site, from which another one fetches.
type peerFault struct {
	on    func(t *testing.T, f *field) func(exec.Event)
	early bool // it happens while that one gets its own system
	ends  bool // that one fails
	note  string
}

var peerFaults = map[string]peerFault{
	"wrong bytes": {func(t *testing.T, f *field) func(exec.Event) {
		return onSecondCopy(func(first string) {
			// Of the same length.
			if out, err := f.lab.Host(first).Run(t.Context(), "sh", "-c", "for f in /nix/store/*-ballast; do printf wrong | dd of=$f conv=notrunc; done"); err != nil {
				t.Error(err, out)
			}
		})
	}, false, false, "hash mismatch"},
	"dies in the middle": {func(t *testing.T, f *field) func(exec.Event) {
		return onSecondCopy(func(first string) {
			h := f.lab.Host(first)
			if err := h.Rate(4_000_000); err != nil {
				t.Error(err)
			}
			go func() {
				// Its sshd for peers has sent for a while.
				if out, err := h.Run(t.Context(), "sh", "-c", "until pgrep -f 'nix-store --serve' >/dev/null; do sleep 0.1; done; sleep 1"); err != nil {
					t.Error(err, out)
				}
				if err := h.KillSessions(); err != nil {
					t.Error(err)
				}
			}()
		})
	}, false, false, "fetch from"},
	"its sshd is not there": {func(t *testing.T, f *field) func(exec.Event) {
		return onSecondCopy(func(first string) {
			if err := f.lab.Host(first).StopSSH(); err != nil {
				t.Error(err)
			}
		})
	}, false, false, "it does not serve"},
	"is slow": {func(t *testing.T, f *field) func(exec.Event) {
		return onSecondCopy(func(first string) {
			if err := f.lab.Host(first).Rate(4_000_000); err != nil {
				t.Error(err)
			}
		})
	}, false, false, "it is too slow"},
	"is slow, and gets its own": {func(t *testing.T, f *field) func(exec.Event) {
		return onFirstBytes(func(first string) {
			if err := f.lab.Host(first).Rate(4_000_000); err != nil {
				t.Error(err)
			}
		})
	}, true, false, "it is too slow"},
	"dies, and gets its own": {func(t *testing.T, f *field) func(exec.Event) {
		if err := f.lab.RateUplink(32_000_000); err != nil {
			t.Fatal(err)
		}
		return onFirstBytes(func(first string) {
			if err := f.lab.Host(first).StopSSH(); err != nil {
				t.Error(err)
			}
			if err := f.lab.Host(first).KillSessions(); err != nil {
				t.Error(err)
			}
		})
	}, true, true, "fetch from"},
}

// peersThatFail is the test of a fault of a peer: see the table of faults.
func peersThatFail(name string) func(*testing.T) {
	return func(t *testing.T) {
		tt := peerFaults[name]
		f, p := siteOf(t, "a", "b", "c")
		o := f.opts
		if !tt.early {
			o.CopyJobs = 1 // the first host has its system before the second one begins
		}
		exec.LeavePeers(&o, time.Second, 4<<20)
		out := f.run(t.Context(), p, o, tt.on(t, f))
		var all []string
		var sent, failed int
		for i := range out {
			if out[i].Status != exec.Copied {
				failed++
				if !tt.ends {
					t.Errorf("%s: %s: %v", out[i].Host, out[i].Status, out[i].Err)
				}
			}
			if out[i].Bytes > 7<<20 {
				sent++
			}
			all = append(all, notes(&out[i])...)
		}
		if !strings.Contains(strings.Join(all, "\n"), tt.note) {
			t.Errorf("notes %q, want %q", all, tt.note)
		}
		if sent < 2 && !tt.ends || sent != 1 && tt.ends || failed > 1 {
			t.Errorf("the system was sent to %d hosts, and %d have failed", sent, failed)
		}
		for i := range out {
			if out[i].Status == exec.Copied && (name != "wrong bytes" || out[i].Bytes == 0) { // else it may be the one that was made wrong
				f.hasAll(out[i].Host, system(t, "big"))
			}
		}
	}
}

// The first host of a site has no room: the next one takes its place.
func firstOfASiteHasNoRoom(t *testing.T) {
	f, p := siteOf(t, "a", "b", "c")
	if err := f.lab.Host("a").FillDisk(1 << 20); err != nil {
		t.Fatal(err)
	}
	o := f.opts
	o.Jobs = 1
	out := f.run(t.Context(), p, o, nil)
	if out[0].Status != exec.Failed {
		t.Errorf("a: %s", out[0].Status)
	}
	var sent int
	for _, o := range out[1:] {
		if o.Status != exec.Copied {
			t.Errorf("%s: %s: %v", o.Host, o.Status, o.Err)
		}
		if o.Bytes > 7<<20 {
			sent++
		}
		f.hasAll(o.Host, system(t, "big"))
	}
	if sent != 1 {
		t.Errorf("the system was sent to %d hosts", sent)
	}
}
