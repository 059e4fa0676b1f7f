package syntax

import "strings"

// A Set is the merged bindings of an attribute set or let: a.b = 1; and
// a = { c = 2; } become one a with both.
type Set struct {
	At    Pos
	Rec   bool
	Attrs []Def    // in the order of their first appearance; no name twice
	Dyn   []DynDef // ${x} = …
	Froms []Expr   // expressions of inherit (…), indexed by Def.From
}

// A Def is one attribute of a [Set].
type Def struct {
	Name string
	At   Pos
	// One of the two is the value:
	Value Expr // of a single binding
	Set   *Set // merged from several bindings
	Kind  DefKind
	From  int // for InheritedFrom: index in Set.Froms
}

// A DefKind is where the value of an attribute comes from.
type DefKind uint8

const (
	Plain         DefKind = iota // from Value or Set
	Inherited                    // inherit a;
	InheritedFrom                // inherit (from) a;
)

// A DynDef is an attribute whose name is computed.
type DynDef struct {
	At    Pos
	Name  Expr
	Value Expr // nil if Set is not
	Set   *Set
}

// Merge merges the bindings of a set. It always succeeds for the tree of a parser.
// A tree made otherwise may define an attribute twice, which is an [*Error] with
// Nix's message.
func Merge(e *Attrs) (*Set, error) {
	s, err := mergeBindings(e.Bindings)
	if err != nil {
		return nil, err
	}
	s.At, s.Rec = e.At, e.Rec
	return s, nil
}

// MergeLet is [Merge] for the bindings of a let, which are recursive.
func MergeLet(bs []Binding) (*Set, error) {
	s, err := mergeBindings(bs)
	if err != nil {
		return nil, err
	}
	s.Rec = true
	return s, nil
}

func mergeBindings(bs []Binding) (*Set, error) {
	var m merger
	s := &Set{Attrs: make([]Def, 0, countNames(bs))}
	if err := m.bindings(s, bs, nil); err != nil {
		return nil, err
	}
	return s, nil
}

// countNames returns the maximum of attributes that bindings define.
func countNames(bs []Binding) int {
	n := len(bs)
	for _, b := range bs {
		if b, ok := b.(*Inherit); ok {
			n += len(b.Names) - 1
		}
	}
	return n
}

// A merger merges sets. Sets with many attributes get an index.
type merger struct {
	index map[*Set]map[string]int
}

const indexFrom = 16 // attributes

// find returns the attribute of s with a name, or nil.
func (m *merger) find(s *Set, name string) *Def {
	if len(s.Attrs) < indexFrom {
		for i := range s.Attrs {
			if s.Attrs[i].Name == name {
				return &s.Attrs[i]
			}
		}
		return nil
	}
	idx := m.index[s]
	if idx == nil {
		idx = make(map[string]int, max(2*len(s.Attrs), cap(s.Attrs)))
		if m.index == nil {
			m.index = map[*Set]map[string]int{}
		}
		m.index[s] = idx
	}
	for i := len(idx); i < len(s.Attrs); i++ {
		idx[s.Attrs[i].Name] = i
	}
	if i, ok := idx[name]; ok {
		return &s.Attrs[i]
	}
	return nil
}

// bindings adds bs to s. path is the path of s in the outermost set.
func (m *merger) bindings(s *Set, bs []Binding, path []string) error {
	for _, b := range bs {
		switch b := b.(type) {
		case *Attr:
			if err := m.attr(s, b, path); err != nil {
				return err
			}
		case *Inherit:
			kind, from := Inherited, 0
			if b.From != nil {
				kind, from = InheritedFrom, len(s.Froms)
				s.Froms = append(s.Froms, b.From)
			}
			for _, n := range b.Names {
				if err := m.add(s, Def{Name: n.Name, At: n.At, Kind: kind, From: from}, path); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// attr adds a.b.c = value; to s.
func (m *merger) attr(s *Set, b *Attr, path []string) error {
	if len(b.Path) == 1 && b.Path[0].Expr == nil { // the most frequent case
		return m.add(s, Def{Name: b.Path[0].Name, At: b.At, Value: b.Value}, path)
	}
	path = append(make([]string, 0, len(path)+len(b.Path)), path...)
	for i, n := range b.Path {
		path = append(path, n.Name)
		last := i == len(b.Path)-1
		if n.Expr != nil {
			d := DynDef{At: b.At, Name: n.Expr}
			if last {
				d.Value = b.Value
			} else {
				d.Set = &Set{At: b.At}
			}
			s.Dyn = append(s.Dyn, d)
			s = d.Set
			continue
		}
		if last {
			return m.add(s, Def{Name: n.Name, At: b.At, Value: b.Value}, path[:len(path)-1:len(path)-1])
		}
		d := m.find(s, n.Name)
		if d == nil {
			inner := &Set{At: b.At}
			s.Attrs = append(s.Attrs, Def{Name: n.Name, At: b.At, Set: inner})
			s = inner
			continue
		}
		inner, err := m.open(d, path)
		if err != nil {
			return err
		}
		if inner == nil {
			return defined(path, b.At, d.At)
		}
		s = inner
	}
	return nil
}

// open returns the value of d as a set that can be extended, or nil if the value
// is not a set.
func (m *merger) open(d *Def, path []string) (*Set, error) {
	if d.Set != nil {
		return d.Set, nil
	}
	e, ok := d.Value.(*Attrs)
	if !ok {
		return nil, nil
	}
	s := &Set{At: e.At, Rec: e.Rec, Attrs: make([]Def, 0, countNames(e.Bindings))}
	if err := m.bindings(s, e.Bindings, path); err != nil {
		return nil, err
	}
	d.Value, d.Set = nil, s
	return s, nil
}

// add adds d to s. Two sets of one name are merged; the result is recursive if the
// first is.
func (m *merger) add(s *Set, d Def, path []string) error {
	have := m.find(s, d.Name)
	if have == nil {
		s.Attrs = append(s.Attrs, d)
		return nil
	}
	path = append(path[:len(path):len(path)], d.Name)
	more, isSet := d.Value.(*Attrs)
	if !isSet {
		return defined(path, d.At, have.At)
	}
	into, err := m.open(have, path)
	if err != nil {
		return err
	}
	if into == nil {
		return defined(path, d.At, have.At)
	}
	return m.bindings(into, more.Bindings, path)
}

func defined(path []string, at, first Pos) error {
	return &Error{At: at, Msg: "attribute '" + strings.Join(path, ".") + "' already defined at " + first.String()}
}
