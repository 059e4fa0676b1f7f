package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
)

// link is a way to the store, with zstd. opened counts its sessions.
func (s testStore) link(opened *atomic.Int32) *Link {
	s.t.Helper()
	if _, err := exec.LookPath("zstd"); err != nil {
		s.t.Skip("no zstd")
	}
	count := func() {
		if opened != nil {
			opened.Add(1)
		}
	}
	return &Link{
		Serve: func(context.Context) (nixserve.Stream, error) { count(); return s.Serve(), nil },
		ServeCompressed: func(context.Context) (nixserve.Stream, error) {
			count()
			return storelab.Start(s.t, s.Command(context.Background(), "/bin/sh", "-c", "zstd -dcq | nix-store --serve --write")), nil
		},
	}
}

// addText adds a text of so many lines, which can be compressed to a few per cent.
func (s testStore) addText(name string, lines int) store.Path {
	s.t.Helper()
	var b bytes.Buffer
	rnd := rand.New(rand.NewPCG(uint64(lines), 0))
	for i := range lines {
		fmt.Fprintf(&b, "line %d of %s says %d, %d and %d\n", i, name, rnd.IntN(1000), rnd.IntN(1000), rnd.IntN(1000))
	}
	file := filepath.Join(s.t.TempDir(), name)
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return storelab.ParsePaths(s.t, s.Run("nix-store", "--add", file))[0]
}

// A countingStream counts what is written.
type countingStream struct {
	nixserve.Stream
	bytes *atomic.Int64
}

func (c countingStream) Write(b []byte) (int, error) {
	n, err := c.Stream.Write(b)
	c.bytes.Add(int64(n))
	return n, err
}

func counting(open func(context.Context) (nixserve.Stream, error), bytes *atomic.Int64) func(context.Context) (nixserve.Stream, error) {
	return func(ctx context.Context) (nixserve.Stream, error) {
		s, err := open(ctx)
		if err == nil {
			s = countingStream{s, bytes}
		}
		return s, err
	}
}

