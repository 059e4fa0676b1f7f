package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/cmd/ui"
	"muster/exec/adopt"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/schema"
)

// write writes the modules, and then the inventory, once it is known to be sound with
// what is new in it.
func (a *adoption) write(ctx context.Context) error {
	texts, added, err := a.edit()
	if err != nil {
		return err
	}
	if a.options.dry {
		a.show(texts)
		return nil
	}
	if err := a.permission(ctx, added); err != nil || len(texts) == 0 && !slices.ContainsFunc(a.machines, func(m *adopted) bool { return m.module != nil }) {
		return err
	}
	files := new(writtenFiles)
	err = a.writeModules(files)
	if err == nil && len(texts) > 0 {
		err = a.writeInventory(ctx, files, texts)
	}
	if err != nil {
		files.undo()
		return err
	}
	for _, m := range a.machines {
		switch {
		case m.err != nil:
		case m.entry != nil:
			m.State = "adopted"
			m.Files = append(m.Files, a.shown(a.file))
		case m.module != nil || len(m.edits) > 0:
			m.State = "updated"
			for _, file := range m.inFiles {
				m.Files = append(m.Files, a.shown(file))
			}
		}
	}
	return nil
}

// edit is the inventory with new hosts, and with what became of those that it has: the
// texts of its files that change, by their absolute names.
func (a *adoption) edit() (texts map[string][]byte, added int, err error) {
	texts = map[string][]byte{}
	var edits []schema.HostEdit
	for _, m := range a.machines {
		if m.err == nil {
			a.sortOut(m)
			edits = append(edits, m.edits...)
		}
	}
	edited, err := schema.EditHosts(edits, a.read)
	if err != nil {
		return nil, 0, err
	}
	for name, text := range edited {
		file, err := filepath.Abs(name)
		if err != nil {
			return nil, 0, err
		}
		texts[file] = text
	}
	for _, m := range a.machines {
		if m.entry == nil || m.err != nil {
			continue
		}
		text, there := texts[a.file]
		if !there {
			text = a.text
		}
		if texts[a.file], err = schema.AddHost(a.file, text, m.entry); err != nil {
			return nil, 0, a.byHand(m, err)
		}
		added++
	}
	return texts, added, nil
}

