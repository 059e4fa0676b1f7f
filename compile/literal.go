package compile

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// value writes a value of the inventory as Nix.
func (w *writer) value(v schema.Value) syntax.Expr {
	switch v := v.(type) {
	case schema.Null:
		return &syntax.Ident{At: pos(v.At), Name: "null"}
	case schema.Bool:
		return &syntax.Ident{At: pos(v.At), Name: fmt.Sprint(v.V)}
	case schema.Int:
		return &syntax.Int{At: pos(v.At), Value: v.V}
	case schema.Float:
		return w.float(v)
	case schema.String:
		return text(v)
	case schema.List:
		l := &syntax.List{At: pos(v.At)}
		for _, e := range v.Elems {
			l.Elems = append(l.Elems, w.value(e))
		}
		return l
	case *schema.Attrs:
		return w.attrs(v)
	case schema.Path:
		return w.path(v.At, v.Name)
	case schema.Pkg:
		return at(pos(v.At), ident("pkgs."+v.Name))
	case schema.SecretPath:
		return text(schema.String{At: v.At, V: schema.SecretsDir + "/" + v.Name})
	case schema.InputRef:
		return w.inputRef(v)
	case schema.Expr:
		scope := moduleScope
		if v.Args {
			scope = argumentScope
		}
		if e := w.nix(v.At, v.Text, scope); e != nil {
			return e
		}
		return &syntax.Ident{At: pos(v.At), Name: "null"}
	case schema.Template:
		return w.template(v)
	case schema.Mark:
		return w.mark(v)
	}
	panic(fmt.Sprintf("compile: value %T", v))
}

// attrs writes an attribute set.
func (w *writer) attrs(v *schema.Attrs) syntax.Expr {
	set := &syntax.Attrs{At: pos(v.At)}
	for _, f := range v.Fields {
		set.Bindings = append(set.Bindings, w.field(nil, f))
	}
	return set
}

// field writes prefix.name = value. A set with a single attribute becomes part of
// the path.
func (w *writer) field(prefix syntax.AttrPath, f schema.Field) *syntax.Attr {
	path := append(slices.Clip(prefix), syntax.AttrName{At: pos(f.At), Name: f.Name})
	for {
		set, ok := f.Value.(*schema.Attrs)
		if !ok || len(set.Fields) != 1 {
			break
		}
		f = schema.Field{At: set.Fields[0].At, Name: set.Fields[0].Name, Value: set.Fields[0].Value}
		path = append(path, syntax.AttrName{At: pos(f.At), Name: f.Name})
	}
	return &syntax.Attr{At: pos(f.At), Path: path, Value: w.value(f.Value)}
}

// text writes a string, as an indented one if it has several lines.
func text(v schema.String) syntax.Expr {
	s := str(v.V)
	s.At = pos(v.At)
	s.Indented = strings.Contains(strings.TrimRight(v.V, "\n"), "\n") && !strings.ContainsAny(v.V, "\r\t\x00")
	return s
}

// float writes a floating-point number. The printer adds a point where Nix would
// read an integer.
func (w *writer) float(v schema.Float) syntax.Expr {
	if math.IsInf(v.V, 0) || math.IsNaN(v.V) {
		w.fail(v.At, "%v is not a finite number", v.V)
	}
	if v.V != 0 && math.Abs(v.V) < smallestNormal {
		return apply(ident("builtins.fromJSON"), str(strconv.FormatFloat(v.V, 'g', -1, 64)))
	}
	return &syntax.Float{At: pos(v.At), Value: v.V}
}

// smallestNormal is the smallest number that Nix accepts as a literal. Its scanner
// rejects numbers for which strtod sets ERANGE.
const smallestNormal = 0x1p-1022

// mark writes a property of the module system.
func (w *writer) mark(v schema.Mark) syntax.Expr {
	one := func() syntax.Expr { return w.value(v.Values[0]) }
	number := func() syntax.Expr { return &syntax.Int{At: pos(v.At), Value: int64(v.Priority)} }
	switch v.Kind {
	case schema.Force:
		return apply(ident("lib.mkForce"), one())
	case schema.Default:
		return apply(ident("lib.mkDefault"), one())
	case schema.Before:
		return apply(ident("lib.mkBefore"), one())
	case schema.After:
		return apply(ident("lib.mkAfter"), one())
	case schema.Override:
		return apply(ident("lib.mkOverride"), number(), one())
	case schema.Order:
		return apply(ident("lib.mkOrder"), number(), one())
	case schema.If:
		cond := w.nix(v.At, v.Cond, moduleScope)
		if cond == nil {
			cond = &syntax.Ident{Name: "false"}
		}
		return apply(ident("lib.mkIf"), cond, one())
	case schema.Merge:
		l := &syntax.List{At: pos(v.At)}
		for _, e := range v.Values {
			l.Elems = append(l.Elems, w.value(e))
		}
		return apply(ident("lib.mkMerge"), l)
	}
	panic(fmt.Sprintf("compile: mark %d", v.Kind))
}

// The names that Nix expressions in the inventory may use, beside Nix's own: in
// configuration, and in special arguments.
var (
	moduleScope   = append(slices.Clone(moduleArguments), inputsName)
	argumentScope = []string{inputsName, "name", "nixpkgs"}
)

// nix parses a Nix expression in the inventory, with names in scope. It reports an error in it and
// returns nil.
func (w *writer) nix(at schema.Pos, text string, scope []string) syntax.Expr {
	f := w.parse(at, text, syntax.Options{}, scope)
	if f == nil {
		return nil
	}
	return f.Expr
}

