package exec_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/exectest"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/exec/remote"
	"muster/schema"
)

// deployerEnv has the test binary be a deployer that can be killed.
const deployerEnv = "MUSTER_TEST_DEPLOYER"

// A deployerOrder is what such a deployer does.
type deployerOrder struct {
	SSHConfig string
	Hosts     []string
	System    store.Path
	Run       string
	Journal   string     // the directory of its journal
	Stop      exec.Stage // where it waits to be killed; "said" is the first line of an activation, "confirmed" the guard's word for it
}

// deployer is the process that is killed. It says on stdout where it is, and
// waits there.
func deployer(text string) int {
	var order deployerOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	nix, err := nixcmd.Find(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	f := &field{opts: exec.Options{}, dialer: remote.NewDialer(remote.Config{ConfigFile: order.SSHConfig, ConnectTimeout: 2 * time.Second})}
	f.source = nixserve.NewLocal(store.Dir, func(ctx context.Context) (*nixserve.Client, error) {
		p, err := nix.Serve(context.WithoutCancel(ctx), false)
		if err != nil {
			return nil, err
		}
		return nixserve.New(ctx, p)
	})
	o := limits()
	o.Connect, o.Builder, o.Source = f.connect, built{}, f.source
	plan := &exec.Plan{Action: exec.Switch, Run: order.Run}
	for _, name := range order.Hosts {
		plan.Steps = append(plan.Steps, exec.Step{
			Host:   &schema.Host{Name: name, Address: name, System: "x86_64-linux", Policy: schema.Required},
			System: exec.System{Drv: order.System, Out: order.System},
		})
	}
	var once sync.Once
	wait := func() {
		once.Do(func() {
			fmt.Println("here")
			select {}
		})
	}
	o.Sink = func(e exec.Event) {
		switch e := e.(type) {
		case exec.StageStarted:
			if e.Stage == order.Stop {
				wait()
			}
		case exec.Said:
			if order.Stop == "said" {
				wait()
			}
		case exec.StageEnded:
			if e.Stage == exec.Confirm && order.Stop == "confirmed" {
				wait()
			}
		}
	}
	if order.Journal != "" {
		j, err := exec.CreateJournal(order.Journal, plan)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		o.Sink = j.Sink(o.Sink)
	}
	out := exec.Run(ctx, plan, o)
	return exec.ExitStatus(ctx, out)
}

// limits are short ones.
func limits() exec.Options {
	return exec.Options{
		ActivateTimeout: 4 * time.Second,
		ConfirmTimeout:  3 * time.Second,
		RevertTimeout:   4 * time.Second,
		AnswerTimeout:   3 * time.Second,
		RebootTimeout:   10 * time.Second,
		LockTimeout:     3 * time.Second,
		Who:             "alice@laptop",
	}
}

// kill starts a deployer and kills it where the order says.
func (f *field) kill(order deployerOrder) {
	f.Helper()
	text, err := json.Marshal(order)
	if err != nil {
		f.Fatal(err)
	}
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), deployerEnv+"="+string(text), nixConfig)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		f.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	if line != "here\n" {
		f.Fatalf("the deployer did not get to %s: %q, %v", order.Stop, line, err)
	}
}

