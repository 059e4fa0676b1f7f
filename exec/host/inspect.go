package host

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/human"
)

// An InspectRequest says what a look at a host is for.
type InspectRequest struct {
	DiskUUID string     // the root disk that the inventory names; "" for none
	Want     store.Path // the system the host is to have; "" for any
	History  bool       // read the host's history as well
	Version  bool       // ask for the version of Nix, which takes a process
	Secrets  bool       // read what the host has of secrets, also where it has none yet
	Compare  store.Path // the system whose generation is looked for; "" for none
	Release  string     // the run that then gives the host back; "" for none
}

// An Inspection is what a look at a host found.
type Inspection struct {
	State State
	Facts Facts
	// UpToDate says that the host has the wanted system. What it takes to change
	// it was not looked at then.
	UpToDate bool
	HasNix   bool     // where it was looked at
	Lacks    []string // programs that the guard needs and the host has not
	ReadOnly string   // the file system of Nix, where nothing can be written to it; else ""
	Disk     Disk     // how the host's root stands to the inventory's disk
	Lock     LockHolder
	Guard    string // the run whose guard is on the host, at work or finished; "" for none
	History  History
	Restart  Restart // that the host came back from without being seen
	Secrets  Secrets
}

// Facts are what a host says of itself.
type Facts struct {
	Nix         string        `json:"nix,omitempty"`     // version
	Machine     string        `json:"machine,omitempty"` // uname -m
	Space       int64         `json:"space"`             // bytes free for /nix/store, -1 where unknown
	BootSpace   int64         `json:"boot_space"`        // bytes free for /boot, -1 where unknown
	Memory      int64         `json:"memory"`            // bytes available, -1 where unknown
	Skew        time.Duration `json:"skew_ns"`           // how far its clock is ahead of ours
	FailedUnits []string      `json:"failed_units,omitempty"`
	BootID      string        `json:"boot_id,omitempty"`
	// Needs are the parts of the booted system that differ from those of the
	// running one and take a restart: kernel, initrd, modules, systemd.
	Needs []string `json:"needs_reboot,omitempty"`
	Ours  bool     `json:"ours"` // muster deployed the profile's system
	// DeployedBy is the last run that did; "" where the host does not say.
	DeployedBy string `json:"deployed_by,omitempty"`
	// Since is when the profile was made to point to its generation, by the host's clock. It
	// and the next two are looked at for a host that is not on [InspectRequest.Compare].
	Since time.Time `json:"since,omitzero"`
	// Wanted is the newest generation that has the system of Compare; 0 for none.
	Wanted int `json:"wanted_generation,omitempty"`
	// Newest is the newest generation.
	Newest int `json:"newest_generation,omitempty"`
	// Activation is how far a guard on the host has come, and ActivationRun whose it
	// is; "" where there is none. Returns is when one that waits for confirmation
	// goes back by itself, from the inspection on.
	Activation    Phase         `json:"activation,omitempty"`
	ActivationRun string        `json:"activation_run,omitempty"`
	Returns       time.Duration `json:"returns_ns,omitempty"`
	Meshes        []Mesh        `json:"meshes,omitempty"` // that the host is in
}

// A Disk is how the file system at / stands to the disk that the inventory names.
type Disk struct {
	Relation DiskRelation
	Device   string // that / is on, for OtherDisk and UnsureDisk
}

// A DiskRelation is one way in which / stands to a disk.
type DiskRelation string

// The relations.
const (
	UnknownDisk DiskRelation = ""
	RootDisk    DiskRelation = "root"    // / is on it
	MissingDisk DiskRelation = "missing" // the host has no such disk
	OtherDisk   DiskRelation = "other"   // / is on another
	UnsureDisk  DiskRelation = "unsure"  // / is on something that is not a plain device
)

// Parts are the parts of a NixOS system that take a restart to change, as named
// in its directory.
var Parts = []string{"kernel", "initrd", "kernel-modules", "systemd"}

// Inspect looks at the host and changes nothing on it, but for the lock that is to be
// released.
func (h *Host) Inspect(ctx context.Context, r InspectRequest) (Inspection, error) {
	asked := time.Now()
	out, err := h.ask(ctx, inspectScript, r.args()...)
	if err != nil {
		return Inspection{}, err
	}
	return parseInspection(out, asked, time.Now())
}

// args are the arguments of inspect.sh.
func (r *InspectRequest) args() []string {
	word := func(set bool, word string) string {
		if set {
			return word
		}
		return ""
	}
	return []string{
		Profile, r.DiskUUID, string(r.Want), word(r.Version, "version"), word(r.History, "history"), r.Release,
		word(r.Secrets, "secrets"), string(r.Compare),
	}
}