// parse parses Nix in a string of the inventory at a position. The names in scope
// and Nix's global variables are defined. It reports an error and returns nil.
func (w *writer) parse(at schema.Pos, text string, o syntax.Options, scope []string) *syntax.File {
	o.Start = textStart(at, text)
	f, err := syntax.ParseFile("", []byte(text), o)
	if err == nil {
		err = syntax.Resolve(f, inScope(scope))
	}
	if err != nil {
		w.invalid(at, syntax.Pos{}, err)
		return nil
	}
	w.movePaths(f.Expr)
	return f
}

// movePaths makes the relative paths in Nix text of the inventory, which are relative
// to the inventory, lead to the same files from the file being written.
func (w *writer) movePaths(e syntax.Expr) {
	if !w.absolute && w.dir == w.fleet.Dir {
		return
	}
	syntax.Walk(e, func(e syntax.Expr) bool {
		p, ok := e.(*syntax.Path)
		if !ok || !strings.HasPrefix(p.Parts[0].Text, ".") {
			return true
		}
		moved := w.relative(filepath.Clean(p.Parts[0].Text))
		if strings.HasSuffix(p.Parts[0].Text, "/") {
			moved += "/"
		}
		if plainPath(strings.TrimSuffix(moved, "/")) {
			p.Parts[0].Text = moved
		}
		return true
	})
}

// inScope returns a function that reports whether a name is defined for Nix in the
// inventory: by Nix itself or in a scope.
func inScope(scope []string) func(string) bool {
	return func(name string) bool { return syntax.IsGlobal(name) || slices.Contains(scope, name) }
}

// invalid records an error of Nix in a string of the inventory at a position. If the
// error has no position itself, it is at from.
func (w *writer) invalid(at schema.Pos, from syntax.Pos, err error) {
	var invalid *syntax.Error
	if !errors.As(err, &invalid) {
		w.fail(at, "not Nix: %v", err)
		return
	}
	if place := invalid.At; at.IsValid() && (place.IsValid() || from.IsValid()) {
		if !place.IsValid() {
			place = from
		}
		at.Line, at.Col = int(place.Line), int(place.Col)
	}
	w.fail(at, "not Nix: %s", invalid.Msg)
}

// textStart returns the position of the text of a string at a position. In CUE and
// TOML, a text of several lines begins on the line after the opening quotes.
func textStart(at schema.Pos, text string) syntax.Pos {
	if !at.IsValid() {
		return syntax.Pos{}
	}
	if strings.Contains(text, "\n") {
		at.Line++
		at.Col = 1
	} else {
		at.Col++
	}
	return pos(at)
}

// template writes a string with interpolations ${…}. $${ stands for a literal ${.
func (w *writer) template(v schema.Template) syntax.Expr {
	s := &syntax.String{At: pos(v.At)}
	scope := moduleScope
	if v.Args {
		scope = argumentScope
	}
	rest := v.Text
	lit := func(t string) {
		if n := len(s.Parts); n > 0 && s.Parts[n-1].Expr == nil {
			s.Parts[n-1].Text += t
		} else if t != "" {
			s.Parts = append(s.Parts, syntax.Part{Text: t})
		}
	}
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			lit(rest)
			return s
		}
		if i > 0 && rest[i-1] == '$' {
			lit(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		lit(rest[:i])
		start := textPos(v, len(v.Text)-len(rest)+i+2)
		e, n, err := interpolation(rest[i+2:], start)
		if err == nil {
			err = syntax.Resolve(&syntax.File{Expr: e}, inScope(scope))
		}
		if err != nil {
			w.invalid(v.At, start, err)
			return s
		}
		w.movePaths(e)
		s.Parts = append(s.Parts, syntax.Part{Expr: e})
		rest = rest[i+2+n:]
	}
}

// textPos returns the position of offset i of a template in the inventory. It
// assumes that the text is written there without escapes.
func textPos(v schema.Template, i int) syntax.Pos {
	start := textStart(v.At, v.Text)
	if !start.IsValid() {
		return start
	}
	line := strings.LastIndexByte(v.Text[:i], '\n') + 1
	col := i - line + 1
	if line == 0 {
		col = int(start.Col) + i
	}
	file := v.At.File
	return syntax.NewPos(&file, int(start.Line)+strings.Count(v.Text[:i], "\n"), col)
}

// interpolation parses an expression and its closing brace. It returns the
// expression, and the length of both. The closing brace is the first that follows a
// complete expression; if none does, the error is the one that comes last in the
// text.
func interpolation(text string, start syntax.Pos) (syntax.Expr, int, error) {
	last := &syntax.Error{At: start, Msg: "unterminated ${: want a Nix expression and }"}
	depth := 0 // of braces
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{':
			depth++
			continue
		case '}':
			depth--
		default:
			continue
		}
		f, err := syntax.ParseFile("", []byte(text[:i]), syntax.Options{Start: start})
		if err == nil {
			return f.Expr, i + 1, nil
		}
		var invalid *syntax.Error
		if depth < 0 && errors.As(err, &invalid) && !after(last.At, invalid.At) {
			last = &syntax.Error{At: invalid.At, Msg: strings.Replace(invalid.Msg, "unexpected end of file", "unexpected '}'", 1)}
		}
	}
	return nil, 0, last
}

// fail records an error.
func (w *writer) fail(at schema.Pos, format string, args ...any) {
	w.errs = append(w.errs, &schema.Error{Pos: at, Msg: fmt.Sprintf(format, args...)})
}
