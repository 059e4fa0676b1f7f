package fetch

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// An unpacker writes the members of an archive to a directory, and nowhere else.
type unpacker struct {
	root   *os.Root
	limits Limits
	kinds  map[string]byte // of what was written: 'f', 'd' or 'l'
	bytes  int64
	newest int64             // the time of the newest member
	links  map[string]string // the targets of links by name, also of those that a file has replaced
}

// unpack unpacks an archive of a format that its first bytes tell to an empty directory.
func unpack(r io.Reader, dir string, limits Limits) (*unpacker, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	u := &unpacker{root: root, limits: limits, kinds: map[string]byte{}, links: map[string]string{}}
	buffered := bufio.NewReaderSize(r, 64<<10)
	magic, _ := buffered.Peek(6)
	if bytes.HasPrefix(magic, []byte("PK\x03\x04")) {
		return u, u.zip(buffered, dir)
	}
	plain, err := decompress(buffered, magic)
	if err == nil {
		err = u.tar(plain)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("the archive is truncated: %w", err)
	}
	return u, err
}

// decompress reads what gzip, xz, zstd or bzip2 have compressed.
func decompress(r *bufio.Reader, magic []byte) (io.Reader, error) {
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return newGzipReader(r)
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		return xz.ReaderConfig{DictCap: maxDictionary}.NewReader(r)
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxDictionary))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case bytes.HasPrefix(magic, []byte("BZh")):
		return bzip2.NewReader(r), nil
	}
	return r, nil
}

// A gzipReader reads parts that gzip has compressed, one behind the other. As tar and Nix do, it ignores what follows them.
type gzipReader struct {
	from *bufio.Reader
	part *gzip.Reader
}

func newGzipReader(from *bufio.Reader) (io.Reader, error) {
	part, err := gzip.NewReader(from)
	if err != nil {
		return nil, err
	}
	part.Multistream(false)
	return &gzipReader{from: from, part: part}, nil
}

func (g *gzipReader) Read(p []byte) (int, error) {
	n, err := g.part.Read(p)
	if err != io.EOF {
		return n, err
	}
	if magic, _ := g.from.Peek(2); !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return n, io.EOF
	}
	err = g.part.Reset(g.from)
	g.part.Multistream(false)
	return n, err
}

// maxDictionary bounds the memory of a decompressor.
const maxDictionary = 128 << 20

// tar unpacks the members of a tar archive. It must end as it should: a truncated one could otherwise pass for another.
func (u *unpacker) tar(r io.Reader) error {
	whole := bufio.NewReaderSize(r, tarBlock)
	if head, err := whole.Peek(tarBlock); err == io.EOF && len(head) > 0 {
		return errNoArchive
	}
	last := &endReader{r: whole}
	t := tar.NewReader(last)
	for {
		h, err := t.Next()
		switch {
		case err == io.EOF && last.zeros < tarBlock:
			return io.ErrUnexpectedEOF
		case err == io.EOF:
			_, err := io.Copy(io.Discard, io.LimitReader(whole, u.limits.Unpacked)) // a checksum may follow
			return err
		case errors.Is(err, tar.ErrHeader):
			return errNoArchive
		case err != nil:
			return err
		}
		if err := u.member(h, t); err != nil {
			return err
		}
	}
}

var errNoArchive = errors.New("it is not an archive that can be unpacked (tar, also compressed by gzip, xz, zstd or bzip2, or zip)")

// An endReader counts the zeros that it has read last: a tar archive ends with blocks of them.
type endReader struct {
	r     io.Reader
	zeros int
}

const tarBlock = 512

func (e *endReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	rest := bytes.TrimRight(p[:n], "\x00")
	if len(rest) > 0 {
		e.zeros = 0
	}
	e.zeros = min(e.zeros+n-len(rest), tarBlock)
	return n, err
}

func (u *unpacker) member(h *tar.Header, r io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	u.newest = max(u.newest, h.ModTime.Unix())
	name, err := u.place(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return u.file(name, r, h.Size, h.Mode&0o100 != 0)
	case tar.TypeDir:
		return u.dir(name)
	case tar.TypeSymlink:
		return u.link(name, h.Linkname)
	case tar.TypeLink:
		return u.hardLink(name, h.Linkname)
	}
	return fmt.Errorf("member %q is neither a file, a directory nor a link (type %q)", h.Name, string(h.Typeflag))
}

// place checks the name of a member and returns it clean; "." is the root.
func (u *unpacker) place(name string) (string, error) {
	if name == "" {
		return "", errors.New("a member has no name")
	}
	if strings.HasPrefix(name, "/") || strings.ContainsRune(name, 0) || len(name) > 4095 {
		return "", fmt.Errorf("member %s does not belong below the directory that the archive is unpacked in", shortName(name))
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "..":
			return "", fmt.Errorf("member %s leads out of the directory that the archive is unpacked in", shortName(name))
		case len(part) > maxName:
			return "", fmt.Errorf("member %s has a name of more than %d bytes, which no file can have", shortName(name), maxName)
		}
	}
	if len(u.kinds) >= u.limits.Entries {
		return "", fmt.Errorf("it holds more than %d files", u.limits.Entries)
	}
	name = path.Clean(name)
	if name == "." {
		return name, nil
	}
	if strings.Count(name, "/") >= maxDepth {
		return "", fmt.Errorf("member %s is more than %d directories deep", shortName(name), maxDepth)
	}
	return name, u.dir(path.Dir(name))
}

const (
	maxName  = 255 // bytes of a file's name
	maxDepth = 1000
	maxShown = 120 // bytes of a name in a message
)

