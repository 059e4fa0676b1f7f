package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/host"
	"muster/exec/human"
	"muster/exec/nixserve"
)

// A Finding is something about a host that is not as it should be.
type Finding struct {
	Check string `json:"check"` // "nix", "system", "disk", "space", "memory", "clock", "lock", "units", "tools", "reboot", "restart", "foreign", "guard", "rollback", "hostkey"
	Text  string `json:"text"`
	// Bad says that the host takes no further part in the run.
	Bad bool `json:"bad,omitempty"`
}

// A PreflightError holds what is bad about a host.
type PreflightError struct{ Findings []Finding }

func (e *PreflightError) Error() string {
	var texts []string
	for _, f := range e.Findings {
		texts = append(texts, f.Text)
	}
	return strings.Join(texts, "; ")
}

// ErrForeign says that a host has a system that muster has not deployed, which is kept.
var ErrForeign = errors.New("its system is not muster's")

// Is reports whether the host is [host.ErrLocked] or [ErrForeign], among others.
func (e *PreflightError) Is(target error) bool {
	check := ""
	switch target {
	case host.ErrLocked:
		check = "lock"
	case ErrForeign:
		check = "foreign"
	}
	return check != "" && slices.ContainsFunc(e.Findings, func(f Finding) bool { return f.Check == check })
}

// ErrMoved says that a host is not what it was when the plan was made.
var ErrMoved = errors.New("the host has moved on since the plan was made")

// inspect finds out what the host has and whether it can take part.
func inspect(ctx context.Context, j *job) error {
	// A copy finds out whether Nix is too old.
	r := host.InspectRequest{DiskUUID: j.step.Host.DiskUUID, History: j.action().goesBack(), Version: j.action() == Look || j.action() == Preview}
	if j.action() == Switch && !j.installsBootLoader() {
		r.Want = j.step.System.Out
	}
	if j.action() == Look {
		r.Compare = j.step.System.Out
	}
	r.Secrets = j.action().takesSecrets() && len(j.step.Host.AllSecrets) > 0
	in, err := j.inspection(ctx, r)
	if err != nil {
		return err
	}
	j.seen, j.back.unfit = in, nil
	j.out.Before = in.State
	if err := compareSecrets(ctx, j); err != nil {
		return err
	}
	if e := j.step.Expect; e != nil && e.Differs(in.State) && !j.upToDate() && !madeByEarlier(j, &in) {
		return fmt.Errorf("%w: it is on %s now, and was on %s", ErrMoved, in.State, *e)
	}
	if err := checkBaseline(j, &in); err != nil {
		return err
	}
	recordBaseline(j, &in)
	if r.History {
		j.run.undo.consider(j.step.Host.Name, &in.History, j.run.plan.Undo)
	}
	findings := preflight(j, &in)
	j.out.Findings = findings
	for _, f := range findings {
		j.emit(Found{Host: j.step.Host.Name, Finding: f})
	}
	tellOfRestart(ctx, j)
	if bad := slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return !f.Bad }); len(bad) > 0 {
		j.back.unfit = &PreflightError{Findings: bad}
		if len(in.History.Deployments) == 0 {
			return j.back.unfit
		}
		// A rollback may leave the host alone: see choose.
	}
	return nil
}

// inspection looks at the host, or at the profile that the job is about.
func (j *job) inspection(ctx context.Context, r host.InspectRequest) (host.Inspection, error) {
	if p := j.step.Host.Profile; p != nil {
		return j.conn.ask().InspectProfile(ctx, host.ProfileName{User: p.User, Path: p.Path})
	}
	return j.conn.ask().Inspect(ctx, r)
}

// What a host must have left, before what is copied is known.
const (
	leastSpace     = 20 << 20
	leastBootSpace = 2 << 20
	leastMemory    = 32 << 20
	// mostSkew is where certificates and tokens begin to fail.
	mostSkew = 5 * time.Minute
)

