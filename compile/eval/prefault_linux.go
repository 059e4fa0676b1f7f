package eval

import (
	"sync"
	"syscall"
)

// The kernel hands out fresh memory page by page, with a page fault for each. In
// a short evaluation that allocates much, the faults take a quarter of the time.
// So the heap asks for memory by the block. The runtime maps memory in units of
// the same size; the kernel refuses to populate what is not mapped, which does no
// harm.
const prefaultBlock = 4 << 20

// madvPopulateWrite is MADV_POPULATE_WRITE of madvise(2), in Linux since 5.14;
// older kernels refuse it.
const madvPopulateWrite = 23

// prefaulted holds the blocks that were asked for already.
var prefaulted struct {
	sync.Mutex
	blocks map[uintptr]bool
}

// prefault has the kernel hand out the block at address p at once.
func prefault(p uintptr) {
	prefaulted.Lock()
	defer prefaulted.Unlock()
	if prefaulted.blocks[p] {
		return
	}
	if prefaulted.blocks == nil {
		prefaulted.blocks = map[uintptr]bool{}
	}
	prefaulted.blocks[p] = true
	syscall.Syscall(syscall.SYS_MADVISE, p, prefaultBlock, madvPopulateWrite)
}
