package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/compile/store"
	"muster/exec/human"
)

// A Place is a running Linux whose place NixOS is to take, as inplacelook.sh sees it.
type Place struct {
	Container string // kind of container; "" for a machine
	Free      int64  // bytes free for /nix/store, -1 where unknown
	FreeFiles int64  // how many files there can be more, -1 where unknown
	FreeBoot  int64  // bytes free in /boot, -1 where unknown
	Mounts    []PlaceMount
	Wanted    map[string]string // what the devices of the new file systems are now, by where they are mounted; "" for none
	HostKeys  []string          // public SSH host keys, without comments
}

// A PlaceMount is a file system in use.
type PlaceMount struct{ Where, FSType, Source string }

// MountedAt returns what is mounted at a path, or nil.
func (p *Place) MountedAt(where string) *PlaceMount {
	for i := range p.Mounts {
		if p.Mounts[i].Where == where {
			return &p.Mounts[i]
		}
	}
	return nil
}

// An FSTabLine is a file system that a system mounts.
type FSTabLine struct{ Device, Where, FSType string }

// LookInPlace looks at a machine that NixOS is to be installed on in the place of what
// runs; table is what the new system mounts.
func (h *Host) LookInPlace(ctx context.Context, table []FSTabLine) (Place, error) {
	var args []string
	for _, l := range table {
		args = append(args, l.Where, l.Device)
	}
	out, err := h.ask(ctx, inPlaceLookScript, args...)
	if err != nil {
		return Place{}, err
	}
	return parsePlace(out)
}

func parsePlace(out string) (Place, error) {
	p := Place{Free: -1, FreeFiles: -1, FreeBoot: -1, Wanted: map[string]string{}}
	for line := range strings.Lines(out) {
		f := strings.Fields(human.Clip(strings.TrimRight(line, "\n"), maxRecord))
		switch {
		case len(f) == 2 && f[0] == "container":
			p.Container = human.Clip(f[1], maxWord)
		case len(f) >= 3 && f[0] == "free" && f[1] == "store":
			p.Free = kilobytes(f[2])
			if n, err := strconv.ParseInt(append(f, "")[3], 10, 64); err == nil && n >= 0 {
				p.FreeFiles = n
			}
		case len(f) >= 3 && f[0] == "free" && f[1] == "boot":
			p.FreeBoot = kilobytes(f[2])
		case len(f) == 4 && f[0] == "mount" && strings.HasPrefix(f[1], "/") && len(p.Mounts) < maxList:
			where, ok := unescape(f[1])
			if !ok {
				continue
			}
			m := PlaceMount{Where: where, FSType: human.Clip(f[2], maxWord), Source: human.Clip(f[3], maxWord)}
			p.Mounts = append(slices.DeleteFunc(p.Mounts, func(o PlaceMount) bool { return o.Where == where }), m)
		case len(f) >= 2 && f[0] == "wants":
			p.Wanted[f[1]] = append(f, "")[2]
		case len(f) == 3 && f[0] == "hostkey" && keyForm().MatchString(f[1]+" "+f[2]):
			p.HostKeys = appendNew(p.HostKeys, f[1]+" "+f[2])
		}
	}
	if p.MountedAt("/") == nil {
		return p, fmt.Errorf("look at the file systems: unexpected answer %q", out[:min(len(out), 200)])
	}
	return p, nil
}

// Agree notes that the user has agreed to a layout.
func (s *InstallSteps) Agree(ctx context.Context, layout string) error {
	return s.do(ctx, inPlaceAgreeScript, nil, layout)
}

// TakePlace makes a system the one that the machine boots, in the place of what runs. All
// that is not kept goes to /old-root when it first boots.
func (s *InstallSteps) TakePlace(ctx context.Context, system store.Path, run, layout, who string, keep []string) error {
	return s.do(ctx, inPlaceSystemScript, nil, append([]string{string(system), run, layout, who}, keep...)...)
}

// LeavePlace restarts the machine into what has taken its place.
func (s *InstallSteps) LeavePlace(ctx context.Context) error {
	ctx, cancel := s.limited(ctx)
	defer cancel()
	out, err := s.Host.run(ctx, inPlaceLeaveScript)
	if err != nil {
		return err
	}
	if answer := lastLine(out); answer != "ok" {
		return errors.New("unexpected answer " + strconv.Quote(answer))
	}
	return nil
}
