package exec_test

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/builds"
	"muster/exec/host"
	"muster/exec/lab"
	"muster/exec/nixcmd"
	"muster/schema"
)

// This file has the faults that take more than to strike a host at a moment.

func twoDeployers(t *testing.T) {
	f := newField(t, "bad")
	busy := make(chan struct{})
	var once sync.Once
	first := make(chan []exec.Outcome)
	go func() {
		o := f.opts
		o.Sink = func(e exec.Event) {
			if s, ok := e.(exec.Said); ok && s.Stage == exec.Activate {
				once.Do(func() { close(busy) })
			}
		}
		first <- exec.Run(t.Context(), f.plan(exec.Switch, f.all(system(t, "slow"))), o)
	}()
	<-busy
	second := f.opts
	second.Who = "bob@desk"
	out := f.run(t.Context(), f.plan(exec.Switch, f.all(system(t, "new"))), second, nil)
	if o := out[0]; o.Status != exec.Failed || !errors.Is(o.Err, host.ErrLocked) || !strings.Contains(o.Error, "locked by alice@laptop for") {
		t.Errorf("the second: %s: %s: %v", o.Status, o.Stage, o.Err)
	}
	if got := exec.ExitStatus(t.Context(), out); got != exec.ExitFailed {
		t.Errorf("the second exits %d", got)
	}
	if o := (<-first)[0]; o.Status != exec.Activated {
		t.Errorf("the first: %s: %s: %v", o.Status, o.Stage, o.Err)
	}
	f.expect("bad", "slow", "slow", "slow")
}

// sameMoment has two deployers begin together. On each host one of them is
// first, and nobody is told that a system runs there that does not.
func sameMoment(t *testing.T) {
	f := newField(t, "bad", "good")
	systems := []string{"new", "newer"}
	outs := make([][]exec.Outcome, 2)
	ended := make([]map[string]time.Time, 2)
	var both sync.WaitGroup
	for i, who := range []string{"alice@laptop", "bob@desk"} {
		ended[i] = map[string]time.Time{}
		o := f.opts
		o.Who = who
		o.Sink = func(e exec.Event) {
			if e, ok := e.(exec.HostEnded); ok {
				ended[i][e.Outcome.Host] = time.Now()
			}
		}
		both.Go(func() { outs[i] = exec.Run(t.Context(), f.plan(exec.Switch, f.all(system(t, systems[i]))), o) })
	}
	both.Wait()
	for h, name := range []string{"bad", "good"} {
		last := ""
		for i := range outs {
			switch o := outs[i][h]; {
			case o.OK():
				if last == "" || ended[i][name].After(ended[1-i][name]) {
					last = systems[i]
				}
			case !errors.Is(o.Err, host.ErrLocked) && !strings.Contains(o.Error, "has changed meanwhile"):
				t.Errorf("%s: %s: %s: %v", o.Host, o.Status, o.Stage, o.Err)
			}
		}
		if last == "" {
			t.Fatalf("%s: neither got it: %v; %v", name, outs[0][h].Err, outs[1][h].Err)
		}
		f.expect(name, last, last, last)
	}
}

// checked gives a host a health check that passes.
func checked(f *field, h *lab.Host) {
	f.hosts[h.Name].Health = []schema.Check{{Command: []string{"true"}, Timeout: 10 * time.Second, Interval: 100 * time.Millisecond}}
}

