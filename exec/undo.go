package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"muster/exec/host"
)

// What a rollback goes back to.
//
// Each host keeps a list of the deployments that were confirmed on it, rollbacks
// among them. A rollback undoes the last deployment: the newest, by its run, of
// those that the chosen hosts could undo. Hosts that it changed go to what they
// ran before; the others are left alone. So all hosts are inspected before any
// goes back.
//
//	hosts   deployments           first rollback undoes R3   second undoes R2   third undoes R1
//	a       R1 1→2  R2 2→3        left alone                 3→2                2→1
//	b       R1 1→2  R3 2→3        3→2                        left alone         2→1
//
// A rollback takes the deployments that it undoes off the list, so the next one
// goes further back; it never undoes a rollback. A rollback to a newer generation,
// named with --to, counts as a deployment.
//
// Hosts that have no such list go to the generation before the current one, if
// that is so for all chosen hosts. If not, the last deployment is not theirs.

// An undoable is a deployment that a host can undo, with what was before.
type undoable struct {
	host.Deployment
	after int // the profile's generation afterwards
}

// undoables are the deployments that a host can undo, newest last.
func undoables(h *host.History) []undoable {
	var list []undoable
	for _, d := range h.Deployments {
		after := d.Generation.Number
		if after == 0 {
			after = d.Former.Number
		}
		if isReturn(&d, after, list) {
			list = list[:returnsTo(after, list)]
			continue
		}
		list = append(list, undoable{d, after})
	}
	return list
}

// isReturn reports whether a recorded deployment took the host back. Nix numbers
// generations upwards, so that only a rollback ends on a lower one. One that
// undoes a test ends on the generation that the test left in place.
func isReturn(d *host.Deployment, after int, before []undoable) bool {
	if after != d.Former.Number || len(before) == 0 {
		return after < d.Former.Number
	}
	last := &before[len(before)-1]
	return d.Generation.System == d.Former.System && last.after == last.Former.Number && last.after == after &&
		d.RanBefore == last.Generation.System
}

// returnsTo is how many deployments are left on the list when the host returns
// to a generation.
func returnsTo(number int, list []undoable) int {
	for i := len(list) - 1; i >= 0; i-- {
		switch number {
		case list[i].Former.Number:
			return i
		case list[i].after:
			return i + 1
		}
	}
	return 0
}

// An undo is the decision of a rollback: which deployment it undoes.
type undo struct {
	sink Sink

	mu     sync.Mutex
	run    string // "" while no host has one
	who    string
	told   bool
	joined map[string]bool // hosts that can undo run
	missed int             // hosts that could not be asked
}

// consider takes up what a host can undo. A decision that was made by an earlier
// attempt stands: fixed is the run that it undoes.
func (u *undo) consider(name string, h *host.History, fixed string) {
	list := undoables(h)
	if len(list) == 0 {
		return
	}
	last := list[len(list)-1]
	u.mu.Lock()
	defer u.mu.Unlock()
	if fixed != "" && last.Run != fixed || last.Run < u.run {
		return
	}
	if last.Run > u.run {
		u.run, u.who, u.joined = last.Run, last.Who, map[string]bool{}
	}
	u.joined[name] = true
}

// miss counts a host that could not be asked.
func (u *undo) miss() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.missed++
}

// decide returns the run that is undone, "" for none, and tells of it once. All
// hosts have been considered.
func (u *undo) decide(fixed string) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.run != "" && !u.told {
		u.told = true
		u.sink(UndoChosen{Run: u.run, Who: u.who, Hosts: len(u.joined), NotReached: u.missed})
	}
	if fixed != "" {
		return fixed
	}
	return u.run
}

// A way is where a rollback takes one host.
type way struct {
	to    host.Generation
	leave string // why the host is left alone; "" where it is not
}

// wayBack finds where the host goes: to the generation that the plan names, or
// back by the deployment that is undone. It waits until all hosts have been
// inspected.
func wayBack(ctx context.Context, j *job) (way, error) {
	h, p := &j.seen.History, j.run.plan
	if p.Generation != 0 {
		to, err := numbered(h, p.Generation)
		if err == nil && isOn(j, to) {
			return way{to: to, leave: fmt.Sprintf("already on generation %d", to.Number)}, nil
		}
		return way{to: to}, err
	}
	if err := j.run.waves.awaitSurvey(ctx); err != nil {
		return way{}, err
	}
	if n := len(h.Deployments); n > 0 && h.Deployments[n-1].Run == j.run.opts.Run {
		return way{leave: "already rolled back by this run"}, nil
	}
	run, list := j.run.undo.decide(p.Undo), undoables(h)
	switch {
	case run == "":
		to, err := beforeCurrent(h)
		return way{to: to}, err
	case len(list) == 0 || list[len(list)-1].Run != run:
		return way{leave: "not changed by run " + run}, nil
	}
	last := list[len(list)-1]
	if err := unchangedSince(&last, j.out.Before); err != nil {
		return way{}, err
	}
	to, err := undone(h, list)
	if err == nil && isOn(j, to) {
		return way{to: to, leave: fmt.Sprintf("already on generation %d", to.Number)}, nil
	}
	return way{to: to}, err
}

