package host

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/human"
)

// InstallRoot is where the file systems of a new host are mounted while it is installed.
const InstallRoot = "/mnt"

// A Bare is a machine that is to be installed, as installlook.sh sees it.
type Bare struct {
	Name     string // of its operating system, for people
	OS       string // ID of os-release
	Variant  string // VARIANT_ID of os-release; "" for none
	RootFS   string // type of the file system at /
	Machine  string // uname -m
	EFI      bool
	Memory   int64    // bytes, -1 where unknown
	Lacks    []string // programs that were asked for and are not there
	BootID   string
	Current  store.Path // the NixOS system that runs; "" for none
	Booted   store.Path
	Deployed string // the last run of muster that deployed to it; "" for none

	// Pending is the note of an installation on the root that the machine runs from:
	// it has booted what was installed, and nobody has seen that yet.
	Pending Note
	Agreed  string // the layout whose disks the user has agreed to wipe, until the machine restarts
	Mounted bool   // something is mounted at InstallRoot
	There   Note   // the note of an installation at InstallRoot

	Disks []BareDisk  // those that were asked for, in their order
	Named []NamedDisk // all that the machine has, by id

	Nameless []NamedDisk // those that have no ID
}

// A Note is what an installation leaves on the disk that it installs to.
type Note struct {
	Layout string
	Run    string
	System store.Path
}

// A BareDisk is a disk that was asked for.
type BareDisk struct {
	Device    string // as asked for
	Missing   bool
	Partition bool   // it is no whole disk
	Name      string // in the kernel: sda
	Size      int64  // bytes
	Serial    string
	Model     string
	ReadOnly  bool
	TableID   string // of its partition table
	Holds     []Content
	Used      []Use
}

// A Content is something on a disk.
type Content struct {
	Name  string // of the disk or partition: sda1
	Size  int64  // bytes
	Type  string // a file system, LVM2_member, crypto_LUKS …; "" where unknown
	Label string
}

// A Use is what a disk or a partition is in use as: a mount point, swap, or part of
// another device.
type Use struct{ Name, As string }

// A NamedDisk is a disk with one of its names by id.
type NamedDisk struct {
	ID   string // the file in /dev/disk/by-id; "" for none
	Name string
	Size int64 // bytes
}

// LookBare looks at a machine that is to be installed: at some disks, and whether it has
// some programs.
func (h *Host) LookBare(ctx context.Context, devices, tools []string) (Bare, error) {
	out, err := h.ask(ctx, installLookScript, append([]string{strings.Join(tools, " ")}, devices...)...)
	if err != nil {
		return Bare{}, err
	}
	return parseBare(out, devices)
}

func parseBare(out string, devices []string) (Bare, error) {
	b := Bare{Memory: -1, Disks: make([]BareDisk, len(devices))}
	for i, d := range devices {
		b.Disks[i] = BareDisk{Device: d, Missing: true}
	}
	r, uid := newHardwareReader(), ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		name, value, _ := strings.Cut(line, " ")
		value = human.Clip(value, maxRecord)
		switch name {
		case "uid":
			uid = value
		case "os":
			words := strings.SplitN(value, " ", 3)
			if len(words) == 3 {
				b.OS, b.Variant, b.Name = human.Clip(words[0], maxWord), strings.TrimPrefix(human.Clip(words[1], maxWord), "-"), human.Clip(words[2], maxWord)
			}
		case "machine":
			b.Machine = human.Clip(value, maxWord)
		case "firmware":
			b.EFI = value == "efi"
		case "memory":
			b.Memory = kilobytes(value)
		case "lacks":
			b.Lacks = appendNew(b.Lacks, human.Clip(value, maxWord))
		case "bootid":
			b.BootID = human.Clip(value, maxWord)
		case "current":
			b.Current, _ = store.ParsePath(value)
		case "booted":
			b.Booted, _ = store.ParsePath(value)
		case "deployed":
			b.Deployed = human.Clip(value, maxWord)
		case "pending":
			b.Pending = parseNote(value)
		case "agreed":
			b.Agreed = human.Clip(value, maxWord)
		case "there":
			b.There = parseNote(value)
		case "wanted":
			number, kernel, _ := strings.Cut(value, " ")
			if i, err := strconv.Atoi(number); err == nil && i >= 0 && i < len(b.Disks) {
				b.Disks[i].Name, b.Disks[i].Missing = human.Clip(kernel, maxWord), false
			}
		case "block", "udev", "link", "blkid", "swap", "mount":
			r.fact(line)
		}
	}
	switch {
	case uid == "":
		return b, fmt.Errorf("look at the machine: unexpected answer %q", out[:min(len(out), 200)])
	case uid != "0":
		return b, fmt.Errorf("not root on the machine, but user %s", uid)
	}
	r.finishDisks()
	b.takeDisks(r)
	return b, nil
}

