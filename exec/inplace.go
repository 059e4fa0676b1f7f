package exec

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/exec/foreign"
	"muster/exec/host"
	"muster/exec/human"
	"muster/schema"
)

// How NixOS takes the place of a Linux that runs:
//
//	connect   to the machine, which keeps its SSH host keys
//	look      what runs; a machine that has NixOS is refused
//	build     here
//	disks     what the new system mounts is what is mounted, there is room, and the user
//	          agrees; nothing is wiped
//	copy      the closure into the machine's own /nix/store
//	keys      the secrets, encrypted to the machine's own SSH host key
//	install   the system profile, /etc/NIXOS, the list of what stays, the boot loader
//	reboot    the first stage of NixOS moves all else to /old-root; until the machine runs
//	          the system
//
// The Linux stays whole, and able to boot again, until its boot loader is changed in the
// stage install.

// inPlaceTools are what the Linux needs besides a shell.
var inPlaceTools = []string{"flock", "setsid", "readlink", "df", "sed", "tar", "nix-store", "nix-env"}

func (j *job) inPlace() bool { return j.action() == Install && j.run.plan.Wanted.InPlace }

// inPlaceLayout names what an installation in place makes of a host, as layoutID does.
func inPlaceLayout(h *schema.Host) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "in place %q", h.Name))
	return hex.EncodeToString(sum[:16])
}

// mayReplace refuses machines whose place NixOS must not take, as far as that can be told
// before the system is built.
func mayReplace(j *job) error {
	b := &j.bare.seen
	name := cmp.Or(b.Name, "a Linux")
	switch {
	case b.OS == "nixos" || b.Current != "":
		return fmt.Errorf("it runs NixOS already (%s): muster adopt brings it into the inventory, and muster deploy what the inventory says", cmp.Or(string(b.Current), name))
	case isInstaller(b):
		return fmt.Errorf("%s runs from memory or a medium there: install it without --in-place, to disks that the inventory names", name)
	case len(b.Lacks) > 0:
		return fmt.Errorf("%s has no %s: install what is missing (Nix as the package nix-bin, or as nixos.org/download says)", name, strings.Join(b.Lacks, ", "))
	}
	return nil
}

// prepareInPlace refuses machines whose place the built system could not take, and asks
// the user.
func prepareInPlace(ctx context.Context, j *job) error {
	w, h, o := &j.bare, j.step.Host, &j.run.opts
	system := string(j.step.System.Out)
	table, err := readFSTab(filepath.Join(system, "etc/fstab"))
	if err != nil {
		return fmt.Errorf("read what the new system mounts: %w", err)
	}
	_, err = foreign.Open(filepath.Join(system, "prepare-root"), foreign.Limits{Size: 16 << 20, Time: foreign.Time, Links: true})
	if err == nil && !h.Install.InPlace {
		return errors.New("the first stage of its boot is systemd, which does not move the old Linux aside by itself: set install: in_place: true in the inventory")
	}
	place, err := j.conn.ask().LookInPlace(ctx, table)
	if err != nil {
		return err
	}
	if err := fits(h, w.seen.EFI, &place, table); err != nil {
		return err
	}
	if len(h.HostKeys) > 0 && !slices.ContainsFunc(place.HostKeys, func(k string) bool {
		return slices.ContainsFunc(h.HostKeys, func(pin string) bool { return strings.HasPrefix(pin+" ", k+" ") })
	}) {
		return errors.New("none of its SSH host keys is in the host's host_keys: in place a machine keeps its keys, and muster adopt shows what they are")
	}
	j.seen.Facts.Space = max(place.Free-inPlaceReserve, 1)
	if w.seen.Agreed != w.layout {
		if o.Install.Replace == nil {
			return errors.New("nobody agreed to replace what it runs")
		}
		if err := o.Install.Replace(ctx, h, cmp.Or(w.seen.Name, "the Linux"), h.Install.Keep); err != nil {
			return fmt.Errorf("what it runs is not replaced: %w", err)
		}
	}
	steps, done := j.steps(MakeDisks)
	defer done()
	return steps.Agree(ctx, w.layout)
}

// What must stay free beside the closure: an activation writes to /etc and /var, and a
// boot loader a kernel and an initrd to /boot.
const (
	inPlaceReserve = 256 << 20
	bootReserve    = 96 << 20
	fewFiles       = 20_000
)

// movable are the places that may be file systems of their own: the first stage of a boot
// moves nothing there.
var movable = []string{"/", "/nix", "/nix/store", "/boot", "/boot/efi", "/efi", "/home", "/srv", "/mnt", "/media", "/opt", "/tmp", "/var/tmp", "/var/log"}

