package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"muster/exec"
	"muster/exec/human"
)

// paint draws a view in at most so many rows, none wider than so many columns: a line with
// totals, the failures, the builds, the hosts in progress, and the last notes.
//
//	12/40 done · 1 failed · 3 running · 24 waiting · 1m20s · waits for web7: build
//	  web3    failed    connect: unreachable: connect to 192.0.2.3:22: connection refused
//	  web7    build     1m12s  building nginx-1.26.2
//	  web8    copy      0.7 s  61.6 kB of 5.0 MB, 1.2 MB/s
func paint(v *view, width, height int, now time.Time) []line {
	if v.began.IsZero() && v.doing == "" || height < 1 {
		return nil
	}
	if v.doing != "" {
		return []line{head([]line{say(v.doing), say(human.Duration(now.Sub(v.began)))}, width)}
	}
	var works []*hostView
	for h := range v.working {
		if h.works(now) {
			works = append(works, h)
		}
	}
	lines := []line{v.head(works, width, now)}
	if height == 1 {
		return lines
	}
	notes := v.notes[max(0, len(v.notes)-(height-1)/3):]
	rows := height - 1 - len(notes)
	failed := failedRows(v.failures.list, nameColumn(v, works, width), max(1, rows-min(len(works), rows/2)))
	rows -= len(failed)
	builds := v.builds.rows(min(v.builds.longest(), max(8, width/3)), rows-min(len(works), rows/2), now)
	rows -= len(builds)
	running := workRows(works, nameColumn(v, works, width), rows, now)
	for _, l := range slices.Concat(failed, builds, running) {
		lines = append(lines, l.clip(width))
	}
	for _, n := range notes {
		lines = append(lines, line{}.and(faint, n).clip(width))
	}
	return lines
}

// head joins parts, the first of which matter most, as far as they fit.
func head(parts []line, width int) line {
	var all line
	for i, p := range parts {
		next := slices.Clone(all)
		if i > 0 {
			next = next.and(faint, " · ")
		}
		next = append(next, p...)
		if i > 0 && next.width() > width {
			return all.clip(width)
		}
		all = next
	}
	return all.clip(width)
}

// head is the line with totals.
func (v *view) head(works []*hostView, width int, now time.Time) line {
	ended := 0
	for _, n := range v.ended {
		ended += n
	}
	total := max(v.total, ended+len(v.byName))
	parts := []line{line{}.and(good, fmt.Sprintf("%d/%d done", v.done, total))}
	add := func(s style, n int, what string) {
		if n > 0 {
			parts = append(parts, line{}.and(s, fmt.Sprintf("%d %s", n, what)))
		}
	}
	add(bad, v.ended[exec.Failed], "failed")
	add(odd, v.ended[exec.RolledBack], "rolled back")
	if v.interrupted {
		parts = append(parts, line{}.and(odd, "interrupted"))
	}
	add(active, len(works), "running")
	parts = append(parts, say(human.Duration(now.Sub(v.began))))
	if built := v.builds.total(); built != "" {
		parts = append(parts, say(built))
	}
	add(ordinary, v.ended[exec.Skipped], "skipped")
	add(ordinary, total-ended-len(works), "waiting")
	if v.waves > 1 {
		parts = append(parts, say(fmt.Sprintf("wave %d of %d", v.wave, v.waves)))
	}
	if next := v.awaited(works, now); next != "" {
		parts = append(parts, say(next))
	}
	return head(parts, width)
}

// awaited says what the run waits for: the host that is in its stage for longest, or the
// next wave.
func (v *view) awaited(works []*hostView, now time.Time) string {
	if left := v.resumes.Sub(now); left > 0 {
		return fmt.Sprintf("the next wave begins in %s", human.Duration(left))
	}
	if len(works) == 0 {
		return ""
	}
	h := slices.MinFunc(works, func(a, b *hostView) int { return a.since.Compare(b.since) })
	return fmt.Sprintf("waits for %s: %s", h.name, h.stage)
}

// nameColumn is how wide the column of names is.
func nameColumn(v *view, works []*hostView, width int) int {
	longest := 0
	for _, h := range works {
		longest = max(longest, twwidth.Width(h.name))
	}
	for _, c := range v.failures.list {
		longest = max(longest, twwidth.Width(failedName(c)))
	}
	return min(longest, max(8, width/3))
}

// failedName names the hosts of a cause in the column of names.
func failedName(c *cause) string {
	if len(c.hosts) == 1 {
		return c.hosts[0]
	}
	return human.Count(len(c.hosts), "host")
}

// failedRows are a row for each cause, at most so many.
func failedRows(list []*cause, names, most int) []line {
	var rows []line
	for i, c := range list {
		if len(rows) == most {
			break
		}
		if most > 1 && len(rows) == most-1 && len(list)-i > 1 {
			return append(rows, line{}.and(bad, fmt.Sprintf("  … and %s of failures", human.Count(len(list)-i, "more cause"))))
		}
		what := c.what()
		if len(c.hosts) > 1 {
			what += " · " + someOf(c.hosts)
		}
		rows = append(rows, say("  "+pad(failedName(c), names)+"  ").and(styleOf(c.status), pad(string(c.status), 9)).and(ordinary, " "+what))
	}
	return rows
}

// workRows are the hosts in progress in at most so many rows: one each or, where they are
// more, one for each stage and the rest for the hosts that are in theirs for longest.
func workRows(works []*hostView, names, most int, now time.Time) []line {
	if most < 1 {
		return nil
	}
	var rows []line
	if len(works) > most {
		rows = stageRows(works, most)
		works = slices.Clone(works)
		slices.SortStableFunc(works, func(a, b *hostView) int { return a.since.Compare(b.since) })
		works = works[:max(0, most-len(rows))]
	}
	for _, h := range works {
		rows = append(rows, say("  "+pad(h.name, names)+"  ").and(active, pad(string(h.stage), 9)).
			and(faint, fmt.Sprintf(" %6s", human.Duration(now.Sub(h.since)))).and(ordinary, "  "+h.status()))
	}
	return rows
}

// stageRows count the hosts in each stage.
func stageRows(works []*hostView, most int) []line {
	var order []exec.Stage
	in := map[exec.Stage][]string{}
	for _, h := range works {
		if in[h.stage] == nil {
			order = append(order, h.stage)
		}
		in[h.stage] = append(in[h.stage], h.name)
	}
	var rows []line
	for i, s := range order {
		if len(rows) == most {
			break
		}
		if most > 1 && len(rows) == most-1 && len(order)-i > 1 {
			return append(rows, say(fmt.Sprintf("  … and %s", human.Count(len(order)-i, "more stage"))))
		}
		rows = append(rows, say("  ").and(active, pad(string(s), 9)).and(ordinary, fmt.Sprintf(" %s: %s", human.Count(len(in[s]), "host"), someOf(in[s]))))
	}
	return rows
}

// someOf names hosts in a row of a view. Names of very many are not sorted for each drawing.
func someOf(names []string) string {
	const most, sorted = 6, 200
	if len(names) <= sorted {
		return abbreviate(names, most)
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// pad makes a text exactly so many columns wide.
func pad(text string, columns int) string {
	text = Clip(text, columns)
	for n := twwidth.Width(text); n < columns; n++ {
		text += " "
	}
	return text
}

// styleOf is the style of what became of a host.
func styleOf(s exec.Status) style {
	switch s {
	case exec.Failed:
		return bad
	case exec.RolledBack, exec.Skipped:
		return odd
	case exec.Activated, exec.Installed, exec.Reverted:
		return good
	}
	return ordinary
}
