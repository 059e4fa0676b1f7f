package transfer

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A Local is a Source: the store of this machine. One nix-store --serve process answers all questions about it and stays
// open; archives are made in this process, from the store's directory. A Local may be used from several goroutines. It
// caches the infos of paths: they never change while the paths are locked.
type Local struct {
	dir  string
	open func(context.Context) (*nixserve.Client, error)

	mu     sync.Mutex
	client *nixserve.Client
	infos  map[store.Path]nixserve.PathInfo // with a path it has all that the path refers to
}

// NewLocal makes a Source of the store whose files are in dir: store.Dir, unless it is a chroot store. open starts
// `nix-store --serve` for it, at the first question, and again after a session has broken: the end of one question's context
// breaks it.
func NewLocal(dir string, open func(context.Context) (*nixserve.Client, error)) *Local {
	return &Local{dir: dir, open: open, infos: make(map[store.Path]nixserve.PathInfo)}
}

// Close ends the serve process.
func (l *Local) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.client == nil {
		return nil
	}
	err := l.client.Close()
	l.client = nil
	return err
}

// Closure returns the infos of paths and all they refer to, references first. The error about a path that is not valid
// names it.
func (l *Local) Closure(ctx context.Context, paths []store.Path) ([]nixserve.PathInfo, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range paths {
		if _, ok := l.infos[p]; !ok {
			if err := l.learn(ctx, paths); err != nil {
				return nil, err
			}
			break
		}
	}
	return nixserve.Closure(paths, func(p store.Path) (nixserve.PathInfo, error) {
		info, ok := l.infos[p]
		if !ok {
			return info, fmt.Errorf("%s is not in the store", p)
		}
		return info, nil
	})
}

// learn asks for the infos of the closure of paths.
func (l *Local) learn(ctx context.Context, paths []store.Path) error {
	if l.client == nil {
		c, err := l.open(ctx)
		if err != nil {
			return err
		}
		l.client = c
	}
	infos, err := queryClosureInfos(ctx, l.client, paths)
	if err != nil {
		if l.client.Err() != nil { // the next question starts another session
			l.client.Close()
			l.client = nil
		}
		return err
	}
	for _, info := range infos {
		l.infos[info.Path] = info
	}
	return nil
}

func queryClosureInfos(ctx context.Context, c *nixserve.Client, paths []store.Path) ([]nixserve.PathInfo, error) {
	valid, err := c.QueryValidPaths(ctx, paths, true, false) // locked while they are copied
	if err != nil {
		return nil, err
	}
	for _, p := range paths {
		if !slices.Contains(valid, p) {
			return nil, fmt.Errorf("%s is not in the store", p)
		}
	}
	closure, err := c.QueryClosure(ctx, paths, false)
	if err != nil {
		return nil, err
	}
	return c.QueryPathInfos(ctx, closure)
}

// NAR writes the archive of a path. It fails if the archive is not what the database says.
func (l *Local) NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	hashed := store.NewHashWriter(store.SHA256, w)
	if err := l.Dump(ctx, info, hashed); err != nil {
		return err
	}
	if hashed.Size() != info.NARSize || hashed.Sum() != info.NARHash {
		return fmt.Errorf("%w: its archive has hash %s, recorded is %s (repair it: nix-store --repair-path)",
			nixserve.ErrCorrupt, hashed.Sum(), info.NARHash)
	}
	return nil
}

// Dump writes the archive of a path without checking it.
func (l *Local) Dump(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	return store.Dump(contextWriter{ctx, w}, filepath.Join(l.dir, info.Path.Base()), nil)
}

// A contextWriter fails once the context has ended.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (w contextWriter) Write(p []byte) (int, error) {
	if w.ctx.Err() != nil {
		return 0, context.Cause(w.ctx)
	}
	return w.w.Write(p)
}
