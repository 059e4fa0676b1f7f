package syntax

import "slices"

// binary prints a chain of operators, broken before each of them.
func (p *printer) binary(e *Binary, first bracketStyle) {
	if ops[e.Op].assoc == assocNone {
		p.comparison(e)
		return
	}
	prec := int(ops[e.Op].prec)
	left, right := prec, prec+1 // minimum precedence of the outer operands
	if ops[e.Op].assoc == assocRight {
		left, right = prec+1, prec
	}
	if e.Op == PipeTo || e.Op == PipeFrom {
		left, right = prec+1, prec+1 // the two do not mix
	}
	var chain []Expr // all operands but the first
	x := Expr(e)
	if ops[e.Op].assoc == assocLeft {
		for b, ok := x.(*Binary); ok && p.chains(e, b, b == e); b, ok = x.(*Binary) {
			chain = append(chain, b.Y)
			x = b.X
		}
		slices.Reverse(chain)
	} else {
		x = e.X
		y := e.Y
		for b, ok := y.(*Binary); ok && b.Op == e.Op && !p.noted(b); b, ok = y.(*Binary) {
			chain = append(chain, b.X)
			y = b.Y
		}
		chain = append(chain, y)
	}
	switch {
	case first == wide && !p.isList(x):
		p.term(x, wide)
	case p.isAbsorbable(x):
		p.body(x)
	default:
		p.operand(x, left)
	}
	for i, y := range chain {
		min := prec + 1
		if i == len(chain)-1 {
			min = right
		}
		p.add(lineToken)
		p.before(y) // and not between the operator and y
		p.text(e.Op.String())
		p.nested(func() { p.operandAfter(y, min) })
	}
}

// chains reports whether x, the left operand of e, is part of the same chain of
// operators: it has the same operator and needs no parentheses.
func (p *printer) chains(e, x *Binary, same bool) bool {
	return same || x.Op == e.Op && ops[x.Op].assoc == assocLeft && !p.noted(x)
}

// comparison prints x == y, with y always on the operator's line.
func (p *printer) comparison(e *Binary) {
	min := int(ops[e.Op].prec) + 1
	if p.isAbsorbable(e.X) {
		p.body(e.X)
	} else {
		p.operand(e.X, min)
	}
	p.add(softToken)
	p.before(e.Y)
	p.text(e.Op.String())
	p.add(spaceToken)
	p.operand(e.Y, min)
}

// operandAfter prints a space and the operand after an operator.
func (p *printer) operandAfter(x Expr, min int) {
	if precOf(x) >= min && !p.noted(x) {
		switch x := x.(type) {
		case *Binary:
			p.group(groupToken, func() {
				p.add(lineToken)
				p.expr(x)
			})
			return
		case *Attrs, *List:
			p.add(spaceToken)
			p.body(x)
			return
		case *Apply:
			p.group(groupToken, func() {
				p.add(lineToken)
				p.callParts(x)
			})
			return
		}
	}
	p.add(spaceToken)
	p.operand(x, min)
}

// apply prints f a b. If it is in parentheses and the arguments are broken, the
// closing parenthesis is on a line of its own.
func (p *printer) apply(e *Apply, closing bool) {
	p.group(groupToken, func() {
		p.callParts(e)
		if closing {
			p.add(breakToken)
		}
	})
}

// callParts prints the function and its arguments. As many as possible are on the
// line of the function; the last may begin there and be broken.
func (p *printer) callParts(e *Apply) {
	f, args := splitOr(flattenApply(e))
	if len(args) == 0 {
		p.operand(f, precSelect)
		return
	}
	if p.isSimpleCall(e) {
		at := len(p.tokens)
		p.callee(f, args)
		for _, a := range args {
			p.add(spaceToken)
			p.nested(func() { p.arg(a) })
		}
		p.closeBreaks(at)
		return
	}
	p.brokenCall(f, args)
}

// brokenCall prints f args like callParts when it may take several lines.
func (p *printer) brokenCall(f Expr, args []Expr) {
	last := args[len(args)-1]
	lists := len(args) > 1 && p.isList(last) && p.isList(args[len(args)-2])
	kind := priorityGroup
	if lists {
		kind = groupToken
	}
	p.leading(f, args, len(args)-1, kind)
	p.add(lineToken)
	if lists {
		p.group(groupToken, func() { p.nested(func() { p.compactArg(last) }) })
		return
	}
	p.lastArg(last)
}

