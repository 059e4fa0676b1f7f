package exec

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile/store"
	"muster/exec/foreign"
	"muster/exec/host"
	"muster/exec/units"
)

// compareUnits foretells what becomes of the host's units. The new system says so
// itself where the host has it; otherwise the rules of NixOS decide.
func compareUnits(ctx context.Context, j *job, d *Diff, now host.Comparison) error {
	var said string
	if len(now.Lacks) == 0 {
		// Where it cannot say so, the rules decide as well.
		answer, err := j.conn.ask().DryActivate(ctx, j.step.System.Out)
		said, d.Asked = answer, err == nil
	}
	system := string(j.step.System.Out)
	if _, err := os.Stat(filepath.Join(system, "etc/systemd")); err != nil {
		// It was built elsewhere.
		d.Forecast = units.ReadDry(said).Forecast()
		if !d.Asked {
			d.Unknown = []units.Note{{Text: "which units change: the new system is not on this machine"}}
		}
		return nil
	}
	version, _ := readStoreFile(filepath.Join(system, "init-interface-version"))
	if is := strings.TrimSpace(string(version)); now.Interface != "" && is != "" && is != now.Interface {
		d.Undone = []units.Note{{Text: "NixOS switches to this system only by a restart: --action boot --reboot"}}
		return nil
	}
	s, err := newSwitch(ctx, j, system, now)
	if err != nil {
		return err
	}
	decision := s.Decide()
	if d.Asked {
		decision = units.ReadDry(said)
		decision.Merge(s.State.Pending)
		s.Requests = false
	}
	d.Forecast = s.Foresee(decision)
	return nil
}

// newSwitch gathers what is known before the host switches to a system.
func newSwitch(ctx context.Context, j *job, system string, now host.Comparison) (*units.Switch, error) {
	s := &units.Switch{State: now.State}
	after, err := readUnits(system, "system")
	if err != nil {
		return nil, err
	}
	afterUser, err := readUnits(system, "user")
	if err != nil {
		return nil, err
	}
	before, beforeUser := now.SystemUnits, now.UserUnits
	readTexts(ctx, j, slices.Concat(after, afterUser), before, beforeUser)
	s.Old, s.New = units.NewTree(before), units.NewTree(after)
	s.OldUser, s.NewUser = units.NewTree(beforeUser), units.NewTree(afterUser)
	fstab, _ := readStoreFile(filepath.Join(system, "etc/fstab"))
	s.NewFstab = string(fstab)
	containers, _ := filepath.Glob(filepath.Join(system, "etc/systemd/nspawn/*.nspawn"))
	for _, c := range containers {
		s.Nspawn = append(s.Nspawn, strings.TrimSuffix(filepath.Base(c), ".nspawn"))
	}
	for _, script := range []string{"activate", "dry-activate"} {
		text, _ := readStoreFile(filepath.Join(system, script))
		s.Requests = s.Requests || bytes.Contains(text, []byte("activation-restart-list")) || bytes.Contains(text, []byte("activation-reload-list"))
	}
	return s, nil
}

// readUnits reads the unit files of a system in the local store. kind is system or
// user.
func readUnits(system, kind string) ([]units.Entry, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(system, "etc/systemd", kind))
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the units of %s: %w", system, err)
	}
	var entries []units.Entry
	err = filepath.WalkDir(dir, func(path string, f fs.DirEntry, err error) error {
		if err != nil || f.IsDir() {
			return err
		}
		e := units.Entry{}
		e.Path, _ = filepath.Rel(dir, path)
		if f.Type()&fs.ModeSymlink != 0 {
			if e.Link, err = os.Readlink(path); err != nil {
				return err
			}
		}
		if !pulls(e.Path) {
			text, ok := readUnit(path)
			e.Text, e.Unread = text, !ok
		}
		entries = append(entries, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the units of %s: %w", system, err)
	}
	return entries, nil
}

// pulls reports whether an entry is a link below .wants, .requires or .upholds,
// where only its name counts.
func pulls(path string) bool {
	dir := filepath.Dir(path)
	return dir != "." && filepath.Ext(dir) != ".d"
}

// readTexts completes entries of the running system with their texts: from the
// new system where both lead to the same file, from the local store where it has
// the file, and from the host otherwise.
func readTexts(ctx context.Context, j *job, after []units.Entry, lists ...[]units.Entry) {
	have := map[string]string{"/dev/null": ""}
	for _, e := range after {
		if !e.Unread && filepath.IsAbs(e.Link) {
			have[e.Link] = e.Text
		}
	}
	var missing []string
	for e := range linked(lists) {
		if _, ok := have[e.Link]; ok {
			continue
		}
		if text, ok := readStored(e.Link); ok {
			have[e.Link] = text
		} else {
			missing = append(missing, e.Link)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		// What cannot be read is reported as unknown.
		texts, _ := j.conn.ask().Texts(ctx, slices.Compact(missing))
		for path, text := range texts {
			have[path] = text
		}
	}
	for e := range linked(lists) {
		if text, ok := have[e.Link]; ok {
			e.Text, e.Unread = text, false
		}
	}
}

// maxUnit is how long a unit file may be, in bytes. Those of NixOS have a few
// hundred.
const maxUnit = 1 << 20

// maxSystemFile is how long a file of a system may be that is read, in bytes. Its
// activation script is the longest.
const maxSystemFile = 16 << 20

// readStoreFile reads a file of a system in the local store.
func readStoreFile(name string) ([]byte, error) {
	return foreign.ReadFile(name, foreign.Limits{Size: maxSystemFile, Time: foreign.Time, Links: true})
}

// readUnit reads a unit file. A masked unit is a link to /dev/null.
func readUnit(path string) (text string, ok bool) {
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxUnit {
		return "", false
	}
	if !info.Mode().IsRegular() {
		null, err := os.Stat(os.DevNull)
		return "", err == nil && os.SameFile(info, null)
	}
	content, err := readStoreFile(path)
	return string(content), err == nil
}

// readStored reads a unit file that a host names. It is one of the local store, or
// none.
func readStored(path string) (text string, ok bool) {
	if filepath.Clean(path) != path || !strings.HasPrefix(path, store.Dir+"/") {
		return "", false
	}
	return readUnit(path)
}

// linked yields the entries that lead to a file in the store. Others are names of
// units in the same directory.
func linked(lists [][]units.Entry) func(yield func(*units.Entry) bool) {
	return func(yield func(*units.Entry) bool) {
		for _, list := range lists {
			for i := range list {
				if e := &list[i]; filepath.IsAbs(e.Link) && !pulls(e.Path) && !yield(e) {
					return
				}
			}
		}
	}
}
