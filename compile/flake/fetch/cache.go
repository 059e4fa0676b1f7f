package fetch

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"muster/compile/flake"
	"muster/compile/store"
	"muster/exec/foreign"
)

// The cache is a directory:
//
//	tree/<digest>-<name>  the content of store objects
//	info/<key>            what a URL or revision was when it was fetched
//	git/<key>             bare repositories
//	lock/<key>            held while something is fetched
//	tmp/                  what is not complete yet

// find returns where the content of a store object is: in the store, or in the cache.
func (f *Fetcher) find(p store.Path) (dir string, ok bool) {
	storeDir := f.StoreDir
	if storeDir == "" {
		storeDir = store.Dir
	}
	for _, dir := range []string{filepath.Join(storeDir, p.Base()), filepath.Join(f.Dir, "tree", p.Base())} {
		if _, err := os.Lstat(dir); err == nil {
			return dir, true
		}
	}
	return "", false
}

// temp makes an empty directory for something that is not complete.
func (f *Fetcher) temp() (dir string, remove func(), err error) {
	tmp := filepath.Join(f.Dir, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the cache of fetched sources: %v", err)
	}
	dir, err = os.MkdirTemp(tmp, "")
	return dir, func() { os.RemoveAll(dir) }, err
}

// keep moves a complete tree into the cache, and returns it with its narHash.
func (f *Fetcher) keep(dir, name string) (Tree, error) {
	h, _, err := store.HashNAR(store.SHA256, store.Disk{}, dir, nil)
	if err != nil {
		return Tree{}, err
	}
	p, err := store.FixedPath(name, h, true)
	if err != nil {
		return Tree{}, err
	}
	return f.adopt(dir, p, h)
}

// adopt moves what is at dir to the place of a store object, unless that is at hand.
func (f *Fetcher) adopt(dir string, p store.Path, h store.Hash) (Tree, error) {
	t := Tree{Path: p, Locked: flake.Attrs{"narHash": h.SRI()}}
	var ok bool
	if t.Dir, ok = f.find(p); ok {
		return t, nil
	}
	t.Dir = filepath.Join(f.Dir, "tree", p.Base())
	if err := os.MkdirAll(filepath.Dir(t.Dir), 0o700); err != nil {
		return Tree{}, err
	}
	err := os.Rename(dir, t.Dir)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		err = nil // another process was faster
	}
	return t, err
}

// copy keeps a copy of what a filter accepts of a file or directory on disk; it copies nothing that is at hand already.
// Seen is called for everything that is part of the tree; it may be nil.
func (f *Fetcher) copy(from, name string, filter store.Filter, seen func(name string) error) (Tree, error) {
	limits := f.limits()
	entries := 0
	visit := func(p string, t store.FileType) (bool, error) {
		take := true
		var err error
		if filter != nil {
			take, err = filter(p, t)
		}
		if !take || err != nil {
			return take, err
		}
		if entries++; entries > limits.Entries {
			return false, fmt.Errorf("it holds more than %d files", limits.Entries)
		}
		if seen != nil {
			err = seen(p)
		}
		return true, err
	}
	if seen != nil {
		if err := seen(from); err != nil {
			return Tree{}, err
		}
	}
	h, size, err := store.HashNAR(store.SHA256, store.Disk{}, from, visit)
	if err != nil {
		return Tree{}, err
	}
	if size > limits.Unpacked {
		return Tree{}, fmt.Errorf("it has %d bytes, and at most %d are fetched", size, limits.Unpacked)
	}
	p, err := store.FixedPath(name, h, true)
	if err != nil {
		return Tree{}, err
	}
	if dir, ok := f.find(p); ok {
		return Tree{Path: p, Dir: dir, Locked: flake.Attrs{"narHash": h.SRI()}}, nil
	}
	tmp, remove, err := f.temp()
	if err != nil {
		return Tree{}, err
	}
	defer remove()
	entries, seen = 0, nil
	to := filepath.Join(tmp, "x")
	again, err := copyTree(from, to, visit)
	if err != nil {
		return Tree{}, err
	}
	if again != h {
		return Tree{}, fmt.Errorf("%s is changed while it is copied", from)
	}
	return f.adopt(to, p, h)
}

