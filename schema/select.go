package schema

import (
	"fmt"
	"path"
	"strings"
	"unicode"
)

// Select returns the hosts that a selector matches, in inventory order:
//
//	web1        the host with that name
//	web*        hosts whose name matches: * any letters, ? any letter, [ab] a or b
//	@db         hosts with the tag
//	@"rack 1"   hosts with a tag of any characters
//	+router     hosts with the role
//	!x          all hosts except those of x
//	x & y       intersection
//	x , y       union; & binds tighter
//	(x , y)     grouping
//
// "" and "*" match all hosts. A name, glob, tag or role that matches no host is an
// error, because it is probably a typing error.
func Select(f *Fleet, expr string) ([]*Host, error) {
	if strings.TrimSpace(expr) == "" {
		return f.Hosts, nil
	}
	p := &selection{fleet: f, expr: expr, rest: expr}
	set, err := p.whole()
	if err != nil {
		return nil, fmt.Errorf("select %s: %w", quote(expr), err)
	}
	var out []*Host
	for i, h := range f.Hosts {
		if set[i] {
			out = append(out, h)
		}
	}
	if len(out) == 0 && len(f.Hosts) > 0 {
		return nil, fmt.Errorf("select %s: no host matches", quote(expr))
	}
	return out, nil
}

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

	anyFleet bool           // only the form of the expression counts
	byName   map[string]int // indices of hosts
}

// whole reads the expression to its end.
func (p *selection) whole() ([]bool, error) {
	set, err := p.union(0)
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unexpected %q", clip(p.rest))
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
	end := strings.IndexFunc(p.rest, func(r rune) bool { return strings.ContainsRune(",&!()", r) || unicode.IsSpace(r) })
	// The ! of [!a] in a glob is not an operator.
	for end > 0 && p.rest[end] == '!' && p.rest[end-1] == '[' {
		more := strings.IndexFunc(p.rest[end+1:], func(r rune) bool { return strings.ContainsRune(",&!()", r) || unicode.IsSpace(r) })
		if more < 0 {
			end = -1
			break
		}
		end += 1 + more
	}
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	p.take("")
	if word == "" || word == "@" || word == "+" {
		return nil, fmt.Errorf("want a host, @tag or +role%s", p.where())
	}
	return p.find(word)
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
	fits, what, known := p.test(word)
	if fits == nil {
		return nil, fmt.Errorf("%q is not a valid pattern", word)
	}
	set, any := make([]bool, len(p.fleet.Hosts)), false
	for i, h := range p.fleet.Hosts {
		set[i] = fits(h)
		any = any || set[i]
	}
	if !any && !p.anyFleet && !(word == "*" && len(set) == 0) {
		name := strings.TrimLeft(word, "@+")
		err := fmt.Errorf("no host %s %s", what, quote(name))
		if near := nearest(name, known()); near != "" {
			err = fmt.Errorf("%w; did you mean %s%s?", err, word[:len(word)-len(name)], near)
		}
		return nil, err
	}
	return set, nil
}

// test returns the test that a word makes, its description, and the words that
// match some host.
func (p *selection) test(word string) (fits func(*Host) bool, what string, known func() []string) {
	name := word[1:]
	switch {
	case word[0] == '@':
		return func(h *Host) bool { return has(h.Tags, name) }, "has the tag", func() []string {
			return p.words(func(h *Host) []string { return h.Tags })
		}
	case word[0] == '+':
		return func(h *Host) bool { return h.HasRole(name) }, "has the role", func() []string {
			return p.words(func(h *Host) []string { return h.Roles })
		}
	}
	names := func() []string { return p.words(func(h *Host) []string { return []string{h.Name} }) }
	if strings.ContainsAny(word, "*?[\\") {
		pattern := strings.ReplaceAll(word, "[!", "[^")
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, "", nil
		}
		return func(h *Host) bool { ok, _ := path.Match(pattern, h.Name); return ok }, "matches", names
	}
	return func(h *Host) bool { return h.Name == word }, "is named", names
}

func has(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// words returns the words of all hosts without duplicates.
func (p *selection) words(of func(*Host) []string) []string {
	var out []string
	seen := make(map[string]bool)
	for _, h := range p.fleet.Hosts {
		for _, w := range of(h) {
			if !seen[w] {
				seen[w] = true
				out = append(out, w)
			}
		}
	}
	return out
}
