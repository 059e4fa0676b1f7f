package schema

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode"
)

// Select returns the hosts that a selector matches, in inventory order:
//
//	web1        the host with that name
//	web*        hosts whose name matches: * any letters, ? any letter, [ab] a or b
//	gw{1,2}     gw1 and gw2: braces list alternatives, of which each must match
//	@db         hosts with the tag; globs and braces as for names
//	@"rack 1"   hosts with a tag of any characters
//	+router     hosts with the role; globs and braces as for names
//	!x          all hosts except those of x
//	x & y       intersection
//	x , y       union; & binds tighter
//	(x , y)     grouping
//
// "" and "*" match all hosts. A name, glob, tag or role that matches no host is an
// error, because it is probably a typing error.
func Select(f *Fleet, expr string) ([]*Host, error) { return SelectFrom(f, expr, nil) }

// Localhost is the word of a selector for the machine that muster runs on.
const Localhost = "localhost"

// SelectFrom is [Select] on a machine: [Localhost] is the host that is here. No host
// need be here, so that !localhost means the same on every machine. A host of that
// name comes first.
func SelectFrom(f *Fleet, expr string, here func(*Host) bool) ([]*Host, error) {
	if strings.TrimSpace(expr) == "" {
		return f.Hosts, nil
	}
	p := &selection{fleet: f, expr: expr, rest: expr, here: here}
	set, err := p.whole()
	if err != nil {
		return nil, &SelectorError{Expr: expr, Err: err}
	}
	var out []*Host
	for i, h := range f.Hosts {
		if set[i] {
			out = append(out, h)
		}
	}
	if len(out) == 0 && len(f.Hosts) > 0 {
		return nil, &SelectorError{Expr: expr, Err: errors.New("no host matches")}
	}
	return out, nil
}

// A SelectorError says why a selector chooses no hosts.
type SelectorError struct {
	Expr string
	Err  error
}

// Error returns "select EXPR: why".
func (e *SelectorError) Error() string { return fmt.Sprintf("select %s: %v", quote(e.Expr), e.Err) }

// Unwrap returns why.
func (e *SelectorError) Unwrap() error { return e.Err }

// CheckSelector returns what is wrong with a selector, whatever the fleet.
func CheckSelector(expr string) error {
	p := &selection{fleet: &Fleet{}, expr: expr, rest: expr, anyFleet: true}
	_, err := p.whole()
	return err
}

// A selection parses one selector. Sets of hosts are indexed like fleet.Hosts.
type selection struct {
	fleet *Fleet
	expr  string
	rest  string

	here     func(*Host) bool // nil: this machine has no word
	anyFleet bool             // only the form of the expression counts
	byName   map[string]int   // indices of hosts
}

// whole reads the expression to its end.
func (p *selection) whole() ([]bool, error) {
	set, err := p.union(0)
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unexpected %q: %s", clip(p.rest), p.meantOperator())
	}
	return set, err
}

func (p *selection) union(depth int) ([]bool, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	set, err := p.intersection(depth)
	for err == nil && p.take(",") {
		if i, ok := p.name(); ok {
			set[i] = true
			continue
		}
		var other []bool
		if other, err = p.intersection(depth); err == nil {
			for i := range set {
				set[i] = set[i] || other[i]
			}
		}
	}
	return set, err
}

// name consumes the name of a host, if that alone is the next operand of a union.
// So the time of a long list of names does not grow with the number of hosts.
func (p *selection) name() (host int, ok bool) {
	if p.byName == nil {
		p.byName = make(map[string]int, len(p.fleet.Hosts))
		for i, h := range p.fleet.Hosts {
			p.byName[h.Name] = i
		}
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool { return strings.ContainsRune(",&!()", r) || unicode.IsSpace(r) })
	if end < 0 {
		end = len(p.rest)
	}
	if host, ok = p.byName[p.rest[:end]]; !ok {
		return 0, false
	}
	after := strings.TrimLeftFunc(p.rest[end:], unicode.IsSpace)
	if after != "" && after[0] != ',' && after[0] != ')' {
		return 0, false
	}
	p.rest = after
	return host, true
}

func (p *selection) intersection(depth int) ([]bool, error) {
	set, err := p.term(depth)
	for err == nil && p.take("&") {
		var other []bool
		if other, err = p.term(depth); err == nil {
			for i := range set {
				set[i] = set[i] && other[i]
			}
		}
	}
	return set, err
}

func (p *selection) term(depth int) ([]bool, error) {
	not := false
	for p.take("!") {
		not = !not
	}
	var set []bool
	var err error
	if name, quoted, bad := p.quotedTag(); quoted {
		if set, err = nil, bad; err == nil {
			set, err = p.tagged(name)
		}
	} else if p.take("(") {
		if set, err = p.union(depth + 1); err == nil && !p.take(")") {
			err = fmt.Errorf("missing )")
		}
	} else {
		set, err = p.atom()
	}
	if err == nil && not {
		for i := range set {
			set[i] = !set[i]
		}
	}
	return set, err
}