// fits says why a system that mounts the file systems of a table cannot take the place of
// what runs.
func fits(h *schema.Host, efi bool, p *host.Place, table []host.FSTabLine) error {
	if p.Container != "" {
		return fmt.Errorf("it is a container (%s), whose boot is not its own", p.Container)
	}
	mounts := map[string]host.FSTabLine{}
	for _, l := range table {
		mounts[l.Where] = l
	}
	for _, m := range p.Mounts {
		line, there := mounts[m.Where]
		switch {
		case m.Where != "/" && !strings.HasPrefix(m.Source, "/dev/"):
			continue // in memory, or another machine's
		case !slices.Contains(movable, m.Where) && underSystem(m.Where):
			return fmt.Errorf("%s is a file system of its own there (%s), and cannot be moved aside: reinstall the machine by install.kexec instead", m.Where, m.Source)
		case !there && needed(m.Where):
			return fmt.Errorf("%s is a file system of its own there (%s), and the new system does not mount it: add it to file_systems, as muster adopt does", m.Where, m.Source)
		case !there:
			continue
		case p.Wanted[m.Where] == "":
			return fmt.Errorf("the new system mounts %s at %s, and the machine has no such device: there it is %s", line.Device, m.Where, m.Source)
		case p.Wanted[m.Where] != m.Source:
			return fmt.Errorf("the new system mounts %s at %s, which is %s there, and what is mounted there is %s", line.Device, m.Where, p.Wanted[m.Where], m.Source)
		}
	}
	if _, there := mounts["/"]; !there {
		return errors.New("the new system mounts no root file system: name it in file_systems, as muster adopt does")
	}
	if err := bootsBy(h, efi, p); err != nil {
		return err
	}
	switch {
	case p.FreeFiles >= 0 && p.FreeFiles < fewFiles && p.FreeFiles > 0:
		return fmt.Errorf("only %s more can be made on the file system of /nix/store", human.Count(int(p.FreeFiles), "file"))
	case p.Free >= 0 && p.Free < inPlaceReserve:
		return fmt.Errorf("only %s are free for /nix/store", human.Bytes(p.Free))
	case p.FreeBoot >= 0 && p.FreeBoot < bootReserve:
		return fmt.Errorf("only %s are free in /boot, and a kernel with its initrd takes up to %s", human.Bytes(p.FreeBoot), human.Bytes(bootReserve))
	}
	return nil
}

// underSystem reports whether a path belongs to what is moved aside as a part of the old
// system.
func underSystem(where string) bool {
	for _, top := range []string{"/usr", "/etc", "/var", "/bin", "/lib", "/sbin", "/root"} {
		if where == top || strings.HasPrefix(where, top+"/") {
			return true
		}
	}
	return false
}

// needed reports whether a file system is needed to boot.
func needed(where string) bool {
	return slices.Contains([]string{"/", "/nix", "/nix/store", "/boot", "/boot/efi", "/efi"}, where)
}

// bootsBy says why it is not known how the machine would start the new system.
func bootsBy(h *schema.Host, efi bool, p *host.Place) error {
	if efi {
		for _, where := range []string{"/boot", "/boot/efi", "/efi"} {
			if m := p.MountedAt(where); m != nil && m.FSType == "vfat" {
				return nil
			}
		}
		return errors.New("it starts by EFI, and its EFI system partition is not mounted at /boot, /boot/efi or /efi: mount it, and add it to file_systems")
	}
	if slices.ContainsFunc(h.Disks, func(d schema.Disk) bool { return d.Boot }) {
		return nil
	}
	return errors.New("it starts by BIOS or by a kernel from elsewhere, and no disk of the inventory has boot: true, so that no boot loader would be installed: set it for the disk that the machine starts from")
}

// readFSTab reads the file systems of a table such as /etc/fstab.
func readFSTab(name string) ([]host.FSTabLine, error) {
	resolved, err := filepath.EvalSymlinks(name)
	if err != nil {
		return nil, errors.New("the built system has no etc/fstab here: build it here, and not on the machine")
	}
	text, err := foreign.ReadFile(resolved, foreign.Limits{Size: 1 << 20, Time: foreign.Time, Links: true})
	if err != nil {
		return nil, err
	}
	var table []host.FSTabLine
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 3 || strings.HasPrefix(f[0], "#") || !strings.HasPrefix(f[1], "/") {
			continue
		}
		table = append(table, host.FSTabLine{Device: f[0], Where: f[1], FSType: f[2]})
	}
	return table, nil
}

// sealInPlace places the secrets, encrypted to the machine's own SSH host key.
func sealInPlace(ctx context.Context, j *job) error {
	if len(j.step.Host.AllSecrets) == 0 {
		return nil
	}
	if err := look(ctx, j, host.InspectRequest{Secrets: true, Want: j.step.System.Out}); err != nil {
		return err
	}
	if err := compareSecrets(ctx, j); err != nil {
		return err
	}
	// What is in memory only comes after the restart: see sendVolatile.
	w := &j.secrets
	w.store.Files = slices.DeleteFunc(w.store.Files, func(f host.SecretFile) bool { return f.Volatile })
	if len(w.store.Files) == 0 {
		return nil
	}
	return sendSecrets(ctx, j)
}
