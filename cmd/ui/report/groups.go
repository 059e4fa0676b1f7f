package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/exec"
	"muster/exec/human"
)

// In a large fleet, hosts that are alike are told of once: those that failed for one
// cause, that change in the same way, or of which the same was found.

// A link leads to the line of a host. A host that is only counted has no line.
type link struct {
	Number  int
	Name    string
	Counted bool
}

func (h *host) link() link {
	return link{Number: h.number, Name: human.Plain(h.Name), Counted: h.counted}
}

// roles are the roles of the host, "" for none.
func (h *host) roles() string { return human.Plain(strings.Join(h.Roles, ", ")) }

// mostListed is how many hosts have a line of their own.
const mostListed = 1000

// listed chooses the hosts that have a line of their own, and returns how many others
// there are: in a very large fleet, what did not end as was asked comes first, then what
// took longest.
func (r *Report) listed() (counted int) {
	if len(r.hosts) <= mostListed {
		return 0
	}
	byNote := slices.Clone(r.hosts)
	note := func(h *host) int {
		switch {
		case h.outcome == nil, h.outcome.Interrupted:
			return 1
		case h.outcome.OK():
			return 2
		case h.outcome.Status == exec.Skipped:
			return 3
		}
		return 0
	}
	slices.SortStableFunc(byNote, func(a, b *host) int { return cmp.Or(cmp.Compare(note(a), note(b)), cmp.Compare(b.took(), a.took())) })
	for _, h := range byNote[mostListed:] {
		h.counted = true
	}
	return len(byNote) - mostListed
}

// hosts are links to hosts. Of many, some are seen at once, and of very many some are
// only counted.
type hosts struct {
	First, Rest []link
	More        int
}

// mostNamed is how many hosts are named in one place.
const mostNamed = 1000

// mostSeen is how many hosts are seen at once.
const mostSeen = 12

func (l *hosts) add(h *host) {
	switch to := h.link(); {
	case len(l.First) < mostSeen:
		l.First = append(l.First, to)
	case len(l.Rest) < mostNamed:
		l.Rest = append(l.Rest, to)
	default:
		l.More++
	}
}

// Others is how many are not seen at once.
func (l hosts) Others() int { return len(l.Rest) + l.More }

// Count is how many there are.
func (l hosts) Count() string { return human.Count(len(l.First)+len(l.Rest)+l.More, "host") }

// A failure is a cause for which hosts did not end as was asked.
type failure struct {
	Status status
	Stage  string
	Reason string
	Text   string // the whole error, where it has more than one line
	Log    string // of the first host
	LogOf  string
	Hosts  hosts
	rank   int
}

// logLines is how many lines of a log stand below a failure.
const logLines = 40

// failures are the causes for which hosts did not end as was asked: what failed first,
// then what was rolled back, then what was not begun.
func (r *Report) failures() []*failure {
	byCause := map[string]*failure{}
	var list []*failure
	for _, h := range r.hosts {
		o := h.outcome
		if o == nil || o.OK() {
			continue
		}
		key := strings.Join([]string{string(o.Status), string(o.Stage), h.alike(o.Error)}, "\n")
		f := byCause[key]
		if f == nil {
			f = &failure{Status: statusOf(o), Stage: string(o.Stage), Reason: human.Plain(human.Reason(o.Error)), rank: rank(o.Status)}
			if strings.Contains(strings.TrimSpace(o.Error), "\n") {
				f.Text = plainLines(o.Error)
			}
			if o.Status != exec.Skipped {
				f.Log, _ = h.log(logLines)
				f.LogOf = h.link().Name
			}
			byCause[key] = f
			list = append(list, f)
		}
		f.Hosts.add(h)
	}
	slices.SortStableFunc(list, func(a, b *failure) int { return cmp.Compare(a.rank, b.rank) })
	return list
}

// rank sorts what failed before what was rolled back before what was not begun.
func rank(s exec.Status) int {
	switch s {
	case exec.Failed:
		return 0
	case exec.RolledBack:
		return 1
	}
	return 2
}

// alike is an error without what tells one host from another.
func (h *host) alike(text string) string {
	if h.outcome.System != "" {
		text = strings.ReplaceAll(text, string(h.outcome.System), "SYSTEM")
	}
	if before := h.outcome.Before.Current; before != "" {
		text = strings.ReplaceAll(text, string(before), "BEFORE")
	}
	if h.Address != "" {
		text = strings.ReplaceAll(text, h.Address, "HOST")
	}
	return human.Impersonal(h.Name, text)
}

// plainLines is a foreign text of several lines.
func plainLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = human.Plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

// wavesOf groups the hosts by wave, and those of a wave by their roles.
func (r *Report) wavesOf(rows []*row) []*wave {
	of := len(r.plan.Waves())
	var list []*wave
	for i, h := range r.hosts {
		for len(list) <= h.wave {
			list = append(list, r.wave(len(list), of))
		}
		w := list[h.wave]
		name := cmp.Or(rows[i].Roles, "no role")
		at := slices.IndexFunc(w.Roles, func(g *roleGroup) bool { return g.Name == name })
		if at < 0 {
			at = len(w.Roles)
			w.Roles = append(w.Roles, &roleGroup{Name: name})
		}
		g := w.Roles[at]
		g.Hosts = append(g.Hosts, rows[i])
		if !h.counted && (h.outcome == nil || h.failed() && h.outcome.Status != exec.Skipped) {
			g.Failed = append(g.Failed, rows[i])
		}
	}
	for _, w := range list {
		var all []*row
		for _, g := range w.Roles {
			g.Text = inWords(g.Hosts)
			all = append(all, g.Hosts...)
			if len(r.hosts) > mostListed {
				g.Counts, g.Hosts = counts(g.Hosts), nil
			}
		}
		w.Counts = inWords(all)
	}
	return list
}

