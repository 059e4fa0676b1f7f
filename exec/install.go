package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"muster/exec/host"
	"muster/exec/secret"
	"muster/schema"
)

// How a machine gets its first system:
//
//	connect   to the machine as it is, with the SSH host keys of its installer or its
//	          present Linux; or, of an attempt that goes on, to the host that it became
//	look      what runs, what the disks are; what must not be wiped is refused
//	build     here
//	kexec     a Linux on a disk is changed into the installer of the inventory
//	disks     asked for, wiped, partitioned, formatted, and mounted below /mnt
//	copy      the closure into the store below /mnt
//	keys      the SSH host key, and the secrets encrypted to it
//	install   the system profile, an activation in a chroot, the boot loader, the record
//	reboot    until the host answers with the key that was placed, and runs the system
//
// In place of a Linux that runs (inplace.go) there is no installer and nothing below
// /mnt: the file systems and the SSH host keys are those of the machine.
//
// Each stage finds out by itself whether it is done, so that an attempt whose muster was
// killed goes on where it was:
//
//	/run/muster/install              the layout whose disks the user has agreed to wipe
//	the ID of the partition table    follows from the layout: the table is ours
//	/var/lib/muster/install          on the new root: all is formatted; once it has booted,
//	                                 that nobody has seen it yet

// Wanted says what an installation does.
type Wanted struct {
	Reinstall bool // also machines that muster has deployed to
	NoReboot  bool // leave the machine in the installer
	InPlace   bool // take the place of the Linux that runs, on its own file systems
}

// InstallOptions say how machines are installed.
type InstallOptions struct {
	// Wipe is asked before disks are wiped. Its error says why they are not.
	Wipe func(ctx context.Context, h *schema.Host, disks []host.BareDisk) error
	// Image opens an installer, a tar archive.
	Image func(ctx context.Context, k schema.Kexec) (io.ReadCloser, error)
	// Replace is asked before a Linux that runs is replaced. Its error says why it is not.
	Replace func(ctx context.Context, h *schema.Host, system string, keep []string) error
}

// A bareWork is what is known of a machine that is installed.
type bareWork struct {
	seen   host.Bare
	layout string          // names what is made of the disks
	booted bool            // it has booted the system already
	rooted []host.BareDisk // with the root of the Linux that it was made with
	root   string          // where the new store is; "" while it is not
}

// ours reports whether an earlier attempt has begun to make these disks, and may have
// them in use.
func (w *bareWork) ours() bool { return w.seen.Agreed == w.layout || w.seen.There.Layout == w.layout }

// orBare connects to a machine that is installed: to what it is now, or to the host that
// an earlier attempt has made of it.
func (dial Connect) orBare() Connect {
	return func(ctx context.Context, h *schema.Host) (Machine, error) {
		bare := bareHost(h)
		m, err := dial(ctx, bare)
		if err != nil && ctx.Err() == nil && bare.User != "root" && !errors.Is(err, ErrUnreachable) {
			// The installer that took it over lets nobody else in.
			bare.User, bare.Privilege = "root", schema.Root
			if m, again := dial(ctx, bare); again == nil {
				return m, nil
			}
		}
		if err == nil || ctx.Err() != nil || len(h.HostKeys) == 0 {
			return m, err
		}
		m, again := dial(ctx, h)
		if again == nil {
			return m, nil
		}
		if errors.Is(err, ErrUnreachable) {
			err = again
		}
		return nil, err
	}
}

// bareHost is how the machine of a host is reached before it is installed.
func bareHost(h *schema.Host) *schema.Host {
	bare, i := *h, &h.Install
	bare.HostKeys, bare.Local = i.HostKeys, false
	bare.Address, bare.Port = cmp.Or(i.Address, h.Address), cmp.Or(i.Port, h.Port)
	if i.Address != "" {
		bare.Others = nil
	}
	if i.User != "" {
		bare.User = i.User
	}
	switch {
	case i.User == "root":
		bare.Privilege = schema.Root
	case i.User != "" && bare.Privilege == schema.Root:
		bare.Privilege = schema.Sudo // the host's own user is root
	}
	return &bare
}

// steps are the long parts of the installation, whose lines belong to a stage.
func (j *job) steps(s Stage) (_ *host.InstallSteps, done func()) {
	lines := &lineWriter{line: j.said(s)}
	return &host.InstallSteps{Host: j.conn.ask(), Limit: j.activateTimeout(), Line: lines}, lines.close
}

