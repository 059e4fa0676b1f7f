package ui_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"muster/cmd/ui"
	"muster/exec"
	"muster/schema"
)

// A terminal is a pseudo-terminal: programs write to tty, and a screen is drawn
// from what they write.
type terminal struct {
	tty           *os.File
	master        *os.File
	width, height int

	mu      sync.Mutex
	raw     bytes.Buffer
	drained chan struct{}
}

func openTerminal(t *testing.T, width, height int) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)}); err != nil {
		t.Fatal(err)
	}
	term := &terminal{tty: tty, master: master, width: width, height: height, drained: make(chan struct{})}
	go term.drain()
	t.Setenv("TERM", "xterm")
	return term
}

// drain keeps what is written, until tty is closed.
func (t *terminal) drain() {
	defer close(t.drained)
	b := make([]byte, 4096)
	for {
		n, err := t.master.Read(b)
		t.mu.Lock()
		t.raw.Write(b[:n])
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// screen is what the terminal shows, line by line.
func (t *terminal) screen() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return draw(t.raw.String(), t.width)
}

// shows waits until the screen is as wanted.
func (t *terminal) shows(test *testing.T, what string, is func(screen string) bool) {
	test.Helper()
	var screen string
	for began := time.Now(); time.Since(began) < 2*time.Minute; time.Sleep(10 * time.Millisecond) {
		if screen = strings.Join(t.screen(), "\n"); is(screen) {
			return
		}
	}
	test.Errorf("the screen does not show %s:\n%s", what, screen)
}

// unseen matches what changes no text: colours, the cursor, and whether lines are wrapped.
var unseen = regexp.MustCompile("^\x1b\\[([0-9;]*m|\\?(7|25)[lh])")

// draw does what a terminal does with the few control characters that muster
// writes, and panics at others. Its screens have no lower end.
func draw(raw string, width int) []string {
	screen := &drawing{lines: [][]rune{nil}, width: width}
	main := screen
	for i := 0; i < len(raw); {
		rest := raw[i:]
		switch {
		case strings.HasPrefix(rest, "\x1b[?1049h"):
			screen = &drawing{lines: [][]rune{nil}, width: width}
			i += len("\x1b[?1049h")
		case strings.HasPrefix(rest, "\x1b[?1049l"):
			screen = main
			i += len("\x1b[?1049l")
		case unseen.MatchString(rest):
			i += len(unseen.FindString(rest))
		case strings.HasPrefix(rest, "\x1b[H"):
			screen.row, screen.col = 0, 0
			i += 3
		case strings.HasPrefix(rest, "\x1b[J"), strings.HasPrefix(rest, "\x1b[K"):
			screen.clear(rest[2] == 'J')
			i += 3
		default:
			r, size := utf8.DecodeRuneInString(rest)
			screen.put(r)
			i += size
		}
	}
	var out []string
	for _, l := range screen.lines {
		out = append(out, strings.TrimRight(string(l), " "))
	}
	return out
}

// A drawing is a screen of a terminal.
type drawing struct {
	lines           [][]rune
	row, col, width int
}

// clear removes what is behind the cursor, in its line or to the end.
func (d *drawing) clear(all bool) {
	if all {
		d.lines = d.lines[:d.row+1]
	}
	d.lines[d.row] = d.lines[d.row][:min(d.col, len(d.lines[d.row]))]
}

func (d *drawing) put(r rune) {
	switch {
	case r == '\r':
		d.col = 0
	case r == '\n':
		d.down()
	case r < ' ':
		panic(fmt.Sprintf("unknown control character %q", r))
	default:
		if d.col == d.width {
			d.down()
			d.col = 0
		}
		for len(d.lines[d.row]) <= d.col {
			d.lines[d.row] = append(d.lines[d.row], ' ')
		}
		d.lines[d.row][d.col] = r
		d.col++
	}
}

func (d *drawing) down() {
	if d.row++; d.row == len(d.lines) {
		d.lines = append(d.lines, nil)
	}
}

func noHint(string, error) string { return "" }

// The totals, the failures and the hosts in progress are drawn, redrawn, and gone at the end.
func TestProgressIsDrawn(t *testing.T) {
	term := openTerminal(t, 60, 24)
	var out bytes.Buffer
	report := ui.NewText(&out, term.tty, func(_ string, err error) string {
		if err != nil {
			return "free some space"
		}
		return ""
	}, ui.ColorAuto)
	report.Note("a note")
	report.Doing("evaluating 2 hosts")
	term.shows(t, "what is done before the run", func(screen string) bool { return strings.HasPrefix(screen, "evaluating 2 hosts · ") })
	report.Begin(ui.Run{Hosts: []string{"web1", "web2"}, Recorded: true})
	report.Event(exec.StageStarted{Host: "web1", Stage: exec.Copy})
	report.Event(exec.StageStarted{Host: "web2", Stage: exec.Build})
	report.Event(exec.Progressed{Host: "web1", Stage: exec.Copy, Done: 61_600, Total: 5_000_000})
	report.Event(exec.Said{Host: "web2", Stage: exec.Build, Line: "\x1b[31mbuilding\x1b[0m a\x07 package whose line is too long for the terminal's width"})
	term.shows(t, "both hosts", func(screen string) bool {
		lines := strings.Split(screen, "\n")
		return len(lines) == 3 && strings.HasPrefix(lines[0], "0/2 done · 2 running · ") &&
			strings.HasPrefix(lines[1], "  web1  copy") && strings.HasSuffix(lines[1], "61.6 kB of 5.0 MB") &&
			strings.HasPrefix(lines[2], "  web2  build") && strings.Contains(lines[2], "building a package") && strings.HasSuffix(lines[2], "…")
	})
	before := strings.Join(term.screen(), "\n")
	term.shows(t, "time going on", func(screen string) bool { return screen != before })

	failed := exec.Outcome{Host: "web2", Status: exec.Failed, Stage: exec.Build, Err: errors.New("exit status 1: disk full")}
	report.Event(exec.HostEnded{Outcome: failed})
	term.shows(t, "the failure above the host in progress", func(screen string) bool {
		lines := strings.Split(screen, "\n")
		return len(lines) == 3 && strings.HasPrefix(lines[0], "0/2 done · 1 failed · 1 running · ") &&
			lines[1] == "  web2  failed    build: exit status 1: disk full" && strings.HasPrefix(lines[2], "  web1  copy")
	})
	report.End([]exec.Outcome{{Host: "web1", Status: exec.Activated}, failed})
	report.Close()
	term.shows(t, "the failure, what the build had said, and its hint, and nothing else", func(screen string) bool {
		lines := strings.Split(screen, "\n")
		return len(lines) == 8 && lines[0] == "a note" && lines[1] == "web2 failed" && lines[2] == "  build: exit status 1: disk full" &&
			lines[3]+lines[4] == "    building a package whose line is too long for the terminal's width" &&
			lines[5] == "  more: muster logs web2" && lines[6] == "hint: free some space" && lines[7] == ""
	})
	if want := "HOST  OUTCOME    GENERATION  DETAIL\nweb2  failed                 build: exit status 1: disk full\nweb1  activated\n2 hosts: 1 activated, 1 failed (web2)\n"; out.String() != want {
		t.Errorf("on standard output: %s", out.String())
	}
}

// What others print on the terminal meanwhile is seen below the hosts, and stays.
func TestOthersPrintBesideTheView(t *testing.T) {
	term := openTerminal(t, 60, 24)
	report := ui.NewText(&bytes.Buffer{}, term.tty, noHint, ui.ColorNever)
	errs := report.Around(term.tty)
	fmt.Fprint(errs, "before\n")
	report.Event(exec.StageStarted{Host: "web1", Stage: exec.Copy})
	term.shows(t, "the host alone", func(screen string) bool {
		return strings.Contains(screen, "\n  web1") && !strings.Contains(screen, "before")
	})
	fmt.Fprint(errs, "warning: old\nnote: new\n")
	term.shows(t, "both lines below the host", func(screen string) bool {
		lines := strings.Split(screen, "\n")
		return len(lines) == 4 && strings.HasPrefix(lines[1], "  web1") && lines[2] == "warning: old" && lines[3] == "note: new"
	})
	report.Close()
	fmt.Fprint(errs, "the end\n")
	term.shows(t, "what was printed", func(screen string) bool { return screen == "before\nwarning: old\nnote: new\nthe end\n" })
}

// A process that ends at once leaves the terminal as it was.
func TestAViewIsLeftAtOnce(t *testing.T) {
	term := openTerminal(t, 60, 24)
	report := ui.NewText(&bytes.Buffer{}, term.tty, noHint, ui.ColorNever)
	defer report.Close()
	fmt.Fprint(term.tty, "$ muster deploy\n")
	report.Event(exec.StageStarted{Host: "web1", Stage: exec.Activate})
	term.shows(t, "the host", func(screen string) bool { return strings.Contains(screen, "\n  web1") })
	report.Interrupted()
	ui.Leave()
	report.Event(exec.StageStarted{Host: "web1", Stage: exec.Health})
	term.shows(t, "what stays", func(screen string) bool {
		return strings.ReplaceAll(screen, "\n", "") == "$ muster deploy"+"interrupted: nothing new is begun; web1 is activating and is finished; interrupt again to leave at once"
	})
}

// Many lines at once do not have the hosts in progress drawn for each of them, and
// none is lost.
func TestManyLinesAreDrawnTogether(t *testing.T) {
	term := openTerminal(t, 60, 24)
	report := ui.NewText(&bytes.Buffer{}, term.tty, noHint, ui.ColorAuto)
	for i := range 12 {
		report.Event(exec.StageStarted{Host: fmt.Sprintf("web%d", i), Stage: exec.Activate})
	}
	const lines = 2000
	for i := range lines {
		report.Event(exec.Said{Host: "web1", Stage: exec.Activate, Line: fmt.Sprintf("line %d", i)})
	}
	report.Close()
	term.shows(t, "all lines", func(screen string) bool {
		return strings.Count(screen, "web1: line ") == lines && strings.Contains(screen, fmt.Sprintf("line %d", lines-1))
	})
	term.mu.Lock()
	defer term.mu.Unlock()
	if n := term.raw.Len(); n > 500_000 {
		t.Errorf("%d bytes for %d lines", n, lines)
	}
}

// A question has the terminal for itself.
func TestNothingIsDrawnWhileTheUserIsAsked(t *testing.T) {
	term := openTerminal(t, 60, 24)
	report := ui.NewText(&bytes.Buffer{}, term.tty, noHint, ui.ColorAuto)
	defer report.Close()
	report.Event(exec.StageStarted{Host: "web1", Stage: exec.Copy})
	err := report.Asking(func() error {
		err := ui.Ask(context.Background(), strings.NewReader("maybe\n"), term.tty, "continue with wave 2? [y/N] ")
		report.Event(exec.Progressed{Host: "web1", Stage: exec.Copy, Done: 1, Total: 2})
		term.shows(t, "the question only", func(screen string) bool { return screen == "continue with wave 2? [y/N]" })
		return err
	})
	if !errors.Is(err, ui.ErrDeclined) {
		t.Errorf("got %v, want %v", err, ui.ErrDeclined)
	}
	term.shows(t, "the host again", func(screen string) bool { return strings.Contains(screen, "  web1") })
}

// A fleet of many hosts takes no more rows than the terminal has.
func TestManyHostsAreFolded(t *testing.T) {
	term := openTerminal(t, 40, 12)
	report := ui.NewText(&bytes.Buffer{}, term.tty, noHint, ui.ColorAuto)
	defer report.Close()
	for i := range 100 {
		report.Event(exec.StageStarted{Host: fmt.Sprintf("web%d", i), Stage: exec.Inspect})
	}
	term.shows(t, "the totals, the stage, and those that take longest", func(screen string) bool {
		lines := strings.Split(screen, "\n")
		return len(lines) == 12 && strings.HasPrefix(lines[0], "0/100 done · 100 running") && lines[1] == "  inspect   100 hosts: web0..web99" &&
			strings.HasPrefix(lines[11], "  web9   inspect")
	})
}

// Problems have their line and a caret on a terminal.
func TestProblemsHaveACaret(t *testing.T) {
	term := openTerminal(t, 80, 24)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("hosts.cue", []byte("a: 1\n\tport: \x1b[31m0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ui.NewProblemPrinter(term.tty, ui.ColorNever, ui.MostOfAKind).Print(schema.Errors{{Pos: schema.Pos{File: "hosts.cue", Line: 2, Col: 8}, Path: "port", Msg: "want a port"}})
	term.shows(t, "the line and a caret", func(screen string) bool {
		return strings.HasSuffix(strings.TrimSpace(screen), "port: 0\n           ^")
	})
}
