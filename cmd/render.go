package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/human"
)

// An outputFlag says how a run is reported.
type outputFlag struct{ format string }

func (f *outputFlag) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.format, "output", "text", "report as `format`: text, or json for one event a line")
}

// reporter shows what f asks for.
func (f *outputFlag) reporter(std streams) (reporter, error) {
	switch f.format {
	case "text":
		return newText(std), nil
	case "json":
		return &jsonLines{enc: json.NewEncoder(std.out)}, nil
	}
	return nil, usageError{fmt.Errorf("--output %s: there is text and json", f.format)}
}

// A reporter shows a run as it goes, and its outcomes in the end.
type reporter interface {
	note(format string, args ...any) // something about the run as a whole
	event(exec.Event)
	asking(ask func() error) error                          // lets somebody be asked something meanwhile
	end(ctx context.Context, outcomes []exec.Outcome) error // the exit status, as an error
	close()
}

// jsonLines prints every event as a line of JSON with its kind.
type jsonLines struct{ enc *json.Encoder }

func (j *jsonLines) note(string, ...any) {}

func (j *jsonLines) event(e exec.Event) {
	kind := strings.TrimPrefix(fmt.Sprintf("%T", e), "exec.")
	j.enc.Encode(map[string]any{"event": kind, "data": e})
}

func (j *jsonLines) end(ctx context.Context, outcomes []exec.Outcome) error {
	return status(ctx, outcomes)
}

func (j *jsonLines) asking(ask func() error) error { return ask() }

func (j *jsonLines) close() {}

func status(ctx context.Context, outcomes []exec.Outcome) error {
	if s := exec.ExitStatus(ctx, outcomes); s != exec.ExitOK {
		return exitError(s)
	}
	return nil
}

// text shows a run to a person. Facts go to standard error as lines; on a
// terminal the hosts at work are shown below them, live. The outcome is a
// table on standard output.
type text struct {
	std   streams
	began time.Time

	mu     sync.Mutex
	live   bool
	width  int
	drawn  int  // lines of the live part on the screen
	asked  bool // somebody is, and nothing is drawn
	rows   []*liveRow
	last   map[string][]string // the last lines each host's stage printed
	hinted map[string]bool
	stop   chan struct{}
	ended  sync.WaitGroup
}

type liveRow struct {
	host  string
	stage exec.Stage
	since time.Time
	what  string
}

// lastLines is how much of what a failed stage printed is shown.
const lastLines = 10

func newText(std streams) *text {
	t := &text{std: std, began: time.Now(), last: map[string][]string{}, hinted: map[string]bool{}, stop: make(chan struct{})}
	if f, ok := std.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
		t.live = true
		t.width, _, _ = term.GetSize(int(f.Fd()))
		t.ended.Add(1)
		go t.tick()
	}
	return t
}

// tick keeps the times on the screen going.
func (t *text) tick() {
	defer t.ended.Done()
	ticker := time.NewTicker(200 * time.Millisecond)
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

func (t *text) note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.redraw(fmt.Sprintf(format, args...) + "\n")
}

