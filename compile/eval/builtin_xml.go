package eval

import (
	"strconv"

	"muster/compile/eval/float"
)

// xmlBuiltins write XML.
var xmlBuiltins = []*builtin{
	fn1("toXML", func(th *thread, x value) value { return th.xml(x, true) }),
}

// xml writes v as XML. With strict it evaluates everything in v; otherwise what
// is not evaluated is written as <unevaluated />.
func (th *thread) xml(v value, strict bool) value {
	w := xmlWriter{th: th, b: textBuilder{th: th}, strict: strict, seen: map[string]bool{}}
	w.b.WriteString("<?xml version='1.0' encoding='utf-8'?>\n<expr>\n")
	w.value(v, 1)
	w.b.WriteString("</expr>\n")
	return contextValue(w.b.String(), w.context)
}

type xmlWriter struct {
	th      *thread
	b       textBuilder
	strict  bool
	context references
	seen    map[string]bool // paths of the derivations written so far
}

// open writes a start tag, indented and closed by end. attrs are names and
// values in turn.
func (w *xmlWriter) open(depth int, name, end string, attrs ...string) {
	for range depth {
		w.b.WriteString("  ")
	}
	w.b.WriteByte('<')
	w.b.WriteString(name)
	for i := 0; i < len(attrs); i += 2 {
		w.b.WriteByte(' ')
		w.b.WriteString(attrs[i])
		w.b.WriteString(`="`)
		w.escaped(attrs[i+1])
		w.b.WriteByte('"')
	}
	w.b.WriteString(end)
	w.b.WriteByte('\n')
}

func (w *xmlWriter) close(depth int, name string) { w.open(depth, "/"+name, ">") }

func (w *xmlWriter) escaped(s string) {
	plain := 0
	for i := 0; i < len(s); i++ {
		e := ""
		switch s[i] {
		case '"':
			e = "&quot;"
		case '<':
			e = "&lt;"
		case '>':
			e = "&gt;"
		case '&':
			e = "&amp;"
		case '\n':
			e = "&#xA;"
		default:
			continue
		}
		w.b.WriteString(s[plain:i])
		w.b.WriteString(e)
		plain = i + 1
	}
	w.b.WriteString(s[plain:])
}

// maxXMLDepth bounds how deep values may be nested. Each line is indented, so
// the text grows with the square of the depth.
const maxXMLDepth = 5_000

func (w *xmlWriter) value(v value, depth int) {
	if depth > 2*maxXMLDepth { // a set takes two levels
		w.th.failAs(LimitError, 0, "stack overflow: XML of a value that is nested more than %d levels deep", maxXMLDepth)
	}
	v = w.known(v)
	w.th.descend()
	w.th.spend(1 + depth/16)
	switch v.kind() {
	case kindInt:
		w.open(depth, "int", " />", "value", strconv.FormatInt(v.int(), 10))
	case kindFloat:
		w.open(depth, "float", " />", "value", float.Printf(v.float(), 'g'))
	case kindBool:
		w.open(depth, "bool", " />", "value", strconv.FormatBool(v.bool()))
	case kindNull:
		w.open(depth, "null", " />")
	case kindString:
		w.context = w.context.union(v.context())
		w.open(depth, "string", " />", "value", v.str())
	case kindPath:
		w.open(depth, "path", " />", "value", v.str())
	case kindList:
		w.open(depth, "list", ">")
		for _, x := range v.list() {
			w.value(x, depth+1)
		}
		w.close(depth, "list")
	case kindSet:
		w.th.seen(v)
		w.set(v.attrs(), depth)
	case kindLambda:
		w.function(v.closure().fn, depth)
	default:
		w.open(depth, "unevaluated", " />")
	}
	w.th.nesting--
}

// known returns v, evaluated if strict or if it has been evaluated before.
func (w *xmlWriter) known(v value) value {
	if w.strict {
		return w.th.force(v)
	}
	if v.kind() == kindThunk && v.thunk().done() {
		return v.thunk().result()
	}
	return v
}

func (w *xmlWriter) set(attrs []attr, depth int) {
	if !w.th.isDerivation(attrs) {
		w.open(depth, "attrs", ">")
		w.attrs(attrs, depth+1)
		w.close(depth, "attrs")
		return
	}
	drv := ""
	var tag []string
	if a := find(attrs, symDrvPath); a != nil {
		if v := w.known(a.v); v.kind() == kindString {
			drv = v.str()
			tag = append(tag, "drvPath", drv)
		}
	}
	if a := find(attrs, symOutPath); a != nil {
		if v := w.known(a.v); v.kind() == kindString {
			tag = append(tag, "outPath", v.str())
		}
	}
	w.open(depth, "derivation", ">", tag...)
	if drv != "" && !w.seen[drv] {
		w.seen[drv] = true
		w.attrs(attrs, depth+1)
	} else {
		w.open(depth+1, "repeated", " />")
	}
	w.close(depth, "derivation")
}

func (w *xmlWriter) attrs(attrs []attr, depth int) {
	for _, a := range w.th.byName(attrs) {
		w.open(depth, "attr", ">", "name", a.sym.String())
		w.value(a.v, depth+1)
		w.close(depth, "attr")
	}
}

func (w *xmlWriter) function(l *lambda, depth int) {
	w.open(depth, "function", ">")
	if !l.hasSet {
		w.open(depth+1, "varpat", " />", "name", l.param.String())
	} else {
		var tag []string
		if l.ellipsis {
			tag = append(tag, "ellipsis", "1")
		}
		if l.param != 0 {
			tag = append(tag, "name", l.param.String())
		}
		w.open(depth+1, "attrspat", ">", tag...)
		for _, name := range sortedFormals(l) {
			w.open(depth+2, "attr", " />", "name", name)
		}
		w.close(depth+1, "attrspat")
	}
	w.close(depth, "function")
}

func sortedFormals(l *lambda) []string {
	var attrs []attr
	for _, p := range l.formals {
		attrs = append(attrs, attr{sym: p.sym})
	}
	var names []string
	for _, a := range byName(attrs) {
		names = append(names, a.sym.String())
	}
	return names
}
