package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/examples"
	"muster/exec"
	"muster/exec/human"
	"muster/exec/lab"
)

// demoOptions are those of demo, which shows the verbs on real machines that it
// starts and removes.
type demoOptions struct {
	noRules
	keep  bool
	shell bool
}

func (o *demoOptions) groups() []group { return nil }

func (o *demoOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.keep, false), "keep", "keep the machines running until Enter is pressed")
	fs.Var(flags.Bool(&o.shell, false), "shell", "show nothing: start a shell beside the fleet of the machines, until it ends")
}

// demoHosts are the hosts of examples/kluster-cue with their addresses. The lab
// answers at these addresses.
var demoHosts = map[string]string{
	"il":  "192.168.10.121",
	"ee":  "192.168.10.122",
	"sam": "192.168.10.123",
}

func (o *demoOptions) run(ctx context.Context, std streams, _ []string) (err error) {
	if err := lab.Check(); err != nil {
		return err
	}
	if _, err := wireNix(); err != nil {
		return err
	}
	d := &demo{ctx: ctx, std: std, began: time.Now()}
	defer d.cleanUp()
	if err := d.setUp(); err != nil {
		return err
	}
	if o.shell {
		return d.startShell()
	}
	for _, step := range []func() error{d.look, d.deploy, d.change, d.rollBack} {
		if err := step(); err != nil {
			return err
		}
	}
	d.say("The demo took %s.", human.Duration(time.Since(d.began)))
	if o.keep {
		d.linger()
	}
	d.say("The machines and files are removed; what was built stays in /nix/store until nix-collect-garbage.")
	return nil
}

// linger keeps the machines until the user presses Enter.
func (d *demo) linger() {
	fmt.Fprintf(d.std.out, "The fleet is in %s; deploy to it with\n    MUSTER_SSH_CONFIG=%s muster deploy %s\nand log in with\n    ssh -F %s il\nPress Enter to end. ",
		d.dir, d.lab.SSHConfig, d.dir, d.lab.SSHConfig)
	enter := make(chan struct{})
	go func() {
		io.ReadFull(d.std.in, make([]byte, 1))
		close(enter)
	}()
	select {
	case <-enter:
	case <-d.ctx.Done():
	}
}

// startShell gives the user the machines and the fleet.
func (d *demo) startShell() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %v", err)
	}
	d.setenv("PATH", filepath.Dir(self)+string(os.PathListSeparator)+os.Getenv("PATH"))
	d.say("hosts.cue has the machines: il, ee and sam. Begin with: muster deploy\n# They are removed when you leave this shell: exit")
	if err := d.lab.Shell(d.ctx, d.dir); err != nil {
		return err
	}
	d.say("The machines and files are removed.")
	return nil
}

// A demo is one demonstration in progress.
type demo struct {
	ctx   context.Context
	std   streams
	began time.Time
	dir   string
	lab   *lab.Lab
	undo  []func()
}

func (d *demo) cleanUp() {
	for i := len(d.undo) - 1; i >= 0; i-- {
		d.undo[i]()
	}
}

// setUp copies the fleet to a new directory and starts its machines.
func (d *demo) setUp() error {
	dir, err := os.MkdirTemp("", "muster-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	d.undo = append(d.undo, func() { os.RemoveAll(dir) })
	if err := os.CopyFS(dir, examples.Demo); err != nil {
		return fmt.Errorf("copy the demo's fleet: %w", err)
	}
	d.dir = filepath.Join(dir, "kluster-cue")

	names := []string{"il", "ee", "sam"}
	alias := map[string][]string{}
	for _, n := range names {
		alias[n] = []string{demoHosts[n]}
	}
	began := time.Now()
	d.lab, err = lab.Start(d.ctx, lab.Options{Hosts: names, Alias: alias})
	if err != nil {
		return err
	}
	d.undo = append(d.undo, func() { d.lab.Close() })
	d.say("Three machines are up after %s, each with its own network, store and sshd.", human.Duration(time.Since(began)))

	// Without the user's key in the fleet, deploying would lock the user out.
	key, err := d.lab.Hosts[0].ReadFile("/etc/ssh/authorized_keys.d/root")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(d.dir, "operator.pub"), key); err != nil {
		return err
	}

	// From here on, act as a user in the fleet's directory.
	was, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the current directory: %v", err)
	}
	if err := os.Chdir(d.dir); err != nil {
		return fmt.Errorf("enter the demo's fleet: %w", err)
	}
	d.undo = append(d.undo, func() { os.Chdir(was) })
	d.setenv("MUSTER_SSH_CONFIG", d.lab.SSHConfig)
	d.setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	// No cache has what the fleet is built of: it comes with muster. minios builds
	// with the shell of this machine, so outside of a sandbox. A new installation
	// of Nix may have no build users, and root needs none.
	if os.Getenv("NIX_PATH") == "" {
		d.setenv("NIX_PATH", "nixpkgs="+filepath.Join(dir, "minios"))
	}
	d.setenv("NIX_CONFIG", os.Getenv("NIX_CONFIG")+"\nsubstitute = false\nsandbox = false\nbuild-users-group =")
	return nil
}

