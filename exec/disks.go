package exec

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile/store"
	"muster/exec/host"
	"muster/exec/human"
	"muster/schema"
)

// madeDisks are the disks of a host that an installation makes partitions on: those of
// the inventory, or those that disko may make.
func madeDisks(h *schema.Host) []*schema.Disk {
	var made []*schema.Disk
	for i := range h.Disks {
		if len(h.Disks[i].Partitions) > 0 || h.Install.Disko {
			made = append(made, &h.Disks[i])
		}
	}
	return made
}

// layoutID names what an installation makes of the disks of a host. It is another where
// any of that is.
func layoutID(h *schema.Host) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %t\n", h.Name, h.Install.Disko)
	for _, d := range madeDisks(h) {
		fmt.Fprintf(sum, "%q %q %q %q\n", d.Name, d.Device, d.Serial, d.Table)
		for _, p := range d.Partitions {
			fmt.Fprintf(sum, "%q %d %q %q %q %q %q %t %q\n", p.Name, p.Size, p.Type, p.FS, p.Label, p.Mount, p.FormatOptions, p.Bootable, p.Encrypt)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// tableID is the ID of the partition table of a disk in a layout, as sfdisk prints it.
func tableID(layout string, d *schema.Disk) string {
	sum := sha256.Sum256([]byte(layout + " " + d.Name))
	if d.Table == "mbr" {
		return hex.EncodeToString(sum[:4])
	}
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a UUID of version 8
	id := hex.EncodeToString(sum[:16])
	return strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
}

// sfdiskTypes are what sfdisk calls the types of partitions.
var sfdiskTypes = map[string]string{"linux": "L", "efi": "U", "swap": "S", "bios": "21686148-6449-6E6F-744E-656564454649"}

// sfdiskScript is what sfdisk reads to make the partitions of a disk.
func sfdiskScript(layout string, d *schema.Disk) string {
	var b strings.Builder
	label, id := "gpt", tableID(layout, d)
	if d.Table == "mbr" {
		label, id = "dos", "0x"+id
	}
	fmt.Fprintf(&b, "label: %s\nlabel-id: %s\n\n", label, id)
	for _, p := range d.Partitions {
		var words []string
		if p.Size > 0 {
			words = append(words, fmt.Sprintf("size=%dMiB", p.Size))
		}
		words = append(words, "type="+sfdiskTypes[p.Type])
		switch {
		case d.Table != "mbr":
			words = append(words, fmt.Sprintf("name=%q", p.Name))
			if p.Bootable {
				words = append(words, "attrs=LegacyBIOSBootable")
			}
		case p.Bootable:
			words = append(words, "bootable")
		}
		fmt.Fprintln(&b, strings.Join(words, ", "))
	}
	return b.String()
}

// formatter is the program that formats a partition; its device will be the last
// argument.
func formatter(p *schema.Partition) []string {
	var argv []string
	label := "-L"
	switch p.FS {
	case "swap":
		argv = []string{"mkswap"}
	case "vfat":
		argv, label = []string{"mkfs.vfat"}, "-n"
		if p.Type == "efi" {
			argv = append(argv, "-F", "32")
		}
	case "xfs", "btrfs":
		argv = []string{"mkfs." + p.FS, "-f"}
	default:
		argv = []string{"mkfs." + p.FS, "-F", "-q"}
	}
	if p.Label != "" {
		argv = append(argv, label, p.Label)
	}
	return append(argv, p.FormatOptions...)
}

// checkDisk says why a disk must not be wiped. inUse is whether it may be in use.
func checkDisk(d *schema.Disk, b *host.Bare, number int, inUse bool) error {
	seen := &b.Disks[number]
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("disk %s, %s: %s; nothing was wiped", d.Name, d.Device, fmt.Sprintf(format, args...))
	}
	switch {
	case seen.Missing:
		var there []string
		for _, n := range b.Named {
			there = append(there, fmt.Sprintf("%s (%s, %s)", n.ID, n.Name, human.Bytes(n.Size)))
		}
		if there == nil {
			there = []string{"no disk that has a name there"}
		}
		text := "the machine has no such disk; in /dev/disk/by-id it has " + strings.Join(there, ", ")
		if b.Nameless != nil {
			var others []string
			for _, n := range b.Nameless {
				others = append(others, fmt.Sprintf("%s (%s)", n.Name, human.Bytes(n.Size)))
			}
			text += fmt.Sprintf("; without an ID it has %s: give a virtual disk a serial number in its hypervisor's settings, and virtio-SERIAL will be its ID", strings.Join(others, ", "))
		}
		return refuse("%s", text)
	case seen.Partition:
		return refuse("it is a partition, %s, and no whole disk", seen.Name)
	case seen.ReadOnly:
		return refuse("it is read-only")
	case d.Serial != "" && seen.Serial != d.Serial:
		return refuse("its serial number is %q, and the inventory says %q", seen.Serial, d.Serial)
	case slices.ContainsFunc(b.Disks[:number], func(o host.BareDisk) bool { return o.Name == seen.Name }):
		return refuse("it is the same disk as another of the host: %s", seen.Name)
	}
	if least := leastOf(d); seen.Size < least {
		return refuse("it has %s, and its partitions take %s", human.Bytes(seen.Size), human.Bytes(least))
	}
	if len(seen.Used) > 0 && !inUse {
		var uses []string
		for _, u := range seen.Used {
			uses = append(uses, u.Name+" ("+u.As+")")
		}
		return refuse("it is in use, and has to be unmounted or stopped first: %s", strings.Join(uses, ", "))
	}
	return nil
}

// leastOf is how large a disk has to be for its partitions, in bytes.
func leastOf(d *schema.Disk) int64 {
	least := int64(1) // of the table itself
	for _, p := range d.Partitions {
		least += max(p.Size, 1)
	}
	return least << 20
}

// isTheOne fails where a disk that is known by its name in the kernel, which may be that of
// another at the next start, may not be the one that is meant. It is where the machine has no
// other that is as large, or where the Linux that the machine was made with has its root on it.
func isTheOne(d *schema.Disk, b *host.Bare, number int, rooted []host.BareDisk) error {
	seen := &b.Disks[number]
	if d.ByID() || slices.ContainsFunc(rooted, func(r host.BareDisk) bool {
		return r.Size == seen.Size && r.Serial == seen.Serial && r.Model == seen.Model
	}) {
		return nil
	}
	var names, others []string
	for _, n := range slices.Concat(b.Named, b.Nameless) {
		if n.Name != seen.Name && n.Size >= leastOf(d) && !slices.Contains(names, n.Name) {
			names = append(names, n.Name)
			others = append(others, fmt.Sprintf("%s (%s)", cmp.Or(n.ID, n.Name), human.Bytes(n.Size)))
		}
	}
	if others == nil {
		return nil
	}
	return fmt.Errorf("disk %s, %s: the machine has other disks, %s, and which of them the kernel calls so changes from one start to the next: give the disk its device by id, /dev/disk/by-id/…; nothing was wiped", d.Name, d.Device, strings.Join(others, ", "))
}

// withRoot are the disks that were asked for on which the root of a Linux is.
func withRoot(b *host.Bare) (rooted []host.BareDisk) {
	for _, d := range b.Disks {
		if slices.ContainsFunc(d.Used, func(u host.Use) bool { return u.As == "/" }) {
			rooted = append(rooted, d)
		}
	}
	return rooted
}

// makeDisks makes the file systems of the new host and mounts them, unless an earlier
// attempt has.
func makeDisks(ctx context.Context, j *job) error {
	w, h := &j.bare, j.step.Host
	if w.booted {
		return nil
	}
	if j.inPlace() {
		return prepareInPlace(ctx, j)
	}
	steps, done := j.steps(MakeDisks)
	defer done()
	made := madeDisks(h)
	if len(made) == 0 {
		if !w.seen.Mounted {
			return fmt.Errorf("no disk of the inventory has partitions, and nothing is mounted at %s: say what to make in disks, or mount the new file systems there yourself", host.InstallRoot)
		}
		if _, err := steps.Mount(ctx, w.layout, j.run.opts.Run, nil); err != nil {
			return err
		}
		return j.useRoot()
	}
	if h.Install.Disko {
		if w.seen.There.Layout != w.layout {
			if err := runDisko(ctx, j, steps); err != nil {
				return err
			}
		}
		return j.useRoot()
	}
	there, err := mountAgain(ctx, j, steps)
	if err != nil {
		return err
	}
	if !there {
		if err := wipe(ctx, j, steps); err != nil {
			return err
		}
	}
	return j.useRoot()
}

// mountAgain mounts what an earlier attempt has made; it reports false where that is
// not all there.
func mountAgain(ctx context.Context, j *job, steps *host.InstallSteps) (bool, error) {
	w, h := &j.bare, j.step.Host
	made := madeDisks(h)
	for i, d := range made {
		if w.seen.Disks[i].TableID != tableID(w.layout, d) {
			return false, nil
		}
	}
	for i, d := range made {
		if err := openParts(ctx, j, steps, d, w.seen.Disks[i].Name, false); err != nil {
			return false, nil // they were not made yet
		}
	}
	there, err := steps.Mount(ctx, w.layout, "", mountsOf(made, w.seen.Disks))
	if there {
		j.said(MakeDisks)("muster: the disks are as an earlier attempt has made them")
	}
	return there, err
}

// mayWipe fails where a disk must not be wiped, or the user does not agree.
func mayWipe(ctx context.Context, j *job) error {
	w, h, o := &j.bare, j.step.Host, &j.run.opts
	for i, d := range madeDisks(h) {
		if err := checkDisk(d, &w.seen, i, w.ours()); err != nil {
			return err
		}
		if err := isTheOne(d, &w.seen, i, w.rooted); err != nil && !w.ours() {
			return err
		}
	}
	if w.seen.Agreed != w.layout {
		if o.Install.Wipe == nil {
			return errors.New("nobody agreed to wipe its disks")
		}
		if err := o.Install.Wipe(ctx, h, w.seen.Disks); err != nil {
			return fmt.Errorf("its disks are not wiped: %w", err)
		}
	}
	j.out.changed = true
	return nil
}

// diskoScript is where the system has the script that makes the host's disks.
const diskoScript = "/etc/muster/disko"

// runDisko sends the installer the script that makes the disks, and runs it there.
func runDisko(ctx context.Context, j *job, steps *host.InstallSteps) error {
	w := &j.bare
	if err := mayWipe(ctx, j); err != nil {
		return err
	}
	program, err := filepath.EvalSymlinks(string(j.step.System.Out) + diskoScript)
	if err != nil {
		return fmt.Errorf("find the script of disko: %w", err)
	}
	object, _, _ := strings.Cut(strings.TrimPrefix(program, store.Dir+"/"), "/")
	path, err := store.ParsePath(store.Dir + "/" + object)
	if err != nil {
		return fmt.Errorf("find the script of disko: %w", err)
	}
	if _, err := (&sender{j: j, stage: MakeDisks}).send(ctx, []store.Path{path}); err != nil {
		return fmt.Errorf("send the script of disko: %w", err)
	}
	if err := steps.Disko(ctx, w.layout, program); err != nil {
		return fmt.Errorf("make the disks by disko: %w", err)
	}
	_, err = steps.Mount(ctx, w.layout, j.run.opts.Run, nil)
	return err
}

// wipe makes the partitions and file systems, when the user has agreed.
func wipe(ctx context.Context, j *job, steps *host.InstallSteps) error {
	w, h, o := &j.bare, j.step.Host, &j.run.opts
	if err := mayWipe(ctx, j); err != nil {
		return err
	}
	made := madeDisks(h)
	var tables []host.WantedTable
	for i, d := range made {
		tables = append(tables, host.WantedTable{Device: d.Device, Name: w.seen.Disks[i].Name, Script: sfdiskScript(w.layout, d)})
	}
	if err := steps.WriteTables(ctx, w.layout, tables); err != nil {
		return fmt.Errorf("make partitions: %w", err)
	}
	for i, d := range made {
		if err := openParts(ctx, j, steps, d, tables[i].Name, true); err != nil {
			return err
		}
		for n := range d.Partitions {
			p := &d.Partitions[n]
			if p.FS == "" {
				continue
			}
			if err := steps.Format(ctx, wantedPart(d, n, tables[i].Name), formatter(p)); err != nil {
				return fmt.Errorf("disk %s: format partition %s: %w", d.Name, p.Name, err)
			}
		}
	}
	there, err := steps.Mount(ctx, w.layout, o.Run, mountsOf(made, w.seen.Disks))
	if err == nil && !there {
		err = errors.New("unexpected answer")
	}
	if err != nil {
		return fmt.Errorf("mount the new file systems: %w", err)
	}
	return nil
}

// openParts opens the encrypted partitions of a disk.
func openParts(ctx context.Context, j *job, steps *host.InstallSteps, d *schema.Disk, name string, isNew bool) error {
	h := j.step.Host
	for n := range d.Partitions {
		p := &d.Partitions[n]
		if p.Encrypt == "" {
			continue
		}
		s := h.Secret(p.Encrypt)
		if s == nil || j.run.opts.Secrets == nil {
			return fmt.Errorf("disk %s: partition %s: no secret %s", d.Name, p.Name, p.Encrypt)
		}
		passphrase, err := j.run.opts.Secrets.Value(ctx, h, s)
		if err != nil {
			return err
		}
		// A passphrase that is typed has no newline at its end.
		if err := steps.Open(ctx, wantedPart(d, n, name), bytes.TrimRight(passphrase, "\n"), isNew); err != nil {
			return fmt.Errorf("disk %s: encrypt partition %s: %w", d.Name, p.Name, err)
		}
	}
	return nil
}

func wantedPart(d *schema.Disk, n int, name string) host.WantedPart {
	p := host.WantedPart{Device: d.Device, Name: name, Number: n + 1}
	if d.Partitions[n].Encrypt != "" {
		p.Mapper = d.Mapper(n)
	}
	return p
}

// mountsOf are the file systems on disks, those of higher directories first.
func mountsOf(made []*schema.Disk, seen []host.BareDisk) []host.WantedMount {
	var mounts []host.WantedMount
	for i, d := range made {
		for n, p := range d.Partitions {
			if p.Mount != "" {
				mounts = append(mounts, host.WantedMount{WantedPart: wantedPart(d, n, seen[i].Name), Where: p.Mount, FS: p.FS, Options: strings.Join(p.Options, ",")})
			}
		}
	}
	slices.SortFunc(mounts, func(a, b host.WantedMount) int { return strings.Compare(a.Where, b.Where) })
	return mounts
}
