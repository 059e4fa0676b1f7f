package eval

import (
	"sync"

	"muster/compile/syntax"
)

// A posID stands for a place in a source text: attributes carry one each, so it
// must be small. 0 is no place.
type posID uint32

// positions is the table of all places of an evaluator, in blocks. Whoever
// lowers a file fills blocks of its own.
type positions struct {
	mu     sync.RWMutex
	blocks []*[positionsPerBlock]syntax.Pos
}

const positionsPerBlock = 1024

// block adds a block and returns it with the id of its first entry.
func (p *positions) block() (*[positionsPerBlock]syntax.Pos, posID) {
	b := new([positionsPerBlock]syntax.Pos)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocks = append(p.blocks, b)
	return b, posID((len(p.blocks) - 1) * positionsPerBlock)
}

// at returns the place id stands for.
func (p *positions) at(id posID) syntax.Pos {
	if id == 0 {
		return syntax.Pos{}
	}
	p.mu.RLock()
	b := p.blocks[id/positionsPerBlock]
	p.mu.RUnlock()
	return b[id%positionsPerBlock]
}

// A positionWriter gives out ids for the places of one file.
type positionWriter struct {
	table *positions
	block *[positionsPerBlock]syntax.Pos
	next  posID
	last  syntax.Pos
}

func (w *positionWriter) id(p syntax.Pos) posID {
	if !p.IsValid() {
		return 0
	}
	if p == w.last { // the same place is often asked for twice in a row
		return w.next - 1
	}
	if w.block == nil || w.next%positionsPerBlock == 0 {
		w.block, w.next = w.table.block()
		if w.next == 0 {
			w.next = 1 // 0 is no place
		}
	}
	w.block[w.next%positionsPerBlock] = p
	w.last = p
	w.next++
	return w.next - 1
}