// isOn reports whether the host runs a generation and would boot it.
func isOn(j *job, g host.Generation) bool {
	return g.Current && j.out.Before.Current == g.System && !j.hasGuard()
}

// unchangedSince fails where the host's profile is no longer what the deployment
// made of it: what changed it since would be undone unseen.
func unchangedSince(d *undoable, now host.State) error {
	if now.Generation.Number == d.after {
		return nil
	}
	return fmt.Errorf("changed since by other means: run %s left generation %d, and it is on %s; name one with --to", d.Run, d.after, now)
}

// undone is the generation that the host ran before the last deployment of the
// list. One that was never confirmed is passed over for what was confirmed
// before it.
func undone(h *host.History, list []undoable) (host.Generation, error) {
	d := &list[len(list)-1]
	if d.Former.Number == 0 {
		return host.Generation{}, fmt.Errorf("no generation before %d to go back to: run %s was the first deployment of the host", max(d.after, 1), d.Run)
	}
	to, ok := ranBefore(h, d)
	if !ok {
		return host.Generation{}, fmt.Errorf("generation %d, which it had before run %s, is gone: the host has %s", d.Former.Number, d.Run, numbers(h.Generations))
	}
	if !h.IsRejected(to) {
		return to, nil
	}
	for _, earlier := range slices.Backward(list[:len(list)-1]) {
		if g, ok := findGeneration(h, earlier.Generation); ok && !h.IsRejected(g) {
			return g, nil
		}
	}
	return beforeRejected(h, to)
}

// ranBefore is the generation whose system ran before a deployment: the profile's
// former one or, where another system ran, the newest of that system up to there.
func ranBefore(h *host.History, d *undoable) (host.Generation, bool) {
	if d.RanBefore != "" && d.RanBefore != d.Former.System {
		for _, g := range slices.Backward(h.Generations) {
			if g.System == d.RanBefore && g.Number <= d.Former.Number {
				return g, true
			}
		}
	}
	return findGeneration(h, d.Former)
}

// findGeneration finds a recorded generation in the profile. Its number may be
// another's now, and its system under another number.
func findGeneration(h *host.History, want host.Generation) (host.Generation, bool) {
	found, ok := host.Generation{}, false
	for _, g := range h.Generations {
		if g.System == want.System {
			if g.Number == want.Number {
				return g, true
			}
			found, ok = g, true
		}
	}
	return found, ok
}

// beforeCurrent is the generation before the current one, for a host without a
// list of deployments. Generations that are known as never confirmed are passed
// over: those rejected and, where an older muster kept a list of systems, those
// that are not in it while one further back is.
func beforeCurrent(h *host.History) (host.Generation, error) {
	i := slices.IndexFunc(h.Generations, func(g host.Generation) bool { return g.Current })
	if i < 0 {
		return host.Generation{}, errors.New("the system profile points to none of its generations")
	}
	return lastConfirmed(h, h.Generations[:i], h.Generations[i].Number)
}

// beforeRejected is the last generation before one that was rejected.
func beforeRejected(h *host.History, rejected host.Generation) (host.Generation, error) {
	i := slices.IndexFunc(h.Generations, func(g host.Generation) bool { return g.Number >= rejected.Number })
	return lastConfirmed(h, h.Generations[:max(i, 0)], rejected.Number)
}

func lastConfirmed(h *host.History, gens []host.Generation, before int) (host.Generation, error) {
	var last host.Generation
	for _, g := range slices.Backward(gens) {
		if h.IsRejected(g) {
			continue
		}
		if last.Number == 0 {
			last = g
		}
		if slices.Contains(h.Confirmed, g.System) {
			return g, nil
		}
	}
	switch {
	case last.Number != 0:
		return last, nil
	case len(gens) > 0:
		return host.Generation{}, fmt.Errorf("no confirmed generation before %d to go back to: the host has %s", before, numbers(h.Generations))
	}
	return host.Generation{}, fmt.Errorf("no generation before %d to go back to", before)
}

// numbered is the generation of a number.
func numbered(h *host.History, n int) (host.Generation, error) {
	i := slices.IndexFunc(h.Generations, func(g host.Generation) bool { return g.Number == n })
	if i < 0 {
		return host.Generation{}, fmt.Errorf("no generation %d: the host has %s", n, numbers(h.Generations))
	}
	return h.Generations[i], nil
}

func numbers(gens []host.Generation) string {
	if len(gens) == 0 {
		return "none"
	}
	var texts []string
	for _, g := range gens {
		texts = append(texts, strconv.Itoa(g.Number))
	}
	return strings.Join(texts, ", ")
}
