package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
)

// A Finding is something about a host that is not as it should be.
type Finding struct {
	Check string `json:"check"` // "nix", "system", "disk", "space", "memory", "clock", "lock", "units", "tools"
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

// Is reports whether the host is [ErrLocked], among others.
func (e *PreflightError) Is(target error) bool {
	return target == ErrLocked && slices.ContainsFunc(e.Findings, func(f Finding) bool { return f.Check == "lock" })
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
	// Needs are the parts of what was booted that what runs now has others
	// of: kernel, initrd, modules, systemd. They take a restart.
	Needs []string `json:"needs_reboot,omitempty"`
	Ours  bool     `json:"ours"` // the profile's system was put there by muster

	settled bool // it is what it shall be, and was not asked what it takes

	lacks []string // tools that the guard needs
	disk  string   // how the inventory's root disk stands: "", "root", "missing", "other DEV", "unsure DEV"
	lock  lockInfo
	guard string // the run whose guard is there
}

// A lockInfo is what a host says of its lock.
type lockInfo struct {
	run, who    string
	held, quiet time.Duration // since it was taken, since its holder last gave a sign of life
}

// inspectScript looks at a host and changes nothing on it. It prints one fact a
// line, name and value. $1 is the profile, $2 the UUID of the root disk or "", $3
// the system it shall have or "": where it has it, what it takes to get it is
// not looked at. Programs are called sparingly, for a fleet in sync costs little
// more than this.
const inspectScript = `
PATH=$PATH:/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C
exec 2>/dev/null
echo "time $(date +%s)"
system= current=
[ ! -e "$1" ] || system=$(readlink -f "$1")
[ ! -e /run/current-system ] || current=$(readlink -f /run/current-system)
if [ /run/booted-system -ef /run/current-system ]; then
  echo "booted $current"
elif [ -e /run/booted-system ]; then
  echo "booted $(readlink -f /run/booted-system)"
fi
echo "profile $system"
echo "current $current"
[ ! -L "$1" ] || echo "link $(readlink "$1")"
echo "uid $(id -u)"
if [ -n "$3" ] && [ "$system" = "$3" ] && [ "$current" = "$3" ]; then
  echo "settled yes"
else
  command -v nix-store >/dev/null && echo "nix $(nix-store --version)"
  for tool in flock setsid readlink head tail; do command -v $tool >/dev/null || echo "lacks $tool"; done
  echo "machine $(uname -m)"
  for d in /nix/store /nix /; do [ -d $d ] && echo "space $(df -Pk $d | tail -n 1)" && break; done
  [ ! -d /boot ] || echo "bootspace $(df -Pk /boot | tail -n 1)"
  while read -r name value _; do [ "$name" != MemAvailable: ] || echo "memory $value"; done </proc/meminfo
fi
read -r id </proc/sys/kernel/random/boot_id && echo "bootid $id"
if [ -d /run/booted-system ] && [ -d /run/current-system ] && ! [ /run/booted-system -ef /run/current-system ]; then
  for part in kernel initrd kernel-modules systemd; do
    [ "$(readlink -f /run/booted-system/$part)" = "$(readlink -f /run/current-system/$part)" ] || echo "needs $part"
  done
fi
if [ -n "$2" ] && [ -d /dev/disk/by-uuid ]; then
  disk=/dev/disk/by-uuid/$2
  if [ ! -e "$disk" ]; then
    echo "disk missing"
  else
    root=$(while read -r _ _ _ _ at _ rest; do [ "$at" != / ] || { set -- ${rest#*- }; echo "$2"; }; done </proc/self/mountinfo | tail -n 1)
    case $root in
    /dev/*) [ "$(readlink -f "$root")" = "$(readlink -f "$disk")" ] && echo "disk root" || echo "disk other $root" ;;
    *) echo "disk unsure $root" ;;
    esac
  fi
fi
if [ -d /run/systemd/system ]; then
  systemctl list-units --failed --plain --no-legend --no-pager | while read -r unit _; do echo "failed $unit"; done
elif [ -d /run/minios/units ]; then
  for f in /run/minios/units/*; do ! grep -qx state=failed "$f" || echo "failed ${f##*/}"; done
fi
if [ -r /run/muster/lock ]; then
  read -r run began beat who </run/muster/lock
  read -r up _ </proc/uptime
  up=$((${up%.*} * 100 + 1${up#*.} - 100))
  echo "lock $(((up - began) / 100)) $(((up - beat) / 100)) $run $who"
fi
[ ! -r /run/muster/guard/run ] || echo "guard $(cat /run/muster/guard/run)"
[ ! -r /var/lib/muster/deployed ] || [ -z "$system" ] || ! grep -qF " $system " /var/lib/muster/deployed || echo "ours yes"
true
`

// inspect finds out what the host has and whether it can take part.
func (j *job) inspect(ctx context.Context) error {
	began := time.Now()
	want := ""
	if j.action == Switch {
		want = string(j.step.System.Out)
	}
	out, err := j.ask(ctx, j.machine, inspectScript, profile, j.step.Host.DiskUUID, want)
	if err != nil {
		return err
	}
	state, err := j.readFacts(out, began, time.Now())
	if err != nil {
		return err
	}
	j.out.Before = state
	if e := j.step.Expect; e != nil && e.moved(&state) && !j.leftBehind(&state) {
		return fmt.Errorf("%w: it is on %s now, and was on %s", ErrMoved, describe(state), describe(*e))
	}
	findings := j.judge()
	j.out.Findings = findings
	for _, f := range findings {
		j.opts.Sink(Found{Host: j.step.Host.Name, Finding: f})
	}
	if bad := slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return !f.Bad }); len(bad) > 0 {
		return &PreflightError{bad}
	}
	return nil
}