// shortName quotes the name of a member for a message.
func shortName(name string) string {
	if len(name) > maxShown {
		return fmt.Sprintf("%q…", name[:maxShown])
	}
	return fmt.Sprintf("%q", name)
}

// dir makes a directory and those above. A member must not be written through a link, nor below a file.
func (u *unpacker) dir(name string) error {
	if name == "." {
		return nil
	}
	switch u.kinds[name] {
	case 'd':
		return nil
	case 0:
	default:
		return fmt.Errorf("member %q is a directory, and was a file or a link before", name)
	}
	if err := u.dir(path.Dir(name)); err != nil {
		return err
	}
	u.kinds[name] = 'd'
	return u.root.Mkdir(name, 0o755)
}

// free removes a file or link that an earlier member of the same name has made.
func (u *unpacker) free(name string) error {
	switch u.kinds[name] {
	case 0:
		return nil
	case 'd':
		return fmt.Errorf("member %q is a file, and was a directory before", name)
	}
	return u.root.Remove(name)
}

func (u *unpacker) file(name string, r io.Reader, size int64, executable bool) error {
	if name == "." {
		return errors.New("a member is a file in place of the directory that the archive is unpacked in")
	}
	if err := u.free(name); err != nil {
		return err
	}
	if u.bytes += size; size < 0 || u.bytes > u.limits.Unpacked {
		return fmt.Errorf("its files have more than %d bytes", u.limits.Unpacked)
	}
	u.kinds[name] = 'f'
	out, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, modeOf(executable))
	if err != nil {
		return err
	}
	_, err = io.CopyN(out, r, size)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, out.Close())
}

// maxTarget is how long the target of a link may be.
const maxTarget = 4095

func (u *unpacker) link(name, target string) error {
	if err := u.free(name); err != nil {
		return err
	}
	if target == "" || strings.ContainsRune(target, 0) || len(target) > maxTarget {
		return fmt.Errorf("member %q is a link to %q", name, target)
	}
	u.kinds[name], u.links[name] = 'l', target
	return u.root.Symlink(target, name)
}

// checkLinks refuses links that lead out of top, the directory of the archive that becomes the tree.
func (u *unpacker) checkLinks(top string) error {
	for _, name := range slices.Sorted(maps.Keys(u.links)) {
		if u.leadsOut(top, name) {
			return fmt.Errorf("member %q is a link out of the archive, to %q; only an archive that is pinned by its hash may hold such a link", name, u.links[name])
		}
	}
	return nil
}

// maxLinks is how many links a path may lead through, as in Linux.
const maxLinks = 40

// leadsOut reports whether a link leaves top, also by way of other links.
func (u *unpacker) leadsOut(top, name string) bool {
	at, rest := path.Dir(name), u.links[name]
	if path.IsAbs(rest) {
		return true
	}
	for links := 0; rest != ""; {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			if at == top {
				return true
			}
			at = path.Dir(at)
			continue
		}
		at = path.Join(at, part)
		target, ok := u.links[at]
		if !ok {
			continue
		}
		if links++; links > maxLinks {
			return false // it leads nowhere
		}
		if path.IsAbs(target) {
			return true
		}
		at, rest = path.Dir(at), target+"/"+rest
	}
	return false
}

// hardLink copies an earlier member, a file or a symbolic link: tar writes both so when they have several names.
func (u *unpacker) hardLink(name, target string) error {
	from, err := u.place(target)
	if err != nil {
		return err
	}
	switch kind := u.kinds[from]; {
	case kind != 'f' && kind != 'l':
		return fmt.Errorf("member %q is a hard link to %q, which is no file before it in the archive", name, target)
	case from == name:
		return nil
	case kind == 'l':
		to, err := u.root.Readlink(from)
		if err != nil {
			return err
		}
		return u.link(name, to)
	}
	in, err := u.root.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return u.file(name, in, info.Size(), info.Mode()&0o100 != 0)
}

// zip unpacks a zip archive. Its index is at the end, so it is written to a file first.
func (u *unpacker) zip(r io.Reader, dir string) error {
	name := dir + ".zip"
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	defer out.Close()
	size, err := io.Copy(out, r)
	if err != nil {
		return err
	}
	z, err := zip.NewReader(out, size)
	if err != nil {
		return fmt.Errorf("the archive is damaged or truncated: %w", err)
	}
	for _, member := range z.File {
		if err := u.zipMember(member); err != nil {
			return err
		}
	}
	return nil
}

var errLonger = errors.New("it is longer")

func (u *unpacker) zipMember(member *zip.File) error {
	u.newest = max(u.newest, member.Modified.Unix())
	name := member.Name
	if !strings.Contains(name, "/") {
		name = strings.ReplaceAll(name, `\`, "/") // as archives of Windows have it
	}
	name, err := u.place(name)
	if err != nil {
		return err
	}
	mode := member.Mode()
	if mode.IsDir() {
		return u.dir(name)
	}
	in, err := member.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	switch {
	case mode.IsRegular():
		if err := u.file(name, in, int64(member.UncompressedSize64), mode&0o100 != 0); err != nil {
			return err
		}
		// At its end, the content is compared with its checksum.
		if n, err := io.CopyN(io.Discard, in, 1); n > 0 || err != io.EOF {
			return fmt.Errorf("member %s is not what the index of the archive says: %w", shortName(member.Name), cmp.Or(err, errLonger))
		}
		return nil
	case mode&os.ModeSymlink != 0:
		var target strings.Builder
		if _, err := io.Copy(&target, io.LimitReader(in, maxTarget+1)); err != nil {
			return err
		}
		return u.link(name, target.String())
	}
	return fmt.Errorf("member %q is neither a file, a directory nor a link", member.Name)
}
