package definitions

import (
	"path/filepath"
	"strings"

	"muster/compile/syntax"
)

// A Reader reads modules, each file once.
type Reader struct {
	// Read returns the text of a file. What it cannot read defines nothing.
	Read func(name string) ([]byte, error)
	// Lets are modules that others import by a name.
	Lets map[string]syntax.Expr
	// Dir is the directory that the names of files in it are relative to.
	Dir string

	files map[string]*written // those of directories too
	lets  map[string]*written
}

// A written is a module with the modules that it imports.
type written struct {
	Module
	imports []syntax.Expr
	dir     string // of the paths in it
}

// maxFiles is how many files are read.
const maxFiles = 20_000

// System is what modules in the inventory, whose paths are relative to Dir, and all that they import define.
func (r *Reader) System(modules ...syntax.Expr) *System {
	c := collector{reader: r, seen: map[*written]bool{}}
	for _, e := range modules {
		if e != nil {
			c.add(r.module("", r.Dir, e))
		}
	}
	return &c.system
}

// A collector collects the modules of one system, each once.
type collector struct {
	reader *Reader
	system System
	seen   map[*written]bool
}

func (c *collector) add(w *written) {
	if w == nil || c.seen[w] {
		return
	}
	c.seen[w] = true
	if len(w.Options) > 0 || w.Source != "" {
		c.system.Modules = append(c.system.Modules, &w.Module)
	}
	for _, e := range w.imports {
		c.add(c.reader.imported(w.dir, e))
	}
}

// imported is the module that an element of imports stands for; nil for one that is nowhere to be read,
// such as a module of an input.
func (r *Reader) imported(dir string, e syntax.Expr) *written {
	switch e := e.(type) {
	case *syntax.Ident:
		return r.let(e.Name)
	case *syntax.Attrs, *syntax.Lambda, *syntax.Let:
		return r.module("", dir, e)
	case *syntax.Apply: // import ./file.nix
		if f, ok := e.F.(*syntax.Ident); ok && f.Name == "import" && len(e.Args) == 1 {
			return r.imported(dir, e.Args[0])
		}
	case *syntax.Path, *syntax.Binary:
		if name, ok := pathText(e); ok {
			if !filepath.IsAbs(name) {
				name = filepath.Join(dir, name)
			}
			return r.file(filepath.Clean(name))
		}
	}
	return nil
}

// pathText is the path that a literal, or ./. + "/name", is.
func pathText(e syntax.Expr) (string, bool) {
	switch e := e.(type) {
	case *syntax.Path:
		return partsText(e.Parts)
	case *syntax.Binary:
		path, isPath := e.X.(*syntax.Path)
		rest, isText := e.Y.(*syntax.String)
		if e.Op != syntax.Add || !isPath || !isText {
			return "", false
		}
		begin, ok := partsText(path.Parts)
		end, also := partsText(rest.Parts)
		return begin + end, ok && also
	}
	return "", false
}

func partsText(parts []syntax.Part) (text string, ok bool) {
	for _, p := range parts {
		if p.Expr != nil {
			return "", false
		}
		text += p.Text
	}
	return text, !strings.HasPrefix(text, "~")
}

func (r *Reader) let(name string) *written {
	w, known := r.lets[name]
	if e := r.Lets[name]; !known && e != nil {
		w = r.module("", r.Dir, e)
		if r.lets == nil {
			r.lets = map[string]*written{}
		}
		r.lets[name] = w
	}
	return w
}

func (r *Reader) file(name string) *written {
	if w, known := r.files[name]; known || len(r.files) >= maxFiles {
		return w
	}
	if r.files == nil {
		r.files = map[string]*written{}
	}
	r.files[name] = nil
	text, err := r.Read(name)
	if err != nil {
		if filepath.Base(name) != "default.nix" {
			r.files[name] = r.file(filepath.Join(name, "default.nix"))
		}
		return r.files[name]
	}
	file, err := syntax.ParseFile(name, text, syntax.Options{})
	if err != nil {
		return nil
	}
	source := name
	if rel, err := filepath.Rel(r.Dir, name); err == nil && !strings.HasPrefix(rel, "../") {
		source = rel
	}
	w := r.module(source, filepath.Dir(name), file.Expr)
	r.files[name] = w
	return w
}

// module reads a module of which the text is known.
func (r *Reader) module(source, dir string, e syntax.Expr) *written {
	w := &written{Module: Module{Source: source}, dir: dir}
	w.Sum = sum(formatted(e))
	w.body(e)
	return w
}

