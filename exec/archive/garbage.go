package archive

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"muster/compile/store"
	"muster/exec/objectstore"
)

// A CacheUse says what of a binary cache is needed.
type CacheUse struct {
	Entries []objectstore.Entry // of the whole store
	Keys    []PublicKey         // only paths that one of them has signed are ever garbage
	Roots   []store.Path        // needed, with all that they refer to
	// Young reports whether an object is new: nothing is known yet about what needs it.
	Young func(objectstore.Entry) bool
}

// Garbage is what nothing needs of a binary cache.
type Garbage struct {
	Paths int // in the cache
	// Infos are descriptions of paths, and NARs their archives. Descriptions are removed first: a path without one is not in
	// the cache, and is uploaded again where it is needed.
	Infos, NARs []objectstore.Entry
	Foreign     int          // paths that none of the keys has signed; they stay, with all that they refer to
	Lacking     []store.Path // roots that are not in the cache
}

// A cached path is what garbage collection needs of a description.
type cached struct {
	entry objectstore.Entry
	url   string
	refs  []string // digests
	ours  bool
}

// FindGarbage finds what nothing needs of a binary cache.
func FindGarbage(ctx context.Context, s objectstore.Store, use CacheUse) (*Garbage, error) {
	infos, err := readInfos(ctx, s, use)
	if err != nil {
		return nil, err
	}
	g := &Garbage{Paths: len(infos)}
	var left []string // digests whose references are still to be followed
	for digest, c := range infos {
		if !c.ours {
			g.Foreign++
		}
		if !c.ours || use.Young(c.entry) {
			left = append(left, digest)
		}
	}
	for _, p := range use.Roots {
		if infos[p.Digest()] == nil {
			g.Lacking = append(g.Lacking, p)
		}
		left = append(left, p.Digest())
	}
	needed, archives := map[string]bool{}, map[string]bool{}
	for len(left) > 0 {
		digest := left[len(left)-1]
		left = left[:len(left)-1]
		if c := infos[digest]; c != nil && !needed[digest] {
			needed[digest], archives[c.url] = true, true
			left = append(left, c.refs...)
		}
	}
	for _, e := range use.Entries {
		digest, isInfo := infoDigest(e.Key)
		switch {
		case isInfo && infos[digest] != nil && !needed[digest]:
			g.Infos = append(g.Infos, e)
		case isNAR(e.Key) && pathMember().MatchString(e.Key) && !archives[e.Key] && !use.Young(e):
			g.NARs = append(g.NARs, e)
		}
	}
	slices.Sort(g.Lacking)
	g.Lacking = slices.Compact(g.Lacking)
	return g, nil
}

// infoDigest is the digest of the path that an object describes.
func infoDigest(key string) (string, bool) {
	if isNAR(key) || !isNarInfo(key) || !pathMember().MatchString(key) {
		return "", false
	}
	return strings.TrimSuffix(key, narInfoExt), true
}

// readInfos reads all descriptions of a cache, by the digests of their paths.
func readInfos(ctx context.Context, s objectstore.Store, use CacheUse) (map[string]*cached, error) {
	list := make([]*cached, len(use.Entries))
	g, together := errgroup.WithContext(ctx)
	g.SetLimit(4 * uploads)
	for i, e := range use.Entries {
		if _, ok := infoDigest(e.Key); !ok {
			continue
		}
		g.Go(func() (err error) {
			list[i], err = readInfo(together, s, e, use.Keys)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	infos := map[string]*cached{}
	for i, e := range use.Entries {
		if list[i] != nil {
			digest, _ := infoDigest(e.Key)
			infos[digest] = list[i]
		}
	}
	return infos, nil
}

// readInfo reads a description; nil for one that has gone. Those of other programs are read as far as they can be: their paths
// stay, and so does what they refer to.
func readInfo(ctx context.Context, s objectstore.Store, e objectstore.Entry, keys []PublicKey) (*cached, error) {
	text, _, err := objectstore.Read(ctx, s, e.Key, objectstore.ReadOptions{Limit: maxNarInfo})
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := &cached{entry: e}
	if n, err := parseNarInfo(text); err == nil && narInfoName(n.Path) == e.Key {
		print := fingerprint(n.PathInfo)
		c.ours = slices.ContainsFunc(n.Signatures, func(sig string) bool {
			return slices.ContainsFunc(keys, func(k PublicKey) bool { return k.Verifies(print, sig) })
		})
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "URL":
			c.url = path.Clean(value)
		case "References":
			for _, base := range strings.Fields(value) {
				if p, err := store.ParsePath(store.Dir + "/" + base); err == nil {
					c.refs = append(c.refs, p.Digest())
				}
			}
		}
	}
	if c.url == "" {
		return nil, fmt.Errorf("read %s of %s: it has no URL of an archive: mend or remove it", e.Key, s)
	}
	return c, nil
}
