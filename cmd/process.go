package cmd

import (
	"os"
	"runtime"
	"runtime/debug"
)

// This file is the one place that sets what holds for the whole process.

// narrow has Go use half of the processors until widen is called. A run waits for
// hosts, and every packet from them wakes it; on more processors Go spends more on
// passing that work between threads than on the work. Measured on two, copying to
// eight hosts: six times as many context switches, a third more processor time.
// One processor carries some 1 GB/s of SSH. GOMAXPROCS in the environment prevails.
func narrow() (widen func()) {
	if os.Getenv("GOMAXPROCS") != "" {
		return func() {}
	}
	all := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS((all + 1) / 2)
	return func() { runtime.GOMAXPROCS(all) }
}

// limitMemory has Go collect garbage near a limit in bytes, so that garbage does
// not count towards it. 0 is no limit.
func limitMemory(most int64) {
	if most > 0 {
		debug.SetMemoryLimit(most)
	}
}

// setenv sets an environment variable, for the programs that muster runs too,
// until undo is called.
func setenv(name, value string) (undo func()) {
	before, existed := os.LookupEnv(name)
	os.Setenv(name, value)
	return func() {
		if existed {
			os.Setenv(name, before)
		} else {
			os.Unsetenv(name)
		}
	}
}
