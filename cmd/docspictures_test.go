package cmd

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// A screen is what a command of the recorded session leaves on a terminal.
type screen struct {
	name  string
	lines []string
}

// tourScreens are the screens of TestTour with 80 columns, in the order of the session.
func tourScreens(t *testing.T) []screen {
	t.Helper()
	script, err := os.ReadFile("testdata/tour/tour.txt")
	if err != nil {
		t.Fatal(err)
	}
	var screens []screen
	for line := range strings.Lines(string(script)) {
		name, _, _ := strings.Cut(line, " ")
		if strings.ContainsAny(name, "#!\n") {
			continue
		}
		text, err := os.ReadFile(filepath.Join("testdata/tour/80x24", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
		screens = append(screens, screen{name, lines})
	}
	return screens
}

const (
	pictureRows    = 24
	pictureColumns = 80
	cellWidth      = 8.4
	cellHeight     = 19
	screenSeconds  = 4
)

// picture draws a terminal as SVG, in which one screen after the other appears below what there
// was. Where nothing is to move, it is as after the deployment.
func picture(screens []screen) []byte {
	var b bytes.Buffer
	width, height := int(pictureColumns*cellWidth)+32, pictureRows*cellHeight+32
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="a session with muster in a terminal">`+"\n", width, height, width, height)
	b.WriteString("<style>\ntext{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#d8dee9;white-space:pre}\n.c{fill:#fff;font-weight:bold}.g{fill:#a3d98f}.r{fill:#ff8a8a}\n")
	if len(screens) > 1 {
		fmt.Fprintf(&b, "g{visibility:hidden;animation:show %ds step-end infinite}\n@keyframes show{0%%{visibility:visible}%.3f%%{visibility:hidden}}\n", screenSeconds*len(screens), 100/float64(len(screens)))
		fmt.Fprintf(&b, "@media print,(prefers-reduced-motion:reduce){g{animation:none}g.still{visibility:visible}}\n")
	}
	b.WriteString("</style>\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#1d2129"/>`+"\n", width, height)
	var scrolled []string
	for i, s := range screens {
		scrolled = append(scrolled, s.lines...)
		class := ""
		if s.name == "deploy" {
			class = ` class="still"`
		}
		fmt.Fprintf(&b, `<g%s style="animation-delay:%ds">`+"\n", class, i*screenSeconds)
		for row, line := range lastRows(scrolled) {
			fmt.Fprintf(&b, `<text x="16" y="%d">%s</text>`+"\n", 16+(row+1)*cellHeight-5, paintedLine(line))
		}
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// lastRows are the rows of a screen that a terminal still shows.
func lastRows(lines []string) []string {
	var rows []string
	for _, line := range lines {
		for utf8.RuneCountInString(line) > pictureColumns {
			runes := []rune(line)
			rows = append(rows, string(runes[:pictureColumns]))
			line = string(runes[pictureColumns:])
		}
		rows = append(rows, line)
	}
	return rows[max(0, len(rows)-pictureRows):]
}

var (
	goodWords = regexp.MustCompile(`\bactivated\b|all in order|\bdone\b`)
	badWords  = regexp.MustCompile(`\bfailed\b|\b1 error\b`)
)

// paintedLine is a line of a screen as SVG.
func paintedLine(line string) string {
	text := html.EscapeString(line)
	if strings.HasPrefix(line, "$ ") {
		return `<tspan class="c">` + text + `</tspan>`
	}
	text = goodWords.ReplaceAllString(text, `<tspan class="g">$0</tspan>`)
	return badWords.ReplaceAllString(text, `<tspan class="r">$0</tspan>`)
}

// The picture of README.md shows what TestTour sees; -update draws it anew.
func TestPictureShowsTheTour(t *testing.T) {
	const name = "../examples/docs/session.svg"
	got := picture(tourScreens(t))
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s: go test ./cmd -run TestPicture -update draws it anew", name)
	}
}
