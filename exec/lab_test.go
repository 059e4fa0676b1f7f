package exec_test

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"flag"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/builds"
	"muster/exec/lab"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/exec/remote"
	"muster/exec/transfer"
	"muster/schema"
)

// A field is a lab with what it takes to deploy to it.
type field struct {
	testing.TB
	lab    *lab.Lab
	opts   exec.Options
	hosts  map[string]*schema.Host
	source *transfer.Local
	dialer *remote.Dialer
	// password is what sudo on the hosts is told, where a user is not root.
	password string

	openSSH bool // connect through the system's ssh

	mu     sync.Mutex
	events []exec.Event
}

var throughOpenSSH = flag.Bool("openssh", false, "connect to the real hosts through the system's ssh")

var onSystemd = flag.Bool("systemd", false, "run the tests with real hosts on machines that systemd boots")

// bootDefault boots a host as its boot loader would: what the default entry
// names is activated.
//
//go:embed testdata/boot.sh
var bootDefault string

// connectTimeout is for each attempt to connect. A host that is away costs that,
// and one of a machine that is busy with other things needs some of it.
const connectTimeout = 5 * time.Second

// newField starts hosts that run the system old, as their first generation.
func newField(t testing.TB, names ...string) *field {
	t.Helper()
	return newFieldIn(t, labOf(names))
}

// labOf is the lab that a test asks for by its flags.
func labOf(names []string) lab.Options {
	options := lab.Options{Hosts: names, Boot: bootDefault}
	if *onSystemd { // its hosts have a boot loader
		options.Boot, options.Systemd = "", true
	}
	return options
}

