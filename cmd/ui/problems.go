package ui

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"muster/exec/foreign"
	"muster/schema"
)

// A ProblemPrinter shows the problems of an inventory.
type ProblemPrinter struct {
	page
	caret bool // show the line of each, with a caret
	most  int  // problems of one kind, and four times as many in all; 0 is no limit

	files map[string][]string
}

// MostOfAKind is how many problems of one kind are printed unless all are asked
// for.
const MostOfAKind = 25

// NewProblemPrinter shows problems the way that suits w: to a person at a
// terminal with the text they are about.
func NewProblemPrinter(w io.Writer, color Color, most int) *ProblemPrinter {
	return &ProblemPrinter{page: newPage(w, color), caret: terminal(w) != nil, most: most, files: map[string][]string{}}
}

// Print prints problems, one a line: first the errors, then the warnings, each in the
// order of the text. Of a kind with very many problems it prints the first ones and how
// many more there are.
func (p *ProblemPrinter) Print(problems schema.Errors) {
	problems = slices.Concat(problems.Invalid(), problems.Warnings())
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
		p.problem(e)
		if p.caret {
			p.excerpt(e)
		}
	}
	for _, k := range kinds {
		p.print(say(fmt.Sprintf("and %d more (%s)", left[k], cmp.Or(k, "other"))))
	}
}

// styleOfProblem is the style of what is wrong.
func styleOfProblem(e *schema.Error) style {
	if e.Severity == schema.Warning {
		return odd
	}
	return bad
}

// problem prints a problem as its Error says it: its place, what is wrong, and why.
func (p *ProblemPrinter) problem(e *schema.Error) {
	var l line
	rest := e.Error()
	if place := e.Pos.String() + ": "; e.Pos.IsValid() && strings.HasPrefix(rest, place) {
		l, rest = l.and(strong, place), rest[len(place):]
	}
	for _, what := range []string{"warning: ", e.Path + ": "} {
		if strings.HasPrefix(rest, what) && what != ": " {
			l, rest = l.and(styleOfProblem(e), what), rest[len(what):]
			break
		}
	}
	first, more, _ := strings.Cut(rest, "\n")
	p.print(l.and(ordinary, first))
	for text := range strings.Lines(more) {
		p.print(say(strings.TrimSuffix(text, "\n")))
	}
}

// excerpt shows the line a problem is on, with a caret below its column.
func (p *ProblemPrinter) excerpt(e *schema.Error) {
	at := e.Pos
	if !at.IsValid() {
		return
	}
	lines, ok := p.files[at.File]
	if !ok {
		if text, err := foreign.ReadFile(at.File, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true}); err == nil {
			lines = strings.Split(string(text), "\n")
		}
		p.files[at.File] = lines
	}
	if at.Line > len(lines) {
		return
	}
	text := lines[at.Line-1]
	if len(text) > 400 || at.Col-1 > len(text) {
		return
	}
	// [Printable] drops characters: the caret counts those that it leaves.
	pad := strings.Repeat(" ", utf8.RuneCountInString(Printable(text[:at.Col-1])))
	p.print(say("    " + text))
	p.print(say("    "+pad).and(styleOfProblem(e), "^"))
}

// ProblemsJSON prints problems as JSON.
func ProblemsJSON(w io.Writer, problems schema.Errors) error {
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
		list[i] = problem{
			File: e.Pos.File, Line: e.Pos.Line, Column: e.Pos.Col, Path: e.Path,
			Severity: e.Severity, Rule: e.Rule, Message: e.Msg, Hint: e.Hint,
		}
	}
	return JSON(w, map[string]any{"problems": list})
}

// ProblemsSARIF prints problems in the Static Analysis Results Interchange
// Format (OASIS, version 2.1.0), which code hosts show beside the lines. Version
// is muster's.
func ProblemsSARIF(w io.Writer, version string, problems schema.Errors) error {
	type object = map[string]any
	results := []object{}
	rules := []object{}
	known := map[string]bool{}
	for _, e := range problems {
		rule := cmp.Or(e.Rule, "inventory")
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
	return JSON(w, object{
		"version": "2.1.0",
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"runs": []object{{
			"tool":    object{"driver": object{"name": "muster", "version": version, "rules": rules}},
			"results": results,
		}},
	})
}
