package store

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const (
	maxNARName   = 255  // what a file system takes
	maxNARTarget = 4095 // PATH_MAX without its zero
	maxNARPath   = 4095
)

// A NARReader reads an archive file by file, as package archive/tar does: Next for each file, a directory before its
// entries, Read for a regular file's bytes. It is strict: names that lead elsewhere, duplicate entries or entries out of
// order, padding that is not zero and an early end are errors.
//
// It reads no byte beyond the archive if its source is a [bufio.Reader], and may read ahead otherwise.
type NARReader struct {
	r     WireReader
	dirs  []narDir
	left  int64 // bytes of the current regular file not read yet
	size  int64 // of the current regular file
	state narState
	err   error
}

type narState int

const (
	narStart narState = iota // before the root
	narFile                  // in a regular file
	narInDir                 // between the entries of a directory
	narEnd                   // after the root
)

// NewNARReader starts reading an archive.
func NewNARReader(r io.Reader) *NARReader {
	br, ok := r.(*bufio.Reader)
	if !ok {
		br = bufio.NewReaderSize(r, 64<<10)
	}
	return &NARReader{r: WireReader{br}}
}

// Next returns the next file, and skips what is left of the current one. At the archive's end it returns io.EOF.
func (r *NARReader) Next() (*NARHeader, error) {
	if r.err != nil {
		return nil, r.err
	}
	h, err := r.next()
	if err != nil {
		r.err = err
		if err != io.EOF {
			r.err = fmt.Errorf("read archive: %w", err)
		}
		return nil, r.err
	}
	return h, nil
}

func (r *NARReader) next() (*NARHeader, error) {
	if r.state == narStart {
		if err := r.expect(narMagic); err != nil {
			return nil, err
		}
		return r.node("")
	}
	if r.state == narFile {
		if _, err := io.Copy(io.Discard, r); err != nil {
			return nil, err
		}
		if err := r.endFile(); err != nil {
			return nil, err
		}
	}
	for r.state == narInDir {
		d := &r.dirs[len(r.dirs)-1]
		token, err := r.r.String(len("entry"))
		if err != nil {
			return nil, err
		}
		switch token {
		case ")":
			r.dirs = r.dirs[:len(r.dirs)-1]
			if err := r.endEntry(); err != nil {
				return nil, err
			}
			continue
		case "entry":
		default:
			return nil, fmt.Errorf("in directory %q: got %q, want an entry or its end", d.path, token)
		}
		name, err := r.entryName(d)
		if err != nil {
			return nil, fmt.Errorf("in directory %q: %w", d.path, err)
		}
		path := joinNAR(d.path, name)
		if len(path) > maxNARPath {
			return nil, fmt.Errorf("a path of %d bytes, want at most %d", len(path), maxNARPath)
		}
		return r.node(path)
	}
	return nil, io.EOF
}

func (r *NARReader) entryName(d *narDir) (string, error) {
	if err := r.expect("(", "name"); err != nil {
		return "", err
	}
	name, err := r.r.String(maxNARName)
	if err != nil {
		return "", err
	}
	if err := checkEntry(name, d.last); err != nil {
		return "", err
	}
	d.last = name
	return name, r.expect("node")
}

// node reads a node up to a regular file's bytes or a directory's first entry.
func (r *NARReader) node(path string) (*NARHeader, error) {
	if err := r.expect("(", "type"); err != nil {
		return nil, err
	}
	t, err := r.r.String(len(Directory))
	if err != nil {
		return nil, err
	}
	h := &NARHeader{Path: path, Type: FileType(t)}
	switch h.Type {
	case Regular:
		err = r.regular(h)
	case Symlink:
		err = r.symlink(h)
	case Directory:
		r.dirs = append(r.dirs, narDir{path: path})
		r.state = narInDir
	default:
		err = fmt.Errorf("%q: unknown type %q", path, t)
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (r *NARReader) regular(h *NARHeader) error {
	token, err := r.r.String(len("executable"))
	if err != nil {
		return err
	}
	if token == "executable" {
		h.Executable = true
		if err := r.expect("", "contents"); err != nil {
			return err
		}
	} else if token != "contents" {
		return fmt.Errorf("%q: got %q, want contents", h.Path, token)
	}
	n, err := r.r.Uint64()
	if err != nil {
		return err
	}
	if h.Size = int64(n); h.Size < 0 || h.Size+7 < 0 {
		return fmt.Errorf("%q: size %d is out of range", h.Path, n)
	}
	r.left, r.size, r.state = h.Size, h.Size, narFile
	return nil
}

func (r *NARReader) symlink(h *NARHeader) (err error) {
	if err := r.expect("target"); err != nil {
		return err
	}
	if h.Target, err = r.r.String(maxNARTarget); err != nil {
		return err
	}
	if err := checkTarget(h.Target); err != nil {
		return fmt.Errorf("%q: %w", h.Path, err)
	}
	if err := r.expect(")"); err != nil {
		return err
	}
	return r.endEntry()
}

// Read reads the current regular file's bytes; at their end, and for anything but a regular file, it returns io.EOF.
func (r *NARReader) Read(p []byte) (int, error) {
	if r.state != narFile || r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.r.Read(p)
	r.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (r *NARReader) endFile() error {
	if err := r.r.skipPadding(r.size); err != nil {
		return err
	}
	if err := r.expect(")"); err != nil {
		return err
	}
	return r.endEntry()
}

// endEntry goes back to the directory a node was in.
func (r *NARReader) endEntry() error {
	if len(r.dirs) == 0 {
		r.state = narEnd
		return nil
	}
	r.state = narInDir
	return r.expect(")")
}

// expect reads these strings and no others.
func (r *NARReader) expect(tokens ...string) error {
	for _, want := range tokens {
		got, err := r.r.String(max(len(want), 16))
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("got %q, want %q", got, want)
		}
	}
	return nil
}

// CopyNAR copies one archive and checks it. It reads nothing after the archive if r is a [bufio.Reader].
func CopyNAR(w io.Writer, r io.Reader) error {
	nr, nw := NewNARReader(r), NewNARWriter(w)
	for {
		h, err := nr.Next()
		if err == io.EOF {
			return nw.Close()
		}
		if err != nil {
			return err
		}
		if err := nw.WriteHeader(*h); err != nil {
			return err
		}
		if h.Type == Regular {
			if _, err := io.Copy(nw, nr); err != nil {
				return fmt.Errorf("copy archive: %w", err)
			}
		}
	}
}

// Restore unpacks an archive to path, which must not exist. It never writes anywhere else. After an error, what was
// unpacked so far stays.
func Restore(r io.Reader, path string) error {
	nr := NewNARReader(r)
	for {
		h, err := nr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := restoreFile(nr, h, filepath.Join(path, filepath.FromSlash(h.Path))); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
}

// restoreFile makes one file. Its directory is new, so there is no link in the way; O_EXCL and its like fail where a file
// exists already.
func restoreFile(r io.Reader, h *NARHeader, disk string) error {
	switch h.Type {
	case Directory:
		return os.Mkdir(disk, 0o777)
	case Symlink:
		return os.Symlink(h.Target, disk)
	}
	mode := os.FileMode(0o666)
	if h.Executable {
		mode = 0o777
	}
	f, err := os.OpenFile(disk, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
