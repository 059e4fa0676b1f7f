package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A tarTarget is a tar file, under another name until it is finished.
type tarTarget struct {
	name  string
	file  *os.File
	sum   hash.Hash // of all that is written
	tar   *tar.Writer
	infos map[store.Path]*narInfo // of the paths that an earlier attempt has written
	sums  map[string]string       // of each file by name
}

const (
	partial  = ".partial"               // ends the name of a file that is not finished
	trailer  = "muster archive sha256:" // begins what follows the end of the tar archive: 64 hexadecimal digits and a newline
	tarBlock = 512
)

func newTarTarget(name string) (*tarTarget, error) {
	f, err := os.OpenFile(name+partial, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	t := &tarTarget{name: name, file: f, sum: sha256.New(), infos: make(map[store.Path]*narInfo), sums: make(map[string]string)}
	if err := t.keep(); err != nil {
		f.Close()
		return nil, err
	}
	t.tar = tar.NewWriter(io.MultiWriter(f, t.sum))
	return t, nil
}

// keep keeps what an earlier attempt has written, up to the last path that is whole.
func (t *tarTarget) keep() error {
	at := &offsetReader{r: t.file}
	r := tar.NewReader(at)
	var whole int64
	sums := make(map[string]string)
	for {
		h, err := r.Next()
		if err != nil {
			break
		}
		sum := sha256.New()
		var text bytes.Buffer
		isInfo := strings.HasSuffix(h.Name, ".narinfo")
		w := io.Writer(sum)
		if isInfo {
			w = io.MultiWriter(sum, &text)
		}
		if n, err := io.Copy(w, r); err != nil || n != h.Size {
			break
		}
		sums[h.Name] = hex.EncodeToString(sum.Sum(nil))
		if !isInfo {
			continue
		}
		n, err := parseNarInfo(text.Bytes())
		if err != nil || sums[n.URL] != n.FileHash.Base16() || narInfoName(n.Path) != h.Name {
			break
		}
		end := at.n + -at.n&(tarBlock-1)
		if info, err := t.file.Stat(); err != nil || info.Size() < end {
			break
		}
		t.infos[n.Path], whole = n, end
		t.sums[h.Name], t.sums[n.URL] = sums[h.Name], sums[n.URL]
	}
	if err := t.file.Truncate(whole); err != nil {
		return err
	}
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(t.sum, t.file)
	return err
}

// An offsetReader counts the bytes that are read.
type offsetReader struct {
	r io.Reader
	n int64
}

func (o *offsetReader) Read(p []byte) (int, error) {
	n, err := o.r.Read(p)
	o.n += int64(n)
	return n, err
}

func (t *tarTarget) has(info nixserve.PathInfo) bool {
	n := t.infos[info.Path]
	return n != nil && bytes.Equal(n.text(), n.of(info).text())
}

func (t *tarTarget) temp() (*os.File, error) {
	return os.CreateTemp(filepath.Dir(t.name), ".muster-*")
}

func (t *tarTarget) put(name string, size int64, r io.Reader) error {
	if _, ok := t.sums[name]; ok && strings.HasPrefix(name, "nar/") {
		return nil // another path has the same archive
	}
	if err := t.tar.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(t.tar, sum), r); err != nil {
		return err
	}
	t.sums[name] = hex.EncodeToString(sum.Sum(nil))
	return t.tar.Flush()
}

func (t *tarTarget) finish([]nixserve.PathInfo) error {
	if err := putText(t, sumsName, formatSums(t.sums)); err != nil {
		return err
	}
	if err := t.tar.Close(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(t.file, "%s%x\n", trailer, t.sum.Sum(nil)); err != nil {
		return err
	}
	if err := errors.Join(t.file.Sync(), t.file.Close()); err != nil {
		return err
	}
	return os.Rename(t.name+partial, t.name)
}

func (t *tarTarget) close() { t.file.Close() }
