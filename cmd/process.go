package cmd

import (
	"runtime/debug"

	"muster/compile/eval"
)

// This file holds what changes the whole process. Only cmd may do that, for it
// knows what else runs.

// limitMemory has Go collect garbage more often as the process nears a number of
// bytes, so that the limit of an evaluation counts what is in use. 0 is no limit.
func limitMemory(bytes int64) {
	if bytes > 0 {
		debug.SetMemoryLimit(bytes)
	}
}

// collectFrom is the size of the heap at which an evaluation begins to collect
// garbage. Most evaluations end before.
const collectFrom = 512 << 20

// holdCollector keeps the garbage collector from running during an evaluation
// until the heap has grown to collectFrom.
func holdCollector() (undo func()) { return eval.HoldCollector(collectFrom) }
