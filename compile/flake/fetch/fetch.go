// Package fetch fetches the inputs of flakes and what builtins.fetchTree and its kind ask for: archives and files over
// HTTP, git repositories, directories. It unpacks them, computes their hashes and store paths, and keeps them in a
// cache. It needs no Nix; of programs it runs git alone.
//
//	f := &fetch.Fetcher{Dir: "/home/me/.cache/muster/fetch"}
//	tree, err := f.Fetch(ctx, flake.Attrs{"type": "tarball", "url": "https://example.org/x.tar.gz"}, false)
//	os.ReadDir(tree.Dir) // the content of tree.Path
//
// Everything that comes from outside is bounded, in bytes, files and time. An archive must not leave the directory that
// it is unpacked in, and holds nothing but files, directories and links.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"muster/compile/flake"
	"muster/compile/store"
	"muster/exec/ondemand"
)

// A Fetcher fetches trees and files and keeps them in a directory. Its methods may be called from several goroutines.
type Fetcher struct {
	Dir      string            // of the cache; it is made when something is kept
	StoreDir string            // where store objects may be already; "" is /nix/store
	Registry flake.Registry    // what names stand for everywhere
	Own      flake.Registry    // what they stand for on this machine, which goes first
	Tokens   map[string]string // access tokens by host, or host/owner, as Nix's setting access-tokens has them
	Netrc    string            // a file with passwords for HTTP; "" is none
	TTL      time.Duration     // for how long what a branch or URL was is used again; 0 is one hour, negative is never
	Limits   Limits            // the zero value is DefaultLimits
	Warn     func(text string) // nil discards warnings
	Client   *http.Client      // nil makes one

	once   sync.Once
	client *http.Client
	locks  sync.Map // *sync.Mutex by name
}

// Limits bound what a fetch may take.
type Limits struct {
	Download int64         // bytes that are downloaded
	Unpacked int64         // bytes of all files
	Entries  int           // files, directories and links
	Time     time.Duration // of one fetch
	Stall    time.Duration // for which a server may be silent
}

// DefaultLimits let the largest repositories pass.
var DefaultLimits = Limits{Download: 8 << 30, Unpacked: 32 << 30, Entries: 5_000_000, Time: time.Hour, Stall: time.Minute}

func (f *Fetcher) limits() Limits {
	if f.Limits == (Limits{}) {
		return DefaultLimits
	}
	return f.Limits
}

// A Tree is a store object that was fetched.
type Tree struct {
	Path   store.Path
	Dir    string      // where its content is: Path itself, or a place in the cache
	Locked flake.Attrs // the input as it is pinned now
}

// A HashError says that content does not have the hash that pins it.
type HashError struct {
	Input     string
	Want, Got store.Hash
}

func (e *HashError) Error() string {
	return fmt.Sprintf("NAR hash mismatch in input '%s', expected '%s' but got '%s'", e.Input, e.Want.SRI(), e.Got.SRI())
}

// Fetch fetches an input. Final says that the attributes come from a lock file: then nothing is fetched if the content
// is at hand, and Locked has the same attributes.
func (f *Fetcher) Fetch(ctx context.Context, a flake.Attrs, final bool) (Tree, error) {
	a, err := flake.FromAttrs(a)
	if err != nil {
		return Tree{}, err
	}
	if t, ok := f.pinned(a); ok && (final || complete(a) || a.String("type") == "tarball" && !a.Has("lastModified") && a.Has("name")) {
		t.Locked = a
		return t, nil
	}
	ctx, end := context.WithTimeoutCause(ctx, f.limits().Time, fmt.Errorf("it takes more than %v", f.limits().Time))
	defer end()
	t, err := f.fetch(ctx, a)
	if err != nil {
		return Tree{}, fmt.Errorf("fetch the input '%s': %w", password().ReplaceAllString(flake.Ref{Attrs: a}.String(), "://$1:xxxxx@"), err)
	}
	t.Locked, err = checkLocks(a, t.Locked, final)
	return t, err
}

// complete reports whether attributes with a hash say all that fetching would: then they
// are as good as those of a lock file.
func complete(a flake.Attrs) bool {
	switch a.String("type") {
	case "git":
		return a.Has("rev") && a.Has("lastModified") && a.Has("revCount")
	case "github", "gitlab", "sourcehut":
		return a.Has("rev") && a.Has("lastModified")
	}
	return false
}

