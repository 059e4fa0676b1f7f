package report

import (
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/exec"
	"muster/exec/human"
)

// Options say what a page tells besides the run itself.
type Options struct {
	Version string         // of muster
	Zone    *time.Location // of the times; nil is this machine's
}

// Write writes the page.
func (r *Report) Write(w io.Writer, o Options) error {
	return layout().Execute(w, r.page(o))
}

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

//go:embed page.js
var pageJS string

var layout = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Parse(pageHTML))
})

// A page is what page.html lays out.
type page struct {
	Policy template.HTML // the meta element of the content security policy
	Style  template.CSS
	Script template.JS

	Title, Fleet, Verb, Run string
	Verdict                 status // of the whole
	Summary                 string
	Facts                   []fact
	Counts                  []count
	Next                    string // the command to go on with; "" for none
	Failures                []*failure
	Waves                   []*wave
	Large                   bool // hosts are dots, without names
	Ticks, Cuts             []tick
	Kinds                   []kind // of stages, for the legend
	Hosts                   []*row // that are listed
	Counted                 int    // hosts that are only counted
	Changes                 []*change
	Builders                []builderRow
	Builds                  []buildRow // those that took longest
	Drift                   []*drift
	Version                 string
}

// A fact is one of the figures at the top.
type fact struct{ Name, Value string }

// Wide reports whether the value takes a line of its own.
func (f fact) Wide() bool { return len(f.Value) > 44 }

// A count is how many hosts have a status. At and Width are its part of the bar, in
// hundredths.
type count struct {
	status
	N         int
	At, Width string
}

// A wave is the hosts that were activated side by side.
type wave struct {
	Title, When string
	Counts      string
	Roles       []*roleGroup
}

// A roleGroup is the hosts of a wave that have the same roles.
type roleGroup struct {
	Name   string
	Hosts  []*row
	Counts []count // in place of Hosts, where there are too many for a dot each
	Text   string  // what became of them, for those who do not see the dots
	Failed []*row
}

// A row is one host: its line, and what is folded below it.
type row struct {
	link
	Roles, Address string
	Wave           int
	Status         status
	Took           string
	Millis         int64
	Bars           []bar
	Span           bar // from the first stage to the end of the last
	BarText        string
	Opened         string // where its wave opened; "" for the first one
	Reason, Error  string
	Facts          []fact
	Stages         []stageRow
	Log            string
	LogHead        string
	Packages       *change
	Notes          []string
}

// A bar is one stage on the time line.
type bar struct {
	Class, At, Width, Title string
}

// A stageRow is one stage in the table of a host.
type stageRow struct {
	Name, At, Took, Result string
	Bad                    bool
}

// A kind of stages has a colour.
type kind struct{ Class, Name string }

// kinds are the kinds of stages, as the legend has them.
var kinds = []kind{
	{"look", "connect, look"}, {"build", "build"}, {"copy", "copy"}, {"guard", "lock, check, secrets"},
	{"act", "activate"}, {"prove", "reconnect, health, confirm"}, {"boot", "restart"},
}

// kindOf is the kind of a stage.
func kindOf(s exec.Stage) string {
	switch s {
	case exec.Build:
		return "build"
	case exec.Copy:
		return "copy"
	case exec.Lock, exec.PreCheck, exec.HostKey, exec.SendSecrets, exec.PlaceKeys, exec.Leave:
		return "guard"
	case exec.Activate, exec.Revert, exec.InstallSystem, exec.MakeDisks, exec.Collect, exec.RunCommand:
		return "act"
	case exec.Reach, exec.Health, exec.Confirm, exec.Rejoin:
		return "prove"
	case exec.Restart, exec.Kexec:
		return "boot"
	}
	return "look"
}

// A status is what became of a host, or of all: its word, its mark, and its class in
// page.css.
type status struct{ Word, Mark, Class string }

// unended is the status of a host that has not ended.
var unended = status{"not ended", "…", "open"}