// takeDisks takes in what was read of disks and mounts.
func (b *Bare) takeDisks(r *hardwareReader) {
	if m := r.MountedAt("/"); m != nil {
		b.RootFS = m.FSType
	}
	if b.Mounted = r.MountedAt(InstallRoot) != nil; !b.Mounted {
		b.There = Note{}
	}
	for i := range b.Disks {
		b.Disks[i].read(r)
	}
	for _, d := range r.Disks() {
		for _, id := range d.IDs {
			b.Named = append(b.Named, NamedDisk{ID: id, Name: d.Name, Size: d.Size})
		}
		if len(d.IDs) == 0 {
			b.Nameless = append(b.Nameless, NamedDisk{Name: d.Name, Size: d.Size})
		}
	}
	b.Named, b.Nameless = b.Named[:min(len(b.Named), maxList)], b.Nameless[:min(len(b.Nameless), maxList)]
}

// parseNote reads LAYOUT RUN SYSTEM; the last two may be missing.
func parseNote(s string) (n Note) {
	words := append(strings.Fields(s), "", "", "")
	n.Layout, n.Run = human.Clip(words[0], maxWord), human.Clip(words[1], maxWord)
	n.System, _ = store.ParsePath(words[2])
	return n
}

// read takes in what was read of the device that was asked for.
func (d *BareDisk) read(r *hardwareReader) {
	seen := r.Device(d.Name)
	if seen == nil {
		return
	}
	d.Partition = seen.Kind == Partition
	d.Size, d.Serial, d.Model, d.ReadOnly, d.TableID = seen.Size, strings.ReplaceAll(seen.Serial, " ", ""), seen.Model, seen.ReadOnly, r.tables[d.Name]
	for _, part := range r.withParts(d.Name) {
		if part.Kind == Partition || part.FSType != "" {
			d.Holds = append(d.Holds, Content{Name: part.Name, Size: part.Size, Type: part.FSType, Label: part.Label})
		}
	}
	d.Holds = d.Holds[:min(len(d.Holds), maxList)]
	d.Used = r.uses(d.Name)
}

// InstallSteps do the long parts of an installation: each within a limit, its lines
// handed on.
type InstallSteps struct {
	Host  *Host
	Limit time.Duration
	Line  io.Writer // takes what the machine prints
}

// A WantedTable is a partition table to be written.
type WantedTable struct {
	Device string
	Name   string // in the kernel, as it was seen
	Script string // what sfdisk reads
}

// WriteTables writes partition tables. All that was on the disks is lost.
func (s *InstallSteps) WriteTables(ctx context.Context, layout string, tables []WantedTable) error {
	args := []string{layout}
	for _, t := range tables {
		args = append(args, t.Device, t.Name, t.Script)
	}
	return s.do(ctx, installTableScript, nil, args...)
}

// Disko runs a program of the store that makes the disks and mounts them below
// [InstallRoot].
func (s *InstallSteps) Disko(ctx context.Context, layout, program string) error {
	return s.do(ctx, installDiskoScript, nil, layout, program)
}

// A WantedPart is a partition to be made use of.
type WantedPart struct {
	Device, Name string // of its disk
	Number       int    // from 1
	Mapper       string // its name when it is open; "" for one that is not encrypted
}

func (p *WantedPart) args() []string {
	return []string{p.Device, p.Name, strconv.Itoa(p.Number), p.Mapper}
}

