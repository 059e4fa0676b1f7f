package ui

import (
	"io"
	"os"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"golang.org/x/term"

	"muster/exec/human"
)

// A Color says when what is printed has colours.
type Color string

// The values of --color. Auto is: on a terminal, unless NO_COLOR is set or TERM is dumb.
const (
	ColorAuto   Color = "auto"
	ColorAlways Color = "always"
	ColorNever  Color = "never"
)

// on reports whether what is written to w has colours.
func (c Color) on(w io.Writer) bool {
	switch c {
	case ColorAlways:
		return true
	case ColorNever:
		return false
	}
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && IsTerminal(w)
}

// A style is what a colour means.
type style string

// The styles, as the parameters of the control sequence that begins each (ECMA-48, SGR).
const (
	ordinary style = ""
	strong   style = "1"
	faint    style = "2"
	bad      style = "31"
	good     style = "32"
	odd      style = "33" // neither good nor bad: rolled back, waiting for the user
	active   style = "36"
)

// A span is text in one style. It is plain, as [Printable] makes it.
type span struct {
	style style
	text  string
}

// A line is one line of the screen.
type line []span

// say makes a line of ordinary text.
func say(text string) line { return line{{ordinary, Printable(text)}} }

// and is the line with one more span.
func (l line) and(s style, text string) line { return append(l, span{s, Printable(text)}) }

// text is the line without its styles.
func (l line) text() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.text)
	}
	return b.String()
}

// width is how many columns the line takes.
func (l line) width() int { return twwidth.Width(l.text()) }

// clip shortens the line to a number of columns.
func (l line) clip(columns int) line {
	if l.width() <= columns {
		return l
	}
	var cut line
	for _, s := range l {
		if w := twwidth.Width(s.text); w < columns {
			cut, columns = append(cut, s), columns-w
			continue
		}
		// The mark takes a column also where the span fits and others follow.
		return append(cut, span{s.style, truncate(s.text+"…", columns)})
	}
	return cut
}

// render is the line as it is written.
func (l line) render(color bool) string {
	if !color {
		return l.text()
	}
	var b strings.Builder
	for _, s := range l {
		if s.style == ordinary {
			b.WriteString(s.text)
		} else if s.text != "" {
			b.WriteString("\x1b[" + string(s.style) + "m" + s.text + "\x1b[m")
		}
	}
	return b.String()
}

// A page is what a report is printed on.
type page struct {
	w             io.Writer
	color         bool
	width, height int // of the terminal; 0 where there is none, and nothing is cut or left out
}

// newPage is the page of a writer. With colours it writes past a [human.PlainWriter], so only
// lines are written to it.
func newPage(w io.Writer, color Color) page {
	p := page{w: w, color: color.on(w)}
	if plain, ok := w.(*human.PlainWriter); ok && p.color {
		p.w = plain.Unwrap()
	}
	if f := terminal(w); f != nil {
		p.width, p.height = sizeOf(int(f.Fd()))
	}
	return p
}

// crowded reports whether so many rows are more than the terminal shows at once.
func (p page) crowded(rows int) bool { return p.height > 0 && rows > p.height-4 }

// print prints a line as long as it is.
func (p page) print(l line) { io.WriteString(p.w, l.render(p.color)+"\n") }

// wrapped prints words behind a heading: on a terminal in as many lines as they take, with
// the words below each other.
func (p page) wrapped(s style, heading, text string) {
	indent := twwidth.Width(heading)
	room := p.width - indent - 1
	if p.width == 0 || room < 20 {
		p.print(line{}.and(s, heading+text))
		return
	}
	row := ""
	for word := range strings.FieldsSeq(Printable(text)) {
		if row != "" && twwidth.Width(row+" "+word) > room {
			p.print(line{}.and(s, heading+row))
			heading, row = strings.Repeat(" ", indent), ""
		}
		if row != "" {
			row += " "
		}
		row += word
	}
	p.print(line{}.and(s, heading+row))
}

// sizeOf is the size of a terminal; one that does not say has 80 columns and 24 rows.
func sizeOf(fd int) (width, height int) {
	width, height, err := term.GetSize(fd)
	if err != nil || width < 1 || height < 1 {
		return 80, 24
	}
	return width, height
}