func statusOf(o *exec.Outcome) status {
	if o == nil {
		return unended
	}
	word := string(o.Status)
	switch {
	case o.Interrupted:
		return status{"interrupted", "…", "open"}
	case o.Status == exec.Failed:
		return status{word, "✕", "bad"}
	case o.Status == exec.RolledBack:
		return status{word, "↩", "back"}
	case o.Status == exec.Skipped, o.Status == exec.Away, o.Status == exec.NoAddress:
		return status{word, "–", "skip"}
	case o.Status == exec.Unchanged:
		return status{word, "=", "same"}
	}
	return status{word, "✓", "ok"}
}

// largeFleet is from how many hosts on they are drawn as dots.
const largeFleet = 60

func (r *Report) page(o Options) *page {
	zone := cmp.Or(o.Zone, time.Local)
	p := &page{
		Policy: policy(), Style: template.CSS(pageCSS), Script: template.JS(pageJS),
		Fleet: human.Plain(filepath.Base(r.plan.Dir)), Verb: verbOf(r.plan.Action), Run: r.plan.Run,
		Large: len(r.hosts) > largeFleet, Version: o.Version,
	}
	p.Title = fmt.Sprintf("%s %s, %s", p.Verb, p.Fleet, r.began.In(zone).Format("2 January 2006 15:04"))
	a := newAxis(r.began, r.hosts)
	p.Ticks, p.Cuts, p.Kinds = a.ticks(), a.cuts(), kinds
	p.Counted = r.listed()
	changes := newChanges(r.hosts)
	var all []*row
	for _, h := range r.hosts {
		if h.counted {
			all = append(all, &row{link: h.link(), Roles: h.roles(), Status: statusOf(h.outcome)})
			continue
		}
		line := r.row(h, a, changes)
		all, p.Hosts = append(all, line), append(p.Hosts, line)
	}
	p.Changes = changes.list
	p.Builders, p.Builds = r.builds.builderRows(), r.builds.buildRows()
	p.Counts = counts(all)
	p.Verdict, p.Summary = r.verdict(p)
	p.Facts = r.facts(zone)
	p.Failures = r.failures()
	p.Waves = r.wavesOf(all)
	p.Drift = r.drift()
	p.Next = r.next(p)
	return p
}

// verbOf is the verb that does an action.
func verbOf(a exec.Action) string {
	switch a {
	case exec.Switch:
		return "deploy"
	case exec.Boot, exec.Test:
		return "deploy --action " + string(a)
	case exec.PushSecrets:
		return "secrets push"
	}
	return string(a)
}

// policy lets the page load nothing, and run no script but its own.
func policy() template.HTML {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return template.HTML(fmt.Sprintf(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src %s; script-src %s; base-uri 'none'; form-action 'none'">`, hash(pageCSS), hash(pageJS)))
}

// counts are how many hosts have each status, in the order of a summary.
func counts(rows []*row) []count {
	n := map[status]int{}
	for _, h := range rows {
		n[h.Status]++
	}
	var list []count
	for s, n := range n {
		list = append(list, count{status: s, N: n})
	}
	order := []string{"bad", "back", "open", "ok", "same", "skip"}
	slices.SortFunc(list, func(a, b count) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Class), slices.Index(order, b.Class)), cmp.Compare(a.Word, b.Word))
	})
	at := 0
	for i := range list {
		c := &list[i]
		c.At, c.Width = percent(100*float64(at)/float64(len(rows))), percent(100*float64(c.N)/float64(len(rows)))
		at += c.N
	}
	return list
}

