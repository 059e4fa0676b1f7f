package eval

import (
	"context"

	"muster/compile/store"
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
	p.b.WriteString("«error: " + err.Msg + "»")
}

func (p *printer) evaluatedSet(v value) {
	attrs := v.attrs()
	if p.repeated(v.o) {
		return
	}
	if p.derivation(v) {
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

// derivation reports whether a set is a derivation, and prints it then. Of one whose path cannot be had it prints why.
func (p *printer) derivation(v value) bool {
	is, err := p.th.attempt(func() value {
		if !p.th.isDerivation(v.attrs()) {
			return valueFalse
		}
		text := "«derivation"
		if a := find(v.attrs(), symDrvPath); a != nil {
			text += " " + p.th.storePathOf(a)
		}
		p.b.WriteString(text + "»")
		return valueTrue
	})
	if err != nil {
		p.failure(err)
		return true
	}
	return is.bool()
}

// storePathOf returns the store path that an attribute coerces to.
func (th *thread) storePathOf(a *attr) string {
	var c references
	s := th.coerce(a.v, &c, a.pos, 0)
	if _, rest, err := store.SplitPath(s); err != nil || rest != "" {
		th.fail(a.pos, "path '%s' is not in the Nix store", s)
	}
	return s
}