func (t *text) event(e exec.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := e.(type) {
	case exec.StageStarted:
		r := t.row(e.Host)
		r.stage, r.since, r.what = e.Stage, time.Now(), ""
		delete(t.last, e.Host)
	case exec.StageEnded:
		// Seen only where the next stage is not begun at once.
		r := t.row(e.Host)
		r.stage, r.since, r.what = "", time.Now(), "waits for its turn"
	case exec.Progressed:
		if e.Total == 0 {
			return
		}
		t.row(e.Host).what = fmt.Sprintf("%s of %s", size(e.Done), size(e.Total))
	case exec.Said:
		line := strings.TrimSpace(printable(e.Line))
		if line == "" {
			return
		}
		t.row(e.Host).what = line
		t.last[e.Host] = append(t.last[e.Host], line)
		if n := len(t.last[e.Host]); n > lastLines {
			t.last[e.Host] = t.last[e.Host][n-lastLines:]
		}
		if e.Stage == exec.Activate || e.Stage == exec.Revert {
			t.redraw(fmt.Sprintf("%s: %s\n", e.Host, line))
		}
	case exec.Found:
		if !e.Bad {
			t.redraw(fmt.Sprintf("%s: note: %s\n", e.Host, printable(e.Text)))
		}
	case exec.Checked:
		if e.Err != "" {
			t.redraw(fmt.Sprintf("%s: %s: %s\n", e.Host, printable(e.Check), printable(e.Err)))
		}
	case exec.WaveStarted:
		if e.Of > 1 {
			t.redraw(fmt.Sprintf("wave %d of %d: %s\n", e.Wave, e.Of, plural(e.Hosts, "host")))
		}
	case exec.Paused:
		t.redraw(fmt.Sprintf("wave %d begins in %v\n", e.Wave, e.For))
	case exec.JournalFailed:
		t.redraw(fmt.Sprintf("note: no journal of this run: %s\n", e.Err))
	case exec.HostEnded:
		t.drop(e.Outcome.Host)
		if e.Outcome.Status != exec.Listed {
			t.redraw(t.sentence(&e.Outcome))
		}
	}
	if t.live {
		t.redraw("")
	}
}

