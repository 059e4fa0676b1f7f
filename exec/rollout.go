package exec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/schema"
)

// RollOut gives the plan's hosts their waves, as the fleet's rollout says:
// the control plane of a cluster first, each host in a wave of its own, then canaries,
// then batches, in the order of the rollout's selectors and
// then of the inventory. Hosts of one wave are activated side by side; a wave
// begins when all hosts of those before have ended.
func (p *Plan) RollOut(fleet *schema.Fleet) error {
	r := fleet.Rollout
	p.Rollout, p.Cluster = r, ClusterOf(fleet)
	o := ordering{fleet: fleet, plan: p, taken: make([]bool, len(p.Steps))}
	if r.Canaries != "" {
		if err := o.take(r.Canaries); err != nil {
			return err
		}
	}
	canaries := len(o.order)
	for _, selector := range r.Order {
		if err := o.take(selector); err != nil {
			return err
		}
	}
	o.takeRest()
	if err := p.giveHooks(fleet); err != nil {
		return err
	}
	masters, first, rest := p.controlPlaneFirst(o.order[:canaries], o.order[canaries:])
	size, err := batchSize(r.Batch, len(rest))
	if err != nil {
		return err
	}
	wave := 0
	for _, i := range masters {
		p.Steps[i].Wave = wave
		wave++
	}
	for _, i := range first {
		p.Steps[i].Wave = wave
	}
	if len(first) > 0 {
		wave++
	}
	for n, i := range rest {
		p.Steps[i].Wave = wave + n/size
	}
	p.order = slices.Concat(masters, first, rest)
	return nil
}

// An ordering is the order of a plan's steps, as it grows by selectors.
type ordering struct {
	fleet *schema.Fleet
	plan  *Plan
	taken []bool // by step
	order []int  // of steps
}

// take appends the steps of the hosts that a selector selects.
func (o *ordering) take(selector string) error {
	in, err := machinesOf(o.fleet, selector)
	if err != nil {
		return err
	}
	for i := range o.plan.Steps {
		if !o.taken[i] && in[o.plan.Steps[i].Host.MachineName()] {
			o.taken[i] = true
			o.order = append(o.order, i)
		}
	}
	return nil
}

// takeRest appends the steps that no selector has selected.
func (o *ordering) takeRest() {
	for i := range o.plan.Steps {
		if !o.taken[i] {
			o.order = append(o.order, i)
		}
	}
}

// giveHooks gives the steps of machines the rollout's hooks for them.
func (p *Plan) giveHooks(fleet *schema.Fleet) error {
	for _, h := range p.Rollout.Hooks {
		in, err := machinesOf(fleet, h.Hosts)
		if err != nil {
			return err
		}
		for i := range p.Steps {
			if s := &p.Steps[i]; in[s.Host.MachineName()] && s.Host.Profile == nil {
				s.Hooks = append(s.Hooks, h)
			}
		}
	}
	return nil
}

// machinesOf names the machines that a selector of the rollout selects.
func machinesOf(fleet *schema.Fleet, selector string) (map[string]bool, error) {
	hosts, err := schema.Select(fleet, selector)
	if err != nil {
		return nil, fmt.Errorf("rollout: %s: %w", selector, err)
	}
	in := map[string]bool{}
	for _, h := range hosts {
		in[h.Name] = true
	}
	return in, nil
}

// RollBack gives the plan what a rollback takes of the fleet's rollout: its hooks,
// its order, and how many hosts may be down at once. It has one wave: waves limit
// the damage of a new system, and one host that cannot go back does not keep the
// others from it.
func (p *Plan) RollBack(fleet *schema.Fleet) error {
	if err := p.RollOut(fleet); err != nil {
		return err
	}
	p.Rollout.Pause, p.Rollout.Confirm = 0, false
	for i := range p.Steps {
		p.Steps[i].Wave = 0
	}
	return nil
}

// batchSize reads "5" or "20%" of n hosts; "" is all of them. A share is
// rounded up.
func batchSize(batch string, n int) (int, error) {
	if batch == "" {
		return max(n, 1), nil
	}
	share, percent := strings.CutSuffix(batch, "%")
	size, err := strconv.Atoi(share)
	if err != nil || size < 1 {
		return 0, fmt.Errorf("rollout: batch %q: want a number of hosts, or a share such as 20%%", batch)
	}
	if percent {
		size = (n*size + 99) / 100
	}
	return max(size, 1), nil
}

// Waves returns the names of the hosts of each wave.
func (p *Plan) Waves() [][]string {
	var waves [][]string
	for _, i := range p.ordered() {
		s := &p.Steps[i]
		for len(waves) <= s.Wave {
			waves = append(waves, nil)
		}
		waves[s.Wave] = append(waves[s.Wave], s.Host.Name)
	}
	return waves
}

// ordered are the numbers of the steps in the order in which they are begun.
func (p *Plan) ordered() []int {
	if len(p.order) == len(p.Steps) {
		return p.order
	}
	order := make([]int, len(p.Steps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return p.Steps[a].Wave - p.Steps[b].Wave })
	return order
}
