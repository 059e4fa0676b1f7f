package transfer

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// A distantFake is a server with a known round trip time.
type distantFake struct {
	*storelab.Fake
	roundTrip time.Duration
}

func (d distantFake) RoundTrip() (time.Duration, bool) { return d.roundTrip, true }

// A server that reads everything and confirms nothing is sent no more than the window; and the rest once it answers. The
// sender does not wait for one that has ended.
func TestWindow(t *testing.T) {
	const paths = 1500 // of 1000 bytes
	tests := []struct {
		name        string
		roundTrip   time.Duration
		dies        bool
		least, most int64
	}{
		{"near", 0, false, minWindow, minWindow + minWindow/2},
		{"a little away", 5 * time.Millisecond, false, 700 << 10, 1200 << 10},
		{"far", 50 * time.Millisecond, false, paths * 1000, 1 << 30},
		{"near, and it dies", 0, true, minWindow, minWindow + minWindow/2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got atomic.Int64
			answer := make(chan bool)
			f := storelab.Serve(t, storelab.Greeted(func(in *bufio.Reader, out io.Writer) (string, int) {
				drained := make(chan bool)
				go func() {
					defer close(drained)
					for b := make([]byte, 4096); ; {
						n, err := in.Read(b)
						got.Add(int64(n))
						if err != nil {
							return
						}
					}
				}()
				<-answer
				if tt.dies {
					return "error: disk full", 1
				}
				out.Write(bytes.Repeat(storelab.Words(1), paths))
				<-drained
				return "", 0
			}))
			stream := distantFake{f, tt.roundTrip}
			c, err := nixserve.New(context.Background(), stream)
			if err != nil {
				t.Fatal(err)
			}
			src, infos := newMemorySource(t, slices.Repeat([]int{1000}, paths)...)
			result := make(chan error)
			go func() {
				_, err := c.Send(context.Background(), infos, src.NAR, newWindow(stream, func(nixserve.PathInfo) {}))
				result <- err
			}()
			for deadline := time.Now().Add(2 * time.Minute); got.Load() < tt.least && time.Now().Before(deadline); {
				time.Sleep(10 * time.Millisecond)
			}
			time.Sleep(100 * time.Millisecond) // for more, should it come
			if n := got.Load(); n < tt.least || n > tt.most {
				t.Errorf("%d bytes were sent ahead, want %d to %d", n, tt.least, tt.most)
			}
			close(answer)
			select {
			case err := <-result:
				if (err != nil) != tt.dies {
					t.Error(err)
				}
			case <-time.After(2 * time.Minute):
				t.Error("it still waits")
			}
			c.Close()
		})
	}
}
