package schema

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync/atomic"
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

// limits are those of one evaluation.
type limits struct {
	time   time.Duration // CPU time of the evaluation's own thread
	memory int64         // bytes
	more   *atomic.Int64 // nanoseconds by which pieces that have ended extend time
}

// allowed returns the limits of the evaluation. Many megabytes of text get more
// time.
func (c *cueReader) allowed() limits {
	l := limits{c.limits.time, c.limits.memory, new(atomic.Int64)}
	if l.memory <= 0 {
		l.memory = evalMemory
	}
	if l.time > 0 {
		return l
	}
	size := int64(0)
	names, _ := filepath.Glob(filepath.Join(c.dir, "*.cue"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	l.time = evalTime + time.Duration(size/(3<<20))*evalTime
	return l
}

// A clock tells the CPU time of one thread, or of the process where the system
// does not tell that of threads. Limits count CPU time because wall time would
// make inventories fail on a busy machine, and that of the thread because a
// program may do other work beside.
type clock struct{ stat string }

// threadClock returns the clock of the calling thread.
func threadClock() clock {
	thread, err := os.Readlink("/proc/thread-self") // 4711/task/4712
	if err != nil {
		return clock{}
	}
	return clock{path.Join("/proc", thread, "stat")}
}

// now returns the CPU time that was used.
func (c clock) now() time.Duration {
	text, err := os.ReadFile(c.stat)
	if err == nil {
		// The name before the ) may have spaces. See proc_pid_stat(5).
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if len(fields) > 12 {
			user, err1 := strconv.Atoi(fields[11])
			system, err2 := strconv.Atoi(fields[12])
			if err1 == nil && err2 == nil {
				return time.Duration(user+system) * (time.Second / 100)
			}
		}
	}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// limited runs f and returns an error as soon as f exceeds a limit or panics, or
// the context ends. f may still be running then.
func limited(ctx context.Context, allowed limits, f func()) error {
	done, clocks := make(chan error, 1), make(chan clock, 1)
	go func() {
		runtime.LockOSThread() // the thread's time is that of f
		defer runtime.UnlockOSThread()
		clocks <- threadClock()
		defer func() {
			if x := recover(); x != nil {
				done <- fmt.Errorf("evaluator panics: %s", shorten(fmt.Sprint(x)))
			}
		}()
		f()
		done <- nil
	}()
	used := <-clocks
	started := used.now()
	heap, stack := memoryUse()
	over := heap + uint64(allowed.memory)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if used.now()-started > allowed.time+time.Duration(allowed.more.Load()) {
				return &limitError{fmt.Sprintf("takes more than %v of CPU time", allowed.time)}
			}
			now, deep := memoryUse()
			if now > over {
				return &limitError{fmt.Sprintf("needs more than %d MiB of memory", allowed.memory>>20)}
			}
			if deep > stack+evalStack {
				return &limitError{fmt.Sprintf("recurses too deeply: stacks exceed %d MiB", evalStack>>20)}
			}
		}
	}
}

// A limitError says which limit an evaluation exceeds.
type limitError struct{ what string }

func (e *limitError) Error() string { return e.what }

// memoryUse returns the bytes of the heap and of the stacks.
func memoryUse() (heap, stack uint64) {
	use := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(use)
	return use[0].Value.Uint64(), use[1].Value.Uint64()
}
