package store

import (
	"bufio"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
)

// A NAR is Nix's archive. It holds what can be told apart in the store and nothing else, so equal contents have equal
// bytes. Everything is a string of the wire format.
//
//	archive = "nix-archive-1" node
//	node    = "(" "type" "regular" ["executable" ""] "contents" <bytes> ")"
//	        | "(" "type" "symlink" "target" <target> ")"
//	        | "(" "type" "directory" { "entry" "(" "name" <name> "node" node ")" } ")"
//
// with the entries of a directory in ascending order of their bytes.
const narMagic = "nix-archive-1"

// A FileType is the type of a file, spelled as archives and builtins.filterSource do.
type FileType string

const (
	Regular   FileType = "regular"
	Directory FileType = "directory"
	Symlink   FileType = "symlink"
	// Unknown is any other type (a socket, a device): filters see it, archives cannot hold it.
	Unknown FileType = "unknown"
)

// A NARHeader describes one file of an archive.
type NARHeader struct {
	Path       string // relative to the archive's root, separated by slashes; "" is the root itself
	Type       FileType
	Executable bool   // of a regular file
	Size       int64  // bytes of a regular file
	Target     string // of a symbolic link
}

// A Filter reports whether an entry of a directory tree goes into the archive. It is called for every entry below the
// root, in the archive's order, with the entry's full path; a directory that it refuses is not descended into.
type Filter func(path string, t FileType) (bool, error)

// Dump writes the archive of the file, directory or link at path on disk. A nil filter takes everything.
func Dump(w io.Writer, path string, filter Filter) error {
	return dump(w, Disk{}, path, filter)
}

func dump(w io.Writer, files Files, path string, filter Filter) error {
	buffer := narBuffers.Get().(*bufio.Writer)
	buffer.Reset(w)
	defer func() {
		buffer.Reset(nil)
		narBuffers.Put(buffer)
	}()
	nw := newNARWriter(buffer)
	d := dumper{w: nw, files: files, filter: filter}
	if err := d.dump(path, ""); err != nil {
		return err
	}
	return nw.Close()
}

// narBuffers are reused: most archives are much smaller than a buffer.
var narBuffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, narBuffer) }}

const narBuffer = 64 << 10

// DumpFile writes the archive of one regular file with these contents, which is what builtins.toFile puts into the
// store.
func DumpFile(w io.Writer, contents []byte, executable bool) error {
	nw := NewNARWriter(w)
	if err := nw.WriteHeader(NARHeader{Type: Regular, Executable: executable, Size: int64(len(contents))}); err != nil {
		return err
	}
	if _, err := nw.Write(contents); err != nil {
		return err
	}
	return nw.Close()
}

// HashNAR returns the hash and the size of the archive of the tree at path in files, without keeping the archive.
func HashNAR(a Algo, files Files, path string, filter Filter) (Hash, int64, error) {
	w := NewHashWriter(a, nil)
	if err := dump(w, files, path, filter); err != nil {
		return Hash{}, 0, err
	}
	return w.Sum(), w.Size(), nil
}

type dumper struct {
	w      *NARWriter
	files  Files
	filter Filter
}

// dump writes the file at disk under the name rel.
func (d *dumper) dump(disk, rel string) error {
	info, err := d.files.Lstat(disk)
	if err != nil {
		return dumpError(disk, err)
	}
	switch t := fileType(info.Mode()); t {
	case Regular:
		return d.dumpRegular(disk, rel, info)
	case Symlink:
		target, err := d.files.Readlink(disk)
		if err != nil {
			return dumpError(disk, err)
		}
		return d.w.WriteHeader(NARHeader{Path: rel, Type: Symlink, Target: target})
	case Directory:
		return d.dumpDirectory(disk, rel)
	default:
		return dumpError(disk, errors.New("want a regular file, a directory or a symbolic link"))
	}
}

