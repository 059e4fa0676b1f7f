package fetch

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"muster/compile/flake"
)

// A Checkout is a commit of a git repository on this machine, in the cache.
type Checkout struct {
	Tree Tree
	Root string // of the repository
	Rev  string // of the commit
	Dir  string // the directory that was asked for, as it is in the commit
}

// Checkout returns a commit, branch or tag of the git repository that a directory is in. It
// leaves the repository as it is.
func (f *Fetcher) Checkout(ctx context.Context, dir, name string) (Checkout, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return Checkout{}, err
	}
	root := dir
	for !exists(filepath.Join(root, ".git")) {
		if root == filepath.Dir(root) {
			return Checkout{}, fmt.Errorf("%s is in no git repository", dir)
		}
		root = filepath.Dir(root)
	}
	r := repository{f: f, dir: root, worktree: true}
	rev, err := r.resolve(ctx, name)
	if err != nil {
		return Checkout{}, fmt.Errorf("%s: %w", root, err)
	}
	c := Checkout{Root: root, Rev: rev}
	attrs := flake.Attrs{"type": "git", "url": "file://" + (&url.URL{Path: root}).EscapedPath(), "rev": rev}
	if r.shallow(ctx) {
		attrs["shallow"] = true
	}
	if c.Tree, err = f.Fetch(ctx, attrs, false); err != nil {
		return Checkout{}, err
	}
	below, err := filepath.Rel(root, dir)
	if err != nil {
		return Checkout{}, err
	}
	c.Dir = filepath.Join(c.Tree.Dir, below)
	if _, err := os.Stat(c.Dir); err != nil {
		return Checkout{}, fmt.Errorf("commit %s of %s has no %s", rev[:12], root, below)
	}
	return c, nil
}

// Flake refers to the flake in a directory of the commit.
func (c Checkout) Flake(below string) string {
	text := "git+file://" + (&url.URL{Path: c.Root}).EscapedPath() + "?rev=" + c.Rev
	if below != "." && below != "" {
		text += "&dir=" + url.QueryEscape(below)
	}
	return text
}
