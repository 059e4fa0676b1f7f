package eval

import (
	"sync"
	"sync/atomic"

	"muster/compile/store"
)

// readable says what of the store may be read in pure mode: what the evaluation has
// copied, fetched or built. What it has built may refer to anything.
type readable struct {
	paths sync.Map // true by store.Path
	built atomic.Bool
}

// mayReadStore reports whether a path in the store may be read in pure mode.
func (ev *Evaluator) mayReadStore(p string) bool {
	if ev.readable.built.Load() {
		return true
	}
	sp, _, err := store.SplitPath(p)
	if err != nil {
		return false
	}
	if _, ok := ev.readable.paths.Load(sp); ok {
		return true
	}
	_, ours := ev.Source(sp)
	return ours
}

// found returns a store path that is in the store already, as a string that refers to
// it. The program has named its hash, so it may read it.
func (th *thread) found(p store.Path) value {
	th.ev.readable.paths.Store(p, true)
	return storeString(p)
}
