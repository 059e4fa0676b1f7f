package host

import (
	"context"
	"slices"
	"strings"

	"muster/compile/store"
)

// A Comparison is what a host has, beside some store paths.
type Comparison struct {
	Lacks []store.Path          // of the paths asked about
	Has   []store.Path          // what the running system is made of
	Units map[string]string     // unit → its file, and the file NixOS adds to it
	Parts map[string]store.Path // part → what was booted of it
}

// comparePaths is how many paths one question is about: a command line has an
// end.
const comparePaths = 1000

// Compare asks which of some store paths the host lacks, and what it runs.
func (h *Host) Compare(ctx context.Context, paths []store.Path) (Comparison, error) {
	c := Comparison{Units: map[string]string{}, Parts: map[string]store.Path{}}
	first := true
	for chunk := range slices.Chunk(paths, comparePaths) {
		args := make([]string, len(chunk))
		for i, p := range chunk {
			args[i] = string(p)
		}
		out, err := h.ask(ctx, compareScript, args...)
		if err != nil {
			return c, err
		}
		c.read(out, first, chunk)
		first = false
	}
	return c, nil
}

// read adds an answer about some paths. What does not depend on the paths is in
// every one, and taken from the first.
func (c *Comparison) read(out string, first bool, asked []store.Path) {
	unknown := make(map[store.Path]bool, len(asked))
	for _, p := range asked {
		unknown[p] = true
	}
	for line := range strings.Lines(out) {
		what, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case what == "lacks":
			if p := store.Path(value); unknown[p] {
				delete(unknown, p)
				c.Lacks = append(c.Lacks, p)
			}
		case !first:
		case what == "has":
			if p, err := store.ParsePath(value); err == nil {
				c.Has = append(c.Has, p)
			}
		case what == "unit":
			name, files, _ := strings.Cut(value, " ")
			c.Units[clip(name, maxWord)] = files
		case what == "part":
			name, target, _ := strings.Cut(value, " ")
			c.Parts[clip(name, maxWord)] = store.Path(target)
		}
	}
}

// DryActivate has a system that the host has say what switching to it would do.
func (h *Host) DryActivate(ctx context.Context, system store.Path) (string, error) {
	return h.ask(ctx, dryScript, string(system))
}