// ErrMoved says that a host is not what it was when the plan was made.
var ErrMoved = errors.New("the host has moved on since the plan was made")

// moved reports whether a host that was as s is something else now.
func (s *State) moved(now *State) bool {
	return s.Generation.System != now.Generation.System || s.Generation.Number != now.Generation.Number || s.Current != now.Current
}

func describe(s State) string {
	switch {
	case s.Generation.Number == 0 && s.Current == "":
		return "no system"
	case s.Generation.Number == 0:
		return string(s.Current)
	case s.Current != s.Generation.System:
		return fmt.Sprintf("generation %d, running %s", s.Generation.Number, or(string(s.Current), "no system"))
	}
	return fmt.Sprintf("generation %d (%s)", s.Generation.Number, s.Generation.System)
}

// readFacts reads what inspectScript printed.
func (j *job) readFacts(out string, asked, answered time.Time) (State, error) {
	var s State
	f := Facts{Space: -1, BootSpace: -1, Memory: -1}
	seen := false
	for line := range strings.Lines(out) {
		name, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
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
		case "link":
			s.Generation.Number = generationOf(value)
		case "uid":
			if value != "0" {
				return s, fmt.Errorf("not root on the host, but user %s", value)
			}
		case "settled":
			f.settled = true
		case "nix":
			f.Nix = value[strings.LastIndexByte(value, ' ')+1:]
		case "lacks":
			f.lacks = append(f.lacks, value)
		case "machine":
			f.Machine = value
		case "space":
			f.Space = available(value)
		case "bootspace":
			f.BootSpace = available(value)
		case "memory":
			if kb, err := strconv.ParseInt(value, 10, 64); err == nil {
				f.Memory = kb << 10
			}
		case "bootid":
			f.BootID = value
		case "needs":
			f.Needs = append(f.Needs, value)
		case "disk":
			f.disk = value
		case "failed":
			f.FailedUnits = append(f.FailedUnits, value)
		case "lock":
			f.lock = parseLock(value)
		case "guard":
			f.guard = value
		case "ours":
			f.Ours = true
		}
	}
	if !seen {
		return s, fmt.Errorf("look at the host: it answers %q", clip(out, 200))
	}
	if s.Generation.System == "" {
		s.Generation.Number = 0
	}
	s.Generation.Current = s.Generation.Number != 0
	j.facts = f
	return s, nil
}

