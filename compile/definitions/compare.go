package definitions

import (
	"cmp"
	"maps"
	"slices"

	"muster/compile/syntax"
)

// Changes are how the definitions of two systems differ.
type Changes struct {
	Options []Change `json:"options,omitempty"`
	// Files are those that changed though no option by name did, such as in a let.
	Files []string `json:"files,omitempty"`
	Pins  []Pin    `json:"pins,omitempty"`
}

// A Change is how the definitions of one option differ. Those that stay are left out.
type Change struct {
	Name   string   `json:"name"`
	Before []string `json:"before,omitempty"`
	After  []string `json:"after,omitempty"`
	// Added and Removed are elements, where the one definition before and the one after are lists.
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	// Hidden says that the definitions are not shown: they are long, or may be confidential.
	Hidden bool `json:"hidden,omitempty"`
}

// A Pin is how the version of nixpkgs or of an input changes.
type Pin struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Compare compares the definitions of two systems.
func Compare(before, after *System) *Changes {
	c := &Changes{}
	was, is := before.options(), after.options()
	for _, name := range union(was, is) {
		gone, new := without(was[name], is[name]), without(is[name], was[name])
		if len(gone) > 0 || len(new) > 0 {
			c.Options = append(c.Options, change(name, gone, new))
		}
	}
	c.Files = changedFiles(before, after)
	for _, name := range union(before.Pins, after.Pins) {
		if p := (Pin{Name: name, Before: before.Pins[name], After: after.Pins[name]}); p.Before != p.After {
			c.Pins = append(c.Pins, p)
		}
	}
	return c
}

// Empty reports whether nothing differs.
func (c *Changes) Empty() bool { return len(c.Options)+len(c.Files)+len(c.Pins) == 0 }

// options are the definitions of each option.
func (s *System) options() map[string][]Option {
	all := map[string][]Option{}
	for _, m := range s.Modules {
		for _, o := range m.Options {
			all[o.Name] = append(all[o.Name], o)
		}
	}
	return all
}

func union[V any](a, b map[string]V) []string {
	names := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(names)
	return slices.Compact(names)
}

// without are the definitions of one list that the other lacks.
func without(list, other []Option) (left []Option) {
	other = slices.Clone(other)
	for _, o := range list {
		if i := slices.Index(other, o); i >= 0 {
			other = slices.Delete(other, i, i+1)
		} else {
			left = append(left, o)
		}
	}
	return left
}

func change(name string, gone, new []Option) Change {
	c := Change{Name: name}
	for _, o := range slices.Concat(gone, new) {
		c.Hidden = c.Hidden || o.Hidden
	}
	if c.Hidden {
		return c
	}
	texts := func(list []Option) (texts []string) {
		for _, o := range list {
			texts = append(texts, o.Text)
		}
		return texts
	}
	c.Before, c.After = texts(gone), texts(new)
	if len(gone) == 1 && len(new) == 1 {
		was, isList := elements(gone[0].Text)
		is, also := elements(new[0].Text)
		if isList && also {
			c.Removed, c.Added = lacking(was, is), lacking(is, was)
		}
	}
	return c
}

// elements are those of a list, also in with pkgs; [ … ].
func elements(text string) (list []string, ok bool) {
	e, err := syntax.ParseExpr(text)
	if err != nil {
		return nil, false
	}
	l, ok := unwrap(e).(*syntax.List)
	if !ok {
		return nil, false
	}
	for _, x := range l.Elems {
		list = append(list, operand(x))
	}
	return list, true
}

func lacking(list, other []string) (left []string) {
	for _, e := range list {
		if !slices.Contains(other, e) {
			left = append(left, e)
		}
	}
	return left
}

// changedFiles are the files that differ, also in that they are read no more, of which the options are the same.
func changedFiles(before, after *System) (names []string) {
	files := func(s *System) map[string]*Module {
		all := map[string]*Module{}
		for _, m := range s.Modules {
			if m.Source != "" {
				all[m.Source] = m
			}
		}
		return all
	}
	was, is := files(before), files(after)
	none := &Module{}
	for _, name := range union(was, is) {
		a, b := cmp.Or(was[name], none), cmp.Or(is[name], none)
		if a.Sum != b.Sum && slices.Equal(a.Options, b.Options) {
			names = append(names, name)
		}
	}
	return names
}