// killedAt has a deployer killed at a stage. Its host ends on ends by itself,
// and the run can be gone on with from there.
func killedAt(stage exec.Stage, ends string) func(*testing.T) {
	return func(t *testing.T) {
		f := newField(t, "bad")
		host := f.lab.Host("bad")
		name := "new"
		if stage == "said" {
			name = "slow"
		}
		journal := filepath.Join(t.TempDir(), "runs")
		order := deployerOrder{
			SSHConfig: f.lab.SSHConfig, Hosts: []string{"bad"}, System: system(t, name), Run: exec.NewRunID(), Journal: journal, Stop: stage,
		}
		f.kill(order)
		f.settle(host)
		want := ends
		if ends == "new" {
			want = name
		}
		f.expect("bad", want, want, want)

		names, err := exec.Journals(journal)
		if err != nil || len(names) != 1 {
			t.Fatalf("journals %v: %v", names, err)
		}
		past, err := exec.ReadJournal(names[0])
		if err != nil {
			t.Fatal(err)
		}
		if past.Ended {
			t.Error("the journal says that the run has ended")
		}
		// The run goes on, at once: its own lock does not keep it out.
		rest := past.Rest(func(_ string, ended *exec.Outcome) bool { return ended == nil })
		if out := f.run(t.Context(), rest, f.opts, nil); out[0].Status != exec.Activated {
			t.Errorf("resumed: %s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
		}
		f.expect("bad", name, name, name)
		if on := f.on("bad"); on.generation != "system-2-link" {
			t.Errorf("resumed: the profile is on %s", on.generation)
		}
	}
}

// A run that is gone on with in time confirms what its dead deployer had
// activated, without activating it again.
func TestResumeConfirmsWhatWaits(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	order := deployerOrder{SSHConfig: f.lab.SSHConfig, Hosts: []string{"web"}, System: system(t, "new"), Run: exec.NewRunID(), Stop: exec.Reach}
	f.kill(order)
	f.expect("web", "new", "old", "old")
	plan := f.plan(exec.Switch, f.all(system(t, "new")))
	plan.Run = order.Run
	if out := f.run(t.Context(), plan, f.opts, nil); out[0].Status != exec.Activated {
		t.Errorf("%s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
	}
	f.expect("web", "new", "new", "new")
	log, err := f.lab.Host("web").ReadFile("/var/log/minios/activations")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), "action=test toplevel="+string(system(t, "new"))); n != 1 {
		t.Errorf("it was activated %d times:\n%s", n, log)
	}
}

// A lock whose holder is dead lapses, and never while it is at work.
func TestAnotherRunWaitsForTheLockToLapse(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	f.kill(deployerOrder{SSHConfig: f.lab.SSHConfig, Hosts: []string{"web"}, System: system(t, "slow"), Run: exec.NewRunID(), Stop: "said"})
	out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), nil)
	if out[0].Status != exec.Failed || !errors.Is(out[0].Err, exec.ErrLocked) {
		t.Errorf("right after: %s: %v", out[0].Status, out[0].Err)
	}
	f.settle(f.lab.Host("web"))
	time.Sleep(f.opts.LockTimeout)
	if out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), nil); out[0].Status != exec.Activated {
		t.Errorf("after a while: %s: %v", out[0].Status, out[0].Err)
	}
	f.expect("web", "new", "new", "new")
}

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
	if o := out[0]; o.Status != exec.Failed || !errors.Is(o.Err, exec.ErrLocked) || !strings.Contains(o.Error, "locked by alice@laptop for") {
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

// plainUser has the deployer log in as somebody who is not root and may not
// become it.
func plainUser(f *field, h *exectest.Host) {
	out, err := h.Run(f.Context(), "sh", "-c", `
grep -q ^plain: /etc/passwd || echo "plain:x:1234:1234::/tmp:/bin/sh" >>/etc/passwd
cp /etc/ssh/authorized_keys.d/root /etc/ssh/authorized_keys.d/plain && chmod 644 /etc/ssh/authorized_keys.d/plain`)
	if err != nil {
		f.Fatal(err, out)
	}
	f.hosts[h.Name].User = "plain"
}

// The first interrupt lets what is activating finish, and begins nothing new.
func TestInterruptOnRealHosts(t *testing.T) {
	t.Parallel()
	f := newField(t, "a", "b")
	plan := f.plan(exec.Switch, f.all(system(t, "slow")))
	plan.Steps[1].Wave = 1
	ctx, cancel := context.WithCancelCause(t.Context())
	out := f.run(ctx, plan, f.opts, func(e exec.Event) {
		if s, ok := e.(exec.Said); ok && s.Host == "a" {
			cancel(errors.New("interrupted"))
		}
	})
	if out[0].Status != exec.Activated || out[1].Status != exec.Skipped {
		t.Errorf("a: %s (%v), b: %s (%v)", out[0].Status, out[0].Err, out[1].Status, out[1].Err)
	}
	if got := exec.ExitStatus(ctx, out); got != exec.ExitInterrupted {
		t.Errorf("exit status %d", got)
	}
	f.expect("a", "slow", "slow", "slow")
	f.expect("b", "old", "old", "old")
}
