package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Error is one problem of an inventory, at a position in the user's text.
type Error struct {
	// Path is the field concerned, such as "hosts.web1.port"; "" for a problem
	// of no field, such as a syntax error.
	Path string `json:"path,omitempty"`
	Pos  Pos    `json:"pos"`
	// Msg says what is wrong. Hint says what to do about it and may be empty.
	Msg      string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	Severity Severity `json:"severity"`
	// Rule identifies the rule that is broken, such as "duplicate-address",
	// for programs that read a report.
	Rule string `json:"rule"`
}

// Error returns "file:line:col: path: message; hint".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Pos.IsValid() {
		b.WriteString(printable(e.Pos.String()))
		b.WriteString(": ")
	}
	if e.Severity == Warning {
		b.WriteString("warning: ")
	}
	if e.Path != "" {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// A Severity tells errors from warnings.
type Severity uint8

// The severities. An inventory with an Invalid problem does not load.
const (
	Invalid Severity = iota
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// MarshalText returns the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Errors are all problems of an inventory, in the order of its text.
type Errors []*Error

// Error returns the problems, one per line.
func (l Errors) Error() string {
	lines := make([]string, len(l))
	for i, e := range l {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Invalid returns the problems that keep the inventory from loading.
func (l Errors) Invalid() Errors { return l.only(Invalid) }

// Warnings returns the problems that do not.
func (l Errors) Warnings() Errors { return l.only(Warning) }

func (l Errors) only(s Severity) Errors {
	var out Errors
	for _, e := range l {
		if e.Severity == s {
			out = append(out, e)
		}
	}
	return out
}

// sorted returns the problems in the order of the text, without repetitions: an
// error in a template is one problem, however many hosts use the template.
func (l Errors) sorted() Errors {
	for _, e := range l {
		e.Path, e.Msg, e.Hint = printable(e.Path), printable(e.Msg), printable(e.Hint)
	}
	slices.SortStableFunc(l, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(a.Pos.File, b.Pos.File),
			cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Col, b.Pos.Col),
			cmp.Compare(a.Msg, b.Msg),
			cmp.Compare(a.Path, b.Path))
	})
	type key struct {
		pos Pos
		msg string
	}
	seen := make(map[key]bool, len(l))
	return slices.DeleteFunc(l, func(e *Error) bool {
		k := key{e.Pos, e.Msg}
		if seen[k] && e.Pos.IsValid() {
			return true
		}
		seen[k] = true
		return false
	})
}

// printable returns s with unprintable characters escaped, so that no message
// controls a terminal.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// A report collects problems while an inventory is read.
type report struct{ list Errors }

// add reports an error. The caller may set its hint.
func (r *report) add(pos Pos, path, rule, format string, args ...any) *Error {
	e := &Error{Path: path, Pos: pos, Rule: rule, Msg: fmt.Sprintf(format, args...)}
	r.list = append(r.list, e)
	return e
}

// refused reports whether the value at a position is none of its field: nothing follows from
// it.
func (r *report) refused(pos Pos) bool {
	return slices.ContainsFunc(r.list, func(e *Error) bool { return e.Pos == pos && e.Rule == "type" })
}

// warn reports a warning. The caller may set its hint.
func (r *report) warn(pos Pos, path, rule, format string, args ...any) *Error {
	e := r.add(pos, path, rule, format, args...)
	e.Severity = Warning
	return e
}
