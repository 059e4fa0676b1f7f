package schema

import (
	"bytes"
	"cmp"
	"fmt"
	"go/format"
	"os"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	gocmp "github.com/google/go-cmp/cmp"
)

// TestTheShapeIsThatOfTheSchema compares generatedshape.go with schema.cue. With -update it
// writes the file.
func TestTheShapeIsThatOfTheSchema(t *testing.T) {
	v := cuecontext.New().CompileString(schemaText, cue.Filename("schema.cue"))
	if err := v.Err(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(`// Code generated from schema.cue by go test ./schema -run Shape -update. DO NOT EDIT.

package schema

import "cuelang.org/go/cue"

// generatedShape is the shape of #Inventory. What several fields have in common is one shape.
func generatedShape() *shape {
`)
	p := shapePrinter{uses: map[string]int{}, names: map[string]string{}}
	inventory := shapeOf(v.LookupPath(cue.ParsePath("#Inventory")))
	p.print(inventory) // counts the uses
	p.file = &b
	fmt.Fprintf(&b, "return %s\n}\n", p.print(inventory))
	want, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	const name = "generatedshape.go"
	if *update {
		if err := os.WriteFile(name, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got; -update writes it):\n%s", name, d)
	}
}

// A shapePrinter prints shapes as Go: those of several uses as variables, in front of what
// uses them.
type shapePrinter struct {
	uses  map[string]int    // of the text of a shape
	names map[string]string // of variables, by the texts of their values
	file  *bytes.Buffer     // that variables are written to; nil while uses are counted
}

// print returns a shape as Go.
func (p *shapePrinter) print(s *shape) string {
	text := p.text(s)
	if p.file == nil {
		p.uses[text]++
		return text
	}
	const short = 200
	if name := p.names[text]; name != "" || len(text) < short {
		return cmp.Or(name, text)
	}
	if p.uses[p.counted(s)] > 1 {
		name := fmt.Sprintf("s%d", len(p.names)+1)
		p.names[text] = name
		fmt.Fprintf(p.file, "%s := %s\n", name, text)
		return name
	}
	return text
}

// counted is the text of a shape without variables, under which its uses were counted.
func (p *shapePrinter) counted(s *shape) string {
	return (&shapePrinter{uses: map[string]int{}}).text(s)
}

// text prints a shape whatever its uses are.
func (p *shapePrinter) text(s *shape) string {
	var b strings.Builder
	b.WriteString("&shape{")
	text := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "\n%s: %q,", name, value)
		}
	}
	is := func(name string, value bool) {
		if value {
			fmt.Fprintf(&b, "\n%s: true,", name)
		}
	}
	below := func(name string, value *shape) {
		if value != nil {
			fmt.Fprintf(&b, "\n%s: %s,", name, p.print(value))
		}
	}
	leaf := func(name string, value scalar) {
		if value != nil {
			fmt.Fprintf(&b, "\n%s: %s,", name, scalarText(value))
		}
	}
	text("want", s.want)
	text("names", s.names)
	text("doc", s.doc)
	is("required", s.required)
	if len(s.like) > 0 {
		fmt.Fprintf(&b, "\nlike: %#v,", s.like)
	}
	is("any", s.any)
	is("open", s.open)
	is("strct", s.strct)
	is("some", s.some)
	leaf("leaf", s.leaf)
	leaf("nameOK", s.nameOK)
	below("entry", s.entry)
	below("elem", s.elem)
	if len(s.order) > 0 {
		fmt.Fprintf(&b, "\norder: %#v,", s.order)
		b.WriteString("\nfields: map[string]*shape{")
		for _, name := range s.order {
			fmt.Fprintf(&b, "\n%q: %s,", name, p.print(s.fields[name]))
		}
		b.WriteString("\n},")
	}
	b.WriteString("\n}")
	return b.String()
}

// kindNames are the kinds of scalars, as Go has them.
var kindNames = []struct {
	kind cue.Kind
	name string
}{
	{cue.NullKind, "cue.NullKind"}, {cue.BoolKind, "cue.BoolKind"}, {cue.IntKind, "cue.IntKind"},
	{cue.FloatKind, "cue.FloatKind"}, {cue.StringKind, "cue.StringKind"}, {cue.BytesKind, "cue.BytesKind"},
}

// operatorNames are the operators of numbers, as Go has them.
var operatorNames = map[cue.Op]string{
	cue.EqualOp: "EqualOp", cue.GreaterThanOp: "GreaterThanOp", cue.GreaterThanEqualOp: "GreaterThanEqualOp",
	cue.LessThanOp: "LessThanOp", cue.LessThanEqualOp: "LessThanEqualOp",
}

// scalarText prints a scalar as Go.
func scalarText(s scalar) string {
	list := func(name string, all []scalar) string {
		var words []string
		for _, s := range all {
			words = append(words, scalarText(s))
		}
		return name + "{" + strings.Join(words, ", ") + "}"
	}
	switch s := s.(type) {
	case allOf:
		return list("allOf", s)
	case oneOf:
		return list("oneOf", s)
	case ofKind:
		var words []string
		for _, k := range kindNames {
			if cue.Kind(s)&k.kind != 0 {
				words = append(words, k.name)
			}
		}
		return "ofKind(" + strings.Join(words, " | ") + ")"
	case theText:
		return fmt.Sprintf("theText(%q)", string(s))
	case theBool:
		return fmt.Sprintf("theBool(%t)", bool(s))
	case bounded:
		return fmt.Sprintf("bounded{cue.%v, %d}", operatorNames[s.op], s.bound)
	case pattern:
		return fmt.Sprintf("onFirstUse(%q)", s().String())
	}
	panic(fmt.Sprintf("%T is not known here", s))
}

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

// leafOf compiles a scalar constraint.
func leafOf(v cue.Value) scalar {
	v = cue.Dereference(v)
	op, args := v.Expr()
	switch op {
	case cue.NoOp:
		if v.IsConcrete() {
			return equals(v)
		}
		return ofKind(v.IncompleteKind())
	case cue.AndOp, cue.OrOp:
		var all []scalar
		for _, a := range args {
			all = append(all, leafOf(a))
		}
		if op == cue.AndOp {
			return allOf(all)
		}
		return oneOf(all)
	case cue.RegexMatchOp:
		text, err := args[0].String()
		if err != nil {
			panic("schema.cue: " + err.Error())
		}
		return onFirstUse(text)
	case cue.GreaterThanOp, cue.GreaterThanEqualOp, cue.LessThanOp, cue.LessThanEqualOp:
		bound, err := args[0].Int64()
		if err != nil {
			panic("schema.cue: " + err.Error())
		}
		return bounded{op, bound}
	}
	panic(fmt.Sprintf("schema.cue: %v: a shape cannot express %v", v.Pos(), op))
}

// equals compiles a literal.
func equals(v cue.Value) scalar {
	switch v.Kind() {
	case cue.StringKind:
		text, _ := v.String()
		return theText(text)
	case cue.BoolKind:
		b, _ := v.Bool()
		return theBool(b)
	case cue.IntKind:
		i, _ := v.Int64()
		return bounded{cue.EqualOp, i}
	}
	panic(fmt.Sprintf("schema.cue: %v: a literal a shape cannot express %v", v.Pos(), v.Kind()))
}