// skew is how far a clock that said then is ahead of ours, when it was asked
// and answered in between. What its whole seconds and the way leave open is
// no skew.
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
	kb, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil {
		return -1
	}
	return kb << 10
}

func parseLock(s string) (l lockInfo) {
	words := strings.SplitN(s, " ", 4)
	if len(words) < 4 {
		return l
	}
	held, _ := strconv.ParseInt(words[0], 10, 64)
	quiet, _ := strconv.ParseInt(words[1], 10, 64)
	return lockInfo{run: words[2], who: words[3], held: time.Duration(held) * time.Second, quiet: time.Duration(quiet) * time.Second}
}

// What a host must have left, before what is copied is known.
const (
	leastSpace     = 20 << 20
	leastBootSpace = 2 << 20
	leastMemory    = 32 << 20
	// mostSkew is where certificates and tokens begin to fail.
	mostSkew = 5 * time.Minute
	// oldestNix is the first that speaks AddToStoreNar.
	oldestNix = "2.5"
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

// judge says what is wrong with the host, for what this run does to it.
func (j *job) judge() []Finding {
	f := &j.facts
	changes := j.action.changes() && !j.settled()
	var all []Finding
	add := func(bad bool, check, format string, args ...any) {
		all = append(all, Finding{Check: check, Text: fmt.Sprintf(format, args...), Bad: bad && changes})
	}
	switch {
	case f.settled:
	case f.Nix == "":
		add(true, "nix", "there is no Nix on the host: nix-store is not in PATH")
	case olderThan(f.Nix, oldestNix):
		add(true, "nix", "its Nix %s is too old: %s or newer is needed", f.Nix, oldestNix)
	}
	if len(f.lacks) > 0 {
		add(true, "tools", "it has no %s", strings.Join(f.lacks, ", "))
	}
	if want := machines[j.step.Host.System]; want != nil && f.Machine != "" && !slices.Contains(want, f.Machine) {
		add(true, "system", "it is a %s, and the inventory says %s", f.Machine, j.step.Host.System)
	}
	switch kind, dev, _ := strings.Cut(f.disk, " "); kind {
	case "missing":
		add(true, "disk", "it has no disk with UUID %s, from which it would have to boot", j.step.Host.DiskUUID)
	case "other":
		add(true, "disk", "its root is on %s, not on the disk with UUID %s", dev, j.step.Host.DiskUUID)
	}
	if f.Space >= 0 && f.Space < leastSpace {
		add(true, "space", "only %s free for /nix/store", bytesText(f.Space))
	}
	if f.BootSpace >= 0 && f.BootSpace < leastBootSpace {
		add(true, "space", "only %s free for /boot", bytesText(f.BootSpace))
	}
	if f.Memory >= 0 && f.Memory < leastMemory {
		add(true, "memory", "only %s of memory available", bytesText(f.Memory))
	}
	if f.Skew.Abs() >= mostSkew {
		ahead := "ahead"
		if f.Skew < 0 {
			ahead = "behind"
		}
		add(false, "clock", "its clock is %v %s", f.Skew.Abs().Round(10*time.Second), ahead)
	}
	if l := f.lock; l.run != "" && l.run != j.opts.Run && l.quiet < j.opts.LockTimeout {
		add(true, "lock", "%v by %s for %v (run %s)", ErrLocked, l.who, l.held.Round(time.Second), l.run)
	}
	if len(f.FailedUnits) > 0 {
		add(false, "units", "failed before: %s", strings.Join(f.FailedUnits, ", "))
	}
	return all
}

// olderThan compares the first two numbers of versions.
func olderThan(version, than string) bool {
	a, b := strings.Split(version, "."), strings.Split(than, ".")
	for i := range min(2, len(b)) {
		if i >= len(a) {
			return true
		}
		x, errX := strconv.Atoi(a[i])
		y, _ := strconv.Atoi(b[i])
		if errX != nil {
			return false
		}
		if x != y {
			return x < y
		}
	}
	return false
}

// bytesText writes a number of bytes for people, in units of 1000.
func bytesText(n int64) string {
	switch {
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

func clip(s string, n int) string { return s[:min(n, len(s))] }
