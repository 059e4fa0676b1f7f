package schema

import (
	"fmt"
	"regexp"
	"strings"
)

// A valueReader turns nodes below config into values: data as it is, markers
// as what they stand for.
type valueReader struct {
	report  *report
	resolve func(path string, at Pos) string
	plain   bool // markers mean nothing, as below meta
	paths   []pathUse
}

// A pathUse is one $path, to be looked for.
type pathUse struct {
	at         Pos
	path, name string
}

// attrs reads an attribute set that is no marker.
func (v *valueReader) attrs(n *node, path string) *Attrs {
	a := &Attrs{At: n.at, Fields: make([]Field, 0, len(n.fields))}
	for _, f := range n.fields {
		name := f.name
		if !v.plain && strings.HasPrefix(name, "$$") {
			name = name[1:] // $$x is the attribute $x
		}
		below := join(path, f.name)
		if strings.ContainsRune(name, 0) {
			v.report.add(f.at, below, "nul", "the name holds a NUL byte, which Nix cannot hold")
			continue
		}
		if val := v.value(f.val, below); val != nil {
			a.Fields = append(a.Fields, Field{At: f.at, Name: name, Value: val})
		}
	}
	return a
}

// value reads any value; it returns nil for one that is a mistake.
func (v *valueReader) value(n *node, path string) Value {
	switch n.kind {
	case nullKind:
		return Null{n.at}
	case boolKind:
		return Bool{n.at, n.bool}
	case intKind:
		return Int{n.at, n.num}
	case floatKind:
		return Float{n.at, n.flt}
	case bigKind:
		v.report.add(n.at, path, "number", "got %s, want a number that Nix can hold: 64 bits, finite", n)
	case dateKind:
		v.report.add(n.at, path, "type", "got the date %s, want text in quotes: Nix has no dates", n)
	case stringKind:
		if strings.ContainsRune(n.text, 0) {
			v.report.add(n.at, path, "nul", "the text holds a NUL byte, which Nix cannot hold")
			return nil
		}
		if len(n.text) > maxString {
			v.report.add(n.at, path, "too-large", "the text is longer than %d MiB", maxString>>20)
			return nil
		}
		return String{n.at, n.text}
	case listKind:
		l := List{At: n.at, Elems: make([]Value, 0, len(n.elems))}
		for i, e := range n.elems {
			if val := v.value(e, fmt.Sprintf("%s[%d]", path, i)); val != nil {
				l.Elems = append(l.Elems, val)
			}
		}
		return l
	case structKind:
		if !v.plain && isMarker(n) {
			return v.marker(n, path)
		}
		return v.attrs(n, path)
	}
	return nil
}

// isMarker reports whether a struct has a name that begins with one $.
func isMarker(n *node) bool {
	for _, f := range n.fields {
		if strings.HasPrefix(f.name, "$") && !strings.HasPrefix(f.name, "$$") {
			return true
		}
	}
	return false
}

// markers lists what each marker needs beside itself.
var markers = map[string]struct {
	also string
	kind MarkKind
}{
	"$path": {}, "$pkg": {}, "$expr": {}, "$str": {},
	"$force": {kind: Force}, "$default": {kind: Default}, "$merge": {kind: Merge},
	"$before": {kind: Before}, "$after": {kind: After},
	"$if":       {also: "$then", kind: If},
	"$override": {also: "$priority", kind: Override},
	"$order":    {also: "$priority", kind: Order},
}

var markerNames = []string{"$path", "$pkg", "$expr", "$str", "$force", "$default", "$if", "$merge", "$before", "$after", "$override", "$order"}

