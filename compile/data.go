package compile

import (
	"errors"
	"fmt"

	"muster/compile/syntax"
	"muster/schema"
)

// ReadData reads a Nix file that holds only data: sets, lists, strings, numbers, true, false
// and null. As [schema.Options.Data] it makes schema.Load read meta.nix.
func ReadData(name string, text []byte) (schema.Value, *schema.Error) {
	f, err := syntax.ParseFile(name, text, syntax.Options{})
	if err != nil {
		at := schema.Pos{File: name, Line: 1, Col: 1}
		if wrong := (*syntax.Error)(nil); errors.As(err, &wrong) {
			return nil, &schema.Error{Pos: schema.Pos{File: name, Line: int(wrong.At.Line), Col: int(wrong.At.Col)}, Msg: "not Nix: " + wrong.Msg}
		}
		return nil, &schema.Error{Pos: at, Msg: "not Nix: " + err.Error()}
	}
	r := dataReader{name: name}
	v := r.value(f.Expr)
	return v, r.wrong
}

// A dataReader turns Nix that is data into values.
type dataReader struct {
	name  string
	wrong *schema.Error // the first problem
}

func (r *dataReader) at(p syntax.Pos) schema.Pos {
	return schema.Pos{File: r.name, Line: int(p.Line), Col: int(p.Col)}
}

func (r *dataReader) fail(at syntax.Pos, format string, args ...any) schema.Value {
	if r.wrong == nil {
		r.wrong = &schema.Error{Pos: r.at(at), Msg: fmt.Sprintf(format, args...), Hint: "a file of data holds sets, lists, strings, numbers, true, false and null"}
	}
	return schema.Null{}
}

func (r *dataReader) value(e syntax.Expr) schema.Value {
	at := r.at(e.Pos())
	switch e := e.(type) {
	case *syntax.Int:
		return schema.Int{At: at, V: e.Value}
	case *syntax.Float:
		return schema.Float{At: at, V: e.Value}
	case *syntax.Ident:
		switch e.Name {
		case "true", "false":
			return schema.Bool{At: at, V: e.Name == "true"}
		case "null":
			return schema.Null{At: at}
		}
		return r.fail(e.At, "the variable %s is not data", e.Name)
	case *syntax.String:
		text := ""
		for _, p := range e.Parts {
			if p.Expr != nil {
				return r.fail(p.At, "a string with ${…} is not data")
			}
			text += p.Text
		}
		return schema.String{At: at, V: text}
	case *syntax.Unary:
		if n, ok := r.value(e.X).(schema.Int); ok && e.Op == syntax.Negate {
			return schema.Int{At: at, V: -n.V}
		}
	case *syntax.List:
		l := schema.List{At: at}
		for _, x := range e.Elems {
			l.Elems = append(l.Elems, r.value(x))
		}
		return l
	case *syntax.Attrs:
		return r.set(e)
	}
	return r.fail(e.Pos(), "not data but an expression to evaluate")
}

func (r *dataReader) set(e *syntax.Attrs) schema.Value {
	set := &schema.Attrs{At: r.at(e.At)}
	if e.Rec {
		return r.fail(e.At, "rec is not data")
	}
	for _, b := range e.Bindings {
		a, ok := b.(*syntax.Attr)
		if !ok {
			return r.fail(b.Pos(), "inherit is not data")
		}
		into := set
		for i, name := range a.Path {
			if name.Expr != nil {
				return r.fail(name.At, "a computed name is not data")
			}
			if i == len(a.Path)-1 {
				r.define(into, name, a.Value)
				break
			}
			into = r.sub(into, name)
		}
	}
	return set
}

// define gives a name of a set its value. Sets of one name are merged.
func (r *dataReader) define(set *schema.Attrs, name syntax.AttrName, e syntax.Expr) {
	v := r.value(e)
	for _, f := range set.Fields {
		if f.Name != name.Name {
			continue
		}
		there, isSet := f.Value.(*schema.Attrs)
		more, both := v.(*schema.Attrs)
		if !isSet || !both {
			r.fail(name.At, "attribute '%s' already defined", name.Name)
			return
		}
		there.Fields = append(there.Fields, more.Fields...)
		return
	}
	set.Fields = append(set.Fields, schema.Field{At: r.at(name.At), Name: name.Name, Value: v})
}

// sub returns the set of a name in a set.
func (r *dataReader) sub(set *schema.Attrs, name syntax.AttrName) *schema.Attrs {
	for _, f := range set.Fields {
		if f.Name == name.Name {
			if below, ok := f.Value.(*schema.Attrs); ok {
				return below
			}
			r.fail(name.At, "attribute '%s' already defined", name.Name)
		}
	}
	below := &schema.Attrs{At: r.at(name.At)}
	set.Fields = append(set.Fields, schema.Field{At: r.at(name.At), Name: name.Name, Value: below})
	return below
}
