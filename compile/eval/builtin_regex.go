package eval

import "errors"

// regexBuiltins match strings against POSIX extended regular expressions.
var regexBuiltins = []*builtin{
	fn2("match", match),
	fn2("split", split),
}

type regexEntry struct {
	p   *pattern
	err error
}

// pattern returns the compiled pattern of a text, compiling it once.
func (th *thread) pattern(text string) *pattern {
	e, ok := th.ev.regexes.Load(text)
	if !ok {
		p, err := parsePattern(text)
		e, _ = th.ev.regexes.LoadOrStore(text, &regexEntry{p, err})
	}
	entry := e.(*regexEntry)
	if entry.err != nil {
		if errors.Is(entry.err, errPatternSpace) {
			th.fail(0, "memory limit exceeded by regular expression '%s'", text)
		}
		th.fail(0, "invalid regular expression '%s'", text)
	}
	return entry.p
}

// match returns the groups if the whole string matches, else null.
func match(th *thread, re, x value) value {
	p := th.pattern(th.wantPlainString(re, 0))
	s := th.wantString(x, 0).str()
	groups := p.match(s, th.spend)
	if groups == nil {
		return valueNull
	}
	return th.groups(s, groups)
}

// groups returns the list of what groups captured, null for those that took no
// part.
func (th *thread) groups(s string, groups []int) value {
	list := th.newValues(len(groups)/2 - 1)
	for i := range list {
		from, to := groups[2*i+2], groups[2*i+3]
		if from < 0 || to < from {
			list[i] = valueNull
		} else {
			list[i] = th.newString(s[from:to])
		}
	}
	return th.newList(list)
}

// split returns what is between the matches and, between those, the groups of
// each match. After an empty match it tries one that is not at the same place.
func split(th *thread, re, x value) value {
	p := th.pattern(th.wantPlainString(re, 0))
	v := th.wantString(x, 0)
	s := v.str()
	var list []value
	end := 0 // of the match before
	g := p.search(s, 0, th.spend)
	if g == nil {
		return listValue([]value{v})
	}
	for g != nil {
		list = append(list, th.newString(s[end:g[0]]), th.groups(s, g))
		end = g[1]
		next := end
		if g[0] == g[1] {
			if end == len(s) {
				break
			}
			if h := p.searchHere(s, end, th.spend); h != nil {
				g = h
				continue
			}
			next++
		}
		g = p.search(s, next, th.spend)
	}
	return th.newList(append(list, th.newString(s[end:])))
}