// corruptedHere has a file of the system changed in the local store, as a bad
// disk would.
func corruptedHere(t *testing.T) {
	f := newField(t, "bad", "good")
	bad := corruptSystem(t)
	out := f.deploy(t.Context(), exec.Switch, map[string]store.Path{"bad": bad, "good": system(t, "new")}, nil)
	t.Logf("bad: %s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
	if o := out[0]; o.Status != exec.Failed || o.Stage != exec.Copy || !strings.Contains(o.Error, "corrupted in the source store") {
		t.Errorf("bad: %s: %s: %v", o.Status, o.Stage, o.Err)
	}
	if out[1].Status != exec.Activated {
		t.Errorf("good: %s: %v", out[1].Status, out[1].Err)
	}
	if got := exec.ExitStatus(t.Context(), out); got != exec.ExitPartly {
		t.Errorf("exit status %d", got)
	}
	f.expect("bad", "old", "old", "old")
	f.expect("good", "new", "new", "new")
}

// corruptSystem makes a path of the local store that is not what is recorded of
// it, until the test ends.
func corruptSystem(t *testing.T) store.Path {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "nixos-system-corrupt")
	if err := os.WriteFile(file, []byte(t.Name()+exec.NewRunID()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	add := osexec.Command("nix-store", "--add", file)
	add.Env = append(os.Environ(), nixConfig)
	text, err := add.Output()
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimSpace(string(text))
	t.Cleanup(func() {
		del := osexec.Command("nix-store", "--delete", path)
		del.Env = append(os.Environ(), nixConfig)
		if out, err := del.CombinedOutput(); err != nil {
			t.Logf("delete %s: %v %s", path, err, out)
		}
	})
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[0] ^= 1
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, info.Mode()); err != nil {
		t.Fatal(err)
	}
	return store.Path(path)
}

// damaged pushes a system to a host, damages a file of it there, as a power cut
// right after copying does, and deploys.
func damaged(t *testing.T, damage, says string) {
	f := newField(t, "bad", "good")
	if out := f.deploy(t.Context(), exec.Push, map[string]store.Path{"bad": system(t, "new")}, nil); !out[0].OK() {
		t.Fatalf("push: %v", out[0].Err)
	}
	bad := f.lab.Host("bad")
	if _, err := bad.Run(t.Context(), "sh", "-c", damage, "sh", string(system(t, "new"))); err != nil {
		t.Fatal(err)
	}
	out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), nil)
	t.Logf("bad: %s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
	if o := out[0]; o.Status != exec.Failed || o.Stage != exec.Copy || !strings.Contains(o.Error, says) {
		t.Errorf("bad: %s: %s: %v", o.Status, o.Stage, o.Err)
	}
	if out[1].Status != exec.Activated {
		t.Errorf("good: %s: %v", out[1].Status, out[1].Err)
	}
	if got := exec.ExitStatus(t.Context(), out); got != exec.ExitPartly {
		t.Errorf("exit status %d", got)
	}
	f.expect("bad", "old", "old", "old")
	f.expect("good", "new", "new", "new")
}

func corruptedThere(t *testing.T) {
	damaged(t, `: >"$(readlink -f "$1/etc/system-name")"`, "was modified")
}

func goneThere(t *testing.T) {
	damaged(t, `rm -rf "$(readlink -f "$1/etc/system-name")"`, "No such file or directory")
}

// The users that log in where root does not, and their password.
const (
	userPassword = "open sesame"
	userHash     = "$6$muster$kOmjHed6CLnNRtKsHAR5ujM.ZcmdXDYXKx/Q1/T.xYx6nyNGTSfuncXiYKNBGUMkL2GMczLcUCX2Uj31tptlQ/"
)

//go:embed testdata/users.sh
var userScript string

// logInAs has the deployer log in as plain, asked or free: sudo knows nothing of
// the first, asks the second for a password, and lets the third do all.
func (f *field) logInAs(h *lab.Host, user string) {
	f.Helper()
	if _, err := osexec.LookPath("sudo"); err != nil {
		f.Fatal("this test needs Debian's package sudo: ", err)
	}
	if out, err := h.Run(f.Context(), "sh", "-c", userScript, "sh", userHash); err != nil {
		f.Fatal(err, out)
	}
	f.hosts[h.Name].User = user
}

// userOf has the deployer log in as that user, and give sudo a password.
func userOf(user, password string) func(*field, *lab.Host) {
	return func(f *field, h *lab.Host) {
		f.logInAs(h, user)
		f.password = password
	}
}

// A deployment through sudo is one as root.
func TestDeployThroughSudo(t *testing.T) {
	t.Parallel()
	f := newField(t, "free", "asked")
	f.password = userPassword
	for _, h := range f.lab.Hosts {
		f.logInAs(h, h.Name)
	}
	for _, name := range []string{"new", "fails", "newer"} {
		for _, o := range f.deploy(t.Context(), exec.Switch, f.all(system(t, name)), nil) {
			want := exec.Activated
			if name == "fails" {
				want = exec.RolledBack
			}
			if o.Status != want {
				t.Errorf("%s: %s: %s: %s: %v", o.Host, name, o.Status, o.Stage, o.Err)
			}
			if strings.Contains(o.Error, userPassword) {
				t.Errorf("the password is in a message: %v", o.Err)
			}
		}
	}
	for _, h := range f.lab.Hosts {
		f.expect(h.Name, "newer", "newer", "newer")
	}
}

