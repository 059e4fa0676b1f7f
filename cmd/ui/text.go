package ui

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"muster/exec"
	"muster/exec/human"
)

// NewText returns a reporter for people. If errs is a terminal, a view of the run is drawn on
// its alternate screen, and at the end only what stays is printed: notes and failures. Anywhere
// else, each event is a line with its time. The outcomes go to out as a table.
func NewText(out, errs io.Writer, hint Hint, color Color) Reporter {
	t := &text{out: out, errs: errs, color: color, hint: hint, view: newView(), last: map[string][]string{}, mistakes: map[string]string{}, stop: make(chan struct{})}
	if f := terminal(errs); f != nil && hasScreens(os.Getenv("TERM")) {
		t.live = true
		t.tty = f // for what is drawn
		t.ansi = color.on(errs)
	}
	t.ticking.Go(t.tick)
	return t
}

// hasScreens reports whether a type of terminal has an alternate screen.
func hasScreens(kind string) bool { return kind != "" && kind != "dumb" && kind != "linux" }

type text struct {
	out, errs io.Writer
	color     Color
	hint      Hint
	stop      chan struct{}
	ticking   sync.WaitGroup

	mu    sync.Mutex
	live  bool            // the view is drawn
	tty   *os.File        // where, if live
	ansi  bool            // it takes colours
	shown bool            // the alternate screen is shown
	held  strings.Builder // lines that are printed when it is left
	at    time.Time       // when it was drawn or a line was printed last
	asked bool            // the user is being asked, and nothing is drawn
	shut  bool            // nothing is drawn any more
	run   Run             // that is shown
	view  *view           // what is drawn
	lost  []string        // builders, for the end

	last     map[string][]string // the last lines that each host's stage printed
	mistakes map[string]string   // the first host with each mistake in the configuration
}

const (
	lastLines = 10 // lines that a failed stage printed and that are shown
	redraws   = 200 * time.Millisecond
	// apart is the least time between two drawings because of events: a host that
	// prints much must not have all rows drawn for every line.
	apart = 100 * time.Millisecond
	// patience is after which time a view is shown: a run that is over by then has none.
	patience = 300 * time.Millisecond
	// silence is after how long without a line the totals are printed, where nothing is drawn.
	silence = 30 * time.Second
	// slow is the time from which on a stage that has ended is a line of its own.
	slow = time.Second
)

// tick redraws the times on the screen.
func (t *text) tick() {
	ticker := time.NewTicker(redraws)
	defer ticker.Stop()
	for {
		select {
		case <-t.stop:
			return
		case now := <-ticker.C:
			t.mu.Lock()
			switch {
			case t.live:
				t.draw(now)
			case len(t.view.byName) > 0 && !t.asked && now.Sub(t.at) > silence:
				t.print(t.stamped(paint(t.view, 200, 1, now)[0].text()))
			}
			t.mu.Unlock()
		}
	}
}

func (t *text) Doing(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.view.doing = fmt.Sprintf(format, args...)
	if t.view.began.IsZero() {
		t.view.began = time.Now()
	}
	if !t.live {
		t.print(t.stamped(t.view.doing))
	}
}

func (t *text) Note(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.print(t.stamped(fmt.Sprintf(format, args...)))
}

func (t *text) Begin(r Run) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.run = r
	t.view.begin(len(r.Hosts), time.Now())
}

func (t *text) Event(e exec.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	KeepLast(t.last, e)
	if lost, ok := e.(exec.BuilderLost); ok {
		t.lost = append(t.lost, lossOf(lost))
	}
	now := time.Now()
	t.view.take(e, now)
	if line := t.lineOf(e); line != "" {
		t.print(t.stamped(line))
	}
	if now.Sub(t.at) >= apart {
		t.draw(now)
	}
}

// stamped is a text as a line that stays, with the time where nothing is drawn.
func (t *text) stamped(text string) string {
	if t.live {
		return text + "\n"
	}
	return time.Now().Format(time.TimeOnly) + " " + text + "\n"
}

