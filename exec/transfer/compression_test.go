package transfer

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Frames that are made elsewhere and the stream's own come in the order they are written.
func TestCompressedStream(t *testing.T) {
	var wire bytes.Buffer
	p := &compressedStream{Stream: &bufferStream{w: &wire}}
	var want bytes.Buffer
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		b := bytes.Repeat([]byte{byte(rnd.IntN(256)), byte(rnd.IntN(256))}, 1+rnd.IntN(100_000))
		want.Write(b)
		var err error
		if rnd.IntN(2) == 0 {
			_, err = p.Write(b)
		} else {
			var frame []byte
			if frame, err = newFrameEncoder().add(b, true); err == nil {
				err = p.WriteCompressed(frame)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := p.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	r, err := zstd.NewReader(&wire)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d of %d bytes, %v", len(got), want.Len(), err)
	}
}

// Each archive has one frame, also where a host falls behind and ends it early.
func TestFramesOfSharedArchives(t *testing.T) {
	src, infos := newMemorySource(t, someSizes...)
	for _, b := range src.archives { // compressible
		for i := range b {
			b[i] &= 3
		}
	}
	for _, memory := range []int64{64 << 20, 3 * chunkSize} {
		shared := Share(src, memory)
		var g sync.WaitGroup
		for host := range 4 {
			g.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(host), 0))
				var wire, want bytes.Buffer
				stream := &compressedStream{Stream: &bufferStream{w: &wire}}
				for range 8 {
					info := infos[rnd.IntN(len(infos))]
					body := &slowWriter{stream: stream, takes: host > 0, left: info.NARSize, rnd: rnd} // the first host is sent it uncompressed
					if err := shared.NAR(context.Background(), info, body); err != nil || body.left != 0 {
						t.Errorf("%v, %d bytes left", err, body.left)
						return
					}
					want.Write(src.archives[info.Path])
				}
				stream.CloseWrite()
				if wire.Len() > want.Len()/2 {
					t.Errorf("host %d: %d bytes for %d", host, wire.Len(), want.Len())
				}
				r, err := zstd.NewReader(&wire)
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Close()
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want.Bytes()) {
					t.Errorf("host %d: %d of %d bytes, %v", host, len(got), want.Len(), err)
				}
			})
		}
		g.Wait()
	}
}

// A slowWriter is sometimes slow.
type slowWriter struct {
	stream *compressedStream
	takes  bool // whether it takes parts of frames
	left   int64
	rnd    *rand.Rand
}

func (s *slowWriter) Write(b []byte) (int, error) {
	s.pause()
	n, err := s.stream.Write(b)
	s.left -= int64(n)
	return n, err
}

func (s *slowWriter) TakesCompressed() bool { return s.takes }

func (s *slowWriter) WriteCompressed(size int, frame []byte) error {
	s.pause()
	s.left -= int64(size)
	return s.stream.WriteCompressed(frame)
}

func (s *slowWriter) pause() {
	if s.rnd.IntN(10) == 0 {
		time.Sleep(time.Duration(s.rnd.IntN(3)) * time.Millisecond)
	}
}