// take consumes a sign, if it is next, and the space around it.
func (p *selection) take(sign string) bool {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	rest, ok := strings.CutPrefix(p.rest, sign)
	if ok {
		p.rest = strings.TrimLeftFunc(rest, unicode.IsSpace)
	}
	return ok
}

// atom parses a name, glob, tag or role and returns its hosts.
func (p *selection) atom() ([]bool, error) {
	p.take("")
	end := wordEnd(p.rest)
	word := p.rest[:end]
	p.rest = p.rest[end:]
	p.take("")
	if word == "" || word == "@" || word == "+" {
		return nil, fmt.Errorf("want a host, @tag or +role%s", p.where())
	}
	return p.find(word)
}

// wordEnd returns where the first word of a text ends. The comma of a{1,2} and the !
// of [!a] are no operators.
func wordEnd(text string) int {
	braces := 0
	for i, r := range text {
		switch {
		case r == '{':
			braces++
		case r == '}' && braces > 0:
			braces--
		case r == ',' && braces > 0, r == '!' && i > 0 && text[i-1] == '[':
		case strings.ContainsRune(",&!()", r) || unicode.IsSpace(r):
			return i
		}
	}
	return len(text)
}

// where describes the current position for an error.
func (p *selection) where() string {
	if p.rest == "" {
		return " at the end"
	}
	return fmt.Sprintf(" before %q", clip(p.rest))
}

// find returns the hosts of a word.
func (p *selection) find(word string) ([]bool, error) {
	set := make([]bool, len(p.fleet.Hosts))
	if word == Localhost && p.here != nil && !p.named(Localhost) {
		for i, h := range p.fleet.Hosts {
			set[i] = p.here(h)
		}
		return set, nil
	}
	plain, err := expand(word)
	if err != nil {
		return nil, err
	}
	for _, w := range plain {
		if err := p.add(set, w); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// named reports whether a host has a name.
func (p *selection) named(name string) bool {
	for _, h := range p.fleet.Hosts {
		if h.Name == name {
			return true
		}
	}
	return false
}

// add adds the hosts of a word without braces to a set.
func (p *selection) add(set []bool, word string) error {
	if strings.Trim(word, "@+") == "" {
		return fmt.Errorf("%q names no host, tag or role", word)
	}
	of, what := p.test(word)
	pattern := word
	if word[0] == '@' || word[0] == '+' {
		pattern = word[1:]
	}
	fits, err := matcher(pattern)
	if err != nil {
		return fmt.Errorf("%q is not a valid pattern", word)
	}
	found := false
	var words []string
	for i, h := range p.fleet.Hosts {
		if words = of(words[:0], h); slices.ContainsFunc(words, fits) {
			set[i], found = true, true
		}
	}
	if found || p.anyFleet || word == "*" && len(set) == 0 {
		return nil
	}
	err = fmt.Errorf("no host %s %s", what, quote(pattern))
	if meant := p.meant(word); meant != "" {
		return fmt.Errorf("%w; %s", err, meant)
	}
	if like := p.like(word, pattern, of); like != "" {
		err = fmt.Errorf("%w; did you mean %s?", err, like)
	}
	return err
}

// wordsOf appends the words of a host that selectors compare with.
type wordsOf func([]string, *Host) []string

func tagsOf(list []string, h *Host) []string  { return append(list, h.Tags...) }
func rolesOf(list []string, h *Host) []string { return append(list, h.Roles...) }
func nameOf(list []string, h *Host) []string  { return append(list, h.Name) }

// test returns which words of a host a word is compared with, and how that is said.
func (p *selection) test(word string) (of wordsOf, what string) {
	glob := strings.ContainsAny(word, globSigns)
	switch {
	case word[0] == '@' && glob:
		return tagsOf, "has a tag that matches"
	case word[0] == '@':
		return tagsOf, "has the tag"
	case word[0] == '+' && glob:
		return rolesOf, "has a role that matches"
	case word[0] == '+':
		return rolesOf, "has the role"
	case glob:
		return nameOf, "matches"
	}
	return nameOf, "is named"
}

// globSigns are the signs that make a word a pattern.
const globSigns = `*?[\`

// matcher returns the test that a name, or a pattern of names, makes.
func matcher(pattern string) (func(name string) bool, error) {
	if !strings.ContainsAny(pattern, globSigns) {
		return func(name string) bool { return name == pattern }, nil
	}
	pattern = strings.ReplaceAll(pattern, "[!", "[^")
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	return func(name string) bool { ok, _ := path.Match(pattern, name); return ok }, nil
}

// words returns the words of all hosts without duplicates.
func (p *selection) words(of wordsOf) []string {
	var out []string
	seen := make(map[string]bool)
	for _, h := range p.fleet.Hosts {
		for _, w := range of(nil, h) {
			if !seen[w] {
				seen[w] = true
				out = append(out, w)
			}
		}
	}
	return out
}
