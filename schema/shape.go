package schema

import (
	"cmp"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

//go:embed schema.cue
var schemaText string

// A shape is what schema.cue demands of one value of an inventory, compiled to Go
// once so that checking ten thousand hosts needs no CUE. CUE's own unification
// would report only the first problems, and in terms of the schema.
type shape struct {
	// want completes "want …" in a message about the value, names in one about
	// the name of an entry. doc is the field's comment.
	want, names, doc string
	required         bool
	// like are other names that people try for the field.
	like []string

	any    bool // any value
	open   bool // a struct with any fields
	strct  bool // a struct
	fields map[string]*shape
	order  []string         // names of fields in the order of schema.cue
	entry  *shape           // shape of a field whose name nameOK accepts
	nameOK func(*node) bool // nil if entry is
	elem   *shape           // shape of a list's elements
	some   bool             // a list has at least one
	leaf   func(*node) bool // whether a scalar is accepted
}

// inventoryShape is the shape of a whole inventory.
var inventoryShape = sync.OnceValue(func() *shape {
	v := cuecontext.New().CompileString(schemaText, cue.Filename("schema.cue"))
	if err := v.Err(); err != nil {
		panic("schema.cue: " + err.Error())
	}
	s := shapeOf(v.LookupPath(cue.ParsePath("#Inventory")))
	s.want = "an inventory: an attribute set with hosts"
	return s
})

// shapeOf compiles a value of schema.cue.
func shapeOf(v cue.Value) *shape {
	s := new(shape)
	s.read(v)
	return s
}

// read adds to s what a value of schema.cue accepts.
func (s *shape) read(v cue.Value) {
	k := v.IncompleteKind()
	if k == cue.TopKind {
		s.any = true
		return
	}
	if k&(cue.StructKind|cue.ListKind) != 0 && k&(k-1) != 0 {
		// A disjunction of kinds, such as text or a list of texts.
		op, args := cue.Dereference(v).Expr()
		if op != cue.OrOp {
			panic(fmt.Sprintf("schema.cue: %v: a shape cannot express %v", v.Pos(), op))
		}
		for _, a := range args {
			s.read(a)
		}
		return
	}
	switch k {
	case cue.StructKind:
		s.readStruct(v)
	case cue.ListKind:
		s.elem = shapeOf(v.LookupPath(cue.MakePath(cue.AnyIndex)))
		s.some = v.LookupPath(cue.MakePath(cue.Index(0))).Exists() // [#Text, ...#Text]
	default:
		s.leaf = leafOf(v)
	}
}

func (s *shape) readStruct(v cue.Value) {
	s.strct = true
	s.fields = make(map[string]*shape)
	it, err := v.Fields(cue.Optional(true), cue.Patterns(true))
	if err != nil {
		panic("schema.cue: " + err.Error())
	}
	for it.Next() {
		if it.Selector().LabelType() == cue.StringLabel && it.Selector().ConstraintType() == cue.PatternConstraint {
			s.entry = shapeOf(it.Value())
			s.entry.want = "an attribute set"
			s.nameOK = leafOf(it.Selector().Pattern())
			continue
		}
		f := shapeOf(it.Value())
		f.want = attribute(it.Value(), "want")
		f.names = attribute(it.Value(), "names")
		f.like = strings.Fields(attribute(it.Value(), "like"))
		each := attribute(it.Value(), "each")
		if f.elem != nil {
			f.elem.want = each
		}
		if f.entry != nil && each != "" {
			f.entry.want = each
		}
		f.doc = docOf(it.Value())
		f.required = it.Selector().ConstraintType()&cue.RequiredConstraint != 0
		name := it.Selector().Unquoted()
		s.fields[name] = f
		s.order = append(s.order, name)
	}
	s.open = len(s.fields) == 0 && s.entry == nil
}

// attribute returns the text of an attribute such as @want("a port").
func attribute(v cue.Value, name string) string {
	a := v.Attribute(name)
	text, err := a.String(0)
	if a.Err() != nil || err != nil {
		return ""
	}
	return text
}

// docOf returns the comment of a field.
func docOf(v cue.Value) string {
	var parts []string
	for _, g := range v.Doc() {
		parts = append(parts, strings.TrimSpace(g.Text()))
	}
	return strings.Join(parts, "\n")
}

// leafOf compiles a scalar constraint. It supports the operators that schema.cue
// uses; a test compares the result with CUE's own answers.
func leafOf(v cue.Value) func(*node) bool {
	v = cue.Dereference(v)
	op, args := v.Expr()
	switch op {
	case cue.NoOp:
		if v.IsConcrete() {
			return equals(v)
		}
		k := v.IncompleteKind()
		return func(n *node) bool { return kindOf(n)&k != 0 }
	case cue.AndOp, cue.OrOp:
		var tests []func(*node) bool
		for _, a := range args {
			tests = append(tests, leafOf(a))
		}
		// A conjunction needs all tests to hold, a disjunction one.
		return func(n *node) bool {
			for _, t := range tests {
				if t(n) == (op == cue.OrOp) {
					return op == cue.OrOp
				}
			}
			return op == cue.AndOp
		}
	case cue.RegexMatchOp:
		pattern, err := args[0].String()
		if err != nil {
			panic("schema.cue: " + err.Error())
		}
		// Compiled when it is needed: an inventory uses few of the schema's fields.
		re := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
		return func(n *node) bool { return n.kind == stringKind && re().MatchString(n.text) }
	case cue.GreaterThanOp, cue.GreaterThanEqualOp, cue.LessThanOp, cue.LessThanEqualOp:
		bound, err := args[0].Int64()
		if err != nil {
			panic("schema.cue: " + err.Error())
		}
		return func(n *node) bool {
			if n.kind != intKind {
				return false
			}
			switch op {
			case cue.GreaterThanOp:
				return n.num > bound
			case cue.GreaterThanEqualOp:
				return n.num >= bound
			case cue.LessThanOp:
				return n.num < bound
			}
			return n.num <= bound
		}
	}
	panic(fmt.Sprintf("schema.cue: %v: a shape cannot express %v", v.Pos(), op))
}

// equals compiles a literal.
func equals(v cue.Value) func(*node) bool {
	switch v.Kind() {
	case cue.StringKind:
		want, _ := v.String()
		return func(n *node) bool { return n.kind == stringKind && n.text == want }
	case cue.BoolKind:
		want, _ := v.Bool()
		return func(n *node) bool { return n.kind == boolKind && n.bool == want }
	case cue.IntKind:
		want, _ := v.Int64()
		return func(n *node) bool { return n.kind == intKind && n.num == want }
	}
	panic(fmt.Sprintf("schema.cue: %v: a literal a shape cannot express %v", v.Pos(), v.Kind()))
}

// kindOf returns the kind that CUE has for a node.
func kindOf(n *node) cue.Kind {
	switch n.kind {
	case nullKind:
		return cue.NullKind
	case boolKind:
		return cue.BoolKind
	case intKind:
		return cue.IntKind
	case floatKind:
		return cue.FloatKind
	case stringKind:
		return cue.StringKind
	case listKind:
		return cue.ListKind
	case structKind:
		return cue.StructKind
	}
	return cue.BottomKind
}

// check reports everything in n that the shape does not accept.
func (s *shape) check(n *node, path string, r *report) {
	switch {
	case n.kind == badKind:
	case n.kind == unknownKind:
		r.notConcrete(n, path, s.want)
	case s.any:
		checkConcrete(n, path, r)
	case n.kind == structKind && s.strct:
		s.checkStruct(n, path, r)
	case n.kind == listKind && s.some && len(n.elems) == 0:
		r.add(n.at, path, "type", "got an empty list, want %s", s.want).Hint = "leave the field out, or write what is in the list"
	case n.kind == listKind && s.elem != nil:
		for i, e := range n.elems {
			s.elem.check(e, fmt.Sprintf("%s[%d]", path, i), r)
		}
	case n.kind != structKind && n.kind != listKind && s.leaf != nil && s.leaf(n):
	case isSecretText(n, path):
		r.add(n.at, path, "type", "got a text, want %s", s.want).Hint = secretInFile
	default:
		r.add(n.at, path, "type", "got %s, want %s", n, s.want).Hint = valueMend(n, path, s)
	}
}

func (s *shape) checkStruct(n *node, path string, r *report) {
	if s.open {
		checkConcrete(n, path, r)
		return
	}
	for _, f := range n.fields {
		below := join(path, f.name)
		if fs := s.fields[f.name]; fs != nil {
			fs.check(f.val, below, r)
		} else if s.entry == nil {
			s.unknown(f, below, r)
		} else if s.nameOK(&node{kind: stringKind, text: f.name}) {
			s.entry.check(f.val, below, r)
		} else {
			e := r.add(f.at, below, "name", "got the name %s, want %s", quote(f.name), s.names)
			if plain := strings.Map(plainRune, f.name); plain != f.name {
				e.Hint = "write plain quotes and characters instead of typographic ones"
			}
			s.entry.check(f.val, below, r)
		}
	}
	for _, name := range s.order {
		if fs := s.fields[name]; fs.required && n.index(name) < 0 {
			e := r.add(n.at, path, "missing-field", "missing field %q, want %s", name, fs.want)
			if path == "" && name == "hosts" {
				e.Hint = "such as " + hostExample[languageOf(n.at.File)]
			}
		}
	}
}

// unknown reports an unknown field and suggests a known one.
func (s *shape) unknown(f field, path string, r *report) {
	e := r.add(f.at, path, "unknown-field", "unknown field %s", quote(f.name))
	if plain := strings.Map(plainRune, f.name); plain != f.name && slices.Contains(s.order, strings.Trim(plain, `"' `)) {
		e.Hint = fmt.Sprintf("write %s, without what only looks like a plain character, or is invisible", strings.Trim(plain, `"' `))
	} else if mend := elsewhere(f, path); mend != "" {
		e.Hint = mend
	} else if near := nearest(f.name, s.order); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	} else if near := cmp.Or(s.meant(f.name), aliasOf(f.name, s.order)); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	} else {
		known := slices.DeleteFunc(slices.Clone(s.order), func(name string) bool { return name[0] == '$' })
		if len(known) == 0 {
			known = slices.Clone(s.order)
		}
		slices.Sort(known)
		e.Hint = "known fields: " + strings.Join(known, ", ") + ownName(f, path)
	}
}

// meant returns the field that people mean by another name, or "".
func (s *shape) meant(name string) string {
	plain := strings.ReplaceAll(strings.ToLower(name), "_", "")
	for _, f := range s.order {
		if slices.Contains(s.fields[f].like, plain) {
			return f
		}
	}
	return ""
}

// checkConcrete reports every value in n that is not concrete.
func checkConcrete(n *node, path string, r *report) {
	switch n.kind {
	case unknownKind:
		r.notConcrete(n, path, "")
	case listKind:
		for i, e := range n.elems {
			checkConcrete(e, fmt.Sprintf("%s[%d]", path, i), r)
		}
	case structKind:
		for _, f := range n.fields {
			checkConcrete(f.val, join(path, f.name), r)
		}
	}
}

// notConcrete reports a value that is not concrete.
func (r *report) notConcrete(n *node, path, want string) {
	known := shorten(n.text)
	if secretName().MatchString(path) {
		known = "something not shown, because the name is that of a secret"
	}
	e := r.add(n.at, path, "no-value", "not concrete: only known to be %s", known)
	if n.text == "_" {
		e.Msg = "not concrete, and neither is what it refers to"
	}
	if want != "" {
		e.Hint = "want " + want
	}
}
