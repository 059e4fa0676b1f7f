package ui

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"muster/exec"
	"muster/exec/human"
)

// NewText returns a reporter for people. Facts go to errs as lines; if that is a
// terminal, the hosts in progress are drawn below them and redrawn as they go.
// The outcomes go to out as a table.
func NewText(out, errs io.Writer, hint Hint) Reporter {
	t := &text{out: out, errs: errs, hint: hint, last: map[string][]string{}, hinted: map[string]bool{}, mistakes: map[string]string{}, stop: make(chan struct{})}
	if f := terminal(errs); f != nil && os.Getenv("TERM") != "dumb" {
		t.live = true
		t.errs = f // for what redraw draws; it makes the rest plain
		t.terminal = int(f.Fd())
		t.ticking.Go(t.tick)
	}
	return t
}

type text struct {
	out, errs io.Writer
	hint      Hint
	terminal  int // file descriptor, if live
	stop      chan struct{}
	ticking   sync.WaitGroup

	mu     sync.Mutex
	live   bool                // the hosts in progress are drawn
	drawn  int                 // lines that they take on the screen
	held   strings.Builder     // lines that stay on the screen, printed when the rows are drawn next
	at     time.Time           // when they were drawn last
	asked  bool                // the user is being asked, and nothing is drawn
	rows   []*liveRow          // the hosts in progress
	last   map[string][]string // the last lines that each host's stage printed
	hinted map[string]bool     // the hints that were given

	mistakes map[string]string // the first host with each mistake in the configuration
}

// A liveRow is a host in progress.
type liveRow struct {
	host  string
	stage exec.Stage
	since time.Time
	what  string
}

const (
	lastLines = 10 // lines that a failed stage printed and that are shown
	mostRows  = 12 // hosts in progress that are drawn
	redraws   = 200 * time.Millisecond
	// apart is the least time between two drawings because of events: a host that
	// prints much must not have all rows drawn for every line.
	apart = 50 * time.Millisecond
)

// tick redraws the times on the screen.
func (t *text) tick() {
	ticker := time.NewTicker(redraws)
	defer ticker.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-ticker.C:
			t.mu.Lock()
			t.redraw("")
			t.mu.Unlock()
		}
	}
}

func (t *text) Note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.redraw(fmt.Sprintf(format, args...) + "\n")
}

func (t *text) Event(e exec.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := t.take(e)
	switch {
	case t.live && time.Since(t.at) < apart:
		t.held.WriteString(human.Plain(line)) // until the next tick at the latest
	case t.live || line != "":
		t.redraw(line)
	}
}

// take updates the rows by an event, and returns the lines to print for it.
func (t *text) take(e exec.Event) string {
	switch e := e.(type) {
	case exec.StageStarted:
		t.row(e.Host).begin(e.Stage, "")
		delete(t.last, e.Host)
	case exec.StageEnded:
		// Visible only if the next stage does not begin at once.
		t.row(e.Host).begin("", "waits for its turn")
	case exec.Progressed:
		if e.Total > 0 {
			t.row(e.Host).what = fmt.Sprintf("%s of %s", human.Bytes(e.Done), human.Bytes(e.Total))
		}
	case exec.Said:
		return t.printed(e)
	case exec.Found:
		if !e.Bad {
			return fmt.Sprintf("%s: note: %s\n", e.Host, Printable(e.Text))
		}
	case exec.Checked:
		if e.Err != "" {
			return fmt.Sprintf("%s: %s: %s\n", e.Host, Printable(e.Check), Printable(e.Err))
		}
	case exec.WaveStarted:
		if e.Of > 1 {
			return fmt.Sprintf("wave %d of %d: %s\n", e.Wave, e.Of, human.Count(e.Hosts, "host"))
		}
	case exec.Paused:
		return fmt.Sprintf("wave %d begins in %s\n", e.Wave, human.Duration(e.For))
	case exec.UndoChosen:
		by := ""
		if e.Who != "" {
			by = " by " + Printable(e.Who)
		}
		missed := ""
		if e.NotReached > 0 {
			missed = fmt.Sprintf("; %s not reached", human.Count(e.NotReached, "host"))
		}
		return fmt.Sprintf("the last deployment: run %s%s, %s%s\n", Printable(e.Run), by, human.Count(e.Hosts, "host"), missed)
	case exec.JournalFailed:
		return fmt.Sprintf("note: no journal of this run: %s\n", e.Err)
	case exec.HostEnded:
		t.drop(e.Outcome.Host)
		if e.Outcome.Status != exec.Listed {
			return t.sentence(&e.Outcome)
		}
	}
	return ""
}