// machines are the words of uname -m for Nix's system types. A 64-bit x86 and
// ARM machine also runs what its 32-bit predecessor does.
var machines = map[string][]string{
	"x86_64-linux":      {"x86_64"},
	"i686-linux":        {"i686", "i586", "x86_64"},
	"aarch64-linux":     {"aarch64"},
	"armv7l-linux":      {"armv7l", "armv8l", "aarch64"},
	"armv6l-linux":      {"armv6l", "armv7l", "armv8l", "aarch64"},
	"riscv64-linux":     {"riscv64"},
	"powerpc64le-linux": {"ppc64le"},
	"loongarch64-linux": {"loongarch64"},
}

// preflight says what is wrong with an inspected host, for what this run does to
// it.
func preflight(j *job, in *host.Inspection) []Finding {
	f, want := &in.Facts, j.step.Host
	changes := j.action().changes() && !j.upToDate()
	var all []Finding
	add := func(bad bool, check, format string, args ...any) {
		all = append(all, Finding{Check: check, Text: clip(fmt.Sprintf(format, args...)), Bad: bad && changes})
	}
	switch {
	case in.UpToDate:
	case in.ReadOnly != "":
		add(true, "nix", "%s is read-only", in.ReadOnly)
	case !in.HasNix:
		add(true, "nix", "there is no Nix on the host: nix-store is not in PATH")
	case olderThan(f.Nix, nixserve.OldestNix):
		add(true, "nix", "its Nix %s is too old: %s or newer is needed", f.Nix, nixserve.OldestNix)
	}
	if len(in.Lacks) > 0 {
		add(true, "tools", "it has no %s", strings.Join(in.Lacks, ", "))
	}
	if fit := machines[want.System]; fit != nil && f.Machine != "" && !slices.Contains(fit, f.Machine) {
		add(true, "system", "it is a %s, and the inventory says %s", f.Machine, want.System)
	}
	switch in.Disk.Relation {
	case host.MissingDisk:
		add(true, "disk", "it has no disk with UUID %s, from which it would have to boot", want.DiskUUID)
	case host.OtherDisk:
		add(true, "disk", "its root is on %s, not on the disk with UUID %s", in.Disk.Device, want.DiskUUID)
	}
	if f.Space >= 0 && f.Space < leastSpace {
		add(true, "space", "only %s free for /nix/store", human.Bytes(f.Space))
	}
	if f.BootSpace >= 0 && f.BootSpace < leastBootSpace {
		add(true, "space", "only %s free for /boot", human.Bytes(f.BootSpace))
	}
	if f.Memory >= 0 && f.Memory < leastMemory {
		add(true, "memory", "only %s of memory available", human.Bytes(f.Memory))
	}
	if f.Skew.Abs() >= mostSkew {
		ahead := "ahead"
		if f.Skew < 0 {
			ahead = "behind"
		}
		add(false, "clock", "its clock is %s %s", human.Duration(f.Skew.Abs().Round(10*time.Second)), ahead)
	}
	if l := in.Lock; l.Run != "" && l.Run != j.run.opts.Run && l.Quiet < j.run.opts.LockTimeout {
		add(true, "lock", "%v", l.Err())
	}
	if keep := want.Care.KeepForeign && !j.run.opts.ReplaceForeign; keep && !f.Ours && in.State.Generation.System != "" && j.action() != Push {
		add(true, "foreign", "it runs a system that muster has not deployed, and replace_foreign is false: %s", in.State.Generation.System)
	}
	if changes && j.action() != Push {
		all = append(all, careless(want)...)
	}
	if len(f.FailedUnits) > 0 {
		add(false, "units", "failed before: %s", strings.Join(f.FailedUnits, ", "))
	}
	return all
}

// olderThan compares versions of Nix. What is no version is not older.
func olderThan(version, than string) bool {
	return version != "" && '0' <= version[0] && version[0] <= '9' && store.CompareVersions(version, than) < 0
}