// smallDisk is a directory on a disk of its own, and what fills it up.
func smallDisk(t *testing.T) (dir string, fill func()) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func() {
		if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("filling the disk up: %v", err)
		}
	}
}

// A realBuilder builds one derivation; all else is built already.
type realBuilder struct {
	drv  store.Path
	real exec.Builder
}

func (b realBuilder) Build(ctx context.Context, wants []builds.Want, w builds.Watcher) {
	for _, want := range wants {
		if want.Drv == b.drv {
			b.real.Build(ctx, []builds.Want{want}, w)
		} else {
			want.Done(cmp.Or(want.Drv, want.Out), nil)
		}
	}
}

func fullBuilder(t *testing.T) {
	f := newField(t, "bad", "good")
	dir, fill := smallDisk(t)
	fill()
	nix, err := nixcmd.Find()
	if err != nil {
		t.Fatal(err)
	}
	nix.Env = []string{nixConfig}
	expr := fmt.Sprintf(`derivation {
  name = "nixos-system-full"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "/usr/bin/head -c 100000 /dev/zero >%s/%s" ];
}`, dir, exec.NewRunID())
	instantiate := osexec.Command("nix-instantiate", "-E", expr)
	instantiate.Env = append(os.Environ(), nixConfig)
	said, err := instantiate.Output()
	if err != nil {
		t.Fatal(err)
	}
	drv := store.Path(strings.TrimSpace(string(said)))
	f.opts.Builder = realBuilder{drv, nix.NewGraph()}
	var log strings.Builder
	plan := f.plan(exec.Switch, map[string]store.Path{"bad": drv, "good": system(t, "new")})
	plan.Steps[0].System.Out = ""
	out := f.run(t.Context(), plan, f.opts, func(e exec.Event) {
		if s, ok := e.(exec.Said); ok && s.Stage == exec.Build {
			log.WriteString(s.Line + "\n")
		}
	})
	if o := out[0]; o.Status != exec.Failed || o.Stage != exec.Build {
		t.Errorf("bad: %s: %s: %v", o.Status, o.Stage, o.Err)
	}
	if !strings.Contains(log.String()+out[0].Error, "No space left on device") {
		t.Errorf("the user is not told why: %v\n%s", out[0].Err, log.String())
	}
	if out[1].Status != exec.Activated {
		t.Errorf("good: %s: %v", out[1].Status, out[1].Err)
	}
	if got := exec.ExitStatus(t.Context(), out); got != exec.ExitPartly {
		t.Errorf("exit status %d", got)
	}
	f.expect("bad", "old", "old", "old")
	f.expect("good", "new", "new", "new")
}

func fullBefore(t *testing.T) {
	dir, fill := smallDisk(t)
	fill()
	f := newField(t, "bad", "good")
	plan := f.plan(exec.Switch, f.all(system(t, "new")))
	plan.Run = exec.NewRunID()
	if _, err := exec.CreateJournal(dir, plan); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("begin a journal: %v", err)
	}
	if past, err := exec.ReadJournal(filepath.Join(dir, plan.Run+".jsonl")); err == nil {
		t.Errorf("there is a journal: %+v", past)
	}
	// As muster does after having said so.
	for _, o := range f.run(t.Context(), plan, f.opts, nil) {
		if o.Status != exec.Activated {
			t.Errorf("%s: %s: %v", o.Host, o.Status, o.Err)
		}
	}
	f.expect("bad", "new", "new", "new")
}

