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

	"muster/exec/ondemand"
)

//go:embed schema.cue
var schemaText string

// A shape is what schema.cue demands of one value of an inventory, compiled to Go
// (generatedShape), so that checking ten thousand hosts needs no CUE, and no start of
// muster reads schema.cue. CUE's own unification would report only the first problems,
// and in terms of the schema.
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
	order  []string // names of fields in the order of schema.cue
	entry  *shape   // shape of a field whose name nameOK accepts
	nameOK scalar   // nil if entry is
	elem   *shape   // shape of a list's elements
	some   bool     // a list has at least one
	leaf   scalar   // of values without parts; nil where none is accepted
}

// inventoryShape is the shape of a whole inventory.
var inventoryShape = sync.OnceValue(func() *shape {
	s := generatedShape()
	s.want = "an inventory: an attribute set with hosts"
	return s
})

// A scalar is what schema.cue demands of a value that has no parts. It has the operators that
// schema.cue uses; a test compares it with CUE's own answers.
type scalar interface{ accepts(*node) bool }

type (
	ofKind  cue.Kind // any value of these kinds
	theText string
	theBool bool
	bounded struct { // an integer that compares so with a bound
		op    cue.Op
		bound int64
	}
	allOf   []scalar
	oneOf   []scalar
	pattern func() *regexp.Regexp // a text that it matches
)

func (k ofKind) accepts(n *node) bool  { return kindOf(n)&cue.Kind(k) != 0 }
func (s theText) accepts(n *node) bool { return n.kind == stringKind && n.text == string(s) }
func (b theBool) accepts(n *node) bool { return n.kind == boolKind && n.bool == bool(b) }
func (p pattern) accepts(n *node) bool { return n.kind == stringKind && p().MatchString(n.text) }

func (i bounded) accepts(n *node) bool {
	if n.kind != intKind {
		return false
	}
	switch i.op {
	case cue.GreaterThanOp:
		return n.num > i.bound
	case cue.GreaterThanEqualOp:
		return n.num >= i.bound
	case cue.LessThanOp:
		return n.num < i.bound
	case cue.LessThanEqualOp:
		return n.num <= i.bound
	}
	return n.num == i.bound
}

func (all allOf) accepts(n *node) bool {
	return !slices.ContainsFunc(all, func(s scalar) bool { return !s.accepts(n) })
}

func (all oneOf) accepts(n *node) bool {
	return slices.ContainsFunc(all, func(s scalar) bool { return s.accepts(n) })
}

// onFirstUse compiles a pattern when it is first used: an inventory uses few of the schema's
// fields.
func onFirstUse(text string) pattern {
	return ondemand.Regexp(text)
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
	case n.kind != structKind && n.kind != listKind && s.leaf != nil && s.leaf.accepts(n):
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
		} else if s.nameOK.accepts(&node{kind: stringKind, text: f.name}) {
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
