package transfer

import (
	"bytes"
	"io"
	"muster/exec/nixserve"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Over a slow link archives go compressed, as zstd frames one after the other, to a destination that undoes it with the
// zstd program. That program reads ahead, so nothing is sure to come out of it before its input ends: such a stream is
// one way. Requests are all sent, the input is ended, and only then must the answers be there.

const (
	frameSize  = 256 << 10 // bytes that go into a frame made for one stream
	minFrame   = 32 << 10  // an archive of fewer bytes is not worth a frame of its own
	zstdWindow = 1 << 20   // how far back a frame looks for what it has seen
)

var encoderOptions = []zstd.EOption{zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderCRC(false),
	zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow)}

// encoders are encoders at about the speed of a fast disk, with the memory they have.
var encoders = sync.Pool{New: func() any {
	e, err := zstd.NewWriter(nil, encoderOptions...)
	if err != nil {
		panic("zstd: " + err.Error()) // only for options that make no sense
	}
	return e
}}

// pack makes one frame of b.
func pack(b []byte) []byte {
	e := encoders.Get().(*zstd.Encoder)
	defer encoders.Put(e)
	return e.EncodeAll(b, nil)
}

// A framing makes one frame of the chunks of an archive, in their order. Each yields the bytes by which the frame grows.
type framing struct {
	encoder *zstd.Encoder
	out     bytes.Buffer
}

func newFraming() *framing {
	f := &framing{encoder: encoders.Get().(*zstd.Encoder)}
	f.encoder.Reset(&f.out)
	return f
}

func (f *framing) add(b []byte, last bool) ([]byte, error) {
	_, err := f.encoder.Write(b)
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

// endOfFrame ends a frame of which no more will come: a last block without bytes (RFC 8878, section 3.1.1.2).
var endOfFrame = []byte{1, 0, 0}

// A compressedWriter is a writer that may take bytes compressed already.
type compressedWriter interface {
	TakesCompressed() bool
	WriteCompressed(size int, frame []byte) error // a part of a frame that holds size bytes
}

func takesCompressed(w io.Writer) bool {
	f, ok := w.(compressedWriter)
	return ok && f.TakesCompressed()
}

// A compressedStream compresses what is written to a stream.
type compressedStream struct {
	nixserve.Stream
	mu  sync.Mutex // CloseWrite may come from elsewhere
	buf []byte
}

func (p *compressedStream) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	written := 0
	for len(b) > 0 {
		n := min(len(b), frameSize-len(p.buf))
		p.buf = append(p.buf, b[:n]...)
		b = b[n:]
		if len(p.buf) == frameSize {
			if err := p.flush(); err != nil {
				return written, err
			}
		}
		written += n
	}
	return written, nil
}

func (p *compressedStream) flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	frame := pack(p.buf)
	p.buf = p.buf[:0]
	_, err := p.Stream.Write(frame)
	return err
}

// WriteCompressed writes a frame made elsewhere.
func (p *compressedStream) WriteCompressed(frame []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.flush()
	if err == nil {
		_, err = p.Stream.Write(frame)
	}
	return err
}

func (p *compressedStream) CloseWrite() error {
	p.mu.Lock()
	err := p.flush()
	p.mu.Unlock()
	if closeErr := p.Stream.CloseWrite(); err == nil {
		err = closeErr
	}
	return err
}
