package nixserve

import (
	"context"
	"fmt"

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

// QueryValidPaths returns those of paths that the store has, in its own order. With lock all of paths are kept from garbage
// collection until the session ends, also those that arrive later. With substitute the store first fetches what it can
// from its own binary caches, which blocks until that is done.
func (c *Client) QueryValidPaths(ctx context.Context, paths []store.Path, lock, substitute bool) ([]store.Path, error) {
	if len(paths) == 0 {
		return nil, ctx.Err()
	}
	var valid []store.Path
	err := c.do(ctx, func() (err error) {
		c.out.PutUint64(cmdQueryValidPaths)
		c.out.PutBool(lock)
		c.out.PutBool(substitute)
		c.out.PutPaths(paths)
		if err = c.out.Flush(); err != nil {
			return err
		}
		valid, err = c.in.Paths(len(paths))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("query valid paths: %w", err)
	}
	return valid, nil
}

// QueryClosure returns paths and everything they refer to, in the store's order. With includeOutputs the outputs of the
// derivations among them belong to it as well. Asking for a path that the store lacks ends the session.
func (c *Client) QueryClosure(ctx context.Context, paths []store.Path, includeOutputs bool) ([]store.Path, error) {
	if len(paths) == 0 {
		return nil, ctx.Err()
	}
	var closure []store.Path
	err := c.do(ctx, func() (err error) {
		c.out.PutUint64(cmdQueryClosure)
		c.out.PutBool(includeOutputs)
		c.out.PutPaths(paths)
		if err = c.out.Flush(); err != nil {
			return err
		}
		closure, err = c.in.Paths(min(len(paths), 8) * maxClosure)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("query closure: %w", err)
	}
	return closure, nil
}

// QueryPathInfos returns what the store knows of those of paths that it has, in its own order.
func (c *Client) QueryPathInfos(ctx context.Context, paths []store.Path) ([]PathInfo, error) {
	if len(paths) == 0 {
		return nil, ctx.Err()
	}
	var infos []PathInfo
	err := c.do(ctx, func() (err error) {
		c.out.PutUint64(cmdQueryPathInfos)
		c.out.PutPaths(paths)
		if err = c.out.Flush(); err != nil {
			return err
		}
		infos, err = readPathInfos(c.in, len(paths))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("query path infos: %w", err)
	}
	return infos, nil
}

// readPathInfos reads at most limit infos, up to the empty path that ends them.
func readPathInfos(r store.WireReader, limit int) ([]PathInfo, error) {
	var infos []PathInfo
	for {
		s, err := r.String(maxString)
		if err != nil {
			return nil, err
		}
		if s == "" {
			return infos, nil
		}
		if len(infos) == limit {
			return nil, malformed("infos of more paths than the %d asked for", limit)
		}
		p, err := store.ParsePath(s)
		if err != nil {
			return nil, malformed("%w", err)
		}
		info, err := readPathInfo(r, p)
		if err != nil {
			return nil, fmt.Errorf("path info of %s: %w", p, err)
		}
		infos = append(infos, info)
	}
}

func readPathInfo(r store.WireReader, p store.Path) (PathInfo, error) {
	info := PathInfo{Path: p}
	deriver, err := r.String(maxString)
	if err != nil {
		return info, err
	}
	if deriver != "" {
		if info.Deriver, err = store.ParsePath(deriver); err != nil {
			return info, malformed("deriver: %w", err)
		}
	}
	if info.References, err = r.Paths(maxReferences); err != nil {
		return info, err
	}
	if _, err = r.Uint64(); err != nil { // the download size, which is not needed
		return info, err
	}
	size, err := r.Uint64()
	if err != nil {
		return info, err
	}
	if info.NARSize = int64(size); info.NARSize < 0 {
		return info, malformed("an archive of %d bytes", size)
	}
	hash, err := r.String(maxString)
	if err != nil {
		return info, err
	}
	if info.NARHash, err = store.ParseHash(hash, store.SHA256); err != nil {
		return info, malformed("%w", err)
	}
	if info.CA, err = r.String(maxString); err != nil {
		return info, err
	}
	info.Signatures, err = r.Strings(maxSignatures, maxString)
	return info, err
}