// setenv sets a variable until the demo is over.
func (d *demo) setenv(name, value string) { d.undo = append(d.undo, setenv(name, value)) }

// look shows what needs no machine.
func (d *demo) look() error {
	d.say("This is the fleet. Its language is checked before anything else happens:")
	text, err := os.ReadFile("hosts.cue")
	if err != nil {
		return fmt.Errorf("read the demo's fleet: %w", err)
	}
	fmt.Fprint(d.std.out, indent(string(text)))
	if err := d.muster(exec.ExitOK, "vet"); err != nil {
		return err
	}
	d.say("A typo is found at once. With 192.168.10.1233 for il:")
	if err := d.edited("192.168.10.121", "192.168.10.1233", func() error { return d.muster(exec.ExitUsage, "vet") }); err != nil {
		return err
	}
	d.say("This is the Nix that it means:")
	if err := d.muster(exec.ExitOK, "compile"); err != nil {
		return err
	}
	return d.muster(exec.ExitOK, "eval")
}

func (d *demo) deploy() error {
	if err := d.muster(exec.ExitOK, "build"); err != nil {
		return err
	}
	d.say("The machines are empty. Deploy to all three:")
	if err := d.muster(exec.ExitOK, "deploy"); err != nil {
		return err
	}
	d.say("A second deployment changes nothing:")
	if err := d.muster(exec.ExitOK, "deploy"); err != nil {
		return err
	}
	return d.show("il", "readlink", "/run/current-system")
}

func (d *demo) change() error {
	d.say("A change of the time zone makes a second generation:")
	if err := replaceIn("hosts.cue", "Europe/Berlin", "Asia/Tokyo"); err != nil {
		return err
	}
	if err := d.muster(exec.ExitOK, "deploy"); err != nil {
		return err
	}
	d.say("With one machine down, the others are still deployed:")
	if err := d.lab.Host("sam").Stop(); err != nil {
		return err
	}
	if err := replaceIn("hosts.cue", "Asia/Tokyo", "America/Lima"); err != nil {
		return err
	}
	if err := d.muster(exec.ExitPartly, "deploy"); err != nil {
		return err
	}
	if err := d.lab.Host("sam").Start(d.ctx); err != nil {
		return err
	}
	d.say("The machine is back, and gets what it missed:")
	return d.muster(exec.ExitOK, "deploy", "--on", "sam")
}

func (d *demo) rollBack() error {
	if err := d.muster(exec.ExitOK, "generations"); err != nil {
		return err
	}
	if err := d.muster(exec.ExitOK, "rollback"); err != nil {
		return err
	}
	if err := d.muster(exec.ExitOK, "generations", "--on", "il"); err != nil {
		return err
	}
	return d.show("il", "cat", "/etc/timezone")
}

// muster runs a verb as the user would, and wants an exit status.
func (d *demo) muster(want int, args ...string) error {
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	fmt.Fprintf(d.std.out, "\n$ muster %s\n", strings.Join(args, " "))
	got := Run(d.ctx, args, strings.NewReader(""), d.std.out, d.std.err)
	if got != want {
		return fmt.Errorf("muster %s: exit status %d, want %d", strings.Join(args, " "), got, want)
	}
	if want != exec.ExitOK {
		fmt.Fprintf(d.std.out, "(exit status %d)\n", got)
	}
	return nil
}

// show runs a command on a machine without muster.
func (d *demo) show(host string, argv ...string) error {
	fmt.Fprintf(d.std.out, "\n%s$ %s\n", host, strings.Join(argv, " "))
	out, err := d.lab.Host(host).Run(d.ctx, argv...)
	fmt.Fprint(d.std.out, out)
	return err
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.std.out, "\n# "+format+"\n", args...)
}

// edited does something while hosts.cue is changed.
func (d *demo) edited(old, new string, do func() error) error {
	if err := replaceIn("hosts.cue", old, new); err != nil {
		return err
	}
	return errors.Join(do(), replaceIn("hosts.cue", new, old))
}

func replaceIn(name, old, new string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("edit the demo's fleet: %w", err)
	}
	if !strings.Contains(string(text), old) {
		return fmt.Errorf("edit the demo's fleet: %s has no %s", name, old)
	}
	return writeFile(name, []byte(strings.Replace(string(text), old, new, 1)))
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ") + "\n"
}
