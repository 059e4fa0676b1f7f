package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"muster/compile/store"
	"muster/exec/foreign"
	"muster/exec/nixserve"
)

// A tarTarget is a tar file, under another name until it is finished.
type tarTarget struct {
	root *os.Root // the directory of the file
	name string   // below root
	file *os.File
	sum  hash.Hash // of all that is written
	old  map[store.Path]*scan
	sums map[string]checksum // of each member by name
}

// partial ends the name of a file that is not finished.
const partial = ".partial"

func newTarTarget(name string, closure []nixserve.PathInfo, c *narChecker) (*tarTarget, error) {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return nil, err
	}
	t := &tarTarget{root: root, name: filepath.Base(name), sum: sha256.New(), old: make(map[store.Path]*scan), sums: make(map[string]checksum)}
	if t.file, err = foreign.OpenOwn(root, t.name+partial); errors.Is(err, fs.ErrNotExist) {
		t.file, err = root.OpenFile(t.name+partial, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err == nil {
		err = t.keep(closure, c)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// An oldMember is a member that an earlier attempt has written.
type oldMember struct {
	name string
	place
	wanted bool
}

// keep keeps what an earlier attempt has written of a closure, and moves it to the front of the file.
func (t *tarTarget) keep(closure []nixserve.PathInfo, c *narChecker) error {
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	var list []*oldMember
	byName := make(map[string]*oldMember)
	// The error says where the earlier attempt was broken off.
	walkTar(context.Background(), t.file, info.Size(), func(name string, p place) error {
		if m := (&oldMember{name: name, place: p}); byName[name] == nil {
			byName[name], list = m, append(list, m)
		}
		return nil
	})
	for _, info := range closure {
		t.want(info, byName, c)
	}
	return t.compact(list)
}

// want marks the members of a path as wanted, if they are whole and what info says.
func (t *tarTarget) want(info nixserve.PathInfo, members map[string]*oldMember, c *narChecker) {
	about := members[narInfoName(info.Path)]
	if about == nil || about.size > maxNarInfo {
		return
	}
	text, err := io.ReadAll(t.open(about))
	if err != nil {
		return
	}
	n, err := parseNarInfo(text)
	if err != nil || n.check(about.name, text) != nil || !bytes.Equal(text, n.of(info).text()) {
		return
	}
	nar := members[n.URL]
	if nar == nil {
		return
	}
	found, err := c.check(context.Background(), t.open(nar), []*narInfo{n})
	if err != nil {
		return
	}
	about.wanted, nar.wanted = true, true
	t.old[info.Path] = found
	t.sums[about.name], t.sums[nar.name] = sha256.Sum256(text), checksum(n.FileHash.Bytes())
}

func (t *tarTarget) open(m *oldMember) io.Reader { return io.NewSectionReader(t.file, m.at, m.size) }

// compact moves the wanted members together and cuts off the rest.
func (t *tarTarget) compact(list []*oldMember) error {
	var end int64
	for _, m := range list {
		if !m.wanted {
			continue
		}
		begin, size := m.at-tarBlock, tarBlock+m.size+-m.size&(tarBlock-1)
		if begin != end {
			if _, err := io.Copy(io.NewOffsetWriter(t.file, end), io.NewSectionReader(t.file, begin, size)); err != nil {
				return err
			}
		}
		end += size
	}
	if err := t.file.Truncate(end); err != nil {
		return err
	}
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(t.sum, t.file)
	return err
}

func (t *tarTarget) kept(info nixserve.PathInfo) *scan { return t.old[info.Path] }

func (t *tarTarget) temp() (*os.File, string, error) { return foreign.CreateTemp(t.root) }

func (t *tarTarget) remove(temp string) { t.root.Remove(temp) }

func (t *tarTarget) put(name string, size int64, r io.Reader) error {
	if _, ok := t.sums[name]; ok && isNAR(name) {
		return nil // another path has the same archive
	}
	header, err := tarHeader(name, size)
	if err != nil {
		return err
	}
	w := io.MultiWriter(t.file, t.sum)
	if _, err := w.Write(header[:]); err != nil {
		return err
	}
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, h), r)
	if err == nil && n != size {
		err = fmt.Errorf("write %s: %d bytes, want %d", name, n, size)
	}
	if err != nil {
		return err
	}
	t.sums[name] = checksum(h.Sum(nil))
	_, err = w.Write(make([]byte, -size&(tarBlock-1)))
	return err
}

func (t *tarTarget) finish([]nixserve.PathInfo) error {
	if err := putText(t, sumsName, formatSums(t.sums)); err != nil {
		return err
	}
	if _, err := io.MultiWriter(t.file, t.sum).Write(make([]byte, tarEnd)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(t.file, "%s%x\n", trailer, t.sum.Sum(nil)); err != nil {
		return err
	}
	ours, err := t.file.Stat()
	if err == nil {
		err = errors.Join(t.file.Chmod(0o644), t.file.Sync(), t.file.Close())
	}
	if err != nil {
		return err
	}
	if there, err := t.root.Lstat(t.name + partial); err != nil || !os.SameFile(ours, there) {
		return errors.Join(err, fmt.Errorf("%s was exchanged by another program", t.name+partial))
	}
	return t.root.Rename(t.name+partial, t.name)
}

func (t *tarTarget) close() {
	if t.file != nil {
		t.file.Close()
	}
	t.root.Close()
}