// leading prints f and the first n arguments in nested groups: each argument is in
// a group with those before it. The last group is of the given kind.
func (p *printer) leading(f Expr, args []Expr, n int, kind layoutKind) {
	p.group(transparentGroup, func() {
		if n == 0 {
			p.callee(f, args)
			return
		}
		p.leading(f, args, n-1, priorityGroup)
		p.add(lineToken)
		p.nested(func() {
			p.group(kind, func() { p.compactArg(args[n-1]) })
		})
	})
}

// callee prints the function of a call.
func (p *printer) callee(f Expr, args []Expr) {
	min := precSelect
	if isOr(args[0]) {
		min = precSimple // f.a or has another meaning
	}
	p.operand(f, min)
}

// splitOr rewrites the call f args so that its last argument that is a variable
// named or, if there is one, is the first: Nix parses it only after a term.
func splitOr(f Expr, args []Expr) (Expr, []Expr) {
	for k := len(args) - 1; k > 0; k-- {
		if isOr(args[k]) {
			return &Apply{F: f, Args: args[:k]}, args[k:]
		}
	}
	return f, args
}

func isOr(e Expr) bool {
	id, ok := e.(*Ident)
	return ok && id.Name == "or"
}

// flattenApply returns the function and all arguments of (f a) b.
func flattenApply(e *Apply) (Expr, []Expr) {
	f, args := e.F, e.Args
	for {
		inner, ok := f.(*Apply)
		if !ok {
			return f, args
		}
		args = append(append([]Expr(nil), inner.Args...), args...)
		f = inner.F
	}
}

// arg prints an argument of a call.
func (p *printer) arg(a Expr) {
	if isOr(a) {
		p.text("or")
		return
	}
	p.element(a)
}

func (p *printer) isList(e Expr) bool {
	_, ok := e.(*List)
	return ok && !p.noted(e)
}

// compactArg prints an argument; it keeps a short list of simple elements on one
// line.
func (p *printer) compactArg(a Expr) {
	if l, ok := a.(*List); ok && !p.noted(a) && len(l.Elems) <= 6 {
		for _, x := range l.Elems {
			if !p.isSimple(x) {
				p.arg(a)
				return
			}
		}
		p.list(l, compact)
		return
	}
	p.arg(a)
}

// lastArg prints the argument that may be broken while the rest of the call is on
// one line.
func (p *printer) lastArg(a Expr) {
	if precOf(a) >= precSelect {
		if p.isAbsorbable(a) {
			p.group(priorityGroup, func() { p.nested(func() { p.term(a, grouped) }) })
		} else {
			p.group(groupToken, func() { p.nested(func() { p.arg(a) }) })
		}
		return
	}
	p.group(priorityGroup, func() {
		p.nested(func() {
			p.text("(")
			switch body := p.absorbedArg(a); {
			case body == nil:
				p.nested(func() {
					p.add(breakToken)
					p.group(groupToken, func() { p.expr(a) })
				})
				p.add(breakToken)
			default:
				if l, ok := a.(*Lambda); ok {
					p.text(l.Param + ":")
				} else {
					p.expr(a.(*Apply).F)
				}
				p.add(spaceToken)
				p.term(body, wide)
			}
			p.text(")")
		})
	})
}

// absorbedArg returns the set or list that (x: { … }) or (f { … }) ends in, or nil.
// It may be broken while the rest is on one line.
func (p *printer) absorbedArg(a Expr) Expr {
	if p.noted(a) {
		return nil
	}
	switch a := a.(type) {
	case *Lambda:
		if a.Formals == nil && p.isAbsorbable(a.Body) {
			return a.Body
		}
	case *Apply:
		if _, ok := a.F.(*Ident); ok && len(a.Args) == 1 && p.isAbsorbable(a.Args[0]) {
			return a.Args[0]
		}
	}
	return nil
}

// isSimple reports whether e is a variable, literal or attribute, or a call with at
// most two such arguments.
func (p *printer) isSimple(e Expr) bool {
	if p.noted(e) {
		return false
	}
	switch e := e.(type) {
	case *Ident, *Path, *SearchPath:
		return true
	case *Int:
		return e.Value >= 0
	case *Float:
		return e.Value >= 0
	case *String:
		return !hasNewline(e) || !e.Indented && !e.Lines
	case *Select:
		return isPlain(e)
	case *Apply:
		return p.isSimpleCall(e)
	}
	return false
}

func (p *printer) isSimpleCall(e *Apply) bool {
	f, args := flattenApply(e)
	if len(args) > 2 || !p.isSimple(f) {
		return false
	}
	for i, a := range args {
		if _, call := a.(*Apply); call && i == len(args)-1 || !p.isSimple(a) || isOr(a) {
			return false // the last one can be broken inside its parentheses
		}
	}
	return len(args) > 0
}
