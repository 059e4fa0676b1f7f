package ui

import (
	"bytes"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"
)

// A Table is columns without lines, easy to read and to grep. Package
// tablewriter aligns them, whatever the script of a cell.
type Table struct {
	w     io.Writer
	text  bytes.Buffer
	table *tablewriter.Table
	rows  int
	width int // longer lines are cut; 0 for none
}

// NewReport is [NewTable] for a report on hosts: its lines fit any terminal. The
// last columns give way; their text is printed in full elsewhere.
func NewReport(w io.Writer, header ...string) *Table {
	t := NewTable(w, header...)
	t.width = 80
	return t
}

// NewTable begins a table. [Table.Flush] prints it.
func NewTable(w io.Writer, header ...string) *Table {
	t := &Table{w: w}
	t.table = tablewriter.NewTable(&t.text,
		tablewriter.WithRendition(tw.Rendition{
			Borders:  tw.BorderNone,
			Symbols:  tw.NewSymbols(tw.StyleNone),
			Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
		}),
		tablewriter.WithPadding(tw.Padding{Right: "  ", Overwrite: true}),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
	)
	titles := make([]string, len(header))
	for i, h := range header {
		titles[i] = strings.ToUpper(h)
	}
	t.table.Header(titles)
	return t
}

// Row adds a row.
func (t *Table) Row(cells ...string) {
	t.rows++
	for i, c := range cells {
		cells[i] = Printable(c)
	}
	t.table.Append(cells)
}

// Flush prints the table, nothing if it has no rows.
func (t *Table) Flush() {
	if t.rows == 0 {
		return
	}
	t.table.Render()
	for line := range strings.Lines(t.text.String()) {
		io.WriteString(t.w, Clip(strings.TrimRight(line, " \n"), t.width)+"\n")
	}
}
