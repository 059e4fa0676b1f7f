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
	"muster/exec/host"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/exec/remote"
	"muster/exec/transfer"
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
	// Told has it tell on stdout of every moment there is, and wait each time for
	// a line on stdin.
	Told    bool
	Patient bool // with the limits of patient
	Reboot  bool
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
	nix, err := nixcmd.Find()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	f := &field{opts: exec.Options{}, dialer: remote.NewDialer(remote.Config{ConfigFile: order.SSHConfig, ConnectTimeout: 10 * time.Second})}
	f.source = transfer.NewLocal(store.Dir, func(ctx context.Context) (*nixserve.Client, error) {
		p, err := nix.Serve(context.WithoutCancel(ctx), false)
		if err != nil {
			return nil, err
		}
		return nixserve.New(ctx, p)
	})
	o := limits()
	o.Reboot = order.Reboot
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
	if order.Patient {
		o = patient(o)
	}
	answers := bufio.NewReader(os.Stdin)
	tell := func(host string, at exec.Stage) {
		if order.Told {
			fmt.Println(host, at)
			answers.ReadString('\n')
		}
	}
	o.Sink = func(e exec.Event) {
		switch e := e.(type) {
		case exec.Progressed:
			if e.Done > 0 {
				tell(e.Host, "copying")
			}
		case exec.StageStarted:
			tell(e.Host, e.Stage)
			if e.Stage == order.Stop {
				wait()
			}
		case exec.Said:
			if e.Stage == exec.Activate {
				tell(e.Host, "said")
			}
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

// limits are short ones, though not so short that a machine that is busy with
// other things looks like a fault.
func limits() exec.Options {
	return exec.Options{
		ActivateTimeout: 10 * time.Second,
		ConfirmTimeout:  8 * time.Second,
		RevertTimeout:   6 * time.Second,
		AnswerTimeout:   6 * time.Second,
		RebootTimeout:   10 * time.Second,
		LockTimeout:     4 * time.Second,
		Who:             "alice@laptop",
	}
}

// hasty makes limits for hosts that use them up.
func hasty(o exec.Options) exec.Options {
	o.ActivateTimeout, o.ConfirmTimeout = 8*time.Second, 6*time.Second
	o.AnswerTimeout, o.LockTimeout = 3*time.Second, time.Second
	if *onSystemd { // five of these hosts at once take more
		o.ActivateTimeout = 20 * time.Second
	}
	return o
}

// patient makes limits such that whatever else runs on this machine does not look
// like a fault.
func patient(o exec.Options) exec.Options {
	o.ActivateTimeout, o.RevertTimeout = 30*time.Second, 30*time.Second
	o.ConfirmTimeout, o.AnswerTimeout, o.LockTimeout = 20*time.Second, 20*time.Second, 6*time.Second
	return o
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
		switch stage {
		case "said":
			name = "slow"
		case exec.Restart:
			name = "kernel"
		}
		f.opts.Reboot = stage == exec.Restart
		journal := filepath.Join(t.TempDir(), "runs")
		order := deployerOrder{
			SSHConfig: f.lab.SSHConfig, Hosts: []string{"bad"}, System: system(t, name), Run: exec.NewRunID(), Journal: journal, Stop: stage,
			Reboot: f.opts.Reboot,
		}
		f.kill(order)
		f.settle(host)
		want := ends
		if ends == "new" {
			want = name
		}
		f.expect("bad", want, want, want)

		// The run goes on, at once: its own lock does not keep it out.
		if out := f.run(t.Context(), f.resumed(journal), f.opts, nil); out[0].Status != exec.Activated || out[0].Rebooted != f.opts.Reboot {
			t.Errorf("resumed: %s, rebooted %v: %s: %v", out[0].Status, out[0].Rebooted, out[0].Stage, out[0].Err)
		}
		f.expect("bad", name, name, name)
		if on := f.on("bad"); on.generation != "system-2-link" {
			t.Errorf("resumed: the profile is on %s", on.generation)
		}
	}
}

// killedWithDeployer has a deployer killed at a stage, and on its host the guard, or
// what watches over it. The host returns by itself.
func killedWithDeployer(stage exec.Stage, what string) func(*testing.T) {
	return func(t *testing.T) {
		f := newField(t, "bad")
		name := "new"
		if stage == "said" {
			name = "slow"
		}
		f.kill(deployerOrder{SSHConfig: f.lab.SSHConfig, Hosts: []string{"bad"}, System: system(t, name), Run: exec.NewRunID(), Stop: stage})
		script(killGuardScript, what)(f, f.lab.Host("bad"))
		f.settle(f.lab.Host("bad"))
		f.expect("bad", "old", "old", "old")
	}
}

// resumed is the rest of the run whose journal is in a directory.
func (f *field) resumed(journal string) *exec.Plan {
	f.Helper()
	names, err := exec.Journals(journal)
	if err != nil || len(names) != 1 {
		f.Fatalf("journals %v: %v", names, err)
	}
	past, err := exec.ReadJournal(names[0])
	if err != nil {
		f.Fatal(err)
	}
	if past.Ended {
		f.Error("the journal says that the run has ended")
	}
	return past.Rest(func(_ string, ended *exec.Outcome) bool { return ended == nil })
}

// A host that was left in the middle of an activation that has taken it off the
// net comes back by itself. A run that is gone on with meanwhile waits for it.
func TestResumeWaitsForTheHostToReturn(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	order := deployerOrder{SSHConfig: f.lab.SSHConfig, Hosts: []string{"web"}, System: system(t, "nosshd"), Run: exec.NewRunID(), Journal: t.TempDir(), Stop: "said"}
	f.kill(order)
	out := f.run(t.Context(), f.resumed(order.Journal), f.opts, nil)
	if out[0].Status != exec.RolledBack || exec.ExitStatus(t.Context(), out) != exec.ExitRolledBack {
		t.Errorf("%s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
	}
	f.expect("web", "old", "old", "old")
}

// So does one that was left while it was restarting.
func TestResumeWaitsForTheHostToBoot(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	f.opts.Reboot = true
	order := deployerOrder{SSHConfig: f.lab.SSHConfig, Hosts: []string{"web"}, System: system(t, "kernel"), Run: exec.NewRunID(), Journal: t.TempDir(), Stop: exec.Restart, Reboot: true}
	f.kill(order)
	host := f.lab.Host("web")
	if err := host.Stop(); err != nil {
		t.Fatal(err)
	}
	waits := make(chan bool, 1)
	var back sync.WaitGroup
	back.Go(func() {
		<-waits
		if err := host.Start(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	out := f.run(t.Context(), f.resumed(order.Journal), f.opts, func(e exec.Event) {
		if e, ok := e.(exec.Said); ok && e.Stage == exec.ConnectTo {
			waits <- true
		}
	})
	close(waits)
	back.Wait()
	if out[0].Status != exec.Activated && out[0].Status != exec.Unchanged {
		t.Errorf("%s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
	}
	f.expect("web", "kernel", "kernel", "kernel")
}

// A saved plan that is gone on with finds its own work on a host, and that is no
// reason to say that the host has moved on.
func TestResumeOfASavedPlan(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	look := f.deploy(t.Context(), exec.Look, f.all(""), nil)
	order := deployerOrder{SSHConfig: f.lab.SSHConfig, Hosts: []string{"web"}, System: system(t, "new"), Run: exec.NewRunID(), Journal: t.TempDir(), Stop: exec.Reach}
	f.kill(order)
	rest := f.resumed(order.Journal)
	rest.Steps[0].Expect = &look[0].Before
	if out := f.run(t.Context(), rest, f.opts, nil); out[0].Status != exec.Activated {
		t.Errorf("%s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
	}
	f.expect("web", "new", "new", "new")
}

// A run that is gone on with in time confirms what its dead deployer had
// activated, without activating it again.
func TestResumeConfirmsWhatWaits(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	f.opts = patient(f.opts)
	order := deployerOrder{SSHConfig: f.lab.SSHConfig, Hosts: []string{"web"}, System: system(t, "new"), Run: exec.NewRunID(), Stop: exec.Reach, Patient: true}
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

// A host that went down while its guard was being started has a guard's files and
// no guard. The run goes on with a new one.
func TestResumeWhereNoGuardHasBegun(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	plan := f.plan(exec.Switch, f.all(system(t, "new")))
	plan.Run = exec.NewRunID()
	if _, err := f.lab.Host("web").Run(t.Context(), "sh", "-c", `rm -rf /run/muster/guard && mkdir -p /run/muster/guard && echo "$1" >/run/muster/guard/run && : >/run/muster/guard/log`, "sh", plan.Run); err != nil {
		t.Fatal(err)
	}
	if out := f.run(t.Context(), plan, f.opts, nil); out[0].Status != exec.Activated {
		t.Errorf("%s: %s: %v", out[0].Status, out[0].Stage, out[0].Err)
	}
	f.expect("web", "new", "new", "new")
}

// A lock whose holder is dead lapses, and never while it is at work.
func TestAnotherRunWaitsForTheLockToLapse(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	f.kill(deployerOrder{SSHConfig: f.lab.SSHConfig, Hosts: []string{"web"}, System: system(t, "slow"), Run: exec.NewRunID(), Stop: "said"})
	out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), nil)
	if out[0].Status != exec.Failed || !errors.Is(out[0].Err, host.ErrLocked) {
		t.Errorf("right after: %s: %v", out[0].Status, out[0].Err)
	}
	f.settle(f.lab.Host("web"))
	time.Sleep(f.opts.LockTimeout)
	if out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), nil); out[0].Status != exec.Activated {
		t.Errorf("after a while: %s: %v", out[0].Status, out[0].Err)
	}
	f.expect("web", "new", "new", "new")
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
