package eval

import (
	"fmt"
	"strings"
)

// xmlBuiltins write XML.
var xmlBuiltins = []*builtin{
	fn1("toXML", func(th *thread, x value) value { return th.xml(x, true) }),
}

// xml writes v as XML; what is not evaluated yet is evaluated if strict, else
// <unevaluated />.
func (th *thread) xml(v value, strict bool) value {
	w := xmlWriter{th: th, strict: strict, seen: map[string]bool{}}
	w.b.WriteString("<?xml version='1.0' encoding='utf-8'?>\n<expr>\n")
	w.value(v, "  ")
	w.b.WriteString("</expr>\n")
	return contextValue(w.b.String(), w.context)
}

type xmlWriter struct {
	th      *thread
	b       strings.Builder
	strict  bool
	context references
	seen    map[string]bool // derivations written already
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\n", "&#xA;")

func (w *xmlWriter) leaf(indent, name, v string) {
	fmt.Fprintf(&w.b, "%s<%s value=\"%s\" />\n", indent, name, xmlEscapes.Replace(v))
}

func (w *xmlWriter) value(v value, indent string) {
	if w.strict {
		v = w.th.force(v)
	} else if v.kind() == kindThunk && v.thunk().done() {
		v = v.thunk().result()
	}
	w.th.descend()
	w.th.reserve(len(indent))
	w.th.spend(1 + len(indent)/16)
	switch v.kind() {
	case kindInt:
		w.leaf(indent, "int", fmt.Sprint(v.int()))
	case kindFloat:
		w.leaf(indent, "float", formatFloat(v.float()))
	case kindBool:
		w.leaf(indent, "bool", fmt.Sprint(v.bool()))
	case kindNull:
		w.b.WriteString(indent + "<null />\n")
	case kindString:
		w.context = w.context.union(v.context())
		w.leaf(indent, "string", v.str())
	case kindPath:
		w.leaf(indent, "path", v.str())
	case kindList:
		w.b.WriteString(indent + "<list>\n")
		for _, x := range v.list() {
			w.value(x, indent+"  ")
		}
		w.b.WriteString(indent + "</list>\n")
	case kindSet:
		w.set(v.attrs(), indent)
	case kindLambda:
		w.function(v.closure().fn, indent)
	default:
		w.b.WriteString(indent + "<unevaluated />\n")
	}
	w.th.nesting--
}

func (w *xmlWriter) set(attrs []attr, indent string) {
	if !w.th.isDerivation(attrs) {
		w.b.WriteString(indent + "<attrs>\n")
		w.attrs(attrs, indent+"  ")
		w.b.WriteString(indent + "</attrs>\n")
		return
	}
	drv, tag := "", ""
	for _, p := range []struct {
		sym  symbol
		name string
	}{{symDrvPath, "drvPath"}, {symOutPath, "outPath"}} {
		a := find(attrs, p.sym)
		if a == nil {
			continue
		}
		if w.strict {
			w.th.force(a.v)
		}
		v := a.v
		if v.kind() == kindThunk && v.thunk().done() {
			v = v.thunk().result()
		}
		if v.kind() == kindString {
			tag += fmt.Sprintf(" %s=\"%s\"", p.name, xmlEscapes.Replace(v.str()))
			if p.sym == symDrvPath {
				drv = v.str()
			}
		}
	}
	w.b.WriteString(indent + "<derivation" + tag + ">\n")
	if drv != "" && !w.seen[drv] {
		w.seen[drv] = true
		w.attrs(attrs, indent+"  ")
	} else {
		w.b.WriteString(indent + "  <repeated />\n")
	}
	w.b.WriteString(indent + "</derivation>\n")
}

func (w *xmlWriter) attrs(attrs []attr, indent string) {
	for _, a := range byName(attrs) {
		fmt.Fprintf(&w.b, "%s<attr name=\"%s\">\n", indent, xmlEscapes.Replace(a.sym.String()))
		w.value(a.v, indent+"  ")
		w.b.WriteString(indent + "</attr>\n")
	}
}

func (w *xmlWriter) function(l *lambda, indent string) {
	w.b.WriteString(indent + "<function>\n")
	if !l.hasSet {
		fmt.Fprintf(&w.b, "%s  <varpat name=\"%s\" />\n", indent, xmlEscapes.Replace(l.param.String()))
	} else {
		tag := ""
		if l.param != 0 {
			tag += fmt.Sprintf(" name=\"%s\"", l.param)
		}
		if l.ellipsis {
			tag += ` ellipsis="1"`
		}
		w.b.WriteString(indent + "  <attrspat" + tag + ">\n")
		for _, p := range sortedFormals(l) {
			fmt.Fprintf(&w.b, "%s    <attr name=\"%s\" />\n", indent, p)
		}
		w.b.WriteString(indent + "  </attrspat>\n")
	}
	w.b.WriteString(indent + "</function>\n")
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