// body reads what a module says: a set, or a function that returns one.
func (w *written) body(e syntax.Expr) {
	set, ok := unwrap(e).(*syntax.Attrs)
	if !ok {
		return
	}
	explicit := false // it has config or options, so that all else is about the module
	for _, b := range set.Bindings {
		if a, ok := b.(*syntax.Attr); ok && (a.Path[0].Name == "config" || a.Path[0].Name == "options") {
			explicit = true
		}
	}
	for _, b := range set.Bindings {
		a, ok := b.(*syntax.Attr)
		switch {
		case !ok && !explicit:
			w.binding(nil, b, same)
		case !ok:
		case a.Path[0].Name == "imports" && len(a.Path) == 1:
			if list, ok := unwrap(a.Value).(*syntax.List); ok {
				w.imports = append(w.imports, list.Elems...)
			}
		case a.Path[0].Name == "config" && len(a.Path) == 1:
			w.value(nil, a.Value, same)
		case a.Path[0].Name == "config":
			w.value(a.Path[1:], a.Value, same)
		case !explicit && !aboutModule[a.Path[0].Name]:
			w.binding(nil, b, same)
		}
	}
}

// aboutModule are the attributes of a module that define no option, and deployment, which is not about the
// system.
var aboutModule = map[string]bool{"options": true, "_file": true, "key": true, "_class": true, "disabledModules": true, "freeformType": true, "deployment": true}

// unwrap is what a function, let, with or assert is around.
func unwrap(e syntax.Expr) syntax.Expr {
	for {
		switch x := e.(type) {
		case *syntax.Lambda:
			e = x.Body
		case *syntax.Let:
			e = x.Body
		case *syntax.With:
			e = x.Body
		case *syntax.Assert:
			e = x.Body
		default:
			return e
		}
	}
}

// A condition puts the conditions around a definition that stand around the set it is in: lib.mkIf x { a = 1; } defines
// a as lib.mkIf x 1.
type condition func(text string) string

func same(text string) string { return text }

func (w *written) binding(path syntax.AttrPath, b syntax.Binding, around condition) {
	switch b := b.(type) {
	case *syntax.Attr:
		w.value(join(path, b.Path...), b.Value, around)
	case *syntax.Inherit:
		for _, n := range b.Names {
			text := attrName(n)
			if b.From != nil {
				text = formatted(selected(b.From, n))
			}
			w.add(join(path, n), around(text))
		}
	}
}

// selected is an attribute of an expression: x.y.a of x.y.
func selected(e syntax.Expr, name syntax.AttrName) syntax.Expr {
	if s, ok := e.(*syntax.Select); ok && s.Default == nil {
		return &syntax.Select{X: s.X, Path: join(s.Path, name)}
	}
	return &syntax.Select{X: e, Path: syntax.AttrPath{name}}
}

func join(path syntax.AttrPath, names ...syntax.AttrName) syntax.AttrPath {
	return append(path[:len(path):len(path)], names...)
}

// value reads the definition of what has a path.
func (w *written) value(path syntax.AttrPath, e syntax.Expr, around condition) {
	inner := e
	if len(path) == 0 {
		inner = unwrap(e)
	}
	switch x := inner.(type) {
	case *syntax.Attrs:
		if len(x.Bindings) == 0 {
			break
		}
		for _, b := range x.Bindings {
			w.binding(path, b, around)
		}
		return
	case *syntax.Apply:
		if w.marked(path, x, around) {
			return
		}
	}
	if len(path) > 0 {
		w.add(path, around(formatted(e)))
	}
}

// marked reads lib.mkIf condition { … } and lib.mkMerge [ … ] of sets.
func (w *written) marked(path syntax.AttrPath, x *syntax.Apply, around condition) bool {
	switch name := syntax.LastName(x.F); {
	case name == "mkIf" && len(x.Args) == 2:
		if _, ok := x.Args[1].(*syntax.Attrs); !ok {
			if a, ok := x.Args[1].(*syntax.Apply); !ok || syntax.LastName(a.F) != "mkMerge" {
				return false
			}
		}
		w.value(path, x.Args[1], func(text string) string {
			return around("mkIf " + operand(x.Args[0]) + " " + parenthesized(text))
		})
		return true
	case name == "mkMerge" && len(x.Args) == 1:
		list, ok := x.Args[0].(*syntax.List)
		if !ok {
			return false
		}
		for _, e := range list.Elems {
			w.value(path, e, around)
		}
		return true
	}
	return false
}

// operand is the text of an argument of a function.
func operand(e syntax.Expr) string {
	switch e.(type) {
	case *syntax.Ident, *syntax.Select, *syntax.String, *syntax.Int, *syntax.List, *syntax.Attrs, *syntax.Path:
		return formatted(e)
	}
	return "(" + formatted(e) + ")"
}

func parenthesized(text string) string {
	if e, err := syntax.ParseExpr(text); err == nil {
		return operand(e)
	}
	return text
}