var pkgName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_'-]*(\.[A-Za-z0-9_][A-Za-z0-9_'-]*)*$`)

func (v *valueReader) marker(n *node, path string) Value {
	name, ok := v.markerName(n, path)
	if !ok {
		return nil
	}
	arg, path := n.get(name), join(path, name)
	switch name {
	case "$path":
		if text, ok := v.text(arg, path, "the path of a file or directory"); ok {
			name := v.resolve(text, arg.at)
			v.paths = append(v.paths, pathUse{arg.at, path, name})
			return Path{n.at, name}
		}
	case "$pkg":
		text, ok := v.text(arg, path, "a package such as valgrind.doc")
		if ok && !pkgName.MatchString(text) {
			v.report.add(arg.at, path, "marker", "got %s, want a package such as valgrind.doc", arg)
			ok = false
		}
		if ok {
			return Pkg{n.at, text}
		}
	case "$expr":
		if text, ok := v.text(arg, path, "a Nix expression"); ok {
			return Expr{arg.at, text}
		}
	case "$str":
		if arg.kind == stringKind && arg.text == "" {
			return Template{arg.at, ""}
		}
		if text, ok := v.text(arg, path, "text with Nix interpolation"); ok {
			return Template{arg.at, text}
		}
	default:
		return v.mark(n, name, arg, path)
	}
	return nil
}

// markerName finds out which marker a struct is and whether it is whole.
func (v *valueReader) markerName(n *node, path string) (string, bool) {
	for _, f := range n.fields {
		m, known := markers[f.name]
		if !known {
			continue
		}
		for _, g := range n.fields {
			if g.name != f.name && g.name != m.also {
				e := v.report.add(g.at, join(path, g.name), "marker", "%s stands beside %s, which stands alone", quote(g.name), f.name)
				if m.also != "" {
					e.Msg = fmt.Sprintf("%s stands beside %s, which takes only %s", quote(g.name), f.name, m.also)
				}
				return "", false
			}
		}
		if m.also != "" && n.index(m.also) < 0 {
			v.report.add(f.at, join(path, f.name), "marker", "%s without %s", f.name, m.also)
			return "", false
		}
		return f.name, true
	}
	for _, f := range n.fields {
		if !strings.HasPrefix(f.name, "$") || strings.HasPrefix(f.name, "$$") {
			continue
		}
		e := v.report.add(f.at, join(path, f.name), "marker", "unknown marker %s", quote(f.name))
		switch near := nearest(f.name, markerNames); {
		case f.name == "$then":
			e.Msg = "$then without $if"
		case f.name == "$priority":
			e.Msg = "$priority without $override or $order"
		case near != "":
			e.Hint = fmt.Sprintf("did you mean %s?", near)
		default:
			e.Hint = fmt.Sprintf("the attribute of that name is written %s", quote("$"+f.name))
		}
		break
	}
	return "", false
}

// mark reads a marker that is a property of the module system.
func (v *valueReader) mark(n *node, name string, arg *node, path string) Value {
	m := Mark{At: n.at, Kind: markers[name].kind}
	switch m.Kind {
	case If:
		cond, ok := v.text(arg, path, "a condition: a Nix expression")
		if !ok {
			return nil
		}
		m.Cond = cond
		arg, path = n.get("$then"), strings.TrimSuffix(path, "$if")+"$then"
	case Override, Order:
		p := n.get("$priority")
		if p.kind != intKind || p.num < 0 || p.num > 1<<31 {
			if p.kind != badKind && p.kind != unknownKind {
				v.report.add(p.at, strings.TrimSuffix(path, name)+"$priority", "marker", "got %s, want a priority: a number from 0", p)
			}
			return nil
		}
		m.Priority = int(p.num)
	case Merge:
		if arg.kind != listKind {
			if arg.kind != badKind && arg.kind != unknownKind {
				v.report.add(arg.at, path, "marker", "got %s, want a list of values to merge", arg)
			}
			return nil
		}
		for i, e := range arg.elems {
			if val := v.value(e, fmt.Sprintf("%s[%d]", path, i)); val != nil {
				m.Values = append(m.Values, val)
			}
		}
		return m
	}
	val := v.value(arg, path)
	if val == nil {
		return nil
	}
	m.Values = []Value{val}
	return m
}

// text reads the text a marker takes.
func (v *valueReader) text(n *node, path, want string) (string, bool) {
	switch {
	case n.kind == badKind || n.kind == unknownKind: // reported before
		return "", false
	case n.kind != stringKind || strings.TrimSpace(n.text) == "":
		v.report.add(n.at, path, "marker", "got %s, want %s", n, want)
		return "", false
	case strings.ContainsRune(n.text, 0):
		v.report.add(n.at, path, "nul", "the text holds a NUL byte, which Nix cannot hold")
		return "", false
	}
	return n.text, true
}
