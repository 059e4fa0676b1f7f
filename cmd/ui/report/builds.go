package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/exec"
	"muster/exec/human"
)

// builds are the derivations that a run has built.
type builds struct {
	builders []*builder
	longest  []exec.BuildEnded // at most mostBuilds, the longest first
}

// A builder is a machine that has built, or that was left out.
type builder struct {
	url    string // "" is the machine where muster runs
	built  int
	failed int
	took   time.Duration // of all builds together
	lost   []string      // why it was left out, and for what
}

// mostBuilds is how many derivations are listed.
const mostBuilds = 30

// add takes up an event, and reports whether it is one about builds.
func (b *builds) add(e exec.Event) bool {
	switch e := e.(type) {
	case exec.BuildEnded:
		on := b.builder(e.Builder)
		on.took += e.Took
		if e.Err == "" {
			on.built++
		} else {
			on.failed++
		}
		longer := func(e, other exec.BuildEnded) int { return cmp.Compare(other.Took, e.Took) }
		at, _ := slices.BinarySearchFunc(b.longest, e, longer)
		b.longest = slices.Insert(b.longest, at, e)
		b.longest = b.longest[:min(len(b.longest), mostBuilds)]
	case exec.BuilderLost:
		why := human.Reason(e.Why)
		if e.For != "" {
			why = e.For + ": " + why
		}
		on := b.builder(e.Builder)
		on.lost = append(on.lost, human.Plain(why))
	default:
		return false
	}
	return true
}

// builder is the one of a URL, without what Nix adds to that.
func (b *builds) builder(url string) *builder {
	url, _, _ = strings.Cut(url, "?")
	for _, known := range b.builders {
		if known.url == url {
			return known
		}
	}
	b.builders = append(b.builders, &builder{url: url})
	return b.builders[len(b.builders)-1]
}

// A builderRow is a builder in the table of builders, and a buildRow a derivation in that of
// derivations.
type (
	builderRow struct{ Name, Built, Failed, Took, Lost string }
	buildRow   struct{ Name, On, Took, Error string }
)

func (b *builds) builderRows() (rows []builderRow) {
	for _, on := range b.builders {
		rows = append(rows, builderRow{where(on.url), fmt.Sprint(on.built), fmt.Sprint(on.failed), human.Duration(on.took), strings.Join(on.lost, "; ")})
	}
	return rows
}

func (b *builds) buildRows() (rows []buildRow) {
	for _, e := range b.longest {
		url, _, _ := strings.Cut(e.Builder, "?")
		rows = append(rows, buildRow{human.Plain(strings.TrimSuffix(e.Drv.Name(), ".drv")), where(url), human.Duration(e.Took), human.Plain(e.Err)})
	}
	return rows
}

func where(url string) string { return human.Plain(cmp.Or(url, "where muster runs")) }
