package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"muster/compile/store"
)

// maxWindow is the window of zstd that export writes, and the most that import makes room for.
const maxWindow = 8 << 20

func newDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

// maxDiskPath is PATH_MAX without its zero.
const maxDiskPath = 4095

// A narChecker reads compressed archives and compares them with what narinfos say of them. It is for one goroutine.
type narChecker struct {
	scanner *scanner
	zstd    *zstd.Decoder
}

func newNARChecker(s *scanner) (*narChecker, error) {
	z, err := newDecoder()
	if err != nil {
		return nil, err
	}
	return &narChecker{scanner: s, zstd: z}, nil
}

func (c *narChecker) close() { c.zstd.Close() }

// check reads a compressed archive once, to its end. The infos are those of the paths whose archive it is: one, or
// several that have equal contents. It returns the references that it has found.
func (c *narChecker) check(ctx context.Context, file io.Reader, infos []*narInfo) (*scan, error) {
	for _, n := range infos[1:] {
		if n.NARHash != infos[0].NARHash || n.NARSize != infos[0].NARSize || n.FileSize != infos[0].FileSize {
			return nil, damaged("%s: %s and %s differ about it", n.URL, narInfoName(infos[0].Path), narInfoName(n.Path))
		}
	}
	n := infos[0]
	compressed := &tap{r: contextReader{ctx, file}, w: []io.Writer{sha256.New()}}
	found, sum := c.scanner.scan(), sha256.New()
	whole := &tap{w: []io.Writer{sum, found}, limit: n.NARSize}
	contents, err := newContents(infos)
	if err != nil {
		return nil, err
	}
	whole.w = append(whole.w, contents.trees()...)
	if err := c.zstd.Reset(compressed); err != nil {
		return nil, c.explain(ctx, n, err)
	}
	whole.r = c.zstd
	err = readNAR(whole, n.Path, contents)
	if err == nil {
		_, err = io.Copy(io.Discard, compressed) // the decoder may have stopped short of the end
	}
	switch {
	case err != nil:
		return nil, c.explain(ctx, n, err)
	case compressed.n != n.FileSize:
		return nil, damaged("%s: it has %d bytes, %s says %d", n.URL, compressed.n, narInfoName(n.Path), n.FileSize)
	case !bytes.Equal(compressed.w[0].(hash.Hash).Sum(nil), n.FileHash.Bytes()):
		return nil, damaged("%s does not match its checksum", n.URL)
	case whole.n != n.NARSize:
		return nil, damaged("%s: its archive has %d bytes, NarSize says %d", narInfoName(n.Path), whole.n, n.NARSize)
	case !bytes.Equal(sum.Sum(nil), n.NARHash.Bytes()):
		return nil, damaged("%s: its archive does not match NarHash", narInfoName(n.Path))
	}
	return found, contents.check()
}

func (c *narChecker) explain(ctx context.Context, n *narInfo, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if errors.Is(err, errLimit) {
		return damaged("%s: its archive has more than the %d bytes of NarSize", narInfoName(n.Path), n.NARSize)
	}
	return damaged("%s: %v", n.URL, err)
}

// readNAR reads all of an archive.
func readNAR(r io.Reader, p store.Path, contents *contents) error {
	for nr := store.NewNARReader(r); ; {
		h, err := nr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n := len(p) + len("/") + len(h.Path); n > maxDiskPath {
			return fmt.Errorf("the name of %.40q… would have %d bytes on disk, want at most %d", h.Path, n, maxDiskPath)
		}
		if err := contents.read(h, nr); err != nil {
			return err
		}
	}
}

// errLimit ends the reading of more than a tap's limit.
var errLimit = errors.New("too long")

// A tap counts what is read through it, and writes it to hashes and scans, which do not fail.
type tap struct {
	r     io.Reader
	w     []io.Writer
	n     int64
	limit int64 // 0: none
}

func (t *tap) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n += int64(n)
	if t.limit > 0 && t.n > t.limit {
		return 0, errLimit
	}
	for _, w := range t.w {
		w.Write(p[:n])
	}
	return n, err
}

// contents compares content addresses with contents.
type contents struct {
	addresses []address
	single    bool // the archive is one file that is not executable
}

// An address is what a path's content address says of its archive.
type address struct {
	info *narInfo
	ca   store.ContentAddress
	hash hash.Hash
}

func newContents(infos []*narInfo) (*contents, error) {
	c := &contents{}
	for _, n := range infos {
		if n.CA == "" {
			continue
		}
		ca, err := n.contentAddress()
		if err != nil {
			return nil, err
		}
		// The hash of what refers to itself leaves the references to itself out (store.SourcePath): only CA derivations
		// make such paths. NarHash vouches for their contents.
		if self := ca.Method == store.CATree && n.refersToItself(); !self {
			c.addresses = append(c.addresses, address{info: n, ca: ca, hash: ca.Hash.Algo().New()})
		}
	}
	return c, nil
}

// trees are the hashes of the whole archive.
func (c *contents) trees() []io.Writer { return c.of(true) }

func (c *contents) of(tree bool) []io.Writer {
	var list []io.Writer
	for _, a := range c.addresses {
		if (a.ca.Method == store.CATree) == tree {
			list = append(list, a.hash)
		}
	}
	return list
}

// read hashes a file of the archive, if a content address is about its bytes.
func (c *contents) read(h *store.NARHeader, r io.Reader) error {
	flat := c.of(false)
	if h.Path != "" || h.Type != store.Regular || len(flat) == 0 {
		return nil
	}
	c.single = true
	_, err := io.Copy(io.MultiWriter(flat...), r)
	return err
}

// check compares the hashes after the end.
func (c *contents) check() error {
	for _, a := range c.addresses {
		if a.ca.Method != store.CATree && !c.single || !bytes.Equal(a.hash.Sum(nil), a.ca.Hash.Bytes()) {
			return damaged("%s: its archive does not match CA", narInfoName(a.info.Path))
		}
	}
	return nil
}

// workers is how many archives are read at once.
func workers() int { return runtime.GOMAXPROCS(0) }