// A journal that can no longer be written stops nothing; it is said, once, and
// what it holds can be gone on with.
func fullMeanwhile(t *testing.T) {
	f := newField(t, "bad", "good")
	dir, fill := smallDisk(t)
	plan := f.plan(exec.Switch, f.all(system(t, "new")))
	plan.Run = exec.NewRunID()
	journal, err := exec.CreateJournal(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	o := f.opts
	told := 0
	var once sync.Once
	o.Sink = journal.Sink(func(e exec.Event) {
		switch e := e.(type) {
		case exec.StageStarted:
			if e.Stage == exec.Activate {
				once.Do(fill)
			}
		case exec.JournalFailed:
			told++
			if !strings.Contains(e.Err, "no space left on device") {
				t.Errorf("told: %s", e.Err)
			}
		}
	})
	out := exec.Run(t.Context(), plan, o)
	for _, o := range out {
		if o.Status != exec.Activated {
			t.Errorf("%s: %s: %v", o.Host, o.Status, o.Err)
		}
	}
	if told != 1 {
		t.Errorf("it was said %d times that there is no journal", told)
	}
	if got := exec.ExitStatus(t.Context(), out); got != exec.ExitOK {
		t.Errorf("exit status %d", got)
	}
	f.expect("bad", "new", "new", "new")
	for _, o := range f.run(t.Context(), f.resumed(dir), f.opts, nil) {
		if !o.OK() {
			t.Errorf("resumed: %s: %s: %v", o.Host, o.Status, o.Err)
		}
	}
}

// movedBefore has another operator move the profile between the inspection of the
// host and the activation: nothing is done there.
func movedBefore(t *testing.T) {
	f := newField(t, "bad")
	bad := f.lab.Host("bad")
	var once sync.Once
	out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), func(e exec.Event) {
		if started(exec.Copy)(e) {
			once.Do(func() {
				script("nix-env -p /nix/var/nix/profiles/system --set $(nix-store --add /etc/hostname)")(f, bad)
			})
		}
	})
	o := out[0]
	if o.Status != exec.Failed || o.Stage != exec.Activate || !strings.Contains(o.Error, "the host has changed meanwhile: its profile is on generation 2, not on 1") {
		t.Errorf("%s: %s: %v", o.Status, o.Stage, o.Err)
	}
	if on := f.look("bad", ""); systemName(on.running) != "old" || systemName(on.boot) != "old" || on.generation != "system-2-link" {
		t.Errorf("it ends on %+v", on)
	}
}

//go:embed testdata/mad-shell.sh
var madShellScript string

// madAt has four hosts go mad at a stage, each in its own way: to every command of
// muster they answer with a flood, a byte a second, nothing or garbage. They return by
// themselves, and the host beside them is deployed.
func madAt(stage exec.Stage) func(*testing.T) {
	return func(t *testing.T) {
		hows := []string{"flood", "trickle", "silence", "garbage"}
		f := newField(t, append(hows, "good")...)
		f.opts = hasty(f.opts)
		struck := map[string]*sync.Once{}
		for _, how := range hows {
			h := f.lab.Host(how)
			checked(f, h)
			if err := h.WriteFile("/usr/local/bin/mad-shell", []byte(madShellScript), 0o755); err != nil {
				t.Fatal(err)
			}
			script(`sed -i '/^root:/s,[^:]*$,/usr/local/bin/mad-shell,' /etc/passwd`)(f, h)
			struck[how] = new(sync.Once)
		}
		out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), func(e exec.Event) {
			if s, ok := e.(exec.StageStarted); ok && s.Stage == stage && struck[s.Host] != nil {
				struck[s.Host].Do(func() { script(`echo "$1" >/etc/mad`, s.Host)(f, f.lab.Host(s.Host)) })
			}
		})
		for _, o := range out[:len(hows)] {
			t.Logf("%s: %s: %s: %v (%v)", o.Host, o.Status, o.Stage, o.Err, o.Took)
			passes := o.Host == "garbage" && stage == exec.Health && o.Stage == exec.Confirm
			if o.Status != exec.Failed || o.Stage != stage && !passes {
				t.Errorf("%s: %s: %s: %v; want failed: %s", o.Host, o.Status, o.Stage, o.Err, stage)
			}
			f.settle(f.lab.Host(o.Host))
			f.expect(o.Host, "old", "old", "old")
		}
		if o := out[len(hows)]; o.Status != exec.Activated {
			t.Errorf("good: %s: %s: %v", o.Status, o.Stage, o.Err)
		}
		if got := exec.ExitStatus(t.Context(), out); got != exec.ExitPartly {
			t.Errorf("exit status %d", got)
		}
		f.expect("good", "new", "new", "new")
	}
}

