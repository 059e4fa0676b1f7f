package transfer

import (
	"context"
	"errors"
	"io"
	"sync"

	"muster/compile/store"
	"muster/exec/nixserve"
)

const (
	chunkSize = 256 << 10
	lookahead = 4 // chunks read before the fastest reader asks for them
)

// A Shared is a Source in front of another, for copying to many hosts at once: an archive that several of them lack is
// read and hashed once for all that ask for it at about the same time.
//
// Archives pass through memory in chunks, of which at most a fixed number of bytes is kept, the newest. The fastest host
// sets the pace. One that falls further behind than what is kept goes on with a reading of its own: it costs another
// read of the file, but never time for the others.
//
// The last chunk of an archive is given out only when the source has found its hash right, so no host is ever sent a
// corrupted archive to its end. What was found right is not hashed again: whoever is sent it does that in any case.
type Shared struct {
	src Source
	max int64

	mu      sync.Mutex
	current map[store.Path]*reading // those a newcomer can join: their first chunk is kept
	right   map[store.Path]bool     // archives that were found to be what is recorded
	kept    []keptChunk             // oldest first
	used    int64                   // bytes of the chunks kept
	spare   [][]byte                // of chunks that are neither kept nor being sent
}

// A Dumper is a Source that can write archives without looking at what they are.
type Dumper interface {
	Dump(ctx context.Context, info nixserve.PathInfo, w io.Writer) error
}

// A reading is one pass over an archive. Its fields are guarded by the Shared's mutex.
type reading struct {
	path    store.Path
	size    int64
	changed sync.Cond // on everything below
	chunks  []*chunk  // nil once dropped, which happens in their order
	wanted  int       // how many chunks the fastest reader has asked for
	readers int
	cancel  context.CancelFunc
	done    bool
	err     error // why it ended early

	packing sync.Mutex // guards the rest
	framing *framing
	packed  int // chunks in the frame
}

// A chunk is a piece of an archive.
type chunk struct {
	data    []byte
	frame   []byte // by which a frame of the archive grows with it; nil until somebody needs it
	counted int64  // bytes the Shared counts for it; 0 once it is dropped
	sending int    // readers that are at it
}

type keptChunk struct {
	of *reading
	at int
}

// Share makes a Shared that keeps at most memory bytes.
func Share(src Source, memory int64) *Shared {
	return &Shared{src: src, max: memory, current: make(map[store.Path]*reading), right: make(map[store.Path]bool)}
}

// Closure asks the source.
func (s *Shared) Closure(ctx context.Context, paths []store.Path) ([]nixserve.PathInfo, error) {
	return s.src.Closure(ctx, paths)
}

// NAR writes the archive of a path, out of memory as far as others have read it just now.
func (s *Shared) NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	r := s.join(ctx, info)
	defer s.leave(r)
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		r.changed.Broadcast()
		s.mu.Unlock()
	})
	defer stop()

	frames := info.NARSize >= minFrame && takesCompressed(w)
	var sent int64
	for i := 0; ; i++ {
		chunk, err := s.chunk(ctx, r, i)
		var frame []byte
		if err == nil && frames {
			if frame, err = s.packed(r, i, chunk); err != nil {
				s.sent(chunk)
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err == errDropped:
			if frames && i > 0 {
				if err := w.(compressedWriter).WriteCompressed(0, endOfFrame); err != nil {
					return err
				}
			}
			return s.source(info.Path)(ctx, info, &skipWriter{w: w, skip: sent})
		case err != nil:
			return err
		}
		size := len(chunk.data)
		if frames {
			err = w.(compressedWriter).WriteCompressed(size, frame)
		} else {
			_, err = w.Write(chunk.data)
		}
		s.sent(chunk)
		if err != nil {
			return err
		}
		sent += int64(size)
	}
}

// source is how to read an archive.
func (s *Shared) source(p store.Path) nixserve.NARFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.src.(Dumper); ok && s.right[p] {
		return d.Dump
	}
	return s.src.NAR
}

// join finds the reading of a path or starts one.
func (s *Shared) join(ctx context.Context, info nixserve.PathInfo) *reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.current[info.Path]
	if r == nil {
		r = &reading{path: info.Path, size: info.NARSize}
		r.changed.L = &s.mu
		var own context.Context // the reading goes on when the first host's copy ends
		own, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
		s.current[info.Path] = r
		go s.read(own, r, info)
	}
	r.readers++
	return r
}

// leave ends a reading that no one needs to its end. One that has come to its end stays for latecomers.
func (s *Shared) leave(r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.readers--
	if r.readers > 0 || r.done && r.err == nil {
		return
	}
	r.cancel()
	r.changed.Broadcast()
	s.forget(r)
	for i := range r.chunks {
		s.drop(r, i)
	}
}

// forget keeps newcomers from joining a reading.
func (s *Shared) forget(r *reading) {
	if s.current[r.path] == r {
		delete(s.current, r.path)
	}
}

func (s *Shared) drop(r *reading, i int) {
	if c := r.chunks[i]; c != nil {
		s.used -= c.counted
		c.counted = 0
		r.chunks[i] = nil
		s.recycle(c)
	}
}