// parseInspection reads what inspect.sh printed, which was asked and answered at
// these times.
func parseInspection(out string, asked, answered time.Time) (Inspection, error) {
	in := Inspection{Facts: Facts{Space: -1, BootSpace: -1, Memory: -1}}
	s, f := &in.State, &in.Facts
	seen := false
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch name {
		case "deployment", "rejected", "confirmed", "restarting", "hostkey":
			value = human.Clip(value, maxRecord) // several paths in a line
		default:
			value = human.Clip(value, maxWord)
		}
		value = strings.Clone(value) // a part of the answer would keep the whole of it
		switch name {
		case "time":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil {
				seen = true
				f.Skew = skew(time.Unix(n, 0), asked, answered)
			}
		case "profile":
			s.Generation.System, _ = store.ParsePath(value)
		case "current":
			s.Current, _ = store.ParsePath(value)
		case "booted":
			s.Booted, _ = store.ParsePath(value)
		case "boots":
			s.Boots, _ = store.ParsePath(value)
		case "link":
			s.Generation.Number = generationNumber(value)
		case "uid":
			if value != "0" {
				return in, fmt.Errorf("not root on the host, but user %s", value)
			}
		case "uptodate":
			in.UpToDate = true
		case "nix":
			in.HasNix = true
			f.Nix = value[strings.LastIndexByte(value, ' ')+1:]
		case "readonly":
			in.ReadOnly = value
		case "lacks":
			in.Lacks = appendNew(in.Lacks, value)
		case "machine":
			f.Machine = value
		case "space":
			f.Space = available(value)
		case "bootspace":
			f.BootSpace = available(value)
		case "memory":
			f.Memory = kilobytes(value)
		case "bootid":
			f.BootID = value
		case "since":
			f.Since = unixTime(value)
		case "has":
			f.Wanted = max(f.Wanted, generationNumber(value))
		case "newest":
			f.Newest = generationNumber(value)
		case "needs":
			if slices.Contains(Parts, value) {
				f.Needs = appendNew(f.Needs, value)
			}
		case "disk":
			relation, device, _ := strings.Cut(value, " ")
			switch r := DiskRelation(relation); r {
			case RootDisk, MissingDisk, OtherDisk, UnsureDisk:
				in.Disk = Disk{Relation: r, Device: device}
			}
		case "failed":
			f.FailedUnits = appendNew(f.FailedUnits, value)
		case "lock":
			in.Lock = parseLock(value)
		case "guard":
			in.Guard = f.readGuard(value)
		case "ours":
			f.Ours, f.DeployedBy = true, value
		case "restarting":
			in.Restart = parseRestart(value)
		default:
			if !f.addMesh(name, value) && !in.Secrets.add(name, value) {
				in.History.add(name, value)
			}
		}
	}
	if !seen {
		return in, fmt.Errorf("inspect the host: unexpected answer %q", out[:min(len(out), 200)])
	}
	if s.Generation.System == "" {
		s.Generation.Number = 0
	}
	s.Generation.Current = s.Generation.Number != 0
	if in.Restart.BootID == f.BootID {
		in.Restart = Restart{} // it has not gone down yet
	}
	for i := range in.History.Generations {
		g := &in.History.Generations[i]
		g.Current = g.Number == s.Generation.Number
	}
	slices.SortFunc(in.History.Generations, func(a, b Generation) int { return a.Number - b.Number })
	return in, nil
}

// maxList is how many facts of one kind are kept.
const maxList = 100

// appendNew adds a word to a list, unless it is there or the list is long.
func appendNew(list []string, word string) []string {
	switch {
	case slices.Contains(list, word):
	case len(list) < maxList:
		list = append(list, word)
	case len(list) == maxList:
		list = append(list, "…")
	}
	return list
}

// readGuard reads the guard line of inspect.sh: the time since boot in hundredths
// of a second, the run, its phase and reason. It returns the run.
func (f *Facts) readGuard(s string) string {
	words := strings.SplitN(s, " ", 3)
	if len(words) < 3 {
		return ""
	}
	v := parseVerdict(words[2])
	if v.Phase != Activated && v.finished(false) {
		return words[1]
	}
	f.Activation, f.ActivationRun = v.Phase, words[1]
	now, errNow := strconv.ParseUint(words[0], 10, 32)
	by, errBy := strconv.ParseUint(v.Reason, 10, 32)
	if v.Phase == Activated && errNow == nil && errBy == nil && by > now {
		f.Returns = time.Duration(by-now) * 10 * time.Millisecond
	}
	return words[1]
}

// skew is how far a clock that said then is ahead of ours, when it was asked
// and answered in between. Its whole seconds and the time the question took
// leave some room, which is no skew.
func skew(then, asked, answered time.Time) time.Duration {
	switch {
	case then.Add(time.Second).Before(asked):
		return then.Add(time.Second).Sub(asked).Round(time.Second)
	case then.After(answered):
		return then.Sub(answered).Round(time.Second)
	}
	return 0
}

// available reads the fourth column of df -Pk, in bytes.
func available(df string) int64 {
	words := strings.Fields(df)
	if len(words) < 4 {
		return -1
	}
	return kilobytes(words[3])
}

// kilobytes reads a number of 1024 bytes, and returns bytes; -1 where it is none.
func kilobytes(s string) int64 {
	kb, err := strconv.ParseUint(s, 10, 53)
	if err != nil {
		return -1
	}
	return int64(kb << 10)
}

// Generations are those of the host's system profile, oldest first.
func (h *Host) Generations(ctx context.Context) ([]Generation, error) {
	out, err := h.ask(ctx, generationsScript, Profile)
	if err != nil {
		return nil, err
	}
	return parseGenerations(out), nil
}