// installTools are what an installer needs besides a shell. What makes disks is added.
var installTools = []string{"flock", "mount", "umount", "chroot", "tar", "nix-store", "nix-env", "setsid", "readlink"}

// ErrInstalled says that a machine is a host of muster's already.
var ErrInstalled = errors.New("it is installed already")

// lookBare looks at the machine, and refuses one that must not be installed.
func lookBare(ctx context.Context, j *job) error {
	w, h := &j.bare, j.step.Host
	w.layout = layoutID(h)
	if j.inPlace() {
		w.layout = inPlaceLayout(h)
	}
	if err := seeBare(ctx, j); err != nil {
		return err
	}
	b := &w.seen
	j.out.Before = host.State{Current: b.Current, Booted: b.Booted}
	if fit := machines[h.System]; fit != nil && b.Machine != "" && !slices.Contains(fit, b.Machine) {
		return fmt.Errorf("it is a %s, and the inventory says %s", b.Machine, h.System)
	}
	want := j.step.System.Out
	runs := want != "" && b.Booted == want && b.Current == want
	// An attempt that was killed after it saw the host has removed the note.
	resumed := j.step.Earlier != nil && j.step.Earlier.Stage == Restart
	switch {
	case runs && (b.Pending.System == want || resumed && b.Deployed != ""):
		w.booted = true
		return nil
	case j.inPlace():
		return mayReplace(j)
	case b.Pending.Layout != "" && !j.run.plan.Wanted.Reinstall:
		return fmt.Errorf("%w: it runs %s, which run %s installed, and the inventory means %s now: muster deploy brings that", ErrInstalled, cmp.Or(b.Current, nothing), b.Pending.Run, want)
	case b.Deployed != "" && b.Current != "" && !j.run.plan.Wanted.Reinstall:
		// Its root may be in memory, as that of an installer is.
		return fmt.Errorf("%w: run %s has deployed %s to it; --reinstall wipes it and installs it anew", ErrInstalled, b.Deployed, b.Current)
	case isInstaller(b):
		if len(b.Lacks) > 0 {
			return fmt.Errorf("the installer that runs (%s) has no %s: use one that has, or name one in install.kexec of the inventory", b.Name, strings.Join(b.Lacks, ", "))
		}
	case b.Deployed != "" && !j.run.plan.Wanted.Reinstall:
		return fmt.Errorf("%w: run %s has deployed %s to it; --reinstall wipes it and installs it anew", ErrInstalled, b.Deployed, cmp.Or(b.Current, nothing))
	case h.Install.Kexec == (schema.Kexec{}):
		return fmt.Errorf("%s runs there from its disk, and no installer: start the machine from one, or name one in install.kexec of the inventory", cmp.Or(b.Name, "a Linux"))
	}
	if mounts := mountsOf(madeDisks(h), b.Disks); len(mounts) > 0 && mounts[0].Where != "/" {
		return errors.New("partitions are to be made, and none of them is mounted at /: an installation makes the root, too")
	}
	if !isInstaller(b) {
		w.rooted = withRoot(b)
	}
	for i, d := range madeDisks(h) {
		if err := checkDisk(d, b, i, !isInstaller(b) || w.ours()); err != nil {
			return err
		}
		if err := isTheOne(d, b, i, w.rooted); err != nil && !w.ours() {
			return err
		}
	}
	return nil
}

// seeBare looks at the machine as it is now.
func seeBare(ctx context.Context, j *job) (err error) {
	if j.inPlace() {
		j.bare.seen, err = j.conn.ask().LookBare(ctx, nil, inPlaceTools)
		return err
	}
	var devices []string
	tools := slices.Clone(installTools)
	for _, d := range madeDisks(j.step.Host) {
		devices = append(devices, d.Device)
		tools = append(tools, "sfdisk", "blkid")
		for _, p := range d.Partitions {
			if p.FS != "" {
				tools = append(tools, formatter(&p)[0])
			}
			if p.Encrypt != "" {
				tools = append(tools, "cryptsetup")
			}
		}
	}
	slices.Sort(tools)
	j.bare.seen, err = j.conn.ask().LookBare(ctx, devices, slices.Compact(tools))
	return err
}

