package eval

import (
	"sync"

	"muster/compile/syntax"
)

// A posID is the number of a position in a source text. Attributes carry one
// each, so it must be small. 0 is no position.
type posID uint32

// positions is the table of all positions of an evaluator, in blocks. Each
// block belongs to the lowering of one file, which fills it without locking.
type positions struct {
	mu     sync.RWMutex
	blocks []*positionBlock
}

type positionBlock struct {
	file  string
	lines [positionsPerBlock]struct{ line, col int32 }
}

const positionsPerBlock = 256

// block adds a block and returns it with the id of its first entry.
func (p *positions) block(file string) (*positionBlock, posID) {
	b := &positionBlock{file: file}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blocks = append(p.blocks, b)
	return b, posID((len(p.blocks) - 1) * positionsPerBlock)
}

// at returns the position with a number.
func (p *positions) at(id posID) syntax.Pos {
	if id == 0 {
		return syntax.Pos{}
	}
	p.mu.RLock()
	b := p.blocks[id/positionsPerBlock]
	p.mu.RUnlock()
	at := b.lines[id%positionsPerBlock]
	return syntax.NewPos(&b.file, int(at.line), int(at.col))
}

// A positionWriter assigns numbers to the positions of one file.
type positionWriter struct {
	table *positions
	block *positionBlock
	next  posID
	last  syntax.Pos
}

func (w *positionWriter) id(p syntax.Pos) posID {
	if !p.IsValid() {
		return 0
	}
	if p == w.last { // positions often repeat
		return w.next - 1
	}
	if w.block == nil || w.next%positionsPerBlock == 0 || w.block.file != p.File() {
		w.block, w.next = w.table.block(p.File())
		if w.next == 0 {
			w.next = 1 // 0 is no position
		}
	}
	at := &w.block.lines[w.next%positionsPerBlock]
	at.line, at.col = p.Line, p.Col
	w.last = p
	w.next++
	return w.next - 1
}

// positionOf returns the position of the code of a thunk, 0 if it has none.
func positionOf(n node) posID {
	switch n := n.(type) {
	case *call1:
		return n.pos
	case *callNode:
		return n.pos
	case *select1:
		if pos := positionOf(n.x); pos != 0 {
			return pos
		}
		return n.pos
	case *selectNode:
		return n.pos
	case *addNode:
		return n.pos
	case *arithmeticNode:
		return n.pos
	case *concatNode:
		return n.pos
	case *equalNode:
		return n.pos
	case *lessNode:
		return n.pos
	case *updateNode:
		return n.pos
	case *interpolation:
		return n.pos
	case *pathNode:
		return n.pos
	case *setNode:
		return n.pos
	case *withVariable:
		return n.pos
	case *placedVariable:
		return n.pos
	case *hereNode:
		return n.pos
	case *letNode:
		return positionOf(n.body)
	case *with:
		return positionOf(n.body)
	case *ifNode:
		return positionOf(n.cond.node)
	case *assertNode:
		return positionOf(n.cond.node)
	}
	return 0
}
