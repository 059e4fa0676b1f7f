package schema

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime/metrics"
	"syscall"
	"time"
)

// The limits of one evaluation. CUE's evaluator cannot be cancelled, so an
// evaluation that exceeds a limit is abandoned and keeps running until the
// program exits.
const (
	evalTime   = 7 * time.Second // CPU time
	evalMemory = 1400 << 20      // bytes of heap
	evalStack  = 128 << 20       // bytes of stacks
)

// allowed returns the CPU time an evaluation may take. Many megabytes of text
// get more.
func (c *cueReader) allowed() time.Duration {
	if c.time > 0 {
		return c.time
	}
	size := int64(0)
	names, _ := filepath.Glob(filepath.Join(c.dir, "*.cue"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	return evalTime + time.Duration(size/(3<<20))*evalTime
}

// cpuTime returns the CPU time the process has used. Limits count CPU time
// because wall time would make inventories fail on a busy machine.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// limited runs f and returns an error as soon as f exceeds a limit or panics, or
// the context ends. f may still be running then.
func limited(ctx context.Context, allowed time.Duration, f func()) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if x := recover(); x != nil {
				done <- fmt.Errorf("evaluator panics: %s", shorten(fmt.Sprint(x)))
			}
		}()
		f()
		done <- nil
	}()
	use := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(use)
	heap, stack := use[0].Value.Uint64(), use[1].Value.Uint64()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	started := cpuTime()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if cpuTime()-started > allowed {
				return fmt.Errorf("takes more than %v of CPU time", allowed)
			}
			metrics.Read(use)
			if use[0].Value.Uint64() > heap+evalMemory {
				return fmt.Errorf("needs more than %d MiB of memory", evalMemory>>20)
			}
			if use[1].Value.Uint64() > stack+evalStack {
				return fmt.Errorf("recurses too deeply: stacks exceed %d MiB", evalStack>>20)
			}
		}
	}
}
