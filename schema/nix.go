package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// A valueReader turns nodes below config into values. It interprets markers such
// as {$pkg: "git"}.
type valueReader struct {
	report  *report
	resolve func(path string, at Pos) string
	plain   bool // do not interpret markers, as below meta
	special bool // of special_args: $pkg and properties of the module system have no meaning
	paths   []pathUse
	inputs  []inputUse
}

// A pathUse is one $path, which must exist.
type pathUse struct {
	at         Pos
	path, name string
}

// attrs converts an attribute set that is not a marker.
func (v *valueReader) attrs(n *node, path string) *Attrs {
	a := &Attrs{At: n.at, Fields: make([]Field, 0, len(n.fields))}
	for _, f := range n.fields {
		name := f.name
		if !v.plain && strings.HasPrefix(name, "$$") {
			name = name[1:] // $$x is the attribute $x
		}
		below := join(path, f.name)
		if strings.ContainsRune(name, 0) {
			v.report.add(f.at, below, "nul", "the name contains a NUL byte, which Nix does not allow")
			continue
		}
		if val := v.value(f.val, below); val != nil {
			a.Fields = append(a.Fields, Field{At: f.at, Name: name, Value: val})
		}
	}
	return a
}

// value converts any value. It reports an invalid one and returns nil.
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
		v.report.add(n.at, path, "number", "got %s, want a 64-bit integer or a finite float", n)
	case dateKind:
		v.report.add(n.at, path, "type", "got the date %s, want text in quotes: Nix has no dates", n)
	case stringKind:
		if strings.ContainsRune(n.text, 0) {
			v.report.add(n.at, path, "nul", "the text contains a NUL byte, which Nix does not allow")
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

// isMarker reports whether a struct has a name that begins with a single $.
func isMarker(n *node) bool {
	for _, f := range n.fields {
		if strings.HasPrefix(f.name, "$") && !strings.HasPrefix(f.name, "$$") {
			return true
		}
	}
	return false
}

// markers lists the markers. also is the second field that a marker takes.
var markers = map[string]struct {
	also string
	kind MarkKind
}{
	"$path": {}, "$pkg": {}, "$secret": {}, "$input": {}, "$expr": {}, "$str": {},
	"$force": {kind: Force}, "$default": {kind: Default}, "$merge": {kind: Merge},
	"$before": {kind: Before}, "$after": {kind: After},
	"$if":       {also: "$then", kind: If},
	"$override": {also: "$priority", kind: Override},
	"$order":    {also: "$priority", kind: Order},
}

var markerNames = []string{"$path", "$pkg", "$secret", "$input", "$expr", "$str", "$force", "$default", "$if", "$merge", "$before", "$after", "$override", "$order"}

var pkgName = ondemand.Regexp(`^[A-Za-z_][A-Za-z0-9_'-]*(\.[A-Za-z0-9_][A-Za-z0-9_'-]*)*$`)

// marker converts a marker.
func (v *valueReader) marker(n *node, path string) Value {
	name, ok := v.markerName(n, path)
	if !ok {
		return nil
	}
	if v.special && !slices.Contains([]string{"$path", "$input", "$expr", "$str"}, name) {
		v.report.add(n.at, join(path, name), "marker", "%s is for options: want $path, $input, $expr or $str", name)
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
		if ok && !pkgName().MatchString(text) {
			v.report.add(arg.at, path, "marker", "got %s, want a package such as valgrind.doc", arg)
			ok = false
		}
		if ok {
			return Pkg{n.at, text}
		}
	case "$secret":
		if text, ok := v.text(arg, path, "the name of a secret of the host"); ok {
			return SecretPath{arg.at, text}
		}
	case "$input":
		if text, ok := v.text(arg, path, "the name of an input"); ok {
			ref := InputRef{At: n.at, Name: text, Attr: cmp.Or(textOf(n, "attr"), textOf(n, "module")), Path: textOf(n, "path")}
			v.inputs = append(v.inputs, inputUse{arg.at, path, text})
			return ref
		}
	case "$expr":
		if text, ok := v.text(arg, path, "a Nix expression"); ok {
			return Expr{At: arg.at, Text: text, Args: v.special}
		}
	case "$str":
		if arg.kind == stringKind && arg.text == "" {
			return Template{At: arg.at}
		}
		if text, ok := v.text(arg, path, "text with Nix interpolation"); ok {
			return Template{At: arg.at, Text: text, Args: v.special}
		}
	default:
		return v.mark(n, name, arg, path)
	}
	return nil
}

// markerName returns which marker a struct is, and whether it is valid.
func (v *valueReader) markerName(n *node, path string) (string, bool) {
	for _, f := range n.fields {
		m, known := markers[f.name]
		if !known {
			continue
		}
		if f.name == "$input" {
			return f.name, v.inputFields(n, path)
		}
		for _, g := range n.fields {
			if g.name != f.name && g.name != m.also {
				e := v.report.add(g.at, join(path, g.name), "marker", "%s beside %s, which takes no other field", quote(g.name), f.name)
				if m.also != "" {
					e.Msg = fmt.Sprintf("%s beside %s, which takes only %s", quote(g.name), f.name, m.also)
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
			e.Hint = fmt.Sprintf("write %s for the attribute of that name", quote("$"+f.name))
		}
		break
	}
	return "", false
}

// mark converts a marker that is a property of the module system.
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
				v.report.add(p.at, strings.TrimSuffix(path, name)+"$priority", "marker", "got %s, want a priority: a number, 0 or more", p)
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

// text returns the text that a marker takes, and reports anything else.
func (v *valueReader) text(n *node, path, want string) (string, bool) {
	switch {
	case n.kind == badKind || n.kind == unknownKind: // already reported
		return "", false
	case n.kind != stringKind || strings.TrimSpace(n.text) == "":
		v.report.add(n.at, path, "marker", "got %s, want %s", n, want)
		return "", false
	case strings.ContainsRune(n.text, 0):
		v.report.add(n.at, path, "nul", "the text contains a NUL byte, which Nix does not allow")
		return "", false
	}
	return n.text, true
}
