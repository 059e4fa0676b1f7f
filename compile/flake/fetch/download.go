package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"muster/compile/flake"
	"muster/compile/store"
)

// tarball downloads and unpacks an archive. A server may name the URL of just this content in a header, by the
// lockable-tarball protocol: then that URL is what is locked.
func (f *Fetcher) tarball(ctx context.Context, a flake.Attrs) (Tree, error) {
	key := keyOf("tarball", a.String("url"), a.Name())
	unlock, err := f.lock(key)
	if err != nil {
		return Tree{}, err
	}
	defer unlock()
	was, etag, fresh, known := f.recall(key)
	local := strings.HasPrefix(a.String("url"), "file:")
	if known && fresh && !local {
		return tarballLocked(was, a), nil
	}
	r := request{url: a.String("url")}
	if known {
		r.etag = etag
	}
	t, etag, err := f.archive(ctx, r, a.Name(), a.NARHash(), func(answer *response) (flake.Attrs, error) {
		if answer.immutable == "" {
			return flake.Attrs{"type": "tarball", "url": a.String("url")}, nil
		}
		locked, err := flake.FetchURL(answer.immutable)
		switch {
		case err != nil:
		case locked.String("type") != "tarball":
			err = errors.New("tarball 'Link' headers that redirect to non-tarball URLs are not supported")
		case !local && strings.HasPrefix(locked.String("url"), "file:"):
			err = errors.New("a server cannot refer to a file of this machine")
		}
		if err != nil {
			return nil, fmt.Errorf("the link to what will always be the same, which the server has sent (rel=\"immutable\"): '%s': %w", answer.immutable, err)
		}
		return locked, nil
	})
	switch {
	case errors.Is(err, errUnchanged):
		t, etag = was, r.etag
	case err != nil:
		return Tree{}, err
	}
	f.remember(key, t, etag)
	return tarballLocked(t, a), nil
}

// tarballLocked gives a tarball that was downloaded the attributes of the input that asks for it.
func tarballLocked(t Tree, a flake.Attrs) Tree {
	locked := t.Locked
	if locked.String("url") == a.String("url") {
		locked = maps.Clone(a)
		for name, value := range t.Locked {
			if name == "narHash" || !a.Has(name) {
				locked[name] = value
			}
		}
	}
	t.Locked = locked
	return t
}

// errUnchanged says that a server has nothing newer than what has the ETag of a request.
var errUnchanged = errors.New("it has not changed")

// archive downloads an archive and keeps what is in it: its only directory, or all. Links out of the tree are taken only
// with a hash that is right. Locked makes the attributes of the answer.
func (f *Fetcher) archive(ctx context.Context, r request, name string, want store.Hash, locked func(*response) (flake.Attrs, error)) (Tree, string, error) {
	answer, err := f.download(ctx, r)
	if err != nil {
		return Tree{}, "", err
	}
	if answer.unchanged {
		return Tree{}, "", errUnchanged
	}
	defer answer.body.Close()
	attrs, err := locked(answer)
	if err != nil {
		return Tree{}, "", err
	}
	tmp, remove, err := f.temp()
	if err != nil {
		return Tree{}, "", err
	}
	defer remove()
	dir := filepath.Join(tmp, "x")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return Tree{}, "", err
	}
	u, err := unpack(answer.body, dir, f.limits())
	if err == nil {
		_, err = io.Copy(io.Discard, answer.body) // so that a download that breaks off is seen
	}
	if err != nil {
		return Tree{}, "", fmt.Errorf("unpack %s: %w", r.url, err)
	}
	unpacked := dir
	if dir, err = only(dir); err != nil {
		return Tree{}, "", err
	}
	h, _, err := store.HashNAR(store.SHA256, store.Disk{}, dir, nil)
	if err != nil {
		return Tree{}, "", err
	}
	if h != want {
		top, err := filepath.Rel(unpacked, dir)
		if err == nil {
			err = u.checkLinks(top)
		}
		if err != nil {
			return Tree{}, "", fmt.Errorf("unpack %s: %w", r.url, err)
		}
	}
	p, err := store.FixedPath(name, h, true)
	if err != nil {
		return Tree{}, "", err
	}
	t, err := f.adopt(dir, p, h)
	if err != nil {
		return Tree{}, "", err
	}
	attrs["narHash"] = h.SRI()
	if _, ok := attrs.Int("lastModified"); !ok && u.newest > 0 {
		attrs["lastModified"] = u.newest
	}
	t.Locked = attrs
	return t, answer.etag, nil
}