// verdict sums the run up.
func (r *Report) verdict(p *page) (status, string) {
	var bad, back, open, skipped, done int
	for _, c := range p.Counts {
		switch {
		case c.Class == "bad":
			bad += c.N
		case c.Class == "back":
			back += c.N
		case c.Class == "open":
			open += c.N
		case c.Word == string(exec.Skipped):
			skipped += c.N
		default:
			done += c.N
		}
	}
	var parts []string
	for _, x := range []struct {
		n    int
		what string
	}{{bad, "failed"}, {back, "rolled back"}, {skipped, "not begun"}, {open, "not ended"}} {
		if x.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	hosts := human.Count(len(r.hosts), "host")
	switch {
	case len(r.hosts) == 0:
		return status{"done", "✓", "ok"}, "There was no host."
	case len(parts) == 0 && done == 1:
		return status{"done", "✓", "ok"}, "The host is done."
	case len(parts) == 0:
		return status{"done", "✓", "ok"}, "All " + hosts + " are done."
	}
	text := fmt.Sprintf("Of %s, %d done, %s.", hosts, done, strings.Join(parts, ", "))
	switch {
	case bad > 0:
		return status{"failed", "✕", "bad"}, text
	case back > 0:
		return status{"rolled back", "↩", "back"}, text
	case open > 0 || !r.ended:
		return status{"not ended", "…", "open"}, text
	}
	return status{"stopped", "–", "skip"}, text
}

// facts are the figures at the top.
func (r *Report) facts(zone *time.Location) []fact {
	var bytes int64
	var paths, reboots int
	for _, h := range r.hosts {
		if h.outcome != nil {
			bytes += h.outcome.Bytes
			paths += h.outcome.Paths
			if h.outcome.Rebooted {
				reboots++
			}
		}
	}
	list := []fact{
		{"Began", r.began.In(zone).Format("2 Jan 2006, 15:04:05 MST")},
		{"Took", human.Duration(r.last.Sub(r.began))},
		{"Hosts", fmt.Sprint(len(r.hosts))},
	}
	if n := len(r.plan.Waves()); n > 1 {
		list = append(list, fact{"Waves", fmt.Sprint(n)})
	}
	if paths > 0 {
		list = append(list, fact{"Sent", fmt.Sprintf("%s, %s", human.Bytes(bytes), human.Count(paths, "path"))})
	}
	if reboots > 0 {
		list = append(list, fact{"Restarted", human.Count(reboots, "host")})
	}
	if r.ended {
		list = append(list, fact{"Exit status", fmt.Sprint(r.status)})
	} else {
		list = append(list, fact{"Exit status", "none: the run has not ended"})
	}
	return list
}

// next is the command that goes on with the run.
func (r *Report) next(p *page) string {
	switch {
	case r.plan.Run == "":
		return ""
	case !r.ended:
		return "muster resume --run " + r.plan.Run
	case len(p.Failures) > 0:
		return "muster retry --run " + r.plan.Run
	}
	return ""
}

// row is the line of a host.
func (r *Report) row(h *host, a *axis, changes *changes) *row {
	line := &row{
		link: h.link(), Roles: h.roles(), Address: human.Plain(h.Address), Wave: h.wave + 1,
		Status: statusOf(h.outcome), Packages: changes.of(h),
	}
	if len(h.stages) > 0 {
		line.Took, line.Millis = human.Duration(h.took()), h.took().Milliseconds()
	}
	if at, ok := r.waves[h.wave]; ok && h.wave > 0 {
		line.Opened = percent(a.at(at))
	}
	if n := len(h.stages); n > 0 {
		from, to := a.at(h.stages[0].from), a.at(h.stages[n-1].to)
		line.Span = bar{Class: "span", At: percent(from), Width: percent(to - from)}
	}
	var texts []string
	for _, s := range h.stages {
		line.Bars = append(line.Bars, newBar(s, a))
		texts = append(texts, stageText(s))
		line.Stages = append(line.Stages, stageRow{
			Name: string(s.Stage), At: human.Duration(s.from.Sub(r.began)), Took: human.Duration(s.to.Sub(s.from)),
			Result: result(s), Bad: s.err != "",
		})
	}
	line.BarText = cmp.Or(strings.Join(texts, ", "), "no stage was begun")
	if o := h.outcome; o != nil {
		line.Error, line.Facts = human.Plain(o.Error), outcomeFacts(o)
		line.Reason = reason(o)
	}
	line.Log, line.LogHead = h.log(maxLines)
	for _, f := range h.findings {
		line.Notes = append(line.Notes, human.Plain(f.Check+": "+f.Text))
	}
	for _, c := range h.checks {
		line.Notes = append(line.Notes, human.Plain(fmt.Sprintf("check %s: %s", c.Check, human.Reason(c.Err))))
	}
	line.Notes = slices.Compact(line.Notes)
	return line
}

func newBar(s stage, a *axis) bar {
	from, to := a.at(s.from), a.at(s.to)
	class := "k-" + kindOf(s.Stage)
	if s.err != "" {
		class = "k-bad"
	}
	if s.open {
		class += " k-open"
	}
	// A short stage is seen all the same.
	return bar{Class: class, At: percent(min(from, 99.7)), Width: percent(max(to-from, 0.3)), Title: stageText(s)}
}

func stageText(s stage) string {
	return strings.TrimSuffix(fmt.Sprintf("%s %s, %s", s.Stage, human.Duration(s.to.Sub(s.from)), result(s)), ", done")
}

func result(s stage) string {
	switch {
	case s.open:
		return "not ended"
	case s.err != "":
		return "failed"
	}
	return "done"
}

// reason is why a host did not end as was asked, or was left alone, in one line.
func reason(o *exec.Outcome) string {
	text := human.Reason(cmp.Or(o.Error, o.Reason))
	if o.Error != "" && o.Stage != "" {
		text = string(o.Stage) + ": " + text
	}
	return human.Plain(text)
}

// outcomeFacts are what is known of a host in the end.
func outcomeFacts(o *exec.Outcome) []fact {
	var list []fact
	add := func(name, value string) {
		if value != "" {
			list = append(list, fact{name, human.Plain(value)})
		}
	}
	switch before, after := o.Before.Generation.Number, o.After.Number; {
	case after != 0 && before != 0 && after != before:
		add("Generation", fmt.Sprintf("%d → %d", before, after))
	case after != 0 || before != 0:
		add("Generation", fmt.Sprint(cmp.Or(after, before)))
	}
	add("It had", string(o.Before.Current))
	add("It was to have", string(o.System))
	if o.Running != "" && o.Running != o.System {
		add("It runs", string(o.Running))
	}
	if o.Boots != "" && o.Boots != cmp.Or(o.Running, o.System) {
		add("It would boot", string(o.Boots))
	}
	if o.Paths > 0 {
		add("Sent", fmt.Sprintf("%s, %s", human.Bytes(o.Bytes), human.Count(o.Paths, "path")))
	}
	if o.Rebooted {
		add("Restarted", strings.TrimSpace(fmt.Sprintf("kernel %s → %s", o.KernelBefore, o.KernelAfter)))
	}
	add("Needs a restart for", strings.Join(o.NeedsReboot, ", "))
	var secrets []string
	for _, s := range o.Secrets {
		secrets = append(secrets, s.Change+" "+s.Name)
	}
	add("Secrets", strings.Join(secrets, ", "))
	return list
}

// log are the last lines that were printed on the host, and a heading that counts them.
func (h *host) log(most int) (text, head string) {
	said := h.said
	if len(said) > most {
		said = said[len(said)-most:]
	}
	var b strings.Builder
	var last exec.Stage
	for _, l := range said {
		if l.stage != last {
			last = l.stage
			fmt.Fprintf(&b, "── %s\n", l.stage)
		}
		b.WriteString(human.Plain(l.text))
		b.WriteByte('\n')
	}
	switch {
	case len(said) == 0:
		return "", ""
	case len(said) == maxLines || len(said) < len(h.said):
		return b.String(), fmt.Sprintf("Log, its last %d lines", len(said))
	}
	return b.String(), fmt.Sprintf("Log, %s", human.Count(len(said), "line"))
}

// percent is a part of a width as SVG has it.
func percent(x float64) string { return fmt.Sprintf("%.2f%%", x) }
