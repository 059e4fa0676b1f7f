package ui_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
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
	for range 200 {
		if screen = strings.Join(t.screen(), "\n"); is(screen) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	test.Errorf("the screen does not show %s:\n%s", what, screen)
}

// draw does what a terminal does with the few control characters that muster
// writes, and panics at others.
func draw(raw string, width int) []string {
	lines, row, col := [][]rune{nil}, 0, 0
	for i := 0; i < len(raw); {
		rest := raw[i:]
		var up int
		switch {
		case strings.HasPrefix(rest, "\x1b[J"):
			lines = lines[:row+1]
			lines[row] = lines[row][:min(col, len(lines[row]))]
			i += 3
		case strings.HasPrefix(rest, "\x1b["):
			if _, err := fmt.Sscanf(rest, "\x1b[%dA", &up); err != nil {
				panic(fmt.Sprintf("unknown control sequence %.10q", rest))
			}
			row = max(0, row-up)
			i += len(fmt.Sprintf("\x1b[%dA", up))
		case rest[0] == '\r':
			col = 0
			i++
		case rest[0] == '\n':
			if row++; row == len(lines) {
				lines = append(lines, nil)
			}
			i++
		default:
			r, size := utf8.DecodeRuneInString(rest)
			if r < ' ' {
				panic(fmt.Sprintf("unknown control character %q", r))
			}
			if col == width {
				if row++; row == len(lines) {
					lines = append(lines, nil)
				}
				col = 0
			}
			for len(lines[row]) <= col {
				lines[row] = append(lines[row], ' ')
			}
			lines[row][col] = r
			col++
			i += size
		}
	}
	var out []string
	for _, l := range lines {
		out = append(out, strings.TrimRight(string(l), " "))
	}
	return out
}

func noHint(string, error) string { return "" }

// Hosts in progress are drawn below the facts, redrawn, and gone at the end.
func TestProgressIsDrawn(t *testing.T) {
	term := openTerminal(t, 60, 24)
	var out bytes.Buffer
	report := ui.NewText(&out, term.tty, func(_ string, err error) string {
		if err != nil {
			return "free some space"
		}
		return ""
	})
	report.Note("evaluating 2 hosts")
	report.Event(exec.StageStarted{Host: "web1", Stage: exec.Copy})
	report.Event(exec.StageStarted{Host: "web2", Stage: exec.Build})
	report.Event(exec.Progressed{Host: "web1", Stage: exec.Copy, Done: 61_600, Total: 5_000_000})
	report.Event(exec.Said{Host: "web2", Stage: exec.Build, Line: "\x1b[31mbuilding\x1b[0m a\x07 package whose line is too long for the terminal's width"})
	term.shows(t, "both hosts", func(screen string) bool {
		lines := strings.Split(screen, "\n")
		return len(lines) == 4 && lines[0] == "evaluating 2 hosts" &&
			strings.HasPrefix(lines[1], "  web1         copy") && strings.HasSuffix(lines[1], "61.6 kB of 5.0 MB") &&
			strings.HasPrefix(lines[2], "  web2         build") && strings.Contains(lines[2], "building a package") && strings.HasSuffix(lines[2], "…")
	})
	term.shows(t, "time going on", func(screen string) bool { return strings.Contains(screen, "0.4 s") })

	report.Event(exec.HostEnded{Outcome: exec.Outcome{Host: "web2", Status: exec.Failed, Stage: exec.Build, Err: errors.New("exit status 1: disk full")}})
	term.shows(t, "the failure and its hint above the host in progress", func(screen string) bool {
		lines := strings.Split(screen, "\n")
		return len(lines) == 7 && lines[1] == "web2: failed: build: exit status 1: disk full" && lines[4] == "hint: free some space" &&
			lines[2]+lines[3] == "    building a package whose line is too long for the terminal's width" && strings.HasPrefix(lines[5], "  web1")
	})
	report.Close()
	report.Close()
	term.shows(t, "no host in progress", func(screen string) bool { return !strings.Contains(screen, "  web1") })
	if out.Len() > 0 {
		t.Errorf("on standard output: %s", out.String())
	}
}

// Many lines at once do not have the hosts in progress drawn for each of them, and
// none is lost.
func TestManyLinesAreDrawnTogether(t *testing.T) {
	term := openTerminal(t, 60, 24)
	report := ui.NewText(&bytes.Buffer{}, term.tty, noHint)
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
	report := ui.NewText(&bytes.Buffer{}, term.tty, noHint)
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

// A fleet of many hosts takes no more lines than the terminal has.
func TestManyHostsAreCounted(t *testing.T) {
	term := openTerminal(t, 40, 24)
	report := ui.NewText(&bytes.Buffer{}, term.tty, noHint)
	defer report.Close()
	for i := range 100 {
		report.Event(exec.StageStarted{Host: fmt.Sprintf("host-with-a-rather-long-name-%d", i), Stage: exec.Inspect})
	}
	term.shows(t, "twelve hosts and a count", func(screen string) bool {
		lines := strings.Split(screen, "\n")
		return len(lines) == 14 && lines[12] == "  … and 88 more hosts"
	})
}

// Problems have their line and a caret on a terminal.
func TestProblemsHaveACaret(t *testing.T) {
	term := openTerminal(t, 80, 24)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("hosts.cue", []byte("a: 1\n\tport: \x1b[31m0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ui.NewProblemPrinter(term.tty, ui.MostOfAKind).Print(schema.Errors{{Pos: schema.Pos{File: "hosts.cue", Line: 2, Col: 8}, Path: "port", Msg: "want a port"}})
	term.shows(t, "the line and a caret", func(screen string) bool {
		return strings.HasSuffix(strings.TrimSpace(screen), "port: 0\n           ^")
	})
}