func TestCompressedCopiesRegisterTheSame(t *testing.T) {
	from, top := builtClosure(t)
	big := from.addText("big", 50_000)
	src := Share(from.local(), 64<<20)
	ctx := context.Background()
	plain := newStore(t)
	if _, err := Copy(ctx, src, plain.client(), []store.Path{top, big}, Options{}); err != nil {
		t.Fatal(err)
	}
	want := plain.PathInfos(top)
	var wg sync.WaitGroup
	stores := make([]testStore, 3)
	for i := range stores {
		stores[i] = newStore(t)
		var wire atomic.Int64
		l := stores[i].link(nil)
		l.ServeCompressed = counting(l.ServeCompressed, &wire)
		wg.Go(func() {
			dst, stats, err := l.Copy(ctx, src, []store.Path{top, big}, Options{Compression: CompressAlways})
			if err != nil || stats.Sent != 61 || !stats.Compressed {
				t.Errorf("host %d: %+v, %v", i, stats, err)
				return
			}
			if n := wire.Load(); n == 0 || n > stats.SentBytes/2 {
				t.Errorf("host %d: %d bytes went over the wire for %d of archives", i, n, stats.SentBytes)
			}
			if err := dst.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range stores {
		s.Verify()
		if diff := cmp.Diff(want, s.PathInfos(top)); diff != "" {
			t.Errorf("path infos (-plain +compressed):\n%s", diff)
		}
	}
}

func TestSlowCopyGoesOnCompressed(t *testing.T) {
	from, top := builtClosure(t)
	big := from.addText("big", 400_000) // 17 MB
	to := newStore(t)
	var opened atomic.Int32
	var wire atomic.Int64
	l := to.link(&opened)
	l.Serve, l.ServeCompressed = counting(l.Serve, &wire), counting(l.ServeCompressed, &wire)
	l.Limits = []*Limiter{NewLimiter(4e6)} // far less than a machine without time sends
	var last Progress
	dst, stats, err := l.Copy(context.Background(), Share(from.local(), 64<<20), []store.Path{top, big},
		Options{Progress: func(p Progress) { last = p }})
	if err != nil || !stats.Compressed || stats.Sent != 61 || stats.SentBytes != stats.MissingBytes {
		t.Fatalf("%+v, %v", stats, err)
	}
	defer dst.Close()
	if opened.Load() != 3 {
		t.Errorf("%d sessions, want the first, one that holds the locks, and one that takes the rest", opened.Load())
	}
	if n := wire.Load(); n > stats.SentBytes*3/4 {
		t.Errorf("%d bytes on the wire for %d", n, stats.SentBytes)
	}
	if last.Paths != 61 || last.Bytes != last.TotalBytes || last.TotalBytes != stats.ClosureBytes {
		t.Errorf("last progress %+v of %+v", last, stats)
	}
	to.Run("nix-store", "--gc") // the second session's locks hold
	to.Verify()
	if n := len(to.PathInfos(top)); n != 60 {
		t.Errorf("%d paths left", n)
	}
}

func TestSlowCopyWithoutZstdStaysAsItIs(t *testing.T) {
	from := newStore(t)
	big := from.addText("big", 400_000)
	to := newStore(t)
	l := &Link{
		Serve:           func(context.Context) (nixserve.Stream, error) { return to.Serve(), nil },
		ServeCompressed: func(context.Context) (nixserve.Stream, error) { return nil, ErrNoZstd },
		Limits:          []*Limiter{NewLimiter(20e6)},
	}
	for _, pack := range []Compression{CompressAuto, CompressAlways} {
		dst, stats, err := l.Copy(context.Background(), from.local(), []store.Path{big}, Options{Compression: pack})
		if err != nil || stats.Compressed || stats.Sent != 1 {
			t.Fatalf("%+v, %v", stats, err)
		}
		dst.Close()
		to.Verify()
		to.Run("nix-store", "--gc")
	}
}

// What the link is not to blame for is not compressed away.
func TestSlowReceiverIsSentPlain(t *testing.T) {
	from := newStore(t)
	big := from.addText("big", 400_000)
	to := newStore(t)
	l := to.link(nil)
	limit := NewLimiter(20e6)
	serve := l.Serve
	l.Serve = func(ctx context.Context) (nixserve.Stream, error) { // slow, but not by a limit the Link knows of
		s, err := serve(ctx)
		return Limit(s, nil, limit), err
	}
	l.HeldUp = func() (time.Duration, bool) { return 0, true }
	dst, stats, err := l.Copy(context.Background(), from.local(), []store.Path{big}, Options{})
	if err != nil || stats.Compressed {
		t.Fatalf("%+v, %v", stats, err)
	}
	dst.Close()
}

func TestZstdThatFails(t *testing.T) {
	from, to := newStore(t), newStore(t)
	big := from.addText("big", 50_000)
	l := to.link(nil)
	l.ServeCompressed = func(context.Context) (nixserve.Stream, error) {
		return storelab.Start(t, to.Command(context.Background(), "/bin/sh", "-c", "no-such-zstd -dc | nix-store --serve --write")), nil
	}
	dst, stats, err := l.Copy(context.Background(), from.local(), []store.Path{big}, Options{Compression: CompressAlways})
	if err == nil || stats.Sent != 0 || !strings.Contains(err.Error(), "no-such-zstd") {
		t.Errorf("%+v, %v", stats, err)
	}
	if dst != nil {
		dst.Close()
	}
	to.Verify()
}

// Frames of chunks and frames of the stream's own follow each other in the right order.
func TestPackedStream(t *testing.T) {
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
			err = p.WriteCompressed(pack(b))
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

// Archives in one frame each, also where one falls behind and ends its frame early.
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
					body := &slowWriter{stream: stream, takes: host > 0, left: info.NARSize, rnd: rnd} // the first takes it as it is
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

// A slowWriter takes its time now and then.
type slowWriter struct {
	stream *compressedStream
	takes  bool // whether it takes frames
	left   int64
	rnd    *rand.Rand
}

func (s *slowWriter) Write(b []byte) (int, error) {
	s.dawdle()
	n, err := s.stream.Write(b)
	s.left -= int64(n)
	return n, err
}

func (s *slowWriter) TakesCompressed() bool { return s.takes }

func (s *slowWriter) WriteCompressed(size int, frame []byte) error {
	s.dawdle()
	s.left -= int64(size)
	return s.stream.WriteCompressed(frame)
}

func (s *slowWriter) dawdle() {
	if s.rnd.IntN(10) == 0 {
		time.Sleep(time.Duration(s.rnd.IntN(3)) * time.Millisecond)
	}
}

// A bufferStream is a nixserve.Stream to nobody.
type bufferStream struct {
	w      io.Writer
	closed atomic.Bool
}

func (b *bufferStream) Read([]byte) (int, error)    { return 0, io.EOF }
func (b *bufferStream) Write(p []byte) (int, error) { return b.w.Write(p) }
func (b *bufferStream) CloseWrite() error           { return nil }
func (b *bufferStream) Close() error                { b.closed.Store(true); return nil }
func (b *bufferStream) Wait() error                 { return nil }
func (b *bufferStream) Stderr() string              { return "" }

// The decision to compress, on stretches as they were measured on lab hosts.
func TestWhatIsSlowIsTheLink(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name string
		s    stretch
		left int64
		slow bool
	}{
		{"200 Mbit/s", stretch{took: 181 * ms, bytes: 4_200_000, held: 176 * ms, knows: true}, 150e6, true},
		{"200 Mbit/s, machine busy", stretch{took: 198 * ms, bytes: 4_200_000, held: 168 * ms, knows: true, busy: true}, 150e6, true},
		{"20 ms, machine busy", stretch{took: 1022 * ms, bytes: 900_000, held: 636 * ms, knows: true, busy: true}, 100e6, true},
		{"eight hosts, machine busy", stretch{took: 187 * ms, bytes: 4_300_000, held: 84 * ms, knows: true, busy: true}, 150e6, false},
		{"slow receiver", stretch{took: 500 * ms, bytes: 4_200_000, held: 12 * ms, knows: true}, 150e6, false},
		{"fast link", stretch{took: 100 * ms, bytes: 20_000_000, held: 90 * ms, knows: true}, 150e6, false},
		{"hardly anything left", stretch{took: 181 * ms, bytes: 4_200_000, held: 176 * ms, knows: true}, 8e6, false},
		{"nothing known", stretch{took: 181 * ms, bytes: 4_200_000}, 150e6, true},
		{"nothing known, machine busy", stretch{took: 181 * ms, bytes: 4_200_000, busy: true}, 150e6, false},
		{"a limit, machine busy", stretch{took: 1000 * ms, bytes: 4_200_000, limited: 800 * ms, knows: true, busy: true}, 150e6, true},
		{"a limit that is hardly met", stretch{took: 1000 * ms, bytes: 4_200_000, limited: 200 * ms, knows: true, busy: true}, 150e6, false},
	}
	for _, tt := range tests {
		if got := tt.s.slow(tt.left); got != tt.slow {
			t.Errorf("%s: slow is %v", tt.name, got)
		}
	}
}

func TestBusy(t *testing.T) {
	now, ok := readCPU()
	if !ok {
		t.Skip("this kernel does not tell")
	}
	if now.total <= 0 || now.idle < 0 || now.idle > now.total {
		t.Errorf("%+v", now)
	}
	if busySince(cpuTime{idle: now.idle - 500, total: now.total - 1000}) {
		t.Error("half of the time is left, and that is busy")
	}
	if !busySince(cpuTime{idle: now.idle, total: now.total - 1_000_000}) {
		t.Error("nothing is left, and that is not busy")
	}
}

func TestStreamsShareALimit(t *testing.T) {
	limit := NewLimiter(1e6)
	began := time.Now()
	var wg sync.WaitGroup
	for range 4 {
		s := Limit(&bufferStream{w: io.Discard}, nil, limit, NewLimiter(1e9))
		wg.Go(func() {
			if n, err := s.Write(make([]byte, 100_000)); n != 100_000 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
	wg.Wait()
	// The last step of each may go before its time has passed.
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("400 kB at 1 MB/s took %v", took)
	}
}

func TestClosedStreamWaitsForNoLimit(t *testing.T) {
	s := Limit(&bufferStream{w: io.Discard}, nil, NewLimiter(1))
	time.AfterFunc(20*time.Millisecond, func() { s.Close() })
	began := time.Now()
	if _, err := s.Write(make([]byte, 100_000)); !errors.Is(err, errLimitedClosed) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
