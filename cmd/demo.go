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

// demoOptions are those of the demonstration: the real verbs on real machines
// that are gone afterwards.
type demoOptions struct {
	noRules
	keep bool
}

func (o *demoOptions) groups() []group { return nil }

func (o *demoOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.keep, false), "keep", "keep the machines running until Enter is pressed")
}

// demoHosts are the machines of examples/kluster-cue, and where their inventory
// says they are. The lab answers under these addresses.
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
	for _, step := range []func() error{d.look, d.deploy, d.change, d.rollBack} {
		if err := step(); err != nil {
			return err
		}
	}
	d.say("All of it took %s.", human.Duration(time.Since(d.began)))
	if o.keep {
		d.linger()
	}
	d.say("Machines and files are gone again; what was built stays in /nix/store until nix-collect-garbage.")
	return nil
}

// linger keeps the machines until the user has seen enough.
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

// A demo is one demonstration under way.
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

// setUp lays the fleet down in a new directory and starts its machines.
func (d *demo) setUp() error {
	dir, err := os.MkdirTemp("", "muster-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %v", err)
	}
	d.undo = append(d.undo, func() { os.RemoveAll(dir) })
	if err := os.CopyFS(dir, examples.Demo); err != nil {
		return fmt.Errorf("lay down the demo's fleet: %v", err)
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

	// Whoever deploys puts their own key into the fleet, or is locked out.
	key, err := d.lab.Hosts[0].ReadFile("/etc/ssh/authorized_keys.d/root")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(d.dir, "operator.pub"), key); err != nil {
		return err
	}

	// From here on as a user in the fleet's directory.
	was, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the current directory: %v", err)
	}
	if err := os.Chdir(d.dir); err != nil {
		return fmt.Errorf("enter the demo's fleet: %v", err)
	}
	d.undo = append(d.undo, func() { os.Chdir(was) })
	d.setenv("MUSTER_SSH_CONFIG", d.lab.SSHConfig)
	d.setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	// What the fleet is built of comes with muster, so no cache has it; minios
	// builds with the shell of this machine, outside of a sandbox; and a
	// freshly installed Nix has no build users yet, which root can do without.
	d.setenv("NIX_CONFIG", os.Getenv("NIX_CONFIG")+"\nsubstitute = false\nsandbox = false\nbuild-users-group =")
	return nil
}

// setenv sets a variable until the demo is over.
func (d *demo) setenv(name, value string) { d.undo = append(d.undo, setenv(name, value)) }

// look is what can be had without touching a machine.
func (d *demo) look() error {
	d.say("This is the fleet, in a language that is checked before anything else happens:")
	text, err := os.ReadFile("hosts.cue")
	if err != nil {
		return fmt.Errorf("read the demo's fleet: %v", err)
	}
	fmt.Fprint(d.std.out, indent(string(text)))
	if err := d.muster(exec.ExitOK, "vet"); err != nil {
		return err
	}
	d.say("A typo does not get far. With 192.168.10.1233 for il:")
	if err := d.edited("192.168.10.121", "192.168.10.1233", func() error { return d.muster(exec.ExitUsage, "vet") }); err != nil {
		return err
	}
	d.say("This is the Nix it means:")
	if err := d.muster(exec.ExitOK, "compile"); err != nil {
		return err
	}
	return d.muster(exec.ExitOK, "eval")
}

func (d *demo) deploy() error {
	if err := d.muster(exec.ExitOK, "build"); err != nil {
		return err
	}
	d.say("The machines have nothing yet. Deploy to all three:")
	if err := d.muster(exec.ExitOK, "deploy"); err != nil {
		return err
	}
	d.say("Once more, and nothing happens:")
	if err := d.muster(exec.ExitOK, "deploy"); err != nil {
		return err
	}
	return d.show("il", "readlink", "/run/current-system")
}

func (d *demo) change() error {
	d.say("A change for all of them, the time zone, is a second generation:")
	if err := replaceIn("hosts.cue", "Europe/Berlin", "Asia/Tokyo"); err != nil {
		return err
	}
	if err := d.muster(exec.ExitOK, "deploy"); err != nil {
		return err
	}
	d.say("With one machine down, the others are deployed all the same:")
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
	d.say("It is back, and gets what it missed:")
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

// muster runs a verb as the user would, and insists on its exit status.
func (d *demo) muster(want int, args ...string) error {
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx)
	}
	fmt.Fprintf(d.std.out, "\n$ muster %s\n", strings.Join(args, " "))
	got := Run(d.ctx, args, strings.NewReader(""), d.std.out, d.std.err)
	if got != want {
		return fmt.Errorf("muster %s: exit status %d, expected %d", strings.Join(args, " "), got, want)
	}
	if want != exec.ExitOK {
		fmt.Fprintf(d.std.out, "(exit status %d)\n", got)
	}
	return nil
}

// show runs a command on a machine, past muster.
func (d *demo) show(host string, argv ...string) error {
	fmt.Fprintf(d.std.out, "\n%s$ %s\n", host, strings.Join(argv, " "))
	out, err := d.lab.Host(host).Run(d.ctx, argv...)
	fmt.Fprint(d.std.out, out)
	return err
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.std.out, "\n# "+format+"\n", args...)
}

// edited does something with hosts.cue changed, and changes it back.
func (d *demo) edited(old, new string, do func() error) error {
	if err := replaceIn("hosts.cue", old, new); err != nil {
		return err
	}
	return errors.Join(do(), replaceIn("hosts.cue", new, old))
}

func replaceIn(name, old, new string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("edit the demo's fleet: %v", err)
	}
	if !strings.Contains(string(text), old) {
		return fmt.Errorf("edit the demo's fleet: %s has no %s", name, old)
	}
	return writeFile(name, []byte(strings.Replace(string(text), old, new, 1)))
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ") + "\n"
}
