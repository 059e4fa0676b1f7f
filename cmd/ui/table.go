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
	page   page
	text   bytes.Buffer
	table  *tablewriter.Table
	styles []style // of the rows
	fits   bool    // lines are cut at the width of the page
}

// NewReport is [NewTable] for a report on hosts: its lines fit the terminal. The
// last columns give way; their text is printed in full elsewhere. Where there is no
// terminal, nothing is cut.
func NewReport(w io.Writer, header ...string) *Table {
	return newReport(newPage(w, ColorNever), header...)
}

func newReport(p page, header ...string) *Table {
	t := newTable(p, header...)
	t.fits = true
	return t
}

// NewTable begins a table. [Table.Flush] prints it.
func NewTable(w io.Writer, header ...string) *Table {
	return newTable(newPage(w, ColorNever), header...)
}

func newTable(p page, header ...string) *Table {
	t := &Table{page: p}
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
func (t *Table) Row(cells ...string) { t.row(ordinary, cells...) }

// row adds a row in a style.
func (t *Table) row(s style, cells ...string) {
	t.styles = append(t.styles, s)
	for i, c := range cells {
		cells[i] = Printable(c)
	}
	t.table.Append(cells)
}

// clip shortens the text of a cell where the table has to fit a terminal.
func (t *Table) clip(text string, columns int) string {
	if t.page.width == 0 {
		return text
	}
	return Clip(text, columns)
}

// Flush prints the table, nothing if it has no rows.
func (t *Table) Flush() {
	if len(t.styles) == 0 {
		return
	}
	t.table.Render()
	n := -1 // the header
	for text := range strings.Lines(t.text.String()) {
		s := strong
		if n >= 0 {
			s = t.styles[n]
		}
		l := line{{s, strings.TrimRight(text, " \n")}}
		if t.fits && t.page.width > 0 {
			l = l.clip(t.page.width)
		}
		t.page.print(l)
		n++
	}
}