// only returns the one directory in dir, if there is nothing else in it.
func only(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	if len(entries) == 1 && entries[0].IsDir() {
		return filepath.Join(dir, entries[0].Name()), nil
	}
	return dir, nil
}

// file downloads a file as it is.
func (f *Fetcher) file(ctx context.Context, a flake.Attrs) (Tree, error) {
	t, err := f.single(ctx, a.String("url"), a.Name(), true)
	if err != nil {
		return Tree{}, err
	}
	locked := maps.Clone(a)
	locked["narHash"] = t.Locked["narHash"]
	t.Locked = locked
	return t, nil
}

// URL downloads a file, as builtins.fetchurl does: its store path is made of the hash of its content. Of a file with a
// hash that is at hand nothing is downloaded.
func (f *Fetcher) URL(ctx context.Context, url, name string, want store.Hash) (Tree, error) {
	if !want.IsZero() {
		if p, err := store.FixedPath(name, want, false); err == nil {
			if dir, ok := f.find(p); ok {
				return Tree{Path: p, Dir: dir}, nil
			}
		}
	}
	ctx, end := context.WithTimeoutCause(ctx, f.limits().Time, fmt.Errorf("it takes more than %v", f.limits().Time))
	defer end()
	t, err := f.single(ctx, url, name, false)
	if err != nil || want.IsZero() {
		return t, err
	}
	if got, err := hashFile(t.Dir, want.Algo()); err != nil || got != want {
		return Tree{}, cmp.Or(err, fmt.Errorf("hash mismatch in file downloaded from '%s': specified %s, got %s", url, want.SRI(), got.SRI()))
	}
	return t, nil
}

func hashFile(name string, algo store.Algo) (store.Hash, error) {
	in, err := store.Disk{}.Open(name)
	if err != nil {
		return store.Hash{}, err
	}
	defer in.Close()
	sum := store.NewHashWriter(algo, nil)
	_, err = io.Copy(sum, in)
	return sum.Sum(), err
}

// single downloads a file. Its store path is made of the hash of its archive or, unless recursive, of its content.
func (f *Fetcher) single(ctx context.Context, url, name string, recursive bool) (Tree, error) {
	key := keyOf("file", url, name, strconv.FormatBool(recursive))
	unlock, err := f.lock(key)
	if err != nil {
		return Tree{}, err
	}
	defer unlock()
	was, etag, fresh, known := f.recall(key)
	if known && fresh && !strings.HasPrefix(url, "file:") {
		return was, nil
	}
	r := request{url: url}
	if known {
		r.etag = etag
	}
	answer, err := f.download(ctx, r)
	if err != nil {
		return Tree{}, err
	}
	if answer.unchanged {
		f.remember(key, was, etag)
		return was, nil
	}
	defer answer.body.Close()
	tmp, remove, err := f.temp()
	if err != nil {
		return Tree{}, err
	}
	defer remove()
	to := filepath.Join(tmp, "x")
	content := store.NewHashWriter(store.SHA256, nil)
	if err := writeFile(to, io.TeeReader(answer.body, content), false); err != nil {
		return Tree{}, err
	}
	nar, _, err := store.HashNAR(store.SHA256, store.Disk{}, to, nil)
	if err != nil {
		return Tree{}, err
	}
	sum := content.Sum()
	if recursive {
		sum = nar
	}
	p, err := store.FixedPath(name, sum, recursive)
	if err != nil {
		return Tree{}, err
	}
	t, err := f.adopt(to, p, nar)
	if err == nil {
		f.remember(key, t, answer.etag)
	}
	return t, err
}
