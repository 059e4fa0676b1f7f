package eval

import (
	"fmt"
	"net/url"
	"strings"

	"muster/compile/flake"
	"muster/compile/store"
	"muster/compile/syntax"
)

// An origin is where a tree came from that a flake is in: messages and printed paths name
// it in place of the store path.
type origin struct {
	name     string // «github:owner/repo/…», or the directory of a work tree
	worktree bool
}

// setOrigin remembers where a tree was fetched from. Of a tree with several origins it is
// the first.
func (ev *Evaluator) setOrigin(asked flake.Attrs, got flake.Attrs, p store.Path) {
	if dir := asked.String("path"); asked.String("type") == "path" && !asked.Has("narHash") && !inside(dir, store.Dir) {
		ev.worktrees.LoadOrStore(p, dir)
	}
	o := origin{name: "«" + flake.Ref{Attrs: asked}.String() + "»"}
	local, isURL := strings.CutPrefix(asked.String("url"), "file://")
	switch {
	case asked.Has("narHash"):
	case asked.String("type") == "git" && !asked.Has("rev") && !asked.Has("ref") && isURL:
		dir, err := url.PathUnescape(local)
		if err != nil {
			return
		}
		if _, err := ev.world.Lstat(dir + "/.git"); err != nil {
			return
		}
		o = origin{name: dir, worktree: true}
		ev.worktrees.LoadOrStore(p, dir)
	case asked.String("type") == "git":
		o.name = "«" + flake.Ref{Attrs: got.Without("narHash").Without("lastModified").Without("revCount")}.String() + "»"
	default:
		return
	}
	ev.origins.LoadOrStore(p, o)
}

// WorkTrees returns the directories that trees of flakes are copies of, by store path: those
// that a user edits, and not what is locked.
func (ev *Evaluator) WorkTrees() map[store.Path]string {
	dirs := map[store.Path]string{}
	ev.worktrees.Range(func(p, dir any) bool {
		dirs[p.(store.Path)] = dir.(string)
		return true
	})
	return dirs
}

// originOf returns where the tree came from that a path is in, and the rest of the path.
func (ev *Evaluator) originOf(p string) (o origin, rest string, ok bool) {
	if !inside(p, store.Dir) {
		return origin{}, "", false
	}
	sp, rest, err := store.SplitPath(p)
	if err != nil {
		return origin{}, "", false
	}
	found, ok := ev.origins.Load(sp)
	if !ok {
		return origin{}, "", false
	}
	return found.(origin), rest, true
}

// shownPath is a path as messages call it. The tree itself ends in a slash.
func (ev *Evaluator) shownPath(p string) string {
	o, rest, ok := ev.originOf(p)
	switch {
	case !ok:
		return p
	case rest == "":
		return o.name + "/"
	}
	return o.name + rest
}

// shownAt is the position with a number as messages call it.
func (ev *Evaluator) shownAt(id posID) syntax.Pos { return ev.shownPos(ev.positions.at(id)) }

func (ev *Evaluator) shownPos(p syntax.Pos) syntax.Pos {
	if !p.IsValid() {
		return p
	}
	if o, rest, ok := ev.originOf(p.File()); ok {
		name := o.name + rest
		return syntax.NewPos(&name, int(p.Line), int(p.Col))
	}
	return p
}

// missing says that there is no file at a path. Of a work tree there are only the files
// that git tracks.
func (ev *Evaluator) missing(p string) string {
	o, rest, ok := ev.originOf(p)
	if !ok || !o.worktree {
		return "path '" + shortened(ev.shownPath(p)) + "' does not exist"
	}
	rest = shortened(strings.TrimPrefix(rest, "/"))
	if _, err := ev.world.Lstat(o.name + "/" + rest); err != nil {
		return fmt.Sprintf("Path '%s' does not exist in Git repository \"%s\".", rest, o.name)
	}
	return fmt.Sprintf("Path '%s' in the repository \"%s\" is not tracked by Git.\n\nTo make it visible to Nix, run:\n\ngit -C \"%s\" add \"%s\"", rest, o.name, o.name, rest)
}