// installerRoots are the file systems that installers and rescue systems have at /.
var installerRoots = []string{"tmpfs", "ramfs", "rootfs", "overlay", "aufs", "squashfs", "nfs", "nfs4", "iso9660"}

// isInstaller reports whether the machine runs an installer or a rescue system, so that
// none of its disks is in use.
func isInstaller(b *host.Bare) bool {
	return b.Variant == "installer" || slices.Contains(installerRoots, b.RootFS)
}

// kexec changes a Linux on a disk into the installer of the inventory.
func kexec(ctx context.Context, j *job) error {
	b := &j.bare.seen
	if j.bare.booted || j.inPlace() || isInstaller(b) {
		return nil
	}
	image, err := j.run.opts.Install.Image(ctx, j.step.Host.Install.Kexec)
	if err != nil {
		return err
	}
	defer image.Close()
	steps, done := j.steps(Kexec)
	defer done()
	if err := steps.Unpack(ctx, image); err != nil {
		return fmt.Errorf("send the installer: %w", err)
	}
	j.out.changed = true
	before := b.BootID
	if err := steps.Kexec(ctx); err != nil {
		return fmt.Errorf("start the installer: %w", err)
	}
	limit := j.rebootTimeout()
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no installer after %v", limit))
	defer cancel()
	last := errors.New("the machine has not gone down")
	for {
		select {
		case <-limited.Done():
			return fmt.Errorf("wait for the installer: %w; last: %w", context.Cause(limited), last)
		case <-time.After(rebootPoll):
		}
		if err := j.conn.renew(limited); err != nil {
			last = err
			continue
		}
		if err := seeBare(limited, j); err != nil {
			last = err
			continue
		}
		if b.BootID == before {
			continue
		}
		if !isInstaller(b) {
			return fmt.Errorf("it came back with %s on its disk, and not with the installer", cmp.Or(b.Name, "a Linux"))
		}
		if len(b.Lacks) > 0 {
			return fmt.Errorf("the installer (%s) has no %s", b.Name, strings.Join(b.Lacks, ", "))
		}
		return nil
	}
}

// A rootedMachine is a machine whose store can be another than its own.
type rootedMachine interface {
	// Below is the same machine, with the store below a directory.
	Below(root string) Machine
}

// useRoot has what is copied go to the store of the new system.
func (j *job) useRoot() error {
	rooted, ok := j.conn.machine().(rootedMachine)
	if !ok {
		return errors.New("the connection reaches no store but the machine's own")
	}
	j.bare.root = host.InstallRoot
	j.conn.become(rooted.Below(host.InstallRoot))
	return nil
}

// placeKeys places the SSH host key, and the secrets encrypted to it.
func placeKeys(ctx context.Context, j *job) error {
	if j.bare.booted {
		return nil
	}
	if j.inPlace() {
		return sealInPlace(ctx, j)
	}
	h, o := j.step.Host, &j.run.opts
	if h.Install.HostKey == "" || o.Secrets == nil {
		return errors.New("the inventory has no SSH host key for it: set install.host_key")
	}
	private, err := o.Secrets.Value(ctx, h, &schema.Secret{Name: "install.host_key", At: h.PosOf("install"), Age: h.Install.HostKey})
	if err != nil {
		return err
	}
	kind, public, err := secret.PublicKey(private)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Install.HostKey, err)
	}
	if !slices.ContainsFunc(h.HostKeys, func(k string) bool { return strings.HasPrefix(k+" ", public+" ") }) {
		return fmt.Errorf("%s is the key %s, which is none of the host's host_keys", h.Install.HostKey, public)
	}
	steps, done := j.steps(PlaceKeys)
	defer done()
	pair := host.KeyPair{Name: "ssh_host_" + kind + "_key", Private: private, Public: []byte(public + " " + h.Name + "\n")}
	if err := steps.PlaceKeys(ctx, []host.KeyPair{pair}); err != nil {
		return fmt.Errorf("place the SSH host key: %w", err)
	}
	j.seen.Secrets = host.Secrets{Recipients: []string{public}}
	if err := compareSecrets(ctx, j); err != nil {
		return err
	}
	w := &j.secrets
	w.store.Root = j.bare.root
	// The memory of the installer is not the host's: see sendVolatile.
	w.store.Files = slices.DeleteFunc(w.store.Files, func(f host.SecretFile) bool { return f.Volatile })
	if len(w.store.Files) == 0 {
		return nil
	}
	return sendSecrets(ctx, j)
}

