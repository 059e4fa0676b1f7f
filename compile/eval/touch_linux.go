package eval

import (
	"sync"
	"syscall"
)

// Memory that the kernel hands out page by page costs a fault for each, which
// is a quarter of the time of an evaluation that is short and makes much. So
// the heap is asked for in blocks: the runtime maps it in units of as much, and
// what it has not mapped the kernel refuses, which does no harm.
const touchBlock = 4 << 20

// madvPopulateWrite is MADV_POPULATE_WRITE of madvise(2), in Linux since 5.14;
// older ones refuse it.
const madvPopulateWrite = 23

// touched are the blocks that were asked for already.
var touched struct {
	sync.Mutex
	blocks map[uintptr]bool
}

// touch has the kernel hand out the block at address p at once.
func touch(p uintptr) {
	touched.Lock()
	defer touched.Unlock()
	if touched.blocks[p] {
		return
	}
	if touched.blocks == nil {
		touched.blocks = map[uintptr]bool{}
	}
	touched.blocks[p] = true
	syscall.Syscall(syscall.SYS_MADVISE, p, touchBlock, madvPopulateWrite)
}
