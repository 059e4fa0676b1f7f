package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A memorySource has random archives and counts how often they are read.
type memorySource struct {
	archives map[store.Path][]byte
	reads    atomic.Int64
	bytes    atomic.Int64
	broken   error         // returned at the end of an archive
	stopped  chan struct{} // told when a reading ends early
}

func newMemorySource(t *testing.T, sizes ...int) (*memorySource, []nixserve.PathInfo) {
	s := &memorySource{archives: make(map[store.Path][]byte), stopped: make(chan struct{}, 100)}
	rnd := rand.NewChaCha8([32]byte{})
	var infos []nixserve.PathInfo
	for i, size := range sizes {
		p, err := store.TextPath("t", fmt.Sprint(i), nil)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, size)
		rnd.Read(b)
		s.archives[p] = b
		infos = append(infos, nixserve.PathInfo{Path: p, NARSize: int64(size), NARHash: store.HashBytes(store.SHA256, b)})
	}
	return s, infos
}

func (s *memorySource) Closure(context.Context, []store.Path) ([]nixserve.PathInfo, error) {
	return nil, nil
}

func (s *memorySource) NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	s.reads.Add(1)
	b := s.archives[info.Path]
	for len(b) > 0 {
		n := min(len(b), 50_000)
		if _, err := w.Write(b[:n]); err != nil {
			s.stopped <- struct{}{}
			return err
		}
		s.bytes.Add(int64(n))
		b = b[n:]
	}
	return s.broken
}

var someSizes = []int{100, chunkSize, chunkSize + 1, 3*chunkSize - 7, 10 * chunkSize, 96, 2_000_000}

func TestSharedArchivesAreReadOnce(t *testing.T) {
	src, infos := newMemorySource(t, someSizes...)
	shared := Share(src, 64<<20)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, info := range infos {
				var b bytes.Buffer
				if err := shared.NAR(context.Background(), info, &b); err != nil || !bytes.Equal(b.Bytes(), src.archives[info.Path]) {
					t.Errorf("%d of %d bytes, %v", b.Len(), info.NARSize, err)
				}
			}
		})
	}
	wg.Wait()
	if n := src.reads.Load(); n != int64(len(infos)) {
		t.Errorf("%d archives were read %d times", len(infos), n)
	}
}

// With little memory everything still arrives, with more readings.
func TestSharedWithLittleMemory(t *testing.T) {
	src, infos := newMemorySource(t, someSizes...)
	const limit = 3 * chunkSize
	shared := Share(src, limit)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 0))
			for range 5 {
				info := infos[rnd.IntN(len(infos))]
				var b bytes.Buffer
				if err := shared.NAR(context.Background(), info, &b); err != nil || !bytes.Equal(b.Bytes(), src.archives[info.Path]) {
					t.Errorf("%d of %d bytes, %v", b.Len(), info.NARSize, err)
				}
				shared.mu.Lock()
				if shared.used > limit+chunkSize {
					t.Errorf("%d bytes are kept, %d are allowed", shared.used, limit)
				}
				shared.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// A blockingWriter takes some bytes, and then blocks until it is released.
type blockingWriter struct {
	bytes.Buffer
	free    int
	release chan struct{}
	blocks  chan struct{} // closed when it blocks
	once    sync.Once
}

func (w *blockingWriter) Write(p []byte) (int, error) {
	if w.Len() > w.free {
		w.once.Do(func() { close(w.blocks) })
		<-w.release
	}
	return w.Buffer.Write(p)
}

func TestSlowHostDoesNotSlowTheOthers(t *testing.T) {
	src, infos := newMemorySource(t, 40*chunkSize)
	shared := Share(src, 4*chunkSize)
	slow := &blockingWriter{free: 2 * chunkSize, release: make(chan struct{}), blocks: make(chan struct{})}
	slowDone := make(chan error)
	go func() { slowDone <- shared.NAR(context.Background(), infos[0], slow) }()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			var b bytes.Buffer
			if err := shared.NAR(context.Background(), infos[0], &b); err != nil || !bytes.Equal(b.Bytes(), src.archives[infos[0].Path]) {
				t.Errorf("fast host: %d bytes, %v", b.Len(), err)
			}
		})
	}
	wg.Wait() // hangs if the slow one holds them up
	close(slow.release)
	if err := <-slowDone; err != nil || !bytes.Equal(slow.Bytes(), src.archives[infos[0].Path]) {
		t.Errorf("slow host: %d bytes, %v", slow.Len(), err)
	}
}