// lineOf is the line for an event that stays, "" for none. Where the view is drawn, it has
// most of what happens.
func (t *text) lineOf(e exec.Event) string {
	switch e := e.(type) {
	case exec.Said:
		return t.printed(e)
	case exec.Found:
		if !e.Bad {
			return fmt.Sprintf("%s: note: %s", e.Host, Printable(e.Text))
		}
	case exec.NodeChanged:
		return fmt.Sprintf("%s: node %s: %s", e.Host, e.Change, Printable(e.Text))
	case exec.UndoChosen:
		return undone(e)
	case exec.JournalFailed:
		return fmt.Sprintf("note: no journal of this run: %s", Printable(e.Err))
	}
	if line := buildLine(e, t.live); line != "" {
		return line
	}
	if t.live {
		return ""
	}
	switch e := e.(type) {
	case exec.StageEnded:
		if e.Took >= slow && e.Err == "" {
			return fmt.Sprintf("%s: %s: done in %s", e.Host, e.Stage, human.Duration(e.Took))
		}
	case exec.Checked:
		if e.Err != "" {
			return fmt.Sprintf("%s: %s: %s", e.Host, Printable(e.Check), Printable(e.Err))
		}
	case exec.WaveStarted:
		if e.Of > 1 {
			return fmt.Sprintf("wave %d of %d: %s", e.Wave, e.Of, human.Count(e.Hosts, "host"))
		}
	case exec.Paused:
		return fmt.Sprintf("wave %d begins in %s", e.Wave, human.Duration(e.For))
	case exec.HostEnded:
		if e.Outcome.Status != exec.Listed {
			return t.sentence(&e.Outcome)
		}
	}
	return ""
}

// undone says which deployment is undone.
func undone(e exec.UndoChosen) string {
	by, missed := "", ""
	if e.Who != "" {
		by = " by " + Printable(e.Who)
	}
	if e.NotReached > 0 {
		missed = fmt.Sprintf("; %s not reached", human.Count(e.NotReached, "host"))
	}
	return fmt.Sprintf("the last deployment: run %s%s, %s%s", Printable(e.Run), by, human.Count(e.Hosts, "host"), missed)
}

// printed is the line for what a host printed. Lines of an activation are printed as they
// come. Where the view is drawn, they stay only if they are what the user asked for: then no
// journal has them.
func (t *text) printed(e exec.Said) string {
	line := strings.TrimSpace(Printable(e.Line))
	if line == "" || t.live && t.run.Recorded {
		return ""
	}
	switch e.Stage {
	case exec.Activate, exec.Revert, exec.Restart, exec.InstallSystem, exec.Leave, exec.Rejoin:
		return fmt.Sprintf("%s: %s", e.Host, line)
	}
	return ""
}

// sentence says how a host ended. Why it failed is told in full at the end.
func (t *text) sentence(o *exec.Outcome) string {
	if o.Err != nil {
		return t.failure(o)
	}
	if o.Reason != "" {
		return fmt.Sprintf("%s: %s: %s", o.Host, o.Status, Printable(o.Reason))
	}
	sent := ""
	if o.Bytes > 0 {
		sent = fmt.Sprintf(", %s sent (%s)", human.Count(o.Paths, "path"), human.Bytes(o.Bytes))
	}
	if o.Rebooted {
		sent += ", " + rebooted(o)
	}
	return fmt.Sprintf("%s: %s%s in %s", o.Host, o.Status, sent, human.Duration(o.Took))
}

// failure says that a host failed. A mistake in the configuration, which hosts share, is told
// in full, and not again at the end.
func (t *text) failure(o *exec.Outcome) string {
	names, as := t.who(o)
	where := ""
	if o.Stage != "" {
		where = string(o.Stage) + ": "
	}
	switch {
	case names == "":
		return ""
	case as != "":
		return fmt.Sprintf("%s: %s: %sas %s", names, o.Status, where, as)
	}
	if mistake, _ := mistakeOf(o); mistake == "" {
		return fmt.Sprintf("%s: %s: %s%s", names, o.Status, where, reasonOf(o))
	}
	text := fmt.Sprintf("%s: %s: %s%s", names, o.Status, where, strings.ReplaceAll(strings.TrimSpace(human.Plain(o.Err.Error())), "\n", "\n    "))
	if h := t.hint(o.Host, o.Err); h != "" {
		text += "\nhint: " + h
	}
	return text
}

func (t *text) Interrupted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.view.interrupted = true
	t.print(t.stamped(interruption(t.view, t.run.Recorded)))
	t.draw(time.Now())
}