// sendVolatile brings the secrets that are in memory only to a host that has booted for
// the first time.
func sendVolatile(ctx context.Context, j *job) error {
	h, want := j.step.Host, j.step.System.Out
	if !slices.ContainsFunc(h.AllSecrets, func(s *schema.Secret) bool { return s.Volatile }) {
		return nil
	}
	if err := look(ctx, j, host.InspectRequest{Secrets: true, Want: want}); err != nil {
		return err
	}
	if err := compareSecrets(ctx, j); err != nil || !j.secrets.changed() {
		return err
	}
	if err := sendSecrets(ctx, j); err != nil {
		return err
	}
	done, err := j.conn.ask().ApplySecrets(ctx, want, nil, j.activateTimeout())
	tellApplied(j, done)
	if err != nil {
		return err
	}
	return j.conn.ask().SettleSecrets(ctx, want)
}

// installSystem makes the system the one that the machine boots.
func installSystem(ctx context.Context, j *job) error {
	if j.bare.booted {
		return nil
	}
	o := &j.run.opts
	steps, done := j.steps(InstallSystem)
	defer done()
	if j.inPlace() {
		return steps.TakePlace(ctx, j.step.System.Out, o.Run, j.bare.layout, o.Who, j.step.Host.Install.Keep)
	}
	return steps.SetSystem(ctx, j.step.System.Out, o.Run, j.bare.layout, o.Who)
}

// firstBoot restarts the machine, and waits until the host answers with its own key and
// runs its system.
func firstBoot(ctx context.Context, j *job) error {
	if !j.bare.booted {
		if j.run.plan.Wanted.NoReboot {
			j.out.Status = Installed
			what := "the installer"
			if j.inPlace() {
				what = cmp.Or(j.bare.seen.Name, "what it ran before")
			}
			j.note(Finding{Check: "reboot", Text: "not restarted: it runs " + what + ", and boots its system when it is restarted"})
			return nil
		}
		var names []string
		for _, d := range j.bare.seen.Disks {
			names = append(names, d.Name)
		}
		// An open session with the new store keeps its file system busy.
		j.conn.finish()
		steps, done := j.steps(Restart)
		defer done()
		leave := func() error { return steps.Leave(ctx, names) }
		if j.inPlace() {
			leave = func() error { return steps.LeavePlace(ctx) }
		}
		if err := leave(); err != nil {
			return fmt.Errorf("restart the machine: %w", err)
		}
		if err := awaitFirstBoot(ctx, j); err != nil {
			return err
		}
	}
	if err := look(ctx, j, host.InspectRequest{}); err != nil {
		return err
	}
	want := j.step.System.Out
	if s := j.seen.State; s.Current != want || s.Booted != want || s.Generation.System != want {
		if j.inPlace() && s.Current == "" {
			return fmt.Errorf("it was to run %s, and came back with what it ran before: its boot loader starts that, and not what was installed", want)
		}
		return fmt.Errorf("it was to run %s; it is on %s", want, s)
	}
	if err := sendVolatile(ctx, j); err != nil {
		return fmt.Errorf("send the secrets that are in memory only: %w", err)
	}
	for _, c := range j.step.Host.Checks(false) {
		if err := checkUntilPassed(ctx, j, &c); err != nil {
			return fmt.Errorf("after its first boot: %w", err)
		}
	}
	if err := j.conn.ask().InstallDone(ctx); err != nil {
		return err
	}
	j.out.Status, j.out.Rebooted = Installed, true
	return nil
}

// awaitFirstBoot waits until the host answers with its own key. The machine has gone
// down then: the installer has another.
func awaitFirstBoot(ctx context.Context, j *job) error {
	limit := j.rebootTimeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not back after %v", limit))
	defer cancel()
	last := errors.New("it has not gone down")
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("first boot: %w; last: %w", context.Cause(ctx), last)
		case <-time.After(rebootPoll):
		}
		m, err := j.run.opts.Connect(ctx, j.step.Host)
		if err != nil {
			last = err
			continue
		}
		b, err := j.conn.over(m).Boot(ctx)
		if err != nil || b.ID == j.bare.seen.BootID {
			last = cmp.Or(err, errors.New("it has not gone down"))
			m.Close()
			continue
		}
		j.bare.root = ""
		j.conn.use(m)
		return nil
	}
}
