package archive

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A store believes its database: it skips a path that is valid there, whatever has become of the files. An import would
// then end well and leave a system that is broken. Damaged finds such paths, Cache lets Nix mend them:
//
//	damaged, err := archive.Damaged(ctx, client, store.Dir, closure)
//	err = a.Cache(ctx, dir, damaged)
//	err = nix.Run(ctx, archive.RepairCommand(dir, damaged), …)

// Damaged returns those paths of a closure that are valid in a store, and whose files in dir are not what the store's
// database says. What the database says may differ from the archive: it was built there.
func Damaged(ctx context.Context, c *nixserve.Client, dir string, closure []nixserve.PathInfo) ([]store.Path, error) {
	paths := make([]store.Path, len(closure))
	for i, info := range closure {
		paths[i] = info.Path
	}
	valid, err := c.QueryValidPaths(ctx, paths, true, false)
	if err != nil {
		return nil, err
	}
	infos, err := c.QueryPathInfos(ctx, valid)
	if err != nil {
		return nil, err
	}
	differs := make([]bool, len(infos))
	err = inParallel(len(infos), func() (func(i int) error, func(), error) {
		do := func(i int) error {
			differs[i] = !isWhole(ctx, dir, infos[i])
			return context.Cause(ctx)
		}
		return do, func() {}, nil
	})
	if err != nil {
		return nil, err
	}
	var damaged []store.Path
	for i, info := range infos {
		if differs[i] {
			damaged = append(damaged, info.Path)
		}
	}
	slices.Sort(damaged)
	return damaged, nil
}

// isWhole reports whether the files of a path are what info says.
func isWhole(ctx context.Context, dir string, info nixserve.PathInfo) bool {
	r, w := io.Pipe()
	go func() { w.CloseWithError(store.Dump(w, filepath.Join(dir, info.Path.Base()), nil)) }()
	defer r.Close()
	h := store.NewHashWriter(store.SHA256, nil)
	_, err := io.Copy(h, contextReader{ctx, r})
	return err == nil && h.Size() == info.NARSize && h.Sum() == info.NARHash
}

// Cache writes a binary cache of some paths of the archive into a directory, which must exist, for Nix to read.
func (a *Archive) Cache(ctx context.Context, dir string, paths []store.Path) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Mkdir("nar", 0o755); err != nil {
		return err
	}
	if err := root.WriteFile(cacheName, []byte(cacheText), 0o644); err != nil {
		return err
	}
	for _, p := range paths {
		n, ok := a.infos[p]
		if !ok {
			return damaged("%s is missing", p)
		}
		if err := a.copyMember(ctx, root, n.URL); err != nil {
			return err
		}
		if err := root.WriteFile(narInfoName(p), n.text(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (a *Archive) copyMember(ctx context.Context, root *os.Root, name string) error {
	in, err := a.files.open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, contextReader{ctx, in})
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}

// RepairCommand has Nix replace the files of paths by those in a binary cache of Cache. Nix must own the store: its daemon
// refuses this.
func RepairCommand(dir string, paths []store.Path) []string {
	argv := []string{"nix-store", "--option", "substituters", fmt.Sprintf("file://%s", dir), "--option", "substitute", "true",
		"--option", "require-sigs", "false", "--repair-path"}
	for _, p := range paths {
		argv = append(argv, string(p))
	}
	return argv
}
