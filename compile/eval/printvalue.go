package eval

import (
	"context"
	"strings"
)

// Show returns the value as nix eval prints it: with everything in it evaluated,
// derivations by their paths, and an error inside of it as «error: …».
func (v Value) Show(ctx context.Context) (string, error) {
	out, err := v.ev.run(ctx, func(th *thread) value {
		p := printer{th: th, b: textBuilder{th: th}, brief: true, seen: map[*object]bool{}, most: 1 << 40}
		p.evaluated(v.v, true)
		return stringValue(p.b.String())
	})
	if err != nil {
		return "", err
	}
	return out.v.str(), nil
}

// evaluated prints a value that it evaluates. Top says that it is inside of no other.
func (p *printer) evaluated(cell value, top bool) {
	var v value
	if top {
		v = p.th.force(cell)
	} else {
		var err *Error
		if v, err = p.th.attempt(func() value { return p.th.force(cell) }); err != nil {
			p.failure(err)
			return
		}
	}
	p.th.descend()
	defer func() { p.th.nesting-- }()
	switch v.kind() {
	case kindSet:
		p.evaluatedSet(v)
	case kindList:
		p.evaluatedList(v, cell.o)
	default:
		p.value(v)
	}
}

// failure prints an error in place of the value that it has ended.
func (p *printer) failure(err *Error) {
	if err.transient() && err.Kind != RecursionError {
		panic(err)
	}
	p.b.WriteString("«error: " + strings.ReplaceAll(err.Msg, "\n", " ") + "»")
}

func (p *printer) evaluatedSet(v value) {
	attrs := v.attrs()
	if p.repeated(v.o) {
		return
	}
	if drv, ok := p.derivation(v); ok {
		p.b.WriteString("«derivation " + drv + "»")
		return
	}
	p.b.WriteString("{ ")
	for _, a := range p.th.byName(attrs) {
		p.name(a.sym.String())
		p.b.WriteString(" = ")
		p.evaluated(a.v, false)
		p.b.WriteString("; ")
	}
	p.b.WriteByte('}')
}

func (p *printer) evaluatedList(v value, cell *object) {
	if len(v.list()) > 0 && p.repeated(cell) {
		return
	}
	p.b.WriteString("[ ")
	for _, x := range v.list() {
		p.evaluated(x, false)
		p.b.WriteByte(' ')
	}
	p.b.WriteByte(']')
}

// derivation returns the path of a set that is a derivation.
func (p *printer) derivation(v value) (drv string, ok bool) {
	kind := find(v.attrs(), symType)
	path := find(v.attrs(), symDrvPath)
	if kind == nil || path == nil {
		return "", false
	}
	out, err := p.th.attempt(func() value {
		if k := p.th.force(kind.v); k.kind() != kindString || k.str() != "derivation" {
			return valueNull
		}
		return p.th.wantString(path.v, path.pos)
	})
	if err != nil || out.kind() != kindString {
		return "", false
	}
	return out.str(), true
}
