package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

const (
	maxNARName   = 255  // NAME_MAX
	maxNARTarget = 4095 // PATH_MAX without its zero
	maxNARPath   = 4095
)

// A NARReader reads an archive file by file, as package archive/tar does: Next for each file, a directory before its
// entries, Read for a regular file's bytes. Names that lead out of the directory, entries that are duplicate or out of
// order, padding that is not zero and a truncated archive are errors.
//
// If its source is a [bufio.Reader], it reads no byte beyond the archive. Any other source must hold the archive and
// nothing else: bytes that follow it are an error.
type NARReader struct {
	r     WireReader
	alone bool // nothing may follow the archive
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
	return &NARReader{r: WireReader{br}, alone: !ok}
}

// Next skips the rest of the current file and returns the header of the next. At the archive's end it returns io.EOF.
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
		if err := r.skipFile(); err != nil {
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
			return nil, fmt.Errorf("in directory %q: got %q, want an entry or the end", d.path, token)
		}
		name, err := r.entryName(d)
		if err != nil {
			return nil, fmt.Errorf("in directory %q: %w", d.path, err)
		}
		path := joinNAR(d.path, name)
		if len(path) > maxNARPath {
			return nil, fmt.Errorf("path of %d bytes: want at most %d", len(path), maxNARPath)
		}
		return r.node(path)
	}
	return nil, r.end()
}

// skipFile skips the bytes of the current regular file that are not read yet.
func (r *NARReader) skipFile() error {
	for r.left > 0 {
		n, err := r.r.Discard(int(min(r.left, 1<<30)))
		r.left -= int64(n)
		if err != nil {
			return noEOF(err)
		}
	}
	return nil
}

// end returns io.EOF after the archive's last byte.
func (r *NARReader) end() error {
	if !r.alone {
		return io.EOF
	}
	_, err := r.r.Peek(1)
	if err == nil {
		return errors.New("bytes follow its end")
	}
	return err
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

// node reads the beginning of a node: all of a link, but neither a regular file's bytes nor a directory's entries.
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

// Read reads bytes of the current regular file. It returns io.EOF at their end and if the current file is not regular.
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

// endEntry reads the end of the entry that holds the current node, if there is one.
func (r *NARReader) endEntry() error {
	if len(r.dirs) == 0 {
		r.state = narEnd
		return nil
	}
	r.state = narInDir
	return r.expect(")")
}

// expect reads tokens and checks that they are the given ones.
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