// sent says that a reader has sent a chunk it got.
func (s *Shared) sent(c *chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.sending--
	s.recycle(c)
}

// recycle makes the memory of a chunk that nobody has any more the next one's.
func (s *Shared) recycle(c *chunk) {
	if c.counted == 0 && c.sending == 0 && cap(c.data) == chunkSize {
		s.spare = append(s.spare, c.data[:0])
		c.data = nil
	}
}

// buffer is memory for a chunk of an archive of which n bytes are left.
func (s *Shared) buffer(n int64) []byte {
	if n < chunkSize {
		return make([]byte, 0, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last := len(s.spare) - 1; last >= 0 {
		b := s.spare[last]
		s.spare = s.spare[:last]
		return b
	}
	return make([]byte, 0, chunkSize)
}

// packed compresses a chunk, if nobody has yet; it then takes more memory. The chunks of an archive share a frame, so
// this works only from the first to the last without a gap: where one was missed it is as if the chunk were gone.
func (s *Shared) packed(r *reading, i int, c *chunk) ([]byte, error) {
	r.packing.Lock()
	defer r.packing.Unlock()
	if c.frame != nil {
		return c.frame, nil
	}
	if r.packed != i {
		return nil, errDropped
	}
	if i == 0 {
		r.framing = newFraming()
	}
	frame, err := r.framing.add(c.data, int64(i)*chunkSize+int64(len(c.data)) == r.size)
	if err != nil {
		return nil, err
	}
	c.frame = frame
	r.packed++
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.chunks[i] == c {
		c.counted += int64(len(frame))
		s.used += int64(len(frame))
		s.makeRoom()
	}
	return frame, nil
}

var errDropped = errors.New("no longer in memory")

// chunk waits for a chunk of a reading. It returns io.EOF after the last and errDropped for one that is gone.
func (s *Shared) chunk(ctx context.Context, r *reading, i int) (*chunk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.wanted < i+1 {
		r.wanted = i + 1
		r.changed.Broadcast()
	}
	for {
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case i < len(r.chunks) && r.chunks[i] == nil:
			return nil, errDropped
		case i < len(r.chunks):
			r.chunks[i].sending++
			return r.chunks[i], nil
		case r.err != nil:
			return nil, r.err
		case r.done:
			return nil, io.EOF
		}
		r.changed.Wait()
	}
}

// read runs a reading.
func (s *Shared) read(ctx context.Context, r *reading, info nixserve.PathInfo) {
	w := &chunkWriter{s: s, r: r, ctx: ctx, left: info.NARSize}
	err := s.source(info.Path)(ctx, info, w)
	if err == nil && len(w.buf) > 0 {
		err = w.publish()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r.done, r.err = true, err
	if err == nil {
		s.right[r.path] = true
	} else {
		s.forget(r) // the next one tries again
	}
	r.cancel()
	r.changed.Broadcast()
}

// chunkWriter cuts an archive into chunks.
type chunkWriter struct {
	s    *Shared
	r    *reading
	ctx  context.Context
	buf  []byte
	left int64 // bytes to come, as far as recorded
}

func (w *chunkWriter) Write(p []byte) (int, error) {
	n := len(p)
	if int64(n) > w.left {
		return 0, nixserve.ErrTooLong
	}
	w.left -= int64(n)
	for len(p) > 0 {
		if len(w.buf) == chunkSize { // there is more, so this is not the last
			if err := w.publish(); err != nil {
				return 0, err
			}
		}
		if w.buf == nil {
			w.buf = w.s.buffer(int64(len(p)) + w.left)
		}
		part := min(len(p), chunkSize-len(w.buf))
		w.buf = append(w.buf, p[:part]...)
		p = p[part:]
	}
	return n, nil
}

// publish hands out the chunk and waits until it makes sense to read on.
func (w *chunkWriter) publish() error {
	s, r := w.s, w.r
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	s.kept = append(s.kept, keptChunk{r, len(r.chunks)})
	s.used += int64(len(w.buf))
	r.chunks = append(r.chunks, &chunk{data: w.buf, counted: int64(len(w.buf))})
	w.buf = nil
	s.makeRoom()
	r.changed.Broadcast()
	for len(r.chunks) >= r.wanted+lookahead && w.ctx.Err() == nil {
		r.changed.Wait()
	}
	return nil
}

// makeRoom drops the oldest chunks until what is left fits.
func (s *Shared) makeRoom() {
	for s.used > s.max && len(s.kept) > 1 {
		k := s.kept[0]
		s.kept = s.kept[1:]
		if k.of.chunks[k.at] == nil {
			continue
		}
		s.drop(k.of, k.at)
		s.forget(k.of)
	}
}

// skipWriter leaves out the bytes that were written before.
type skipWriter struct {
	w    io.Writer
	skip int64
}

func (s *skipWriter) Write(p []byte) (int, error) {
	n := len(p)
	cut := min(s.skip, int64(n))
	s.skip -= cut
	if p = p[cut:]; len(p) > 0 {
		if _, err := s.w.Write(p); err != nil {
			return 0, err
		}
	}
	return n, nil
}
