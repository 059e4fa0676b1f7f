package exec

import "sync"

// A machineChain has the steps of one machine done one after another, in the plan's
// order: its system, then each of its profiles. A step whose predecessor has failed is
// not begun. That is for actions that change what runs.
type machineChain struct {
	before []int // the step that each comes after; -1 for none

	mu      sync.Mutex
	done    map[int]bool // steps that have ended, and whether all is well
	waiting map[int]func(ok bool)
}

func newChain(p *Plan) *machineChain {
	c := &machineChain{before: make([]int, len(p.Steps)), done: map[int]bool{}, waiting: map[int]func(bool){}}
	last := map[string]int{}
	for i := range p.Steps {
		c.before[i] = -1
		if p.Action != Switch && p.Action != Rollback {
			continue
		}
		machine := p.Steps[i].Host.MachineName()
		if b, ok := last[machine]; ok {
			c.before[i] = b
		}
		last[machine] = i
	}
	return c
}

// after calls begin when the step before step i has ended: now, or from ended.
func (c *machineChain) after(i int, begin func(ok bool)) {
	b := c.before[i]
	c.mu.Lock()
	ok, ended := c.done[b]
	if b >= 0 && !ended {
		c.waiting[b] = begin
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	begin(b < 0 || ok)
}

// ended says that a step has ended.
func (c *machineChain) ended(i int, ok bool) {
	c.mu.Lock()
	c.done[i] = ok
	next := c.waiting[i]
	delete(c.waiting, i)
	c.mu.Unlock()
	if next != nil {
		next(ok)
	}
}
