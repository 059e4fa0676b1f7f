package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"muster/exec"
	"muster/exec/human"
)

// A PastRun is what is known of a run that is over, or was left.
type PastRun struct {
	Run      string         `json:"run"`
	Dir      string         `json:"dir"` // of the inventory
	Action   exec.Action    `json:"action"`
	Who      string         `json:"who,omitempty"`
	Began    time.Time      `json:"began"`
	Last     time.Time      `json:"last,omitzero"` // when its last event was
	Ended    bool           `json:"ended"`
	Status   int            `json:"exit_status"` // muster's exit status, where it has ended
	Outcomes []exec.Outcome `json:"outcomes"`
	Open     []string       `json:"open,omitempty"` // hosts that did not end
}

// result says what became of the hosts.
func (r *PastRun) result() line {
	l := counts(r.Outcomes, len(r.Outcomes)+len(r.Open))
	if len(r.Open) > 0 {
		if len(l) > 0 {
			l = l.and(ordinary, ", ")
		}
		l = l.and(odd, fmt.Sprintf("%d not ended", len(r.Open)))
	}
	if !r.Ended {
		l = l.and(odd, "; interrupted")
	}
	return l
}

// atTime is a time as people read it where they are.
func atTime(t time.Time) string { return t.Local().Format(time.DateTime) }

// PrintHistory lists runs.
func PrintHistory(w io.Writer, color Color, runs []PastRun) {
	table := newReport(newPage(w, color), "run", "began", "by", "action", "hosts", "result")
	for _, r := range runs {
		s := ordinary
		switch {
		case !r.Ended:
			s = odd
		case r.Status != exec.ExitOK:
			s = bad
		}
		table.row(s, r.Run, atTime(r.Began), r.Who, string(r.Action), fmt.Sprint(len(r.Outcomes)+len(r.Open)), r.result().text())
	}
	table.Flush()
}

// PrintRun prints what a run did: logs has what stages printed last, by host.
func PrintRun(w io.Writer, color Color, r PastRun, logs map[string][]string, hint Hint) {
	p := newPage(w, color)
	p.print(line{}.and(strong, "run "+r.Run).and(ordinary, fmt.Sprintf(": %s of %s", r.Action, human.Count(len(r.Outcomes)+len(r.Open), "host"))))
	by := ""
	if r.Who != "" {
		by = " by " + r.Who
	}
	p.print(say("  began      " + atTime(r.Began) + by))
	switch {
	case r.Ended:
		p.print(say(fmt.Sprintf("  ended      %s, after %s, with exit status %d", atTime(r.Last), human.Duration(r.Last.Sub(r.Began)), r.Status)))
	default:
		p.print(say("  ended      no: ").and(strong, "muster resume --run "+r.Run))
	}
	p.print(say("  inventory  " + r.Dir))
	if len(r.Open) > 0 {
		p.print(say("  not ended  ").and(odd, abbreviate(r.Open, mostNamed)))
	}
	p.print(nil)
	printFailures(p, r.Outcomes, logs, Run{ID: r.Run, Action: r.Action, Recorded: true, Past: true}, hint)
	if len(r.Outcomes) > 0 {
		printOutcomes(p, r.Outcomes)
	}
}

// KeepLast keeps the last lines that the stage of each host prints, event by event.
func KeepLast(last map[string][]string, e exec.Event) {
	switch e := e.(type) {
	case exec.StageStarted:
		delete(last, e.Host)
	case exec.Said:
		if text := strings.TrimSpace(Printable(e.Line)); text != "" {
			all := append(last[e.Host], text)
			last[e.Host] = all[max(0, len(all)-lastLines):]
		}
	case exec.HostEnded:
		if e.Outcome.OK() {
			delete(last, e.Outcome.Host)
		}
	}
}

// A Log prints what a run did on one host.
type Log struct {
	page page
	host string
}

// NewLog returns a Log of a host.
func NewLog(w io.Writer, color Color, host string) *Log {
	return &Log{page: newPage(w, color), host: host}
}

// Begin prints which run it is.
func (l *Log) Begin(r PastRun) {
	by := ""
	if r.Who != "" {
		by = " by " + r.Who
	}
	l.page.print(line{}.and(strong, "run "+r.Run).and(ordinary, fmt.Sprintf(" of %s%s: %s", atTime(r.Began), by, r.Action)))
}

// Event prints an event of the host.
func (l *Log) Event(at time.Time, e exec.Event) {
	switch e := e.(type) {
	case exec.StageEnded:
		if e.Host == l.host && e.Err == "" {
			l.line(at, e.Stage, faint, "done in "+human.Duration(e.Took))
		}
	case exec.Said:
		if e.Host == l.host {
			l.line(at, e.Stage, ordinary, e.Line)
		}
	case exec.Found:
		if e.Host == l.host {
			l.line(at, "", odd, "note: "+e.Text)
		}
	case exec.Checked:
		if e.Host == l.host && e.Err != "" {
			l.line(at, exec.Health, odd, e.Check+": "+e.Err)
		}
	case exec.HostEnded:
		if e.Outcome.Host == l.host {
			l.ended(at, &e.Outcome)
		}
	}
}

func (l *Log) ended(at time.Time, o *exec.Outcome) {
	text := string(o.Status)
	for _, more := range []string{o.Error, o.Reason} {
		if more != "" {
			text += ": " + more
		}
	}
	l.line(at, o.Stage, styleOf(o.Status), text)
}

// line prints a text of one or more lines with its time and stage.
func (l *Log) line(at time.Time, stage exec.Stage, s style, text string) {
	for part := range strings.Lines(strings.TrimSpace(human.Plain(text)) + "\n") {
		l.page.print(line{}.and(faint, at.Local().Format(time.TimeOnly)).and(active, fmt.Sprintf(" %-9s ", stage)).and(s, strings.TrimRight(part, "\n")))
	}
}

// JSONWriter is what lines of JSON are written to: no character of theirs changes what a
// terminal shows.
func JSONWriter(w io.Writer) io.Writer { return jsonWriter{w} }