// sentence tells how a host ended.
func (t *text) sentence(o *exec.Outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", o.Host, o.Status)
	if o.Bytes > 0 {
		fmt.Fprintf(&b, ", %s sent (%s)", plural(o.Paths, "path"), size(o.Bytes))
	}
	fmt.Fprintf(&b, " in %s\n", seconds(o.Took))
	if o.Err == nil {
		return b.String()
	}
	b.Reset()
	fmt.Fprintf(&b, "%s: %s", o.Host, o.Status)
	if o.Stage != "" {
		fmt.Fprintf(&b, ": %s", o.Stage)
	}
	fmt.Fprintf(&b, ": %s\n", strings.ReplaceAll(strings.TrimSpace(plain(o.Err.Error())), "\n", "\n    "))
	// A stage that printed lines and failed says in them why; activations are
	// shown whole already.
	if o.Stage == exec.Build {
		for _, line := range t.last[o.Host] {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	// The same advice for a hundred hosts is given once.
	if h := hint(o.Host, o.Err); h != "" && !t.hinted[h] {
		t.hinted[h] = true
		fmt.Fprintf(&b, "hint: %s\n", h)
	}
	return b.String()
}

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

func (t *text) drop(host string) {
	for i, r := range t.rows {
		if r.host == host {
			t.rows = append(t.rows[:i], t.rows[i+1:]...)
			return
		}
	}
}

// asking leaves the terminal to a question: the live part is gone until it is
// answered.
func (t *text) asking(ask func() error) error {
	t.mu.Lock()
	t.asked = true
	t.redraw("")
	t.mu.Unlock()
	err := ask()
	t.mu.Lock()
	t.asked = false
	t.mu.Unlock()
	return err
}

// redraw prints lines that stay, and the live part anew below them.
func (t *text) redraw(stays string) {
	if !t.live {
		io.WriteString(t.std.err, stays)
		return
	}
	var b strings.Builder
	if t.drawn > 0 {
		fmt.Fprintf(&b, "\r\x1b[%dA\x1b[J", t.drawn)
	}
	b.WriteString(stays)
	t.drawn = 0
	for i, r := range t.rows {
		if t.asked {
			break
		}
		if i == 12 {
			fmt.Fprintf(&b, "  … and %s\n", plural(len(t.rows)-i, "more host"))
			t.drawn++
			break
		}
		line := fmt.Sprintf("  %-12s %-9s %6s  %s", r.host, r.stage, seconds(time.Since(r.since)), r.what)
		b.WriteString(clip(line, t.width-1) + "\n")
		t.drawn++
	}
	io.WriteString(t.std.err, b.String())
}

func (t *text) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rows = nil
	t.redraw("")
	if t.live {
		t.live = false
		close(t.stop)
	}
}

// end prints the table of outcomes.
func (t *text) end(ctx context.Context, outcomes []exec.Outcome) error {
	t.close()
	switch {
	case len(outcomes) == 0:
		fmt.Fprintln(t.std.out, "no hosts")
	case len(outcomes[0].Generations) > 0 || outcomes[0].Status == exec.Listed:
		printGenerations(t.std.out, outcomes)
	case anyOf(outcomes, func(o *exec.Outcome) bool { return o.Diff != nil }):
		printPlan(t.std.out, outcomes)
	case anyOf(outcomes, func(o *exec.Outcome) bool { return o.Freed != "" || len(o.Removed) > 0 }):
		printCollected(t.std.out, outcomes)
	default:
		printOutcomes(t.std.out, outcomes)
	}
	return status(ctx, outcomes)
}

func anyOf(outcomes []exec.Outcome, is func(*exec.Outcome) bool) bool {
	for i := range outcomes {
		if is(&outcomes[i]) {
			return true
		}
	}
	return false
}

// printOutcomes prints a line a host, and a last one that counts.
func printOutcomes(w io.Writer, outcomes []exec.Outcome) {
	table := newReport(w, "host", "outcome", "generation", "detail")
	counts := map[exec.Status]int{}
	for i := range outcomes {
		o := &outcomes[i]
		counts[o.Status]++
		table.row(o.Host, string(o.Status), generationChange(o), detail(o))
	}
	table.flush()
	var parts []string
	for _, s := range exec.Statuses {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	fmt.Fprintf(w, "%s: %s\n", plural(len(outcomes), "host"), strings.Join(parts, ", "))
	if counts[exec.Unchanged] == len(outcomes) {
		fmt.Fprintln(w, "nothing to do: every host already is what the inventory says")
	}
}

func generationChange(o *exec.Outcome) string {
	before, after := o.Before.Generation.Number, o.After.Number
	switch {
	case after == 0 && before == 0:
		return ""
	case after == 0 || after == before:
		return fmt.Sprint(before)
	case before == 0:
		return fmt.Sprint(after)
	}
	return fmt.Sprintf("%d → %d", before, after)
}

func detail(o *exec.Outcome) string {
	if o.Err != nil {
		line, _, _ := strings.Cut(o.Err.Error(), "\n")
		if o.Stage == "" {
			return line
		}
		return fmt.Sprintf("%s: %s", o.Stage, line)
	}
	if o.System == "" {
		return ""
	}
	return short(o.System) + "-" + o.System.Name()
}

// short is the beginning of a store path's digest, enough to tell two apart.
func short(p store.Path) string {
	d := p.Digest()
	return d[:min(8, len(d))] + "…"
}

func printGenerations(w io.Writer, outcomes []exec.Outcome) {
	table := newReport(w, "host", "generation", "created", "version", "system", "")
	for i := range outcomes {
		o := &outcomes[i]
		if o.Err != nil {
			table.row(o.Host, string(o.Status), clip(detail(o), 60), "", "", "")
			continue
		}
		for _, g := range o.Generations {
			var marks []string
			if g.Current {
				marks = append(marks, "current")
			}
			if g.Number == o.Generations[len(o.Generations)-1].Number {
				marks = append(marks, "newest")
			}
			table.row(o.Host, fmt.Sprint(g.Number), g.Created.Local().Format("2006-01-02 15:04:05"),
				clip(g.Version, 16), short(g.System), strings.Join(marks, ", "))
		}
		if len(o.Generations) == 0 {
			table.row(o.Host, "none", "", "", "", "")
		}
	}
	table.flush()
}

// size writes a number of bytes for people, in units of 1000.
func size(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// clip shortens a line to n characters.
func clip(s string, n int) string {
	r := []rune(s)
	if n < 1 || len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// printable takes out what would move the cursor: what hosts print is not
// trusted with the user's terminal.
func printable(s string) string { return strings.ReplaceAll(plain(s), "\n", "") }

// plain is [human.Plain].
func plain(s string) string { return human.Plain(s) }

// A plainWriter writes text as [plain] has it; each Write is whole lines.
type plainWriter struct{ w io.Writer }

func (p plainWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(p.w, plain(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
