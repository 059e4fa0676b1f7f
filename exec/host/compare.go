package host

import (
	"context"
	"slices"
	"strings"

	"muster/compile/store"
	"muster/exec/human"
	"muster/exec/units"
)

// A Comparison is what a host has, beside some store paths.
type Comparison struct {
	Lacks []store.Path      // of the paths asked about
	Has   []store.Path      // what the running system is made of
	Parts map[string]string // of [Parts] → the file that was booted of it
	// Interface is the version of the running system's init. NixOS switches only to
	// a system of the same.
	Interface string
	// SystemUnits and UserUnits are the unit files of the running system, without
	// their texts.
	SystemUnits, UserUnits []units.Entry
	// Etc has where the files of /etc lead that the running system has, by their names in it.
	Etc   map[string]string
	State units.State
}

// Lacks asks which of some store paths the host lacks.
func (h *Host) Lacks(ctx context.Context, paths []store.Path) ([]store.Path, error) {
	c, err := h.compare(ctx, paths, "")
	return c.Lacks, err
}

// Compare asks which of some store paths the host lacks, and what it runs.
func (h *Host) Compare(ctx context.Context, paths []store.Path) (Comparison, error) {
	return h.compare(ctx, paths, units.Properties)
}

func (h *Host) compare(ctx context.Context, paths []store.Path, all string) (Comparison, error) {
	c := Comparison{Parts: map[string]string{}}
	for chunk := range slices.Chunk(paths, pathsPerQuestion) {
		out, err := h.ask(ctx, compareScript, append([]string{all}, texts(chunk)...)...)
		if err != nil {
			return c, err
		}
		c.read(out, chunk)
		all = "" // the first answer has what does not depend on the paths
	}
	return c, nil
}

// read adds an answer about some paths.
func (c *Comparison) read(out string, asked []store.Path) {
	unknown := make(map[store.Path]bool, len(asked))
	for _, p := range asked {
		unknown[p] = true
	}
	facts, loaded, known := strings.Cut(out, "\nloaded\n")
	var fstab strings.Builder
	for line := range strings.Lines(facts) {
		what, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, rest, _ := strings.Cut(value, " ")
		switch what {
		case "lacks":
			if p := store.Path(value); unknown[p] {
				delete(unknown, p)
				c.Lacks = append(c.Lacks, p)
			}
		case "has":
			if p, err := store.ParsePath(value); err == nil {
				c.Has = append(c.Has, p)
			}
		case "part":
			if slices.Contains(Parts, name) {
				c.Parts[name] = human.Clip(rest, maxLine)
			}
		case "interface":
			c.Interface = human.Clip(value, maxWord)
		case "unit":
			path, link, _ := strings.Cut(rest, " ")
			if link == "" {
				link = name + path // a file
			}
			list := &c.SystemUnits
			if strings.HasSuffix(name, "/user/") {
				list = &c.UserUnits
			}
			*list = append(*list, units.Entry{Path: path, Link: link, Unread: true})
		case "etc":
			if rest != "" && len(rest) <= maxLine {
				c.addEtc(rest, name)
			}
		case "fstab":
			fstab.WriteString(value + "\n")
		case "pending":
			p := &c.State.Pending
			if set := map[string]*units.Set{"start": &p.Start, "restart": &p.Restart, "reload": &p.Reload}[name]; set != nil && rest != "" {
				set.Add(rest)
			}
		case "user":
			c.State.Users = append(c.State.Users, units.UserUnit{User: name, Name: rest})
		case "container":
			c.State.Container = true
		}
	}
	c.State.Fstab += fstab.String()
	if all := units.ParseLoaded(loaded); known && len(all) > 0 {
		c.State.Known, c.State.Units = true, all
	}
}

// maxEtc is how many files of /etc are taken up.
const maxEtc = 10_000

func (c *Comparison) addEtc(name, link string) {
	if c.Etc == nil {
		c.Etc = map[string]string{}
	}
	if len(c.Etc) < maxEtc {
		c.Etc[name] = human.Clip(link, maxLine)
	}
}

// Limits of what is read of a host's files: files in one question, files, and
// bytes after which no more are asked for.
const (
	textsAtOnce  = 500
	maxTexts     = 5000
	maxTextBytes = 8 << 20
)

// Texts reads files of the host, such as unit files. A file that cannot be read or
// is beyond the limits is missing in the answer; of a long one it has the beginning.
func (h *Host) Texts(ctx context.Context, paths []string) (map[string]string, error) {
	texts := map[string]string{}
	read := 0
	for chunk := range slices.Chunk(paths[:min(len(paths), maxTexts)], textsAtOnce) {
		if read > maxTextBytes {
			break
		}
		out, err := h.ask(ctx, textsScript, chunk...)
		if err != nil {
			return texts, err
		}
		read += len(out)
		readTexts(texts, out, chunk)
	}
	return texts, nil
}

// readTexts splits what head prints at the lines with the names that were asked
// for.
func readTexts(texts map[string]string, out string, asked []string) {
	var name string // of the text that begins at start
	start, at := 0, 0
	for line := range strings.Lines(out) {
		header, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "==> ")
		header, ends := strings.CutSuffix(header, " <==")
		if ok && ends && slices.Contains(asked, header) {
			if name != "" {
				texts[name] = out[start:at]
			}
			name, start = header, at+len(line)
		}
		at += len(line)
	}
	if name != "" {
		texts[name] = out[start:]
	}
}

// DryActivate has a system that the host has say what switching to it would do.
func (h *Host) DryActivate(ctx context.Context, system store.Path) (string, error) {
	return h.ask(ctx, dryScript, string(system))
}