// A unit that failed before the activation and still fails is no failure of it; one
// that fails anew takes the host back, unless that is ignored.
func TestUnitsThatFailedBeforeBlockNothing(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	deploy := func(name string, count schema.FailedUnits) exec.Outcome {
		f.opts.FailedUnits = count
		return f.deploy(t.Context(), exec.Switch, f.all(system(t, name)), nil)[0]
	}
	if o := deploy("unitfails", ""); o.Status != exec.RolledBack || !strings.Contains(o.Error, "failed: httpd.service") {
		t.Errorf("a new failure: %s: %v", o.Status, o.Err)
	}
	if o := deploy("unitfails", schema.NoFailures); o.Status != exec.Activated {
		t.Errorf("ignored: %s: %v", o.Status, o.Err)
	}
	if o := deploy("unitfails2", schema.NewFailures); o.Status != exec.Activated {
		t.Errorf("failed before: %s: %v", o.Status, o.Err)
	}
	look := f.run(t.Context(), f.plan(exec.Look, f.all(system(t, "unitfails2"))), f.opts, nil)[0]
	if look.Facts == nil || !slices.Contains(look.Facts.FailedUnits, "httpd.service") {
		t.Errorf("status does not name the failed unit: %+v", look.Facts)
	}
	if o := deploy("unitfails", schema.AnyFailures); o.Status != exec.RolledBack || !strings.Contains(o.Error, "failed: httpd.service") {
		t.Errorf("any failure: %s: %v", o.Status, o.Err)
	}
	f.expect("web", "unitfails2", "unitfails2", "unitfails2")
}

// A first deployment has nothing to go back to. Where it fails, the host's profile
// and boot loader are left without a system that was not confirmed, the outcome says
// what runs, and the next deployment does its whole work.
func TestAFirstDeploymentThatFails(t *testing.T) {
	for _, tt := range []struct {
		system, stage, says string
		attempts            int
	}{
		{"fails", "activate", "there is no system before it to go back to; stuck: it runs the new system, its profile is on nothing", 2},
		{"noboot", "confirm", "switch-to-configuration boot: exit status 1; there is no system before it", 2},
		{"unitfails", "activate", "failed: httpd.service; there is no system before it", 1}, // then it has failed before
	} {
		t.Run(tt.system, func(t *testing.T) {
			t.Parallel()
			f := newBareField(t, labOf([]string{"web"}))
			for i := range tt.attempts {
				out := f.deploy(t.Context(), exec.Switch, f.all(system(t, tt.system)), nil)[0]
				// The second time it is back on what it had: the system that failed.
				if out.OK() || string(out.Stage) != tt.stage || i == 0 && (out.Status != exec.Failed || !strings.Contains(out.Error, tt.says)) {
					t.Errorf("attempt %d: %s: %s: %v", i+1, out.Status, out.Stage, out.Err)
				}
				if out.After.Number != 0 || out.Boots == system(t, tt.system) {
					t.Errorf("a system that was never confirmed is left: %+v, boots %s", out.After, out.Boots)
				}
			}
			if out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), nil)[0]; out.Status != exec.Activated {
				t.Errorf("a good one after it: %s: %s: %v", out.Status, out.Stage, out.Err)
			}
			f.expect("web", "new", "new", "new")
		})
	}
}

// While a guard waits for confirmation, whoever looks is told so, and when the host
// goes back by itself.
func TestAWaitingGuardIsSeen(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	checked(f, f.lab.Host("web"))
	var once sync.Once
	out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), func(e exec.Event) {
		if s, ok := e.(exec.StageStarted); !ok || s.Stage != exec.Health {
			return
		}
		once.Do(func() {
			o := f.opts
			o.Run, o.Sink = exec.NewRunID(), nil
			look := exec.Run(t.Context(), f.plan(exec.Look, f.all(system(t, "new"))), o)[0]
			if f := look.Facts; f == nil || f.Activation != host.Activated || f.Returns <= 0 || f.Returns > limits().ConfirmTimeout {
				t.Errorf("seen while it waits: %+v", f)
			}
		})
	})[0]
	if out.Status != exec.Activated {
		t.Errorf("%s: %v", out.Status, out.Err)
	}
}