// Format formats a partition with a program, whose last argument will be its device.
func (s *InstallSteps) Format(ctx context.Context, p WantedPart, program []string) error {
	return s.do(ctx, installFormatScript, nil, append(p.args(), program...)...)
}

// Open opens an encrypted partition by its passphrase, and makes it one first if it is
// new.
func (s *InstallSteps) Open(ctx context.Context, p WantedPart, passphrase []byte, isNew bool) error {
	word := ""
	if isNew {
		word = "new"
	}
	return s.do(ctx, installLUKSScript, bytes.NewReader(passphrase), append(p.args(), word)...)
}

// A WantedMount is a file system to be mounted below [InstallRoot], or swap.
type WantedMount struct {
	WantedPart
	Where   string // below InstallRoot, or "swap"
	FS      string
	Options string
}

// Mount mounts file systems, those of higher directories first. With a run, the sign that
// all is formatted is left in their root. Without one that sign is looked for, and there
// is false where it is missing.
func (s *InstallSteps) Mount(ctx context.Context, layout, run string, mounts []WantedMount) (there bool, err error) {
	args := []string{layout, run}
	for _, m := range mounts {
		args = append(args, m.Name, strconv.Itoa(m.Number), m.Mapper, m.Where, m.FS, m.Options)
	}
	ctx, cancel := s.limited(ctx)
	defer cancel()
	out, err := s.Host.run(ctx, installMountScript, args...)
	return lastLine(out) == "mounted", err
}

// A KeyPair is an SSH host key with the name of its file in /etc/ssh.
type KeyPair struct {
	Name            string
	Private, Public []byte
}

// PlaceKeys places SSH host keys.
func (s *InstallSteps) PlaceKeys(ctx context.Context, keys []KeyPair) error {
	var archive bytes.Buffer
	t := tar.NewWriter(&archive)
	for _, k := range keys {
		for name, content := range map[string][]byte{k.Name: k.Private, k.Name + ".pub": k.Public} {
			if err := t.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(content))}); err != nil {
				return err
			}
			if _, err := t.Write(content); err != nil {
				return err
			}
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return s.do(ctx, installKeysScript, &archive)
}

// SetSystem makes a system that is below [InstallRoot] the one that the machine boots.
func (s *InstallSteps) SetSystem(ctx context.Context, system store.Path, run, layout, who string) error {
	return s.do(ctx, installSystemScript, nil, string(system), run, layout, who)
}

// Unpack unpacks an installer, a tar archive.
func (s *InstallSteps) Unpack(ctx context.Context, image io.Reader) error {
	return s.do(ctx, installImageScript, image)
}

// Kexec has the kernel of the installer take the machine over.
func (s *InstallSteps) Kexec(ctx context.Context) error { return s.do(ctx, installKexecScript, nil) }

// Leave unmounts what was installed to disks, by their names in the kernel, and restarts
// the machine.
func (s *InstallSteps) Leave(ctx context.Context, disks []string) error {
	ctx, cancel := s.limited(ctx)
	defer cancel()
	out, err := s.Host.run(ctx, installLeaveScript, disks...)
	if err != nil {
		return err
	}
	if answer := lastLine(out); answer != "ok" {
		return fmt.Errorf("unexpected answer %q", answer)
	}
	return nil
}

// InstallDone removes the note of an installation on the host that it has made.
func (h *Host) InstallDone(ctx context.Context) error {
	_, err := h.ask(ctx, installDoneScript)
	return err
}

func (s *InstallSteps) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, s.Limit, fmt.Errorf("not done after %v", s.Limit))
}

// do runs a script, with standard input where it has some.
func (s *InstallSteps) do(ctx context.Context, what script, in io.Reader, args ...string) error {
	ctx, cancel := s.limited(ctx)
	defer cancel()
	var err error
	if in == nil {
		err = s.Host.machine.Run(ctx, what.argv(args...), s.Line, s.Line)
	} else if feeder, ok := s.Host.machine.(Feeder); ok {
		err = feeder.Feed(ctx, what.argv(args...), in, s.Line, s.Line)
	} else {
		err = errors.New("the connection takes no input")
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
