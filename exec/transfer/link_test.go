package transfer

import (
	"bytes"
	"context"
	"fmt"
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

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
)

// link is a Link to the store, with zstd. opened counts its sessions.
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

// addText adds a text of so many lines, which compresses to a few per cent.
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
	if _, err := copyClosure(ctx, src, plain.client(), []store.Path{top, big}, Options{}); err != nil {
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
	l.Limits = []*Limiter{NewLimiter(4e6)} // far less than a busy machine sends
	var last Progress
	dst, stats, err := l.Copy(context.Background(), Share(from.local(), 64<<20), []store.Path{top, big},
		Options{Progress: func(p Progress) { last = p }})
	if err != nil || !stats.Compressed || stats.Sent != 61 || stats.SentBytes != stats.MissingBytes {
		t.Fatalf("%+v, %v", stats, err)
	}
	defer dst.Close()
	if opened.Load() != 3 {
		t.Errorf("%d sessions, want the first, one that holds the locks, and one for the rest", opened.Load())
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

func TestSlowCopyWithoutZstdStaysUncompressed(t *testing.T) {
	from := newStore(t)
	big := from.addText("big", 400_000)
	to := newStore(t)
	l := &Link{
		Serve:           func(context.Context) (nixserve.Stream, error) { return to.Serve(), nil },
		ServeCompressed: func(context.Context) (nixserve.Stream, error) { return nil, ErrNoZstd },
		Limits:          []*Limiter{NewLimiter(20e6)},
	}
	for _, compression := range []Compression{CompressAuto, CompressAlways} {
		dst, stats, err := l.Copy(context.Background(), from.local(), []store.Path{big}, Options{Compression: compression})
		if err != nil || stats.Compressed || stats.Sent != 1 {
			t.Fatalf("%+v, %v", stats, err)
		}
		dst.Close()
		to.Verify()
		to.Run("nix-store", "--gc")
	}
}

// Compression does not help a slow receiver.
func TestSlowReceiverIsSentUncompressed(t *testing.T) {
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
