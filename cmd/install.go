package cmd

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/compile/flake/fetch"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/foreign"
	"muster/exec/host"
	"muster/exec/human"
	"muster/exec/secret"
	"muster/schema"
)

// installOptions are those of install, which makes hosts of machines that have no
// NixOS yet.
type installOptions struct {
	selection selectFlags // of which the hosts are arguments
	ssh       sshFlags
	output    outputFlag
	how       evaluateFlags
	building  buildFlags
	secrets   secretFlags
	jobs      jobsFlag
	tell      tellFlags

	yes           bool
	reinstall     bool
	noReboot      bool
	inPlace       bool
	stepTimeout   time.Duration
	rebootTimeout time.Duration
	lockTimeout   time.Duration
}

func (o *installOptions) groups() []group {
	return []group{&o.selection.reading, &o.ssh, &o.output, &o.how, &o.building, &o.secrets, &o.jobs, &o.tell}
}

func (o *installOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Bool(&o.yes, false), "yes", "y", "wipe the disks that the inventory names, or with --in-place replace what runs, without asking")
	fs.Var(flags.Bool(&o.inPlace, false), "in-place", "take the place of the Linux that runs, on its own file systems, without an installer")
	fs.Var(flags.Bool(&o.reinstall, false), "reinstall", "wipe machines that muster has deployed to as well")
	fs.Var(flags.Bool(&o.noReboot, false), "no-reboot", "leave the machines in the installer when all is installed")
	fs.Var(flags.Positive(&o.stepTimeout, 10*time.Minute), "step-timeout", "fail a step such as formatting a disk that takes longer than this `duration`")
	fs.Var(flags.Positive(&o.rebootTimeout, 10*time.Minute), "reboot-timeout", "fail a machine that does not answer within this `duration` after a restart")
	fs.Var(flags.Positive(&o.lockTimeout, time.Minute), "lock-timeout", "release the lock on a machine this `duration` after its holder was last active")
}

func (o *installOptions) check() error {
	if o.inPlace && o.reinstall {
		return errors.New("--in-place and --reinstall exclude each other: in place nothing is wiped")
	}
	return nil
}

func (o *installOptions) run(ctx context.Context, std streams, args []string) error {
	names, where := namesAndInventory(args)
	if len(names) == 0 {
		return usageError{errors.New("install needs the name of a host")}
	}
	o.selection.on = strings.Join(names, ",")
	s, err := begin(ctx, std, where, needs{selection: &o.selection, warnings: true})
	if err != nil {
		return err
	}
	defer s.close()
	k := &keeper{fleet: s.fleet, hosts: s.hosts, reader: o.secrets.reader(s.fleet.Dir), std: std}
	if !o.inPlace { // the machine keeps its own
		if err := k.makeHostKeys(); err != nil {
			return err
		}
	}
	if s.nix, err = wireNix(); err != nil {
		return err
	}
	s.show(o.output.reporter(s))
	if err := s.evaluate(ctx, &o.how); err != nil {
		return err
	}
	if err := s.readAddresses(ctx, &o.how); err != nil {
		return err
	}
	plan := s.plan(exec.Install)
	plan.Wanted = exec.Wanted{Reinstall: o.reinstall, NoReboot: o.noReboot, InPlace: o.inPlace}
	plan.Cache = schema.Cache{} // an installer would fetch to its own store
	return s.runWithJournal(ctx, plan, s.journal(plan), &o.ssh, &o.building, &o.secrets, &o.jobs, &o.tell, o)
}

// apply says how the machines are installed.
func (o *installOptions) apply(s *session, plan *exec.Plan, opts *exec.Options) {
	installing{yes: o.yes}.apply(s, plan, opts)
	opts.ActivateTimeout, opts.RebootTimeout, opts.LockTimeout = o.stepTimeout, o.rebootTimeout, o.lockTimeout
}

// installing wires what an installation needs of this machine and its user.
type installing struct{ yes bool }

func (i installing) apply(s *session, plan *exec.Plan, o *exec.Options) {
	if plan.Action != exec.Install {
		return
	}
	o.Install.Image = func(ctx context.Context, k schema.Kexec) (io.ReadCloser, error) {
		return openImage(ctx, plan.Dir, k)
	}
	o.Install.Replace = func(ctx context.Context, h *schema.Host, system string, keep []string) error {
		return i.ask(ctx, s, h, replaceReport(h, system, keep), "replace it")
	}
	o.Install.Wipe = func(ctx context.Context, h *schema.Host, disks []host.BareDisk) error {
		return i.ask(ctx, s, h, diskReport(h.Name, disks)+"all of that will be lost; ", "wipe it")
	}
}

// ask has the user agree to what a report says, unless they have by --yes.
func (i installing) ask(ctx context.Context, s *session, h *schema.Host, report, to string) error {
	if i.yes {
		for line := range strings.Lines(report) {
			if strings.HasSuffix(line, "\n") { // the rest leads to the question
				s.note("%s", strings.TrimSuffix(line, "\n"))
			}
		}
		return nil
	}
	if !ui.CanAnswer(s.std.in) {
		return errors.New("there is no terminal to ask on: --yes agrees to it")
	}
	return s.ui.Asking(func() error {
		return ui.AskFor(ctx, s.std.in, s.std.err, report+fmt.Sprintf("type %s to %s: ", h.Name, to), strings.ToLower(h.Name))
	})
}