// interruption says what goes on in a run that was interrupted, and how it is continued.
func interruption(v *view, recorded bool) string {
	var names []string
	for h := range v.working {
		if h.stage.InActivation() {
			names = append(names, h.name)
		}
	}
	goesOn := "nothing is activating"
	switch {
	case len(names) == 1:
		goesOn = names[0] + " is activating and is finished"
	case len(names) > 1:
		goesOn = fmt.Sprintf("%s are activating and are finished: %s", human.Count(len(names), "host"), abbreviate(names, 6))
	}
	then := ""
	if recorded {
		then = "; muster resume continues the run"
	}
	return fmt.Sprintf("interrupted: nothing new is begun; %s%s; interrupt again to leave at once", goesOn, then)
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
		t.leave()
	}
}

// print prints lines that stay: at once, or when the view is left.
func (t *text) print(lines string) {
	lines = human.Plain(lines)
	switch {
	case t.shown:
		t.held.WriteString(lines)
		t.view.note(lines)
	default:
		io.WriteString(t.errs, lines)
		t.at = time.Now()
	}
}

// The control sequences of a view (ECMA-48, and xterm's private modes). Lines are not wrapped,
// also where a terminal has become narrower and has not said so yet, as tmux does for a
// quarter of a second.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // alternate screen, no cursor, no wrapping
	leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
)

// onScreen is the reporter whose view is shown: a process has one terminal.
var onScreen atomic.Pointer[text]

// draw draws the view.
func (t *text) draw(now time.Time) {
	if !t.live || t.asked || t.shut || !t.shown && now.Sub(t.view.began) < patience {
		return
	}
	width, height := sizeOf(int(t.tty.Fd()))
	rows := paint(t.view, max(1, width-1), height, now) // what follows a full line would clear its end
	if len(rows) == 0 {
		return
	}
	var b strings.Builder
	if !t.shown {
		b.WriteString(enterScreen)
		t.shown = true
		onScreen.Store(t)
	}
	b.WriteString(home)
	for i, r := range rows {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(r.render(t.ansi) + clearLine)
	}
	b.WriteString(clearRest)
	io.WriteString(t.tty, b.String())
	t.at = now
}

// leave leaves the view, and prints what stays.
func (t *text) leave() {
	if !t.shown {
		return
	}
	t.shown = false
	onScreen.CompareAndSwap(t, nil)
	io.WriteString(t.tty, leaveScreen+t.held.String())
	t.held.Reset()
}

// Leave leaves a view that is shown, for a process that ends at once.
func Leave() {
	if t := onScreen.Load(); t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.shut = true
		t.leave()
	}
}

// Around returns a writer whose lines stay when the view is left.
func (t *text) Around(errs io.Writer) io.Writer {
	if !t.live {
		return errs
	}
	return &besideView{t: t, errs: errs}
}

// A besideView prints lines of others than the reporter.
type besideView struct {
	t    *text
	errs io.Writer
}

// Unwrap returns the writer that lines go to where no view is shown.
func (w *besideView) Unwrap() io.Writer { return w.errs }

func (w *besideView) Write(p []byte) (int, error) {
	w.t.mu.Lock()
	defer w.t.mu.Unlock()
	if !w.t.shown {
		return w.errs.Write(p)
	}
	w.t.print(string(p))
	return len(p), nil
}

func (t *text) Close() {
	t.mu.Lock()
	if t.shut {
		t.mu.Unlock()
		return
	}
	t.shut = true
	t.leave()
	t.mu.Unlock()
	close(t.stop)
	t.ticking.Wait()
}

// told reports whether it has been told in full why a host failed.
func (t *text) told(o exec.Outcome) bool {
	mistake, _ := mistakeOf(&o)
	return t.mistakes[mistake] != ""
}

// End prints why hosts failed, and the table of outcomes.
func (t *text) End(outcomes []exec.Outcome) {
	t.Close()
	errs := newPage(t.errs, t.color)
	for _, lost := range t.lost {
		errs.print(line{}.and(odd, lost))
	}
	printFailures(errs, slices.DeleteFunc(slices.Clone(outcomes), t.told), t.last, t.run, t.hint)
	printEnd(newPage(t.out, t.color), outcomes)
}