// copyTree copies what a filter accepts of a tree, and returns the hash of the copy.
func copyTree(from, to string, filter store.Filter) (store.Hash, error) {
	r, w := io.Pipe()
	sum := store.NewHashWriter(store.SHA256, w)
	go func() { w.CloseWithError(store.Dump(sum, from, filter)) }()
	err := restore(r, to)
	r.CloseWithError(err)
	return sum.Sum(), err
}

// restore unpacks an archive of Nix.
func restore(r io.Reader, to string) error {
	nr := store.NewNARReader(r)
	for {
		h, err := nr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.Join(to, filepath.FromSlash(h.Path))
		switch h.Type {
		case store.Directory:
			err = os.Mkdir(name, 0o755)
		case store.Symlink:
			err = os.Symlink(h.Target, name)
		default:
			err = writeFile(name, nr, h.Executable)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(name string, r io.Reader, executable bool) error {
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, modeOf(executable))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r)
	return errors.Join(err, out.Close())
}

func modeOf(executable bool) fs.FileMode {
	if executable {
		return 0o555
	}
	return 0o444
}

// A memo is what something was when it was fetched.
type memo struct {
	Path   store.Path
	Locked json.RawMessage
	ETag   string `json:",omitempty"`
	Time   int64  // of the fetch, in seconds
}

const maxMemo = 1 << 20

func keyOf(words ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(words, "\x00")))
	return hex.EncodeToString(sum[:])
}

// recall returns what a key was, if its content is still at hand. Fresh says that it need not be asked for again.
func (f *Fetcher) recall(key string) (t Tree, etag string, fresh, ok bool) {
	text, err := foreign.ReadFile(filepath.Join(f.Dir, "info", key), foreign.Limits{Size: maxMemo})
	if err != nil {
		return Tree{}, "", false, false
	}
	var m memo
	if json.Unmarshal(text, &m) != nil {
		return Tree{}, "", false, false
	}
	if _, err := store.ParsePath(string(m.Path)); err != nil {
		return Tree{}, "", false, false
	}
	a, err := flake.ParseAttrs(m.Locked)
	dir, found := f.find(m.Path)
	if err != nil || !found {
		return Tree{}, "", false, false
	}
	age := time.Since(time.Unix(m.Time, 0))
	return Tree{Path: m.Path, Dir: dir, Locked: a}, m.ETag, age >= 0 && age < f.ttl(), true
}

// remember notes what a key is. That is a help for later runs, so an error does not matter.
func (f *Fetcher) remember(key string, t Tree, etag string) {
	text, err := json.Marshal(memo{Path: t.Path, Locked: json.RawMessage(t.Locked.JSON()), ETag: etag, Time: time.Now().Unix()})
	if err != nil || os.MkdirAll(filepath.Join(f.Dir, "info"), 0o700) != nil {
		return
	}
	tmp, remove, err := f.temp()
	if err != nil {
		return
	}
	defer remove()
	file := filepath.Join(tmp, "x")
	if os.WriteFile(file, text, 0o600) == nil {
		os.Rename(file, filepath.Join(f.Dir, "info", key))
	}
}

// lock waits until nobody else, in this process or another, works on a key.
func (f *Fetcher) lock(key string) (unlock func(), err error) {
	m, _ := f.locks.LoadOrStore(key, &sync.Mutex{})
	mu := m.(*sync.Mutex)
	mu.Lock()
	dir := filepath.Join(f.Dir, "lock")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		mu.Unlock()
		return nil, fmt.Errorf("make the cache of fetched sources: %v", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, key), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			file.Close()
		}
	}
	if err != nil {
		mu.Unlock()
		return nil, err
	}
	return func() {
		file.Close()
		mu.Unlock()
	}, nil
}