// replaceReport says what becomes of a Linux that is replaced.
func replaceReport(h *schema.Host, system string, keep []string) string {
	stays := append([]string{"/nix", "/boot", "its SSH host keys", "what is mounted from other file systems"}, keep...)
	return ui.Printable(fmt.Sprintf("%s: NixOS takes the place of %s: at its next start all on the root file system goes to /old-root\n  but %s\n", h.Name, system, strings.Join(stays, ", ")))
}

// diskReport says what disks are and what is on them now.
func diskReport(name string, disks []host.BareDisk) string {
	var b strings.Builder
	for _, d := range disks {
		what := []string{human.Bytes(d.Size)}
		if d.Model != "" {
			what = append(what, d.Model)
		}
		if d.Serial != "" {
			what = append(what, "serial number "+d.Serial)
		}
		fmt.Fprintf(&b, "%s: wiping %s (%s): %s\n", name, d.Device, d.Name, strings.Join(what, ", "))
		for _, c := range d.Holds {
			kind := c.Type
			if kind == "" {
				kind = "no known file system"
			}
			fmt.Fprintf(&b, "  %s: %s, %s", c.Name, human.Bytes(c.Size), kind)
			if c.Label != "" {
				fmt.Fprintf(&b, ", labelled %q", c.Label)
			}
			fmt.Fprintln(&b)
		}
		if len(d.Holds) == 0 {
			fmt.Fprintln(&b, "  it is empty")
		}
	}
	return ui.Printable(b.String())
}

// mostImage is how large the archive of an installer may be, in bytes.
const mostImage = 4 << 30

// openImage opens an installer as a plain tar archive.
func openImage(ctx context.Context, dir string, k schema.Kexec) (io.ReadCloser, error) {
	name := k.Path
	if k.URL != "" {
		var err error
		if name, err = fetchImage(ctx, k); err != nil {
			return nil, fmt.Errorf("%s: fetch the installer: %w", k.At, err)
		}
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	f, err := foreign.Open(name, foreign.Limits{Size: mostImage, Links: true})
	if err != nil {
		return nil, fmt.Errorf("open the installer: %w", err)
	}
	buffered := bufio.NewReader(f)
	if magic, _ := buffered.Peek(2); string(magic) != "\x1f\x8b" {
		return image{buffered, f}, nil
	}
	unpacked, err := gzip.NewReader(buffered)
	if err != nil {
		f.Close()
		return nil, plainError("read the installer", name, err)
	}
	return image{unpacked, f}, nil
}

// fetchImage fetches an installer, unless it is at hand.
func fetchImage(ctx context.Context, k schema.Kexec) (name string, err error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	want, err := store.ParseHash(k.Hash, store.SHA256)
	if err != nil {
		return "", err
	}
	f := &fetch.Fetcher{Dir: filepath.Join(cache, "muster", "fetch")}
	file, err := f.URL(ctx, k.URL, "installer", want)
	return file.Dir, err
}

// An image is what is read of a file.
type image struct {
	io.Reader
	io.Closer
}

// makeHostKeys makes the SSH host keys that are not there yet, so that the hosts are
// known and secrets can be encrypted to them before they first boot.
func (k *keeper) makeHostKeys() error {
	for _, h := range k.hosts {
		i := &h.Install
		if h.Unconnected && h.Provision != nil {
			return usageError{fmt.Errorf("%s: the machine of host %s is not made yet: muster provision apply --on %s --then install makes and installs it", h.At, h.Name, h.Name)}
		}
		if h.Unconnected {
			return usageError{fmt.Errorf("%s: host %s has no address, by which its machine could be reached: set its host", h.At, h.Name)}
		}
		if i.HostKey == "" {
			return noHostKeyFile(h)
		}
		if err := k.makeHostKey(h); err != nil {
			return fmt.Errorf("host %s: SSH host key: %w", h.Name, err)
		}
	}
	return nil
}

// noHostKeyFile says that a host cannot be installed, as its SSH host key would have nowhere
// to be.
func noHostKeyFile(h *schema.Host) error {
	return usageError{fmt.Errorf(`%s: host %s has no file for its SSH host key, which is made before the machine is: add install: host_key: "keys/%s.age"`, h.At, h.Name, h.Name)}
}

func (k *keeper) makeHostKey(h *schema.Host) error {
	private, public := k.reader.Path(h.Install.HostKey), k.reader.Path(schema.PublicKeyFile(h.Install.HostKey))
	_, err := os.Lstat(private)
	_, known := os.Lstat(public)
	var key string
	switch {
	case err == nil && known == nil:
		return nil
	case err == nil:
		content, err := k.reader.Age(h.Install.HostKey)
		if err != nil {
			return err
		}
		if _, key, err = secret.PublicKey(content); err != nil {
			return fmt.Errorf("%s: %w", h.Install.HostKey, err)
		}
	case errors.Is(err, os.ErrNotExist):
		content, line, err := secret.Generate(schema.Generate{Kind: "ssh-ed25519"}, h.Name)
		if err != nil {
			return err
		}
		if err := k.write(h.Install.HostKey, content); err != nil {
			return err
		}
		key = line
		fmt.Fprintf(k.std.err, "note: %s: made the SSH host key of %s; keep it and %s.pub with the inventory\n", h.Install.HostKey, h.Name, h.Install.HostKey)
	default:
		return err
	}
	if err := writeFile(public, []byte(key+"\n")); err != nil {
		return err
	}
	if !slices.Contains(h.HostKeys, key) {
		h.HostKeys = append(h.HostKeys, key)
	}
	return nil
}