func (d *dumper) dumpRegular(disk, rel string, info fs.FileInfo) error {
	f, err := d.files.Open(disk)
	if err != nil {
		return dumpError(disk, err)
	}
	defer f.Close()
	h := NARHeader{Path: rel, Type: Regular, Executable: info.Mode()&0o100 != 0, Size: info.Size()}
	if err := d.w.WriteHeader(h); err != nil {
		return err
	}
	n, err := d.w.readFrom(io.LimitReader(f, h.Size))
	if err != nil {
		return err
	}
	if n != h.Size {
		return dumpError(disk, fmt.Errorf("the file shrank from %d to %d bytes while being read", h.Size, n))
	}
	return nil
}

func (d *dumper) dumpDirectory(disk, rel string) error {
	entries, err := d.files.ReadDir(disk)
	if err != nil {
		return dumpError(disk, err)
	}
	if err := d.w.WriteHeader(NARHeader{Path: rel, Type: Directory}); err != nil {
		return err
	}
	for _, e := range entries {
		child := filepath.Join(disk, e.Name())
		if d.filter != nil {
			keep, err := d.filter(child, fileType(e.Type()))
			if err != nil {
				return err
			}
			if !keep {
				continue
			}
		}
		if err := d.dump(child, joinNAR(rel, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// dumpError adds the path to errors that do not name it; those of package os do.
func dumpError(disk string, err error) error {
	if pathErr := new(fs.PathError); errors.As(err, &pathErr) {
		return fmt.Errorf("dump: %w", err)
	}
	return fmt.Errorf("dump %s: %w", disk, err)
}

func fileType(m fs.FileMode) FileType {
	switch {
	case m.IsRegular():
		return Regular
	case m.IsDir():
		return Directory
	case m&fs.ModeSymlink != 0:
		return Symlink
	}
	return Unknown
}

func joinNAR(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// A NARWriter writes an archive file by file, as package archive/tar does: WriteHeader for each file in the archive's
// order (a directory before its entries), Write for a regular file's bytes, Close at the end.
type NARWriter struct {
	w    WireWriter
	dirs []narDir // open directories, the root first; empty if the root is not a directory
	left int64    // bytes of the current regular file still to be written
	pad  int64    // zeros that follow them
	file bool     // the current regular file is open
	any  bool     // the root has been written
	err  error
}

// A narDir is a directory that is being written or read.
type narDir struct {
	path string
	last string // name of the last entry
}

// NewNARWriter starts an archive on w.
func NewNARWriter(w io.Writer) *NARWriter {
	return newNARWriter(bufio.NewWriterSize(w, narBuffer))
}

func newNARWriter(w *bufio.Writer) *NARWriter {
	nw := &NARWriter{w: WireWriter{w}}
	nw.strings(narMagic)
	return nw
}

// WriteHeader begins the next file.
func (w *NARWriter) WriteHeader(h NARHeader) error {
	if w.err == nil {
		w.err = w.header(h)
	}
	return w.err
}

func (w *NARWriter) header(h NARHeader) error {
	if err := w.endFile(); err != nil {
		return err
	}
	if err := w.place(h.Path); err != nil {
		return err
	}
	w.strings("(", "type", string(h.Type))
	switch h.Type {
	case Regular:
		if h.Size < 0 {
			return fmt.Errorf("write archive: %q: negative size %d", h.Path, h.Size)
		}
		if h.Executable {
			w.strings("executable", "")
		}
		w.strings("contents")
		w.w.PutUint64(uint64(h.Size))
		w.left, w.pad, w.file = h.Size, padding(h.Size), true
	case Symlink:
		if err := checkTarget(h.Target); err != nil {
			return fmt.Errorf("write archive: %q: %w", h.Path, err)
		}
		w.strings("target", h.Target)
		w.endNode()
	case Directory:
		w.dirs = append(w.dirs, narDir{path: h.Path})
	default:
		return fmt.Errorf("write archive: %q: an archive cannot hold a file of type %q", h.Path, h.Type)
	}
	return nil
}

// place closes the directories that path is not in and opens its entry.
func (w *NARWriter) place(path string) error {
	if path == "" {
		if w.any {
			return errors.New("write archive: a second root")
		}
		w.any = true
		return nil
	}
	dir, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir, name = path[:i], path[i+1:]
	}
	for len(w.dirs) > 0 && w.dirs[len(w.dirs)-1].path != dir {
		w.endDir()
	}
	if len(w.dirs) == 0 {
		return fmt.Errorf("write archive: %q: its directory is not open", path)
	}
	d := &w.dirs[len(w.dirs)-1]
	if err := checkEntry(name, d.last); err != nil {
		return fmt.Errorf("write archive: %q: %w", path, err)
	}
	d.last = name
	w.strings("entry", "(", "name", name, "node")
	return nil
}

// Write writes bytes of the current regular file. More bytes than its header announced are an error.
func (w *NARWriter) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if int64(len(p)) > w.left {
		w.err = fmt.Errorf("write archive: %d bytes more than its header says", int64(len(p))-w.left)
		return 0, w.err
	}
	n, err := w.w.Write(p)
	w.left -= int64(n)
	w.err = err
	return n, err
}

// readFrom copies a regular file's bytes without another buffer.
func (w *NARWriter) readFrom(r io.Reader) (int64, error) {
	n, err := w.w.ReadFrom(r)
	w.left -= n
	if err != nil {
		w.err = err
	}
	return n, err
}

// Close ends the archive and flushes it; the underlying writer stays open.
func (w *NARWriter) Close() error {
	if w.err != nil {
		return w.err
	}
	if w.err = w.endFile(); w.err != nil {
		return w.err
	}
	if !w.any {
		w.err = errors.New("write archive: no header was written")
		return w.err
	}
	for len(w.dirs) > 0 {
		w.endDir()
	}
	w.err = w.w.Flush()
	return w.err
}

// endFile closes the regular file that may be open.
func (w *NARWriter) endFile() error {
	if !w.file {
		return nil
	}
	if w.left != 0 {
		return fmt.Errorf("write archive: the last file lacks %d bytes", w.left)
	}
	w.w.Write(zeros[:w.pad])
	w.file = false
	w.endNode()
	return nil
}

func (w *NARWriter) endDir() {
	w.dirs = w.dirs[:len(w.dirs)-1]
	w.endNode()
}

// endNode closes a node and the entry it is in, if any.
func (w *NARWriter) endNode() {
	w.strings(")")
	if len(w.dirs) > 0 {
		w.strings(")")
	}
}

// strings writes tokens.
func (w *NARWriter) strings(tokens ...string) {
	for _, s := range tokens {
		w.w.PutString(s)
	}
}

// checkEntry checks the name of a directory entry that follows last.
func checkEntry(name, last string) error {
	switch {
	case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("bad name %q", name)
	case name == last:
		return fmt.Errorf("duplicate entry %q", name)
	case name < last:
		return fmt.Errorf("entry %q is out of order after %q", name, last)
	}
	return nil
}

func checkTarget(target string) error {
	if target == "" || strings.IndexByte(target, 0) >= 0 {
		return fmt.Errorf("bad link target %q", target)
	}
	return nil
}

// A HashWriter hashes and counts what is written through it.
type HashWriter struct {
	w    io.Writer
	algo Algo
	hash hash.Hash
	size int64
}

// NewHashWriter makes a HashWriter that writes to w, which may be nil.
func NewHashWriter(a Algo, w io.Writer) *HashWriter {
	return &HashWriter{w: w, algo: a, hash: a.New()}
}

// Write hashes the bytes that the underlying writer accepted.
func (h *HashWriter) Write(p []byte) (n int, err error) {
	n = len(p)
	if h.w != nil {
		n, err = h.w.Write(p)
	}
	h.hash.Write(p[:n])
	h.size += int64(n)
	return n, err
}

// Sum returns the hash of everything written so far.
func (h *HashWriter) Sum() Hash { return sumOf(h.algo, h.hash) }

// Size returns how many bytes were written so far.
func (h *HashWriter) Size() int64 { return h.size }
