package report

import (
	"fmt"
	"slices"
	"time"

	"muster/exec/human"
)

// An axis says where moments are on the time line, in hundredths of its width. Stretches
// in which nothing was done on any host, such as a pause between waves or the night
// before a run was resumed, are cut short.
type axis struct {
	began    time.Time
	busy     []stretch
	width    time.Duration // of all stretches and the cuts between them
	cutWidth time.Duration // of one cut
}

// A stretch is a time in which something was done.
type stretch struct{ from, to time.Time }

// minCut is the shortest time without work that is cut.
const minCut = 20 * time.Second

// newAxis returns the axis of stages that are over, or go on until now.
func newAxis(began time.Time, hosts []*host) *axis {
	all := []stretch{{began, began}}
	for _, h := range hosts {
		for _, s := range h.stages {
			all = append(all, stretch{s.from, s.to})
		}
	}
	slices.SortFunc(all, func(a, b stretch) int { return a.from.Compare(b.from) })
	a := &axis{began: began}
	var work time.Duration
	for _, s := range all {
		n := len(a.busy)
		if n == 0 || s.from.After(a.busy[n-1].to) {
			a.busy = append(a.busy, s)
			continue
		}
		if s.to.After(a.busy[n-1].to) {
			a.busy[n-1].to = s.to
		}
	}
	for _, s := range a.busy {
		work += s.to.Sub(s.from)
	}
	// What is not worth a cut belongs to the stretch before it.
	least := max(minCut, work/8)
	joined := a.busy[:1]
	for _, s := range a.busy[1:] {
		if last := &joined[len(joined)-1]; s.from.Sub(last.to) < least {
			last.to = s.to
		} else {
			joined = append(joined, s)
		}
	}
	a.busy = joined
	for _, s := range a.busy {
		a.width += s.to.Sub(s.from)
	}
	a.cutWidth = a.width / 25
	a.width += a.cutWidth * time.Duration(len(a.busy)-1)
	if a.width <= 0 {
		a.width = time.Millisecond
	}
	return a
}

// at is where a moment is.
func (a *axis) at(t time.Time) float64 {
	var before time.Duration
	for i, s := range a.busy {
		if t.Before(s.from) {
			break
		}
		if i > 0 {
			before += a.cutWidth
		}
		if !t.After(s.to) {
			before += t.Sub(s.from)
			break
		}
		before += s.to.Sub(s.from)
	}
	return min(100, 100*float64(before)/float64(a.width))
}

// A tick is a mark on the axis.
type tick struct {
	At   float64
	Text string
}

// ticks are about five round moments, at some distance from each other.
func (a *axis) ticks() []tick {
	step := roundStep(a.width / 5)
	var list []tick
	for _, s := range a.busy {
		first := s.from.Sub(a.began)
		for d := (first + step - 1) / step * step; d <= s.to.Sub(a.began); d += step {
			at := a.at(a.began.Add(d))
			if n := len(list); n > 0 && at-list[n-1].At < 10 || at > 96 {
				continue
			}
			list = append(list, tick{at, elapsed(d)})
		}
	}
	return list
}

// cuts are where the axis is cut, and for how long nothing was done there.
func (a *axis) cuts() []tick {
	var list []tick
	for i, s := range a.busy[1:] {
		before := a.busy[i].to
		list = append(list, tick{a.at(before) + 50*float64(a.cutWidth)/float64(a.width), human.Duration(s.from.Sub(before).Round(time.Second))})
	}
	return list
}

// roundStep is the first round duration that is not shorter.
func roundStep(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond} {
		for _, n := range []time.Duration{1, 2, 5} {
			if n*unit >= d {
				return n * unit
			}
		}
	}
	for _, s := range []time.Duration{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 4 * 3600, 12 * 3600} {
		if s*time.Second >= d {
			return s * time.Second
		}
	}
	return d.Round(24 * time.Hour)
}

// elapsed is a time since the beginning of the run, as the axis has it.
func elapsed(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute && d%time.Second == 0:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return human.Duration(d)
}
