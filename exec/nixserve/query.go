package nixserve

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"muster/compile/store"
)

// A PathInfo is what a store's database knows of a valid path.
type PathInfo struct {
	Path       store.Path
	Deriver    store.Path   // the derivation that made it, "" if unknown
	References []store.Path // sorted; the path itself may be among them
	NARHash    store.Hash   // SHA-256 of its archive
	NARSize    int64        // bytes of its archive
	CA         string       // how its contents determine its path, "" for an input-addressed path
	Signatures []string     // "<key name>:<base 64>"
}

// QueryValidPaths returns those of paths that the store has, in its own order. With lock they are kept from garbage
// collection until the session ends, those it lacks included once they arrive. With substitute the store first fetches
// what it can from its own binary caches, which blocks until that is done.
func (c *Client) QueryValidPaths(ctx context.Context, paths []store.Path, lock, substitute bool) ([]store.Path, error) {
	if len(paths) == 0 {
		return nil, ctx.Err()
	}
	var valid []store.Path
	err := c.do(ctx, func() (err error) {
		c.out.word(cmdQueryValidPaths)
		c.out.bool(lock)
		c.out.bool(substitute)
		c.out.paths(paths)
		if err = c.out.w.Flush(); err != nil {
			return err
		}
		valid, err = c.in.paths()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("query valid paths: %w", err)
	}
	return valid, nil
}

// QueryPathInfos returns what the store knows of those of paths that it has, in its own order.
func (c *Client) QueryPathInfos(ctx context.Context, paths []store.Path) ([]PathInfo, error) {
	if len(paths) == 0 {
		return nil, ctx.Err()
	}
	var infos []PathInfo
	err := c.do(ctx, func() (err error) {
		c.out.word(cmdQueryPathInfos)
		c.out.paths(paths)
		if err = c.out.w.Flush(); err != nil {
			return err
		}
		infos, err = c.in.pathInfos()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("query path infos: %w", err)
	}
	return infos, nil
}

// pathInfos reads infos up to the empty path that ends them.
func (r wireReader) pathInfos() ([]PathInfo, error) {
	var infos []PathInfo
	for {
		s, err := r.string()
		if err != nil {
			return nil, noEOF(err)
		}
		if s == "" {
			return infos, nil
		}
		p, err := store.ParsePath(s)
		if err != nil {
			return nil, malformed("%w", err)
		}
		info, err := r.pathInfo(p)
		if err != nil {
			return nil, fmt.Errorf("path info of %s: %w", p, noEOF(err))
		}
		infos = append(infos, info)
	}
}

func (r wireReader) pathInfo(p store.Path) (PathInfo, error) {
	info := PathInfo{Path: p}
	deriver, err := r.string()
	if err != nil {
		return info, err
	}
	if deriver != "" {
		if info.Deriver, err = store.ParsePath(deriver); err != nil {
			return info, malformed("deriver: %w", err)
		}
	}
	if info.References, err = r.paths(); err != nil {
		return info, err
	}
	if _, err = r.word(); err != nil { // download size: of no use
		return info, err
	}
	size, err := r.word()
	if err != nil {
		return info, err
	}
	if info.NARSize = int64(size); info.NARSize < 0 {
		return info, malformed("an archive of %d bytes", size)
	}
	hash, err := r.string()
	if err != nil {
		return info, err
	}
	if info.NARHash, err = store.ParseHash(hash, store.SHA256); err != nil {
		return info, malformed("%w", err)
	}
	if info.CA, err = r.string(); err != nil {
		return info, err
	}
	info.Signatures, err = r.strings()
	return info, err
}

// QueryClosure returns paths and everything they refer to, in the store's order. With includeOutputs the outputs of the
// derivations among them belong to it as well. Asking for a path the store lacks ends the session.
func (c *Client) QueryClosure(ctx context.Context, paths []store.Path, includeOutputs bool) ([]store.Path, error) {
	if len(paths) == 0 {
		return nil, ctx.Err()
	}
	var closure []store.Path
	err := c.do(ctx, func() (err error) {
		c.out.word(cmdQueryClosure)
		c.out.bool(includeOutputs)
		c.out.paths(paths)
		if err = c.out.w.Flush(); err != nil {
			return err
		}
		closure, err = c.in.paths()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("query closure: %w", err)
	}
	return closure, nil
}

// TotalSize is how many bytes the archives of paths have.
func TotalSize(infos []PathInfo) (n int64) {
	for _, info := range infos {
		n += info.NARSize
	}
	return n
}

// Closure collects paths and all they refer to, each after what it refers to and otherwise ordered by path; info tells
// what is known of a path.
func Closure(paths []store.Path, info func(store.Path) (PathInfo, error)) ([]PathInfo, error) {
	seen := make(map[store.Path]bool)
	var infos []PathInfo
	todo := slices.Clone(paths)
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[p] {
			continue
		}
		seen[p] = true
		i, err := info(p)
		if err != nil {
			return nil, err
		}
		infos = append(infos, i)
		todo = append(todo, i.References...)
	}
	return sortInfos(infos)
}

// sortInfos orders infos references first and otherwise by path. References outside of infos do not count.
func sortInfos(infos []PathInfo) ([]PathInfo, error) {
	byPath := slices.Clone(infos)
	slices.SortFunc(byPath, func(a, b PathInfo) int { return strings.Compare(string(a.Path), string(b.Path)) })
	index := make(map[store.Path]int, len(byPath))
	for i, info := range byPath {
		index[info.Path] = i
	}
	const (
		open = 1
		done = 2
	)
	state := make([]byte, len(byPath))
	sorted := make([]PathInfo, 0, len(byPath))
	// A chain of references can be as long as the closure, so the stack is a slice and not the goroutine's.
	type frame struct{ at, next int }
	for root := range byPath {
		if state[root] == done {
			continue
		}
		state[root] = open
		stack := []frame{{at: root}}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			info := byPath[f.at]
			if f.next == len(info.References) {
				state[f.at] = done
				sorted = append(sorted, info)
				stack = stack[:len(stack)-1]
				continue
			}
			ref := info.References[f.next]
			f.next++
			i, ok := index[ref]
			if !ok || i == f.at || state[i] == done {
				continue
			}
			if state[i] == open {
				return nil, fmt.Errorf("sort paths by reference: %s and %s refer to each other", info.Path, ref)
			}
			state[i] = open
			stack = append(stack, frame{at: i})
		}
	}
	return sorted, nil
}
