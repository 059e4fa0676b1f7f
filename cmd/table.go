package cmd

import (
	"bytes"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// A table is columns without lines, so that it reads well and greps well.
type table struct {
	w     io.Writer
	text  *bytes.Buffer
	t     *tablewriter.Table
	rows  int
	width int // what is longer is cut; 0 for nothing
}

// newReport is newTable for a report on hosts: it keeps to what every terminal
// has. The last column gives way; what is there is also said in full elsewhere.
func newReport(w io.Writer, header ...string) *table {
	t := newTable(w, header...)
	t.width = 80
	return t
}

func newTable(w io.Writer, header ...string) *table {
	none := tw.Border{Left: tw.Off, Right: tw.Off, Top: tw.Off, Bottom: tw.Off}
	text := &bytes.Buffer{}
	t := tablewriter.NewTable(text,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders: none,
			Symbols: tw.NewSymbols(tw.StyleNone),
			Settings: tw.Settings{
				Lines:      tw.Lines{ShowHeaderLine: tw.Off, ShowFooterLine: tw.Off},
				Separators: tw.Separators{BetweenRows: tw.Off, BetweenColumns: tw.Off, ShowHeader: tw.Off},
			},
		})),
		tablewriter.WithPadding(tw.Padding{Left: "", Right: "  ", Overwrite: true}),
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAlignment(tw.AlignLeft),
		tablewriter.WithRowAlignment(tw.AlignLeft),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
	)
	upper := make([]string, len(header))
	for i, h := range header {
		upper[i] = strings.ToUpper(h)
	}
	t.Header(upper)
	return &table{w: w, text: text, t: t}
}

// row adds a row. Cells may hold what hosts said: nothing in them moves the
// cursor.
func (t *table) row(cells ...string) {
	t.rows++
	for i, c := range cells {
		cells[i] = printable(c)
	}
	t.t.Append(cells)
}

// flush prints the table, nothing where it has no rows.
func (t *table) flush() {
	if t.rows == 0 {
		return
	}
	t.t.Render()
	for line := range strings.Lines(t.text.String()) {
		io.WriteString(t.w, clip(strings.TrimRight(line, " \n"), t.width)+"\n")
	}
}
