package syntax

import "strings"

// Lints are Nix's settings lint-url-literals, lint-short-path-literals and
// lint-absolute-path-literals, which reject some valid spellings or warn of them.
// The zero Lints accept all.
type Lints struct {
	URLs          Lint // https://example.org without quotes
	ShortPaths    Lint // a/b for ./a/b
	AbsolutePaths Lint // /a and ~/a
}

// A Lint says how to treat one such spelling.
type Lint uint8

const (
	LintIgnore Lint = iota // accept it
	LintWarn               // call Options.Warn
	LintFatal              // reject it
)

// lint warns of a spelling or rejects it.
func (p *parser) lint(l Lint, at Pos, msg string) {
	switch {
	case l == LintFatal:
		panic(&Error{at, msg})
	case l == LintWarn && p.warn != nil:
		p.warn(&Error{at, msg})
	}
}

func (p *parser) lintURL(at Pos, url string) {
	verb := "discouraged"
	if p.lints.URLs == LintFatal {
		verb = "disallowed"
	}
	p.lint(p.lints.URLs, at, "URL literals are "+verb+`. Consider using a string literal "`+url+`" instead (lint-url-literals)`)
}

// lintPath checks a path; text is the path up to its first ${…}.
func (p *parser) lintPath(at Pos, text string) {
	kind := ""
	switch {
	case strings.HasPrefix(text, "/"):
		kind = "absolute"
	case strings.HasPrefix(text, "~"):
		kind = "home"
	case !strings.HasPrefix(text, "."):
		p.lint(p.lints.ShortPaths, at, "relative path literal '"+text+"' should be prefixed with '.' for clarity: './"+text+"' (lint-short-path-literals)")
		return
	default:
		return
	}
	p.lint(p.lints.AbsolutePaths, at, kind+" path literals are not portable. Consider replacing path literal '"+text+
		"' by a string, relative path, or parameter (lint-absolute-path-literals)")
}
