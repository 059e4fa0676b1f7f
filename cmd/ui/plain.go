package ui

import (
	"io"
	"os"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"golang.org/x/term"

	"muster/exec/human"
)

// Printable is [human.Plain] for text that stays on one line: it moves no cursor.
func Printable(s string) string { return strings.ReplaceAll(human.Plain(s), "\n", "") }

// unwrapped is the writer that a writer writes to in the end, such as that of a
// [human.PlainWriter].
func unwrapped(w io.Writer) io.Writer {
	for {
		around, ok := w.(interface{ Unwrap() io.Writer })
		if !ok {
			return w
		}
		w = around.Unwrap()
	}
}

// terminal returns the terminal that a writer writes to in the end; nil if it is none.
func terminal(w io.Writer) *os.File {
	if f, ok := unwrapped(w).(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// IsTerminal reports whether what is written to w is shown on a terminal.
func IsTerminal(w io.Writer) bool { return terminal(w) != nil }

// Clip shortens a line to a number of columns on the screen. 0 is no limit.
func Clip(line string, columns int) string {
	if columns < 1 || twwidth.Width(line) <= columns {
		return line
	}
	return truncate(line, columns)
}

// truncate shortens a line that is too long.
func truncate(line string, columns int) string {
	if columns < 2 {
		return "…"
	}
	return twwidth.Truncate(line, columns, "…")
}
