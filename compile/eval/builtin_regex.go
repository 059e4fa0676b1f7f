package eval

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"

	"muster/compile/eval/ere"
)

// regexBuiltins match strings against POSIX extended regular expressions.
var regexBuiltins = []*builtin{
	fn2("match", match),
	fn2("split", split),
}

type regexEntry struct {
	p   *ere.Pattern
	err error
}

// A regexCache keeps compiled patterns by their text, as long as they are not many.
type regexCache struct {
	entries sync.Map     // *regexEntry by text
	size    atomic.Int64 // of all patterns and texts, in bytes
}

// maxRegexes is the size in bytes at which a regexCache is emptied.
const maxRegexes = 16 << 20

// makeRoom counts size bytes more, and empties the cache if that is too much.
func (c *regexCache) makeRoom(size int64) {
	if c.size.Add(size) > maxRegexes {
		c.entries.Clear()
		c.size.Store(size)
	}
}

// pattern returns the compiled pattern of a text. Compiling it counts as work.
func (th *thread) pattern(text string) *ere.Pattern {
	e, ok := th.ev.regexes.entries.Load(text)
	if !ok {
		p, err := ere.Compile(text)
		size := len(text) + p.Size()
		th.reserve(size)
		th.ev.regexes.makeRoom(int64(size))
		e, _ = th.ev.regexes.entries.LoadOrStore(text, &regexEntry{p, err})
	}
	entry := e.(*regexEntry)
	if entry.err != nil {
		if errors.Is(entry.err, ere.ErrTooLarge) {
			th.fail(0, "memory limit exceeded by regular expression '%s'", text)
		}
		th.fail(0, "invalid regular expression '%s'", text)
	}
	return entry.p
}

// Spend and Reserve make a thread an [ere.Meter].
func (th *thread) Spend(steps int)   { th.spend(steps) }
func (th *thread) Reserve(bytes int) { th.reserve(bytes) }

// checkMatch reports a match that was given up.
func (th *thread) checkMatch(err error) {
	if err != nil {
		th.failAs(LimitError, 0, "%v", err)
	}
}

// match returns the groups if the whole string matches, else null.
func match(th *thread, re, x value) value {
	p := th.pattern(th.wantPlainString(re, 0))
	s := th.wantString(x, 0).str()
	th.observe(s)
	groups, err := p.Match(s, th)
	th.checkMatch(err)
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

// isSeparator reports whether a regular expression is a single character that no digest
// has, as those of splitString for paths and versions.
func isSeparator(re value) bool {
	switch s := re.str(); len(s) {
	case 1:
		return strings.ContainsAny(s, "/,:;=@ \n-_")
	case 2:
		return s == `\.` || s == `\-`
	}
	return false
}

// split returns the text between the matches and, between those texts, the
// groups of each match. After an empty match it looks for one that is not empty
// at the same position, then for one further on.
func split(th *thread, re, x value) value {
	re = th.force(re)
	p := th.pattern(th.wantPlainString(re, 0))
	v := th.wantString(x, 0)
	s := v.str()
	if !isSeparator(re) {
		th.observe(s)
	}
	var list []value
	end := 0 // of the previous match
	g, err := p.Search(s, 0, th)
	th.checkMatch(err)
	if g == nil {
		return listValue([]value{v})
	}
	for g != nil {
		list = th.add(list, th.newString(s[end:g[0]]), th.groups(s, g))
		end = g[1]
		next := end
		if g[0] == g[1] {
			if end == len(s) {
				break
			}
			g, err = p.SearchAt(s, end, th)
			th.checkMatch(err)
			if g != nil {
				continue
			}
			next++
		}
		g, err = p.Search(s, next, th)
		th.checkMatch(err)
	}
	return th.newList(append(list, th.newString(s[end:])))
}
