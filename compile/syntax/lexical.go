package syntax

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }

func isURIByte(c byte) bool {
	if isLetter(c) || isDigit(c) {
		return true
	}
	switch c {
	case '%', '/', '?', ':', '@', '&', '=', '+', '$', ',', '-', '_', '.', '!', '~', '*', '\'':
		return true
	}
	return false
}

func isPathByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '.' || c == '_' || c == '-' || c == '+'
}

// isSearchPath reports whether <s> is a search path:
// [a-zA-Z0-9._+-]+(/[a-zA-Z0-9._+-]+)*.
func isSearchPath(s string) bool {
	segment := 0
	for i := 0; i < len(s); i++ {
		switch {
		case isPathByte(s[i]):
			segment++
		case s[i] == '/' && segment > 0:
			segment = 0
		default:
			return false
		}
	}
	return segment > 0
}

// isPath reports whether parts can be written as a path: their text consists of
// path characters, begins with a name, nothing or ~ and then a slash, and has no
// double and no trailing slash.
func isPath(parts []Part) bool {
	if len(parts) == 0 || parts[0].Expr != nil {
		return false
	}
	slash, before := false, byte('a') // any slash yet; the last character
	for i, q := range parts {
		if q.Expr != nil {
			if !slash {
				return false
			}
			before = '}'
			continue
		}
		for j := 0; j < len(q.Text); j++ {
			switch c := q.Text[j]; {
			case c == '/' && !slash:
				// An operator, but for what follows.
				if j+1 < len(q.Text) && !isPathByte(q.Text[j+1]) || j+1 == len(q.Text) && i+1 == len(parts) {
					return false
				}
				slash = true
			case c == '/':
			case c == '~' && i == 0 && j == 0:
				if len(q.Text) < 2 || q.Text[1] != '/' {
					return false
				}
			case !isPathByte(c):
				return false
			}
			before = q.Text[j]
		}
	}
	return slash && before != '/'
}
