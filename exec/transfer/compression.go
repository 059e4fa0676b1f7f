package transfer

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"muster/exec/nixserve"
)

// Over a slow link archives are sent as zstd frames, one after the other, to a destination that decompresses them with the
// zstd program. See [nixserve.NewOneWay].

const (
	frameSize  = 256 << 10 // bytes that go into a frame made for one stream
	minFrame   = 32 << 10  // an archive of fewer bytes gets no frame of its own
	zstdWindow = 1 << 20   // how far back a frame refers to what it has seen
)

var encoderOptions = []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
	zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow)}

// encoders are kept for their memory. Their speed is about that of a fast disk.
var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, encoderOptions...)
	if err != nil {
		panic("zstd: " + err.Error()) // the options are constant
	}
	return e
}}

// A frameEncoder makes one frame of the chunks of an archive.
type frameEncoder struct {
	encoder *zstd.Encoder
	out     bytes.Buffer
}

func newFrameEncoder() *frameEncoder {
	f := &frameEncoder{encoder: encoders.Get().(*zstd.Encoder)}
	f.encoder.Reset(&f.out)
	return f
}

// add returns the bytes by which the frame grows with the next chunk.
func (f *frameEncoder) add(chunk []byte, last bool) ([]byte, error) {
	_, err := f.encoder.Write(chunk)
	if err == nil && !last {
		err = f.encoder.Flush()
	}
	if err == nil && last {
		err = f.encoder.Close()
		f.encoder.Reset(nil)
		encoders.Put(f.encoder)
	}
	grown := bytes.Clone(f.out.Bytes())
	f.out.Reset()
	return grown, err
}

// endOfFrame ends a frame early: a last block without bytes (RFC 8878, section 3.1.1.2).
var endOfFrame = []byte{1, 0, 0}

// takesCompressed reports whether parts of frames may be written to w.
func takesCompressed(w io.Writer) bool {
	c, ok := w.(nixserve.CompressedWriter)
	return ok && c.TakesCompressed()
}

// A compressedStream compresses what is written to a stream. It is a [nixserve.CompressedStream].
type compressedStream struct {
	nixserve.Stream
	mu  sync.Mutex // CloseWrite may be called from another goroutine
	buf []byte     // not compressed yet
}

func (c *compressedStream) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	written := 0
	for len(b) > 0 {
		n := min(len(b), frameSize-len(c.buf))
		c.buf = append(c.buf, b[:n]...)
		b = b[n:]
		if len(c.buf) == frameSize {
			if err := c.flush(); err != nil {
				return written, err
			}
		}
		written += n
	}
	return written, nil
}

// flush writes a frame of what is not compressed yet.
func (c *compressedStream) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	e := encoders.Get().(*zstd.Encoder)
	frame := e.EncodeAll(c.buf, nil)
	encoders.Put(e)
	c.buf = c.buf[:0]
	_, err := c.Stream.Write(frame)
	return err
}

// WriteCompressed writes a part of a frame that was made elsewhere.
func (c *compressedStream) WriteCompressed(frame []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.flush(); err != nil {
		return err
	}
	_, err := c.Stream.Write(frame)
	return err
}

func (c *compressedStream) CloseWrite() error {
	c.mu.Lock()
	err := c.flush()
	c.mu.Unlock()
	if closeErr := c.Stream.CloseWrite(); err == nil {
		err = closeErr
	}
	return err
}
