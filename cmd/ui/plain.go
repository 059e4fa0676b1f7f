package ui

import (
	"io"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"muster/exec/human"
)

// Printable is [human.Plain] for text that stays on one line: it moves no cursor.
func Printable(s string) string { return strings.ReplaceAll(human.Plain(s), "\n", "") }

// A PlainWriter writes text as [human.Plain] has it. Each Write is whole lines.
type PlainWriter struct{ W io.Writer }

func (p PlainWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(p.W, human.Plain(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Clip shortens a line to a number of columns on the screen. 0 is no limit.
func Clip(line string, columns int) string {
	if columns < 1 || twwidth.Width(line) <= columns {
		return line
	}
	return twwidth.Truncate(line, columns, "…")
}

// firstLine is the first line of a text.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