// read reads a file of the inventory by its name in messages.
func (a *adoption) read(name string) ([]byte, error) {
	file, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	if file == a.file {
		return a.text, nil
	}
	return foreign.ReadFile(file, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
}

// sortOut leaves to the user what the inventory has in a form that is not edited.
func (a *adoption) sortOut(m *adopted) {
	var edits []schema.HostEdit
	for _, e := range m.edits {
		texts, err := schema.EditHosts([]schema.HostEdit{e}, a.read)
		if err == nil {
			edits = append(edits, e)
			for name := range texts {
				if file, err := filepath.Abs(name); err == nil && !slices.Contains(m.inFiles, file) {
					m.inFiles = append(m.inFiles, file)
				}
			}
			continue
		}
		m.Notes = append(m.Notes, err.Error())
		for i, d := range m.Differences {
			if e.Path == d.What || strings.HasPrefix(e.Path, d.What+".") {
				m.Differences[i].ByHand = true
			}
		}
	}
	m.edits = edits
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
func (a *adoption) show(texts map[string][]byte) {
	if a.options.output.format == outputJSON {
		return
	}
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		before, _ := a.read(file)
		text := texts[file]
		if rest, ok := bytes.CutPrefix(text, bytes.TrimRight(before, "\n")); ok { // only new hosts
			fmt.Fprintf(a.std.out, "# %s\n%s", a.shown(file), bytes.TrimLeft(rest, "\n"))
			continue
		}
		fmt.Fprintf(a.std.out, "# %s\n%s", a.shown(file), changedLines(before, text))
	}
	for _, m := range a.machines {
		if m.module != nil && m.err == nil {
			fmt.Fprintf(a.std.out, "\n# %s\n%s", adopt.File(m.Name), m.module)
		}
	}
}

// changedLines shows the lines between the first and the last that differ.
func changedLines(before, after []byte) string {
	old, now := slices.Collect(bytes.Lines(before)), slices.Collect(bytes.Lines(after))
	for len(old) > 0 && len(now) > 0 && bytes.Equal(old[0], now[0]) {
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && bytes.Equal(old[len(old)-1], now[len(now)-1]) {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	var b strings.Builder
	for _, line := range old {
		fmt.Fprintf(&b, "- %s\n", bytes.TrimRight(line, "\r\n"))
	}
	for _, line := range now {
		fmt.Fprintf(&b, "+ %s\n", bytes.TrimRight(line, "\r\n"))
	}
	return b.String()
}

// permission asks before anything that is there is changed. What differs is shown first.
func (a *adoption) permission(ctx context.Context, added int) error {
	var changes []string
	if added > 0 && a.there {
		changes = append(changes, "add "+human.Count(added, "host")+" to "+a.shown(a.file))
	}
	for _, m := range a.machines {
		for _, file := range m.inFiles {
			changes = append(changes, "change "+m.Name+" in "+a.shown(file))
		}
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
	for _, m := range a.machines {
		for _, d := range m.Differences {
			if !d.ByHand && m.err == nil {
				fmt.Fprintf(a.std.err, "%s: %s\n", m.Name, d)
			}
		}
	}
	err := ui.Ask(ctx, a.std.in, a.std.err, what+"? [y/N] ")
	if errors.Is(err, ui.ErrDeclined) {
		return errors.New("nothing is written")
	}
	return err
}

// writeModules writes the modules of hardware.
func (a *adoption) writeModules(files *writtenFiles) error {
	for _, m := range a.machines {
		if m.module == nil || m.err != nil {
			continue
		}
		file := filepath.Join(a.dir, adopt.File(m.Name))
		if err := files.write(file, m.module); err != nil {
			return err
		}
		m.Files = append(m.Files, a.shown(file))
	}
	return nil
}

// writeInventory writes the files of the inventory, if it is sound with their new texts
// and says of its hosts what was meant.
func (a *adoption) writeInventory(ctx context.Context, files *writtenFiles, texts map[string][]byte) error {
	if a.there {
		if err := a.verify(ctx, texts); err != nil {
			return err
		}
	}
	for _, file := range slices.Sorted(maps.Keys(texts)) {
		if err := files.write(file, texts[file]); err != nil {
			return err
		}
	}
	if !a.there { // there is nothing to lose: what is written is checked after
		return a.verify(ctx, texts)
	}
	return nil
}

// verify loads the inventory as it is to be. Hosts that were not edited are to stay what
// they are: a text that is changed could be one that they share.
func (a *adoption) verify(ctx context.Context, texts map[string][]byte) error {
	fleet, err := schema.Load(ctx, a.file, a.options.reading.options(texts))
	var problems schema.Errors
	if errors.As(err, &problems) {
		err = problems.Invalid()
	}
	if err != nil {
		return fmt.Errorf("%s is left as it is, for with what is new it would be wrong: %v", a.shown(a.file), err)
	}
	edited := map[string]bool{}
	for _, m := range a.machines {
		switch h := fleet.Host(m.Name); {
		case m.err != nil:
		case m.entry != nil && (h == nil || h.Address != m.way.Address):
			return fmt.Errorf("%s is left as it is, for it would have no host %s at %s: add it by hand", a.shown(a.file), m.Name, m.way.Address)
		case len(m.edits) > 0:
			edited[m.Name] = true
			if err := a.isEdited(m, fleet, h); err != nil {
				return err
			}
		}
	}
	for _, h := range a.fleet.Hosts {
		if !edited[h.Name] && !sameHost(h.Name, a.fleet, fleet) {
			return fmt.Errorf("%s is left as it is, for %s would change with what is edited: the two share it, so change it by hand", a.shown(a.file), h.Name)
		}
	}
	return nil
}

// isEdited fails where the inventory would still say something else of a machine than it
// was edited to.
func (a *adoption) isEdited(m *adopted, fleet *schema.Fleet, h *schema.Host) error {
	if h == nil {
		return fmt.Errorf("%s is left as it is, for it would have no host %s: change it by hand", a.shown(a.file), m.Name)
	}
	for _, d := range adopt.CompareHost(fleet, h, m.way, m.Hardware) {
		for _, e := range m.edits {
			if e.Path == d.What || strings.HasPrefix(e.Path, d.What+".") {
				return fmt.Errorf("%s is left as it is, for %s is said elsewhere, too: change it by hand", a.shown(a.file), d.What)
			}
		}
	}
	return nil
}

// sameHost reports whether two fleets say the same of a host.
func sameHost(name string, a, b *schema.Fleet) bool {
	of := func(f *schema.Fleet) []byte {
		v, err := schema.Inspect(f, "hosts."+strconv.Quote(name))
		if err != nil {
			return nil
		}
		return schema.JSON(v)
	}
	was := of(a)
	return was != nil && bytes.Equal(was, of(b))
}

// shown is the name of a file as the user would write it.
func (a *adoption) shown(name string) string { return shownFile(name) }