// wave is a wave without its hosts. Waves count from 0 here.
func (r *Report) wave(n, of int) *wave {
	w := &wave{Title: fmt.Sprintf("Wave %d of %d", n+1, of)}
	if of == 1 {
		w.Title = "All at once"
	}
	at, opened := r.waves[n]
	switch {
	case opened && at.Sub(r.began) < time.Second:
		w.When = "opened at once"
	case opened:
		w.When = "opened after " + human.Duration(at.Sub(r.began))
	default:
		w.When = "never opened"
	}
	return w
}

// inWords counts hosts by what became of them.
func inWords(rows []*row) string {
	var parts []string
	for _, c := range counts(rows) {
		parts = append(parts, fmt.Sprintf("%d %s", c.N, c.Word))
	}
	return human.Count(len(rows), "host") + ": " + strings.Join(parts, ", ")
}

// A change is how the packages of some hosts change.
type change struct {
	Number  int // from 1
	Summary string
	Rows    []packageRow
	More    int // packages that are not listed
	Rebuilt int
	Hosts   hosts
}

// A packageRow is a package that changes.
type packageRow struct{ Mark, What, Name, Before, After string }

// changes are the changes of all hosts.
type changes struct {
	list   []*change
	byHost map[*host]*change
}

func newChanges(hosts []*host) *changes {
	c := &changes{byHost: map[*host]*change{}}
	byKey := map[string]*change{}
	for _, h := range hosts {
		if h.packages == nil {
			continue
		}
		e := *h.packages
		e.Host = ""
		// Every system is named after its host.
		for _, list := range []*[]*exec.Package{&e.Added, &e.Removed, &e.Changed} {
			*list = slices.Clone(*list)
			for i, p := range *list {
				p := *p
				p.Name = strings.ReplaceAll(p.Name, "nixos-system-"+h.Name, "nixos-system")
				(*list)[i] = &p
			}
		}
		text, _ := json.Marshal(e)
		known := byKey[string(text)]
		if known == nil {
			known = newChange(&e)
			known.Number = len(c.list) + 1
			byKey[string(text)] = known
			c.list = append(c.list, known)
		}
		known.Hosts.add(h)
		c.byHost[h] = known
	}
	return c
}

// of is the change of a host, nil for none.
func (c *changes) of(h *host) *change { return c.byHost[h] }

func newChange(e *exec.PackagesCompared) *change {
	c := &change{More: e.Left, Rebuilt: e.Rebuilt}
	for _, x := range []struct {
		mark, what string
		list       []*exec.Package
	}{{"~", "changed", e.Changed}, {"+", "added", e.Added}, {"−", "removed", e.Removed}} {
		for _, p := range x.list {
			c.Rows = append(c.Rows, packageRow{x.mark, x.what, human.Plain(p.Name), human.Plain(strings.Join(p.Before, ", ")), human.Plain(strings.Join(p.After, ", "))})
		}
	}
	c.Summary = fmt.Sprintf("%d changed, %d added, %d removed, %d rebuilt", len(e.Changed), len(e.Added), len(e.Removed), e.Rebuilt)
	return c
}

// A drift is something that was found on hosts and is not as the inventory or muster left
// it.
type drift struct {
	What  string
	Hosts hosts
}

// drift is what was found on hosts that is not as it should be, before the run or after it.
func (r *Report) drift() []*drift {
	byText := map[string]*drift{}
	var list []*drift
	for _, h := range r.hosts {
		seen := map[string]bool{}
		for _, text := range h.odd() {
			if seen[text] {
				continue
			}
			seen[text] = true
			d := byText[text]
			if d == nil {
				d = &drift{What: human.Plain(text)}
				byText[text] = d
				list = append(list, d)
			}
			d.Hosts.add(h)
		}
	}
	return list
}

// odd are the things that are odd about a host.
func (h *host) odd() []string {
	var all []string
	if f := h.found; f != nil {
		if f.DeployedBy == "" && f.State.Generation.Number > 0 {
			all = append(all, "found on a generation that muster had not deployed")
		}
		if f.State.Current != "" && f.State.Generation.System != "" && f.State.Current != f.State.Generation.System {
			all = append(all, "found running another system than that of its profile")
		}
		if f.State.Boots != "" && f.State.Generation.System != "" && f.State.Boots != f.State.Generation.System {
			all = append(all, "found with another boot default than its profile")
		}
	}
	if o := h.outcome; o != nil {
		if o.OK() && o.Running != "" && o.System != "" && o.Running != o.System {
			all = append(all, "runs another system than the one that it was to have")
		}
		if len(o.NeedsReboot) > 0 && !o.Rebooted {
			all = append(all, "needs a restart for "+strings.Join(o.NeedsReboot, ", "))
		}
	}
	for _, f := range h.findings {
		all = append(all, f.Check+": "+f.Text)
	}
	return all
}
