package cmd

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"muster/schema"
)

// A problemPrinter shows the problems of an inventory.
type problemPrinter struct {
	w     io.Writer
	caret bool // show the line of each, with a caret
	most  int  // of one kind, and four times as many in all; 0 is no limit

	files map[string][]string
}

// mostOfAKind is how many problems of one kind are shown in full.
const mostOfAKind = 25

// newProblemPrinter shows problems the way that suits w: to a person at a
// terminal with the text they are about.
func newProblemPrinter(w io.Writer, most int) *problemPrinter {
	p := &problemPrinter{w: w, most: most, files: map[string][]string{}}
	if f, ok := w.(*os.File); ok {
		p.caret = term.IsTerminal(int(f.Fd()))
	}
	return p
}

// print shows problems, one a line in the order of the text; of a kind that
// there are very many of, the first ones and how many more there are.
func (p *problemPrinter) print(problems schema.Errors) {
	shown, all := map[string]int{}, 0
	left := map[string]int{}
	var kinds []string
	for _, e := range problems {
		if p.most > 0 && (shown[e.Rule] >= p.most || all >= 4*p.most) {
			if left[e.Rule] == 0 {
				kinds = append(kinds, e.Rule)
			}
			left[e.Rule]++
			continue
		}
		shown[e.Rule]++
		all++
		fmt.Fprintln(p.w, e)
		if p.caret {
			p.excerpt(e.Pos)
		}
	}
	for _, k := range kinds {
		what := k
		if what == "" {
			what = "other"
		}
		fmt.Fprintf(p.w, "and %d more (%s)\n", left[k], what)
	}
}

// excerpt shows the line a problem is on, with a caret below its column.
func (p *problemPrinter) excerpt(at schema.Pos) {
	if !at.IsValid() {
		return
	}
	lines, ok := p.files[at.File]
	if !ok {
		if f, err := os.Open(at.File); err == nil {
			sc := bufio.NewScanner(f)
			sc.Buffer(nil, 1<<20)
			for sc.Scan() {
				lines = append(lines, sc.Text())
			}
			f.Close()
		}
		p.files[at.File] = lines
	}
	if at.Line > len(lines) {
		return
	}
	line := lines[at.Line-1]
	if len(line) > 400 || at.Col-1 > len(line) {
		return
	}
	// The line is shown as [printable] has it, tabs as spaces, so the caret
	// is as far in as that has characters.
	pad := strings.Repeat(" ", utf8.RuneCountInString(printable(line[:at.Col-1])))
	fmt.Fprintf(p.w, "    %s\n    %s^\n", printable(line), pad)
}

// problemsJSON prints problems as JSON.
func problemsJSON(w io.Writer, problems schema.Errors) error {
	type problem struct {
		File     string          `json:"file,omitempty"`
		Line     int             `json:"line,omitempty"`
		Column   int             `json:"column,omitempty"`
		Path     string          `json:"path,omitempty"`
		Severity schema.Severity `json:"severity"`
		Rule     string          `json:"rule,omitempty"`
		Message  string          `json:"message"`
		Hint     string          `json:"hint,omitempty"`
	}
	list := make([]problem, len(problems))
	for i, e := range problems {
		list[i] = problem{e.Pos.File, e.Pos.Line, e.Pos.Col, e.Path, e.Severity, e.Rule, e.Msg, e.Hint}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(map[string]any{"problems": list})
}

// problemsSARIF prints problems in the Static Analysis Results Interchange
// Format (OASIS, version 2.1.0), which code hosts show beside the lines.
func problemsSARIF(w io.Writer, problems schema.Errors) error {
	type object = map[string]any
	results := []object{}
	rules := []object{}
	known := map[string]bool{}
	for _, e := range problems {
		rule := e.Rule
		if rule == "" {
			rule = "inventory"
		}
		if !known[rule] {
			known[rule] = true
			rules = append(rules, object{"id": rule})
		}
		text := e.Msg
		if e.Path != "" {
			text = e.Path + ": " + text
		}
		if e.Hint != "" {
			text += "; " + e.Hint
		}
		result := object{"ruleId": rule, "level": e.Severity.String(), "message": object{"text": text}}
		if e.Pos.IsValid() {
			result["locations"] = []object{{"physicalLocation": object{
				"artifactLocation": object{"uri": e.Pos.File},
				"region":           object{"startLine": e.Pos.Line, "startColumn": e.Pos.Col},
			}}}
		}
		results = append(results, result)
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(object{
		"version": "2.1.0",
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"runs": []object{{
			"tool":    object{"driver": object{"name": "muster", "version": version(), "rules": rules}},
			"results": results,
		}},
	})
}
