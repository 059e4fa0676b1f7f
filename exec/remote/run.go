package remote

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	quietLimit = 2 * time.Second // without output, after a command has ended
	drainLimit = 5 * time.Minute // for all output that comes after a command has ended
)

// run feeds a started command and collects its output.
func (s *Stream) run(c Command) error {
	go func() {
		if c.Stdin != nil {
			io.Copy(s.Stdin, c.Stdin)
		}
		s.Stdin.Close()
	}()
	out := &outputGate{w: c.Stdout}
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		io.Copy(out, s.Stdout)
	}()
	select {
	case <-s.exited:
		s.drain(out)
	case <-s.closed:
	case <-s.aborted:
	}
	select {
	case <-s.aborted: // the channel may still be open
	case <-copied:
	}
	err := s.Wait()
	out.close()
	if err == nil {
		if err = errors.Join(out.err, s.stderrOut.err); err != nil {
			err = fmt.Errorf("%s: write its output: %w", s.command, err)
		}
	}
	return err
}

// drain waits for the remaining output of a command that has ended, and closes the session when none comes any more: a
// process that the command has left in the background can hold the pipe open for ever.
func (s *Stream) drain(out *outputGate) {
	tick := time.NewTicker(quietLimit)
	defer tick.Stop()
	end := time.Now().Add(s.machine.drainLimit)
	before := int64(-1)
	for {
		select {
		case <-s.closed:
			return
		case <-s.aborted:
			return
		case <-tick.C:
			now := out.moved.Load() + s.stderrOut.moved.Load()
			quiet := now == before && !out.busy.Load() && !s.stderrOut.busy.Load()
			if quiet || time.Now().After(end) {
				go s.channel.Close()
				return
			}
			before = now
		}
	}
}

// An outputGate passes output to a writer until it is closed, so that nothing is written after a caller has gone on. After
// the writer has failed, output is dropped, which lets the command go on.
type outputGate struct {
	mu     sync.Mutex
	w      io.Writer // nil drops all
	closed bool
	err    error        // of the writer
	moved  atomic.Int64 // bytes
	busy   atomic.Bool  // a write is in progress
}

func (g *outputGate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.w != nil && !g.closed && g.err == nil {
		g.busy.Store(true)
		_, g.err = g.w.Write(p)
		g.busy.Store(false)
	}
	g.moved.Add(int64(len(p)))
	return len(p), nil
}

func (g *outputGate) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
}
