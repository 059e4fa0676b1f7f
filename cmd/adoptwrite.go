package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/cmd/ui"
	"muster/exec/adopt"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/schema"
)

// write writes the modules, and then the inventory, once it is known to be sound with
// the new hosts.
func (a *adoption) write(ctx context.Context) error {
	text, added := a.text, 0
	for _, m := range a.machines {
		if m.entry == nil || m.err != nil {
			continue
		}
		next, err := schema.AddHost(a.file, text, m.entry)
		if err != nil {
			return a.byHand(m, err)
		}
		text = next
		added++
	}
	if a.options.dry {
		a.show(text, added)
		return nil
	}
	if err := a.permission(ctx, added); err != nil || added == 0 && !slices.ContainsFunc(a.machines, func(m *adopted) bool { return m.module != nil }) {
		return err
	}
	undo, err := a.writeModules()
	if err == nil && added > 0 {
		err = a.writeInventory(ctx, text)
	}
	if err != nil {
		undo()
		return err
	}
	for _, m := range a.machines {
		switch {
		case m.err != nil:
		case m.entry != nil:
			m.State = "adopted"
			m.Files = append(m.Files, a.shown(a.file))
		case m.module != nil:
			m.State = "updated"
		}
	}
	return nil
}

// byHand is an inventory that a host cannot be added to; its entry is shown.
func (a *adoption) byHand(m *adopted, err error) error {
	entry, e := schema.AddHost("hosts.cue", nil, m.entry)
	if e != nil {
		return e
	}
	fmt.Fprintf(a.std.err, "The entry of %s, in CUE:\n%s", m.Name, entry)
	return err
}

// show prints what would be written.
func (a *adoption) show(text []byte, added int) {
	if a.options.output.format == outputJSON {
		return
	}
	if added > 0 {
		fmt.Fprintf(a.std.out, "# %s\n%s", a.shown(a.file), bytes.TrimLeft(bytes.TrimPrefix(text, bytes.TrimRight(a.text, "\n")), "\n"))
	}
	for _, m := range a.machines {
		if m.module != nil && m.err == nil {
			fmt.Fprintf(a.std.out, "\n# %s\n%s", adopt.File(m.Name), m.module)
		}
	}
}

// permission asks before anything that is there is changed.
func (a *adoption) permission(ctx context.Context, added int) error {
	var changes []string
	if added > 0 && a.there {
		changes = append(changes, "add "+human.Count(added, "host")+" to "+a.shown(a.file))
	}
	for _, m := range a.machines {
		if _, err := os.Lstat(filepath.Join(a.dir, adopt.File(m.Name))); m.module != nil && m.err == nil && err == nil {
			changes = append(changes, "change "+adopt.File(m.Name))
		}
	}
	if len(changes) == 0 || a.options.yes {
		return nil
	}
	what := strings.Join(changes, ", ")
	if !ui.CanAnswer(a.std.in) {
		return fmt.Errorf("nothing is written: to %s needs --yes, or a yes on a terminal; --dry-run shows it", what)
	}
	err := ui.Ask(ctx, a.std.in, a.std.err, what+"? [y/N] ")
	if errors.Is(err, ui.ErrDeclined) {
		return errors.New("nothing is written")
	}
	return err
}

// writeModules writes the modules of hardware. undo brings back what there was.
func (a *adoption) writeModules() (undo func(), err error) {
	var undoing []func()
	undo = func() {
		for _, f := range slices.Backward(undoing) {
			f()
		}
	}
	for _, m := range a.machines {
		if m.module == nil || m.err != nil {
			continue
		}
		file := filepath.Join(a.dir, adopt.File(m.Name))
		if _, err := os.Stat(filepath.Dir(file)); errors.Is(err, fs.ErrNotExist) {
			if err := os.Mkdir(filepath.Dir(file), 0o777); err != nil {
				return undo, plainError("write", adopt.File(m.Name), err)
			}
			undoing = append(undoing, func() { os.Remove(filepath.Dir(file)) })
		}
		before, err := foreign.ReadFile(file, foreign.Limits{Size: 1 << 20, Time: foreign.Time, Links: true})
		switch {
		case err == nil:
			undoing = append(undoing, func() { writeFile(file, before) })
		case errors.Is(err, fs.ErrNotExist):
			undoing = append(undoing, func() { os.Remove(file) })
		default:
			return undo, fmt.Errorf("write %s: %v", adopt.File(m.Name), err)
		}
		if err := writeFile(file, m.module); err != nil {
			return undo, err
		}
		m.Files = append(m.Files, a.shown(file))
	}
	return undo, nil
}

// writeInventory writes the inventory, if it is sound with its new text and has the
// hosts that were meant.
func (a *adoption) writeInventory(ctx context.Context, text []byte) error {
	if !a.there {
		// There is nothing to lose: what is written is checked after.
		if err := writeFile(a.file, text); err != nil {
			return err
		}
		if err := a.verify(ctx, text); err != nil {
			os.Remove(a.file)
			return err
		}
		return nil
	}
	if err := a.verify(ctx, text); err != nil {
		return err
	}
	return writeFile(a.file, text)
}

// verify loads the inventory as it is to be.
func (a *adoption) verify(ctx context.Context, text []byte) error {
	fleet, err := schema.Load(ctx, a.file, a.options.reading.options(map[string][]byte{a.file: text}))
	var problems schema.Errors
	if errors.As(err, &problems) {
		err = problems.Invalid()
	}
	if err != nil {
		return fmt.Errorf("%s is left as it is, for with the new hosts it would be wrong: %v", a.shown(a.file), err)
	}
	for _, m := range a.machines {
		if m.entry == nil || m.err != nil {
			continue
		}
		if h := fleet.Host(m.Name); h == nil || h.Address != m.way.Address {
			return fmt.Errorf("%s is left as it is, for it would have no host %s at %s: add it by hand", a.shown(a.file), m.Name, m.way.Address)
		}
	}
	return nil
}

// shown is the name of a file as the user would write it.
func (a *adoption) shown(name string) string { return shownFile(name) }