// Find replaces an input that is a name by what the registry has for it. Own says whether the entries of this machine
// count. Dir is the directory that the registry names, "" if it names none.
func (f *Fetcher) Find(a flake.Attrs, own bool) (found flake.Attrs, dir string, err error) {
	if own {
		return append(slices.Clip(f.Own), f.Registry...).Find(a)
	}
	return f.Registry.Find(a)
}

// pinned returns the content of an input with a hash, if it is at hand.
func (f *Fetcher) pinned(a flake.Attrs) (Tree, bool) {
	h := a.NARHash()
	if h.IsZero() {
		return Tree{}, false
	}
	p, err := store.FixedPath(a.Name(), h, true)
	if err != nil {
		return Tree{}, false
	}
	dir, ok := f.find(p)
	return Tree{Path: p, Dir: dir}, ok
}

// fetch fetches an input by its type.
func (f *Fetcher) fetch(ctx context.Context, a flake.Attrs) (Tree, error) {
	switch kind := a.String("type"); kind {
	case "path":
		return f.path(a)
	case "tarball":
		return f.tarball(ctx, a)
	case "file":
		return f.file(ctx, a)
	case "git":
		return f.git(ctx, a)
	case "github", "gitlab", "sourcehut":
		return f.forge(ctx, a)
	case "indirect":
		return Tree{}, errors.New("it is a name of the flake registry, and names cannot be fetched directly")
	case "hg":
		return Tree{}, errors.New("inputs of Mercurial are left to Nix: evaluate the fleet with --evaluator nix, or pin an archive of the commit")
	default:
		return Tree{}, fmt.Errorf("inputs of type '%s' are not supported", kind)
	}
}

// password finds a password in a URL.
var password = ondemand.Regexp(`://([^/@:]*):[^/@]*@`)

// checkLocks compares what was fetched with what the input pins, and returns the attributes that it has now.
func checkLocks(want, got flake.Attrs, final bool) (flake.Attrs, error) {
	if h := want.NARHash(); !h.IsZero() && got.NARHash() != h {
		return nil, &HashError{Input: flake.Ref{Attrs: want}.String(), Want: h, Got: got.NARHash()}
	}
	if final {
		for name, value := range want {
			if other, ok := got[name]; ok && other != value && name != "narHash" {
				return nil, fmt.Errorf("mismatch in field '%s' of input '%s', got '%s'", name, want.JSON(), got.JSON())
			}
		}
		return want, nil
	}
	if rev := want.String("rev"); rev != "" && got.String("rev") != rev {
		return nil, fmt.Errorf("'rev' attribute mismatch in input '%s', expected %s", flake.Ref{Attrs: got}, rev)
	}
	return got, nil
}

func (f *Fetcher) warn(format string, args ...any) {
	if f.Warn != nil {
		f.Warn(fmt.Sprintf(format, args...))
	}
}

func (f *Fetcher) ttl() time.Duration {
	if f.TTL == 0 {
		return time.Hour
	}
	return f.TTL
}

// path copies a directory or file. Its time is that of its newest file.
func (f *Fetcher) path(a flake.Attrs) (Tree, error) {
	p := a.String("path")
	if !filepath.IsAbs(p) {
		return Tree{}, errors.New("it is a relative path")
	}
	p = filepath.Clean(p)
	a = maps.Clone(a)
	from := p
	if sp, rest, err := store.SplitPath(p); err == nil {
		dir, ok := f.find(sp)
		if ok && rest == "" && sp.Name() == "source" {
			return f.pathInStore(a, sp, dir)
		}
		if ok {
			from = dir + rest // it may be in the cache
		}
	}
	newest := int64(0)
	t, err := f.copy(from, "source", nil, func(name string) error {
		info, err := os.Lstat(name)
		if err == nil {
			newest = max(newest, info.ModTime().Unix())
		}
		return err
	})
	if err != nil {
		return Tree{}, err
	}
	if !a.Has("lastModified") {
		a["lastModified"] = newest
	}
	a["narHash"] = t.Locked["narHash"]
	t.Locked = a
	return t, nil
}

// pathInStore is path for what is in the store already, where files have no time.
func (f *Fetcher) pathInStore(a flake.Attrs, sp store.Path, dir string) (Tree, error) {
	h, _, err := store.HashNAR(store.SHA256, store.Disk{}, dir, nil)
	if err != nil {
		return Tree{}, err
	}
	if !a.Has("lastModified") {
		a["lastModified"] = int64(0)
	}
	a["narHash"] = h.SRI()
	return Tree{Path: sp, Dir: dir, Locked: a}, nil
}
