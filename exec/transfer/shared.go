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
	readAhead = 4 // chunks read before the fastest host asks for them
)

// A Shared is a Source in front of another, for copies to many hosts at once: an archive that several of them lack is read
// and hashed once for all that ask for it at about the same time.
//
//	Source ─ reading ─▶ [dropped][dropped][kept][kept][kept] ─▶ hosts
//	                        ▲ a host that is still here reads the Source itself
//
// Archives pass through memory in chunks. The newest chunks are kept, up to a fixed number of bytes. The fastest host
// determines how fast an archive is read. A host that falls behind what is kept goes on with a reading of its own: that
// costs another read of the file, but the others never wait for it.
//
// The last chunk of an archive is handed out only when the Source has found its hash right, so no host is sent a corrupted
// archive to its end. An archive that was right once is not hashed again: hosts check what they are sent.
type Shared struct {
	src Source
	max int64

	mu       sync.Mutex
	current  map[store.Path]*reading // readings that another host can join: their first chunk is kept
	verified map[store.Path]bool     // archives whose hash was right
	kept     []keptChunk             // oldest first
	used     int64                   // bytes of the kept chunks
	spare    [][]byte                // memory of chunks that are neither kept nor being sent
}

// A dumper is a Source that can write archives without checking them.
type dumper interface {
	Dump(ctx context.Context, info nixserve.PathInfo, w io.Writer) error
}

// A reading is one pass over an archive. The Shared's mutex guards it.
type reading struct {
	path    store.Path
	size    int64
	changed sync.Cond // signals changes of the fields below
	chunks  []*chunk  // nil once dropped, the oldest first
	wanted  int       // how many chunks the fastest host has asked for
	hosts   int
	cancel  context.CancelFunc
	done    bool
	err     error // why it ended early

	compressing sync.Mutex // guards the rest
	encoder     *frameEncoder
	compressed  int // chunks in the frame
}

// A chunk is a piece of an archive.
type chunk struct {
	data    []byte
	frame   []byte // by which the archive's zstd frame grows with it; nil until a host needs it
	counted int64  // bytes that the Shared counts for it; 0 once it is dropped
	sending int    // hosts that are sending it
}

type keptChunk struct {
	of *reading
	at int
}

// Share makes a Shared that keeps at most memory bytes.
func Share(src Source, memory int64) *Shared {
	return &Shared{src: src, max: memory, current: make(map[store.Path]*reading), verified: make(map[store.Path]bool)}
}

// Closure asks the source.
func (s *Shared) Closure(ctx context.Context, paths []store.Path) ([]nixserve.PathInfo, error) {
	return s.src.Closure(ctx, paths)
}

// NAR writes the archive of a path, from memory as far as another host has read it just now.
func (s *Shared) NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	r := s.join(ctx, info)
	defer s.leave(r)
	stop := context.AfterFunc(ctx, func() {
		s.mu.Lock()
		r.changed.Broadcast()
		s.mu.Unlock()
	})
	defer stop()

	out := chunkSender{s: s, r: r, w: w}
	if info.NARSize >= minFrame && takesCompressed(w) {
		out.frames = w.(nixserve.CompressedWriter)
	}
	for {
		c, err := s.chunk(ctx, r, out.chunks)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = out.send(c)
		}
		if err == errDropped {
			return out.readAlone(ctx, info)
		}
		if err != nil {
			return err
		}
	}
}

// A chunkSender writes the chunks of a reading to one host.
type chunkSender struct {
	s      *Shared
	r      *reading
	w      io.Writer
	frames nixserve.CompressedWriter // w, if it is sent a zstd frame; else nil
	chunks int                       // sent
	bytes  int64
}

// send sends the next chunk. It returns errDropped for one that cannot be compressed any more.
func (o *chunkSender) send(c *chunk) (err error) {
	defer o.s.sent(c)
	if o.frames == nil {
		_, err = o.w.Write(c.data)
	} else {
		var frame []byte
		if frame, err = o.s.compress(o.r, o.chunks, c); err == nil {
			err = o.frames.WriteCompressed(len(c.data), frame)
		}
	}
	if err != nil {
		return err
	}
	o.chunks++
	o.bytes += int64(len(c.data))
	return nil
}

// readAlone sends the rest of the archive by a reading of its own.
func (o *chunkSender) readAlone(ctx context.Context, info nixserve.PathInfo) error {
	if o.frames != nil && o.chunks > 0 {
		if err := o.frames.WriteCompressed(0, endOfFrame); err != nil {
			return err
		}
	}
	return o.s.source(info.Path)(ctx, info, &skipWriter{w: o.w, skip: o.bytes})
}

// source is how to read an archive.
func (s *Shared) source(p store.Path) nixserve.NARFunc {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d, ok := s.src.(dumper); ok && s.verified[p] {
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
	r.hosts++
	return r
}

// leave ends a reading that no host needs any more. A finished one stays for hosts that come later.
func (s *Shared) leave(r *reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.hosts--
	if r.hosts > 0 || r.done && r.err == nil {
		return
	}
	r.cancel()
	r.changed.Broadcast()
	s.forget(r)
	for i := range r.chunks {
		s.drop(r, i)
	}
}

// forget keeps other hosts from joining a reading.
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

// sent notes that a host has sent a chunk.
func (s *Shared) sent(c *chunk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.sending--
	s.recycle(c)
}

// recycle reuses the memory of a chunk that is dropped and sent.
func (s *Shared) recycle(c *chunk) {
	if c.counted == 0 && c.sending == 0 && cap(c.data) == chunkSize {
		s.spare = append(s.spare, c.data[:0])
		c.data = nil
	}
}

// buffer is memory for the next chunk of an archive of which n bytes are left.
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

// compress compresses a chunk, unless that is done already; the chunk then takes more memory. The chunks of an archive
// share a frame, so they must be compressed in order: after a gap the chunk counts as dropped.
func (s *Shared) compress(r *reading, i int, c *chunk) ([]byte, error) {
	r.compressing.Lock()
	defer r.compressing.Unlock()
	if c.frame != nil {
		return c.frame, nil
	}
	if r.compressed != i {
		return nil, errDropped
	}
	if i == 0 {
		r.encoder = newFrameEncoder()
	}
	frame, err := r.encoder.add(c.data, int64(i)*chunkSize+int64(len(c.data)) == r.size)
	if err != nil {
		return nil, err
	}
	c.frame = frame
	r.compressed++
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
		s.verified[r.path] = true
	} else {
		s.forget(r) // the next host tries again
	}
	r.cancel()
	r.changed.Broadcast()
}

// A chunkWriter cuts an archive into chunks.
type chunkWriter struct {
	s    *Shared
	r    *reading
	ctx  context.Context
	buf  []byte
	left int64 // bytes to come, as info says
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

// publish hands out the chunk, and waits until the fastest host is near the end of what was read.
func (w *chunkWriter) publish() error {
	s, r := w.s, w.r
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	s.kept = append(s.kept, keptChunk{of: r, at: len(r.chunks)})
	s.used += int64(len(w.buf))
	r.chunks = append(r.chunks, &chunk{data: w.buf, counted: int64(len(w.buf))})
	w.buf = nil
	s.makeRoom()
	r.changed.Broadcast()
	for len(r.chunks) >= r.wanted+readAhead && w.ctx.Err() == nil {
		r.changed.Wait()
	}
	return nil
}

// A skipWriter leaves out the first bytes.
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
