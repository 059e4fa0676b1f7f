package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"muster/exec/foreign"
)

// A tarContainer is an archive that is a file:
//
//	{ header of 512 bytes, member, zeros up to a multiple of 512 } 1024 zeros, trailer
//
// It takes no other headers than Export writes, byte by byte: no sparse files, links, devices or extensions.
type tarContainer struct {
	file   *foreign.File
	order  []string
	places map[string]place
	whole  chan error // the outcome of comparing the trailer's checksum
	stop   context.CancelFunc
}

// A place is where a member is in the file.
type place struct{ at, size int64 }

const (
	tarBlock    = 512
	tarEnd      = 2 * tarBlock             // zeros
	trailer     = "muster archive sha256:" // begins what follows the end of the tar archive: 64 hexadecimal digits and a newline
	trailerSize = len(trailer) + 2*sha256.Size + 1
)

func openTar(ctx context.Context, name string) (*tarContainer, error) {
	f, err := foreign.Open(name, foreign.Limits{Size: maxMember, Links: true})
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	t := &tarContainer{file: f, places: make(map[string]place), whole: make(chan error, 1), stop: stop}
	if err := t.start(ctx); err != nil {
		stop()
		f.Close()
		return nil, err
	}
	return t, nil
}

// start finds the members, and begins to compare the checksum.
func (t *tarContainer) start(ctx context.Context) error {
	end := t.file.Size() - int64(trailerSize)
	last := make([]byte, trailerSize)
	if end < tarEnd {
		return damaged("too short: this is not an archive of muster, or not complete")
	}
	if _, err := t.file.ReadAt(last, end); err != nil && err != io.EOF {
		return err
	}
	if !bytes.HasPrefix(last, []byte(trailer)) {
		return damaged("no checksum at the end: this is not an archive of muster, or not complete")
	}
	stopped, err := walkTar(ctx, t.file, end, func(name string, p place) error {
		if _, twice := t.places[name]; twice {
			return damaged("duplicate file %q", name)
		}
		t.places[name] = p
		t.order = append(t.order, name)
		return nil
	})
	if err != nil {
		return err
	}
	if stopped+tarEnd != end {
		return damaged("bytes between the end of the tar archive and its checksum")
	}
	go func() {
		sum, _, err := sumOf(contextReader{ctx, io.NewSectionReader(t.file, 0, end)})
		if err == nil && string(last) != fmt.Sprintf("%s%x\n", trailer, sum) {
			err = damaged("wrong checksum at the end")
		}
		t.whole <- err
	}()
	return nil
}

func (t *tarContainer) names() []string { return t.order }

func (t *tarContainer) open(name string) (member, error) {
	p, ok := t.places[name]
	if !ok {
		return nil, damaged("%s is missing", name)
	}
	return tarMember{io.NewSectionReader(t.file, p.at, p.size)}, nil
}

func (t *tarContainer) wait() error { return <-t.whole }

func (t *tarContainer) close() error {
	t.stop()
	return t.file.Close()
}

type tarMember struct{ *io.SectionReader }

func (tarMember) Close() error { return nil }

// walkTar calls found for each member of the first size bytes of a tar archive, up to the zeros that end it, and returns
// where these begin.
func walkTar(ctx context.Context, r io.ReaderAt, size int64, found func(name string, p place) error) (int64, error) {
	var at int64
	for n := 0; ; n++ {
		if n > maxMembers {
			return 0, damaged("more than %d files", maxMembers)
		}
		if err := context.Cause(ctx); err != nil {
			return 0, err
		}
		var header [tarEnd]byte
		if size-at < tarEnd {
			return 0, damaged("the tar archive ends early, at byte %d", at)
		}
		if _, err := r.ReadAt(header[:], at); err != nil && err != io.EOF {
			return 0, err
		}
		if header == [tarEnd]byte{} {
			return at, nil
		}
		name, length, err := parseTarHeader([tarBlock]byte(header[:]))
		if err != nil {
			return 0, damaged("byte %d: %v", at, err)
		}
		at += tarBlock
		padding := -length & (tarBlock - 1)
		if length > size-at-padding {
			return 0, damaged("%s: it has %d bytes, and the tar archive ends before", name, length)
		}
		if length > sizeLimit(name) {
			return 0, damaged("%s: it has %d bytes, want at most %d", name, length, sizeLimit(name))
		}
		var zeros [tarBlock]byte
		if _, err := r.ReadAt(zeros[:padding], at+length); err != nil && err != io.EOF {
			return 0, err
		}
		if zeros != [tarBlock]byte{} {
			return 0, damaged("%s: what fills its last block is not zero", name)
		}
		if err := found(name, place{at: at, size: length}); err != nil {
			return 0, err
		}
		at += length + padding
	}
}

// parseTarHeader reads the header of a regular file that tarHeader has written.
func parseTarHeader(b [tarBlock]byte) (name string, size int64, err error) {
	name, _, _ = strings.Cut(string(b[:100]), "\x00")
	if size, err = strconv.ParseInt(strings.TrimRight(string(b[124:136]), "\x00 "), 8, 64); err != nil {
		return "", 0, fmt.Errorf("not the header of a file: want a size, got %q", b[124:136])
	}
	if err := checkMember(name); err != nil {
		return "", 0, err
	}
	again, err := tarHeader(name, size)
	if err != nil {
		return "", 0, fmt.Errorf("%s: %v", name, err)
	}
	if b != again {
		return "", 0, fmt.Errorf("%s: its header has type %q and fields that muster export does not write", name, b[156])
	}
	return name, size, nil
}

// tarHeader is the header of a member.
func tarHeader(name string, size int64) (b [tarBlock]byte, err error) {
	var text bytes.Buffer
	h := tar.Header{Name: name, Size: size, Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
	if err := tar.NewWriter(&text).WriteHeader(&h); err != nil {
		return b, err
	}
	if text.Len() != tarBlock {
		return b, errors.New("its header does not fit into one block")
	}
	return [tarBlock]byte(text.Bytes()), nil
}