// printed takes a line that a host printed. Lines of an activation are printed
// as they come.
func (t *text) printed(e exec.Said) string {
	line := strings.TrimSpace(Printable(e.Line))
	if line == "" {
		return ""
	}
	t.row(e.Host).what = line
	last := append(t.last[e.Host], line)
	t.last[e.Host] = last[max(0, len(last)-lastLines):]
	switch e.Stage {
	case exec.Activate, exec.Revert, exec.Restart, exec.InstallSystem:
		return fmt.Sprintf("%s: %s\n", e.Host, line)
	}
	return ""
}

// sentence says how a host ended.
func (t *text) sentence(o *exec.Outcome) string {
	if o.Err != nil {
		return t.failure(o)
	}
	if o.Reason != "" {
		return fmt.Sprintf("%s: %s: %s\n", o.Host, o.Status, Printable(o.Reason))
	}
	sent := ""
	if o.Bytes > 0 {
		sent = fmt.Sprintf(", %s sent (%s)", human.Count(o.Paths, "path"), human.Bytes(o.Bytes))
	}
	if o.Rebooted {
		sent += ", " + rebooted(o)
	}
	return fmt.Sprintf("%s: %s%s in %s\n", o.Host, o.Status, sent, human.Duration(o.Took))
}

// failure says why a host failed, and what the user can do about it.
func (t *text) failure(o *exec.Outcome) string {
	names, as := t.who(o)
	switch {
	case names == "":
		return ""
	case as != "":
		return fmt.Sprintf("%s: %s: %s: as %s\n", names, o.Status, o.Stage, as)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", names, o.Status)
	if o.Stage != "" {
		fmt.Fprintf(&b, ": %s", o.Stage)
	}
	fmt.Fprintf(&b, ": %s\n", strings.ReplaceAll(strings.TrimSpace(human.Plain(o.Err.Error())), "\n", "\n    "))
	// The last lines of a build say why it failed. Those of an activation are
	// printed already.
	if o.Stage == exec.Build {
		for _, line := range t.last[o.Host] {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	// A hundred hosts with the same error need its hint once.
	if h := t.hint(o.Host, o.Err); h != "" && !t.hinted[h] {
		t.hinted[h] = true
		fmt.Fprintf(&b, "hint: %s\n", h)
	}
	return b.String()
}

// row is the row of a host, which is added if it is new.
func (t *text) row(host string) *liveRow {
	for _, r := range t.rows {
		if r.host == host {
			return r
		}
	}
	r := &liveRow{host: host, since: time.Now()}
	t.rows = append(t.rows, r)
	return r
}

// drop removes the row of a host.
func (t *text) drop(host string) {
	t.rows = slices.DeleteFunc(t.rows, func(r *liveRow) bool { return r.host == host })
}

// begin has a row show a stage from now on.
func (r *liveRow) begin(stage exec.Stage, what string) {
	r.stage, r.since, r.what = stage, time.Now(), what
}

func (r *liveRow) String() string {
	return fmt.Sprintf("  %-12s %-9s %6s  %s", r.host, r.stage, human.Duration(time.Since(r.since)), r.what)
}

// Asking draws nothing while the user is asked.
func (t *text) Asking(ask func() error) error {
	t.setAsked(true)
	defer t.setAsked(false)
	return ask()
}

func (t *text) setAsked(asked bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = asked
	if asked {
		t.redraw("")
	}
}

// redraw prints lines that stay on the screen, and draws the rows below them.
func (t *text) redraw(stays string) {
	stays = human.Plain(stays)
	if !t.live {
		io.WriteString(t.errs, stays)
		return
	}
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA\x1b[J", t.drawn) // to the first row; clear from there
	}
	b.WriteString(t.held.String() + stays)
	t.held.Reset()
	t.at = time.Now()
	rows := t.screen()
	t.drawn = len(rows)
	for _, r := range rows {
		b.WriteString(r + "\n")
	}
	io.WriteString(t.errs, b.String())
}

// screen is the rows as they are drawn: none is wider than the terminal, for a
// row that wraps would take two lines.
func (t *text) screen() []string {
	if t.asked {
		return nil
	}
	width, _, err := term.GetSize(t.terminal)
	if err != nil || width < 1 {
		width = 80
	}
	var rows []string
	for i, r := range t.rows {
		if i == mostRows {
			rows = append(rows, fmt.Sprintf("  … and %s", human.Count(len(t.rows)-i, "more host")))
			break
		}
		rows = append(rows, Clip(Printable(r.String()), max(1, width-1)))
	}
	return rows
}

func (t *text) Close() {
	t.mu.Lock()
	live := t.live
	t.rows = nil
	t.redraw("")
	t.live = false
	t.mu.Unlock()
	if live {
		close(t.stop)
		t.ticking.Wait()
	}
}

// End prints the table of outcomes.
func (t *text) End(outcomes []exec.Outcome) {
	t.Close()
	printEnd(t.out, outcomes)
}