// newFieldIn is newField in a lab of one's own choice.
func newFieldIn(t testing.TB, options lab.Options) *field {
	t.Helper()
	f := newBareField(t, options)
	old := system(t, "old")
	for _, o := range f.run(t.Context(), f.plan(exec.Switch, f.all(old)), patient(f.opts), nil) {
		if o.Status != exec.Activated {
			t.Fatalf("%s: first deployment: %s: %s: %v", o.Host, o.Status, o.Stage, o.Err)
		}
	}
	for _, h := range f.lab.Hosts {
		if _, err := h.Run(t.Context(), "ln", "-sfn", string(old), "/run/booted-system"); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// newBareField starts hosts that have no system of NixOS yet.
func newBareField(t testing.TB, options lab.Options) *field {
	t.Helper()
	lab.RequireLab(t)

	system(t, "old") // built before the hosts start
	f := &field{TB: t, hosts: map[string]*schema.Host{}}
	f.lab = lab.NewWith(t, options)
	nix, err := nixcmd.Find()
	if err != nil {
		t.Fatal(err)
	}
	nix.Env = []string{nixConfig}
	f.source = transfer.NewLocal(store.Dir, func(ctx context.Context) (*nixserve.Client, error) {
		p, err := nix.Serve(context.WithoutCancel(ctx), false)
		if err != nil {
			return nil, err
		}
		return nixserve.New(ctx, p)
	})
	t.Cleanup(func() { f.source.Close() })
	f.dialer = remote.NewDialer(remote.Config{ConfigFile: f.lab.SSHConfig, ConnectTimeout: connectTimeout, KeepAlive: time.Second, Master: quietMaster})
	t.Cleanup(func() { f.dialer.Close() })
	for _, name := range options.Hosts {
		f.hosts[name] = &schema.Host{Name: name, Address: name, System: "x86_64-linux", Policy: schema.Required}
	}
	f.opts = limits()
	f.opts.Connect, f.opts.Builder, f.opts.Source = f.connect, built{}, f.source
	return f
}

// all gives every host a system.
func (f *field) all(p store.Path) map[string]store.Path {
	m := map[string]store.Path{}
	for name := range f.hosts {
		m[name] = p
	}
	return m
}

// plan has the hosts, in the lab's order, have these systems.
func (f *field) plan(action exec.Action, want map[string]store.Path) *exec.Plan {
	p := &exec.Plan{Action: action}
	for _, h := range f.lab.Hosts {
		if s, ok := want[h.Name]; ok {
			p.Steps = append(p.Steps, exec.Step{Host: f.hosts[h.Name], System: exec.System{Drv: s, Out: s}})
		}
	}
	return p
}

// deploy carries out an action and keeps its events; on, where given, sees each
// first.
func (f *field) deploy(ctx context.Context, action exec.Action, want map[string]store.Path, on func(exec.Event)) []exec.Outcome {
	return f.run(ctx, f.plan(action, want), f.opts, on)
}

func (f *field) run(ctx context.Context, p *exec.Plan, o exec.Options, on func(exec.Event)) []exec.Outcome {
	f.mu.Lock()
	f.events = nil
	f.mu.Unlock()
	o.Sink = func(e exec.Event) {
		f.mu.Lock()
		f.events = append(f.events, e)
		f.mu.Unlock()
		if on != nil {
			on(e)
		}
	}
	return exec.Run(ctx, p, o)
}

// become is how the user of a lab's host runs commands as root.
func become(h *schema.Host) remote.Become {
	if h.User != "" {
		return remote.Sudo
	}
	return remote.NoBecome
}

func (f *field) connect(ctx context.Context, h *schema.Host) (exec.Machine, error) {
	target := remote.Target{Name: h.Name, Address: h.Address, User: h.User, Become: become(h)}
	if f.openSSH {
		target.Client = remote.OpenSSH
	}
	if f.password != "" {
		target.SudoPassword = func(context.Context) ([]byte, error) { return []byte(f.password), nil }
	}
	m, err := f.dialer.Dial(ctx, target)
	if errors.Is(err, remote.ErrUnreachable) {
		err = unreachable{err}
	}
	if err != nil {
		return nil, err
	}
	return machine{m}, nil
}

// quietMaster runs ssh where nobody can be asked.
func quietMaster(ctx context.Context, args []string, ask bool) (string, error) {
	if ask {
		return "", remote.ErrNoQuestions
	}
	return nixcmd.OpenSSH(ctx, args)
}

// unreachable is an error that package exec knows.
type unreachable struct{ error }

func (u unreachable) Unwrap() []error { return []error{u.error, exec.ErrUnreachable} }

// A machine is a remote machine as the executor wants one.
type machine struct{ *remote.Machine }

func (m machine) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	return m.Machine.Run(ctx, remote.Command{Argv: argv, Script: argv[0] == "/bin/sh", Privileged: true, Stdout: stdout, Stderr: stderr})
}

func (m machine) Feed(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error {
	return m.Machine.Run(ctx, remote.Command{Argv: argv, Script: argv[0] == "/bin/sh", Privileged: true, Stdin: stdin, Stdout: stdout, Stderr: stderr})
}

func (m machine) Serve(ctx context.Context) (nixserve.Stream, error) {
	s, err := m.Machine.Stream(ctx, remote.Command{Argv: []string{"nix-store", "--serve", "--write"}, Privileged: true})
	if err != nil {
		return nil, err
	}
	return serve{s}, nil
}

type serve struct{ *remote.Stream }

func (s serve) Read(p []byte) (int, error)  { return s.Stdout.Read(p) }
func (s serve) Write(p []byte) (int, error) { return s.Stdin.Write(p) }
func (s serve) CloseWrite() error           { return s.Stdin.Close() }
func (s serve) Stderr() string              { return string(s.Stream.Stderr()) }

// built is a builder for systems that are built already.
type built struct{}

func (built) Build(_ context.Context, wants []builds.Want, _ builds.Watcher) {
	for _, w := range wants {
		w.Done(cmp.Or(w.Drv, w.Out), nil)
	}
}

// on is what a host is on, looked at past ssh.
type onHost struct {
	running, profile, boot store.Path // boot: what its boot loader would boot
	generation             string
	problems               []string // with what it would take to boot any of them
}

//go:embed testdata/look.sh
var lookScript string

// on looks at a host and at all that its systems are made of.
func (f *field) on(name string) onHost {
	f.Helper()
	return f.look(name, "all")
}

// look is on without the contents, unless all is said.
func (f *field) look(name, all string) onHost {
	f.Helper()
	h := f.lab.Host(name)
	if h.Pid() == 0 {
		if err := h.Start(f.Context()); err != nil {
			f.Fatal(err)
		}
	}
	out, err := h.Run(f.Context(), "sh", "-c", lookScript, "sh", all)
	if err != nil {
		f.Fatalf("look at %s: %v\n%s", name, err, out)
	}
	var on onHost
	for line := range strings.Lines(out) {
		what, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch what {
		case "running":
			on.running = store.Path(value)
		case "profile":
			on.profile = store.Path(value)
		case "generation":
			on.generation = value
		case "boot":
			on.boot = store.Path(value)
		case "problem":
			on.problems = append(on.problems, value)
		}
	}
	return on
}

// systemName is the name under which a system was built.
func systemName(p store.Path) string {
	if p == "" {
		return "nothing"
	}
	for name, s := range systems.paths {
		if s == p {
			return name
		}
	}
	return string(p)
}

func (f *field) expect(name string, running, profile, boot string) {
	f.Helper()
	on := f.on(name)
	got := [3]string{systemName(on.running), systemName(on.profile), systemName(on.boot)}
	if want := [3]string{running, profile, boot}; got != want {
		f.Errorf("%s: running, profile, boot default are %v, want %v", name, got, want)
	}
	for _, p := range on.problems {
		f.Errorf("%s: %s", name, p)
	}
}

func TestSwitchMovesTheBootDefaultLast(t *testing.T) {
	t.Parallel()
	f := newField(t, "web")
	f.expect("web", "old", "old", "old")
	out := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), func(e exec.Event) {
		if e, ok := e.(exec.StageStarted); ok && (e.Stage == exec.Reach || e.Stage == exec.Confirm) {
			f.expect("web", "new", "old", "old")
		}
	})
	if out[0].Status != exec.Activated || out[0].After.Number != 2 || out[0].After.System != system(t, "new") {
		t.Errorf("outcome %+v", out[0])
	}
	f.expect("web", "new", "new", "new")
}
