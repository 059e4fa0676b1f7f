package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/human"
)

// A buildsView is what is built where.
type buildsView struct {
	running []*buildView // in the order in which they began
	counts  exec.BuildsCounted
}

// A buildView is a derivation that is being built.
type buildView struct {
	drv   store.Path
	on    string // URL of the builder; "" is this machine
	since time.Time
	what  string // its phase, or the last that it has printed
}

// take takes up an event about builds.
func (v *buildsView) take(e exec.Event, now time.Time) {
	switch e := e.(type) {
	case exec.BuildStarted:
		v.running = append(v.running, &buildView{drv: e.Drv, on: e.Builder, since: now})
	case exec.BuildPhase:
		v.say(e.Drv, e.Phase)
	case exec.BuildPrinted:
		v.say(e.Drv, tidy(e.Line))
	case exec.BuildEnded:
		v.running = slices.DeleteFunc(v.running, func(b *buildView) bool { return b.drv == e.Drv && b.on == e.Builder })
	case exec.BuildsCounted:
		v.counts = e
	}
}

func (v *buildsView) say(drv store.Path, what string) {
	for _, b := range v.running {
		if b.drv == drv && what != "" {
			b.what = Printable(what)
		}
	}
}

// total says how many derivations are built, "" where none has to be.
func (v *buildsView) total() string {
	if len(v.running) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %s built", v.counts.Built, human.Count(max(v.counts.Total, v.counts.Built+len(v.running)), "derivation"))
}

// rows are the builds that take longest, at most so many.
func (v *buildsView) rows(names, most int, now time.Time) []line {
	var rows []line
	for i, b := range v.running {
		if len(rows) == most-1 && len(v.running)-i > 1 {
			return append(rows, say("  … and ").and(ordinary, human.Count(len(v.running)-i, "more build")))
		}
		if len(rows) == most {
			break
		}
		rows = append(rows, say("  "+pad(nameOf(b.drv), names)+"  ").and(active, pad("building", 9)).
			and(faint, fmt.Sprintf(" %6s", human.Duration(now.Sub(b.since)))).and(ordinary, "  "+whereBuilt(b.on)).and(faint, " "+b.what))
	}
	return rows
}

// longest is how wide the longest name of a build is.
func (v *buildsView) longest() int {
	n := 0
	for _, b := range v.running {
		n = max(n, len(nameOf(b.drv)))
	}
	return n
}

// whereBuilt names a builder in a row.
func whereBuilt(url string) string {
	if url == "" {
		return "here"
	}
	return "on " + builderName(url)
}

// builderName is the URL of a builder as the user has written it.
func builderName(url string) string {
	url, _, _ = strings.Cut(url, "?") // what Nix adds
	return Printable(url)
}

// buildLine is the line for an event about builds that stays, "" for none. Where the view is
// drawn, only what is wrong stays.
func buildLine(e exec.Event, live bool) string {
	switch e := e.(type) {
	case exec.BuilderLost:
		return lossOf(e)
	case exec.NixSaid:
		if warning, ok := strings.CutPrefix(strings.TrimSpace(Printable(e.Line)), "warning: "); ok {
			return "nix: " + warning
		}
	case exec.BuildEnded:
		if !live && e.Err == "" && e.Took >= slow {
			return fmt.Sprintf("built %s %s in %s", nameOf(e.Drv), whereBuilt(e.Builder), human.Duration(e.Took))
		}
	}
	return ""
}

// lossOf says that a builder is left out.
func lossOf(e exec.BuilderLost) string {
	what := "is left out"
	if e.For != "" {
		what += " for " + Printable(e.For)
	}
	then := ""
	if e.Drv != "" {
		then = fmt.Sprintf("; %s is built elsewhere", nameOf(e.Drv))
	}
	return fmt.Sprintf("builder %s %s: %s%s; %s left", builderName(e.Builder), what, strings.TrimSpace(Printable(human.Reason(e.Why))), then, human.Count(e.Left, "builder"))
}
