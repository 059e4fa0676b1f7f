package transfer

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A bufferStream is a Stream whose far end is a writer.
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
	// The limit lets one step through at once: the last may be written before its time has passed.
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
	if took := time.Since(began); took > 2*time.Minute {
		t.Errorf("it took %v", took)
	}
}