func TestSharedHoldsBackTheEndOfABrokenArchive(t *testing.T) {
	for _, size := range []int{100, chunkSize, 5 * chunkSize} {
		src, infos := newMemorySource(t, size)
		src.broken = nixserve.ErrCorrupt
		shared := Share(src, 64<<20)
		var b bytes.Buffer
		if err := shared.NAR(context.Background(), infos[0], &b); !errors.Is(err, nixserve.ErrCorrupt) {
			t.Errorf("got %v", err)
		}
		if b.Len() >= size {
			t.Errorf("all %d bytes were given out", size)
		}
		src.broken = nil // repaired
		b.Reset()
		if err := shared.NAR(context.Background(), infos[0], &b); err != nil || b.Len() != size {
			t.Errorf("after a repair: %d bytes, %v", b.Len(), err)
		}
	}
}

func TestReadingGoesOnWithoutItsFirstHost(t *testing.T) {
	src, infos := newMemorySource(t, 20*chunkSize)
	shared := Share(src, 64<<20)
	ctx, cancel := context.WithCancel(context.Background())
	first := &blockingWriter{free: chunkSize, release: make(chan struct{}), blocks: make(chan struct{})}
	firstDone := make(chan error)
	go func() { firstDone <- shared.NAR(ctx, infos[0], first) }()

	secondCtx, cancelSecond := context.WithCancel(context.Background())
	second := &blockingWriter{free: 10 * chunkSize, release: make(chan struct{}), blocks: make(chan struct{})}
	secondDone := make(chan error)
	go func() { secondDone <- shared.NAR(secondCtx, infos[0], second) }()
	<-first.blocks
	<-second.blocks
	cancel()
	close(first.release)
	if err := <-firstDone; !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
	var b bytes.Buffer
	if err := shared.NAR(context.Background(), infos[0], &b); err != nil || !bytes.Equal(b.Bytes(), src.archives[infos[0].Path]) {
		t.Errorf("third: %d bytes, %v", b.Len(), err)
	}
	cancelSecond()
	close(second.release)
	<-secondDone
	if n := src.reads.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
}

func TestReadingEndsWithItsLastHost(t *testing.T) {
	src, infos := newMemorySource(t, 100*chunkSize)
	shared := Share(src, 64<<20)
	broken := errors.New("broken pipe")
	r, w := io.Pipe()
	r.CloseWithError(broken)
	if err := shared.NAR(context.Background(), infos[0], w); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	select {
	case <-src.stopped:
	case <-time.After(2 * time.Minute):
		t.Fatal("the reading goes on")
	}
	if n := src.bytes.Load(); n > 20*chunkSize {
		t.Errorf("%d bytes were read for nobody", n)
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.used != 0 || len(shared.current) != 0 {
		t.Errorf("%d bytes and %d readings are left", shared.used, len(shared.current))
	}
}

func TestSharedCopyToManyHosts(t *testing.T) {
	from, top := builtClosure(t)
	src := Share(from.local(), 64<<20)
	var wg sync.WaitGroup
	stores := make([]testStore, 3)
	for i := range stores {
		stores[i] = newStore(t)
		dst := stores[i].client()
		wg.Go(func() {
			if stats, err := copyClosure(context.Background(), src, dst, []store.Path{top}, Options{}); err != nil || stats.Sent != 60 {
				t.Errorf("host %d: %+v, %v", i, stats, err)
			}
		})
	}
	wg.Wait()
	for _, s := range stores {
		s.Verify()
	}
}
