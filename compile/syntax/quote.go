package syntax

import "strings"

// Quote returns s as a Nix string literal "…" on one line, with interpolations
// escaped. It replaces a NUL byte, which Nix strings cannot contain, by U+FFFD;
// [Fprint] returns an error instead.
func Quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	escapeString(&b, s, false, false)
	b.WriteByte('"')
	return b.String()
}

// escapeString writes s for a string in double quotes. opens says that an
// interpolation follows directly; lines keeps newlines.
func escapeString(b *strings.Builder, s string, opens, lines bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			if lines {
				b.WriteByte('\n')
			} else {
				b.WriteString(`\n`)
			}
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '$':
			if opensInterpolation(s, i, opens) {
				b.WriteByte('\\')
			}
			b.WriteByte('$')
		case 0:
			b.WriteString("\uFFFD")
		default:
			b.WriteByte(c)
		}
	}
}

// opensInterpolation reports whether the dollar sign at s[i], if not escaped, would
// begin an interpolation or disable the one that follows s.
func opensInterpolation(s string, i int, opens bool) bool {
	if i+1 < len(s) {
		return s[i+1] == '{'
	}
	return opens
}

// escapeIndented writes one line of text for an indented string. opens says that an
// interpolation follows directly, closes that the closing quotes do. anchor escapes
// the first byte, a space, so that leading spaces do not count as indentation.
func escapeIndented(b *strings.Builder, s string, opens, closes, anchor bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ' && i == 0 && anchor:
			b.WriteString(`''\ `)
		case c == '\r':
			b.WriteString(`''\r`)
		case c == '$' && opensInterpolation(s, i, opens):
			b.WriteString(`''$`)
		case c == '\'' && i+1 < len(s) && s[i+1] == '\'':
			b.WriteString(`'''`)
			i++
		case c == '\'' && quoteFollows(s, i, opens, closes):
			b.WriteString(`''\'`)
		case c == 0:
			b.WriteString("\uFFFD")
		default:
			b.WriteByte(c)
		}
	}
}

// quoteFollows reports whether the text after the single quote s[i] is written with
// a quote first: the end of the string, or an escape.
func quoteFollows(s string, i int, opens, closes bool) bool {
	if i+1 == len(s) {
		return closes
	}
	return s[i+1] == '\r' || s[i+1] == '$' && opensInterpolation(s, i+1, opens)
}

// IsIdent reports whether s is valid as a variable: letters, digits, _, ' and -, not
// beginning with a digit, ' or -, and not a keyword.
func IsIdent(s string) bool {
	if s == "" || !isIdentStart(s[0]) || s == "or" {
		return false
	}
	for i := 1; i < len(s); i++ {
		if !isIdentByte(s[i]) {
			return false
		}
	}
	return !isKeyword(s)
}

// QuoteAttr returns the attribute name s for a path, quoted if necessary.
func QuoteAttr(s string) string {
	if IsIdent(s) || s == "or" {
		return s
	}
	return Quote(s)
}

func isIdentStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
}

func isIdentByte(c byte) bool {
	return isIdentStart(c) || '0' <= c && c <= '9' || c == '\'' || c == '-'
}

// isKeyword reports whether s is a keyword, except or, which is one only in places.
func isKeyword(s string) bool {
	switch s {
	case "if", "then", "else", "assert", "with", "let", "in", "rec", "inherit":
		return true
	}
	return false
}
