package eval

import (
	"fmt"
	"slices"
	"strings"

	"muster/compile/syntax"
)

// A lowering makes nodes of the syntax tree of one file. It does not change the
// tree, which may be printed or lowered again in another scope.
type lowering struct {
	ev    *Evaluator
	dir   string // base of relative paths
	at    positionWriter
	depth int
	names [256]cachedName // cache of sym: names recur soon
	keeps int             // number of expressions so far that may keep the frame they are evaluated in

	progress func() // called every progressEvery expressions; may be nil
	count    int    // expressions so far
}

const progressEvery = 1024

type cachedName struct {
	name string
	sym  symbol
}

// sym is intern with a cache of recent names.
func (l *lowering) sym(name string) symbol {
	if name == "" {
		return intern(name)
	}
	c := &l.names[(len(name)+int(name[0])*5+int(name[len(name)-1])*17+int(name[len(name)/2])*31)%len(l.names)]
	if c.name != name {
		*c = cachedName{name, intern(name)}
	}
	return c.sym
}

// lower makes a node of an expression in a scope. As in Nix, an undefined name
// is an error even if it is never evaluated. progress is called from time to time,
// unless it is nil, and may panic with an *Error.
func (ev *Evaluator) lower(e syntax.Expr, dir string, sc *scope, progress func()) (n node, err *Error) {
	l := &lowering{ev: ev, dir: dir, progress: progress}
	l.at.table = &ev.positions
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *Error:
			err = r
		default:
			panic(r)
		}
	}()
	return l.expr(e, sc), nil
}

func (l *lowering) fail(p syntax.Pos, format string, args ...any) {
	panic(&Error{Kind: EvalError, Msg: fmt.Sprintf(format, args...), Pos: p})
}

// A scope resolves names during lowering. At run time each scope except the
// outermost has a frame, with a slot for each name.
type scope struct {
	up        *scope
	first     symbol           // of a function: its parameter, in slot 0
	names     []symbol         // sorted; in the following slots
	with      bool             // its frame has one slot, the set
	pos       posID            // of a with
	constants map[symbol]value // of the outermost scope: the builtins
}

// slot returns the slot of a name in the scope's frame.
func (s *scope) slot(name symbol) (int, bool) {
	shift := 0
	if s.first != 0 {
		if s.first == name {
			return 0, true
		}
		shift = 1
	}
	if len(s.names) == 0 {
		return 0, false
	}
	i, ok := slices.BinarySearch(s.names, name)
	return i + shift, ok
}

// defines reports whether the program itself defines name.
func (sc *scope) defines(name symbol) bool {
	for s := sc; s != nil; s = s.up {
		if _, ok := s.slot(name); ok {
			return true
		}
	}
	return false
}

// variable resolves a name.
func (l *lowering) variable(sc *scope, name symbol, p syntax.Pos) node {
	level := 0
	var withs []withScope
	for s := sc; s != nil; s = s.up {
		switch {
		case s.constants != nil:
			if v, ok := s.constants[name]; ok {
				if v.kind() == kindThunk {
					return &shared{v}
				}
				return &constant{v}
			}
			continue
		case s.with:
			withs = append(withs, withScope{level, s.pos})
		default:
			if slot, ok := s.slot(name); ok {
				switch level {
				case 0:
					return &variable0{slot}
				case 1:
					return &variable1{slot}
				}
				return &variable{level, slot}
			}
		}
		level++
	}
	if len(withs) == 0 {
		l.fail(p, "undefined variable '%s'", name)
	}
	return &withVariable{withs, name, l.at.id(p)}
}

func (l *lowering) lazy(e syntax.Expr, sc *scope) lazy { return l.delayed(l.expr(e, sc)) }

// delayed is newLazy for an expression of the code being lowered.
func (l *lowering) delayed(n node) lazy { return l.countKeeper(newLazy(n)) }

// countKeeper counts z if it may keep the frame it is evaluated in.
func (l *lowering) countKeeper(z lazy) lazy {
	if z.kind != lazyConstant && z.kind != lazyEmptySet && z.kind != lazyVariable {
		l.keeps++
	}
	return z
}

func (l *lowering) lazies(list []syntax.Expr, sc *scope) []lazy {
	out := make([]lazy, len(list))
	for i, e := range list {
		out[i] = l.lazy(e, sc)
	}
	return out
}

func (l *lowering) expr(e syntax.Expr, sc *scope) node {
	l.descend(e.Pos())
	if l.count++; l.count%progressEvery == 0 && l.progress != nil {
		l.progress()
	}
	n := l.node(e, sc)
	l.depth--
	return n
}

// descend bounds how deep expressions are nested. The caller undoes it with
// l.depth--.
func (l *lowering) descend(p syntax.Pos) {
	if l.depth++; l.depth > syntax.MaxHeight {
		l.fail(p, "expression is nested too deeply")
	}
}

func (l *lowering) node(e syntax.Expr, sc *scope) node {
	switch e := e.(type) {
	case *syntax.Ident:
		if e.Name == "__curPos" {
			return &hereNode{l.at.id(e.At)}
		}
		return l.variable(sc, l.sym(e.Name), e.At)
	case *syntax.Int:
		return &constant{intValue(e.Value)}
	case *syntax.Float:
		return &constant{floatValue(e.Value)}
	case *syntax.String:
		return l.text(e, sc)
	case *syntax.Path:
		return l.path(e, sc)
	case *syntax.SearchPath:
		find := l.variable(sc, intern("__findFile"), e.At)
		path := l.delayed(l.variable(sc, intern("__nixPath"), e.At))
		return &callNode{find, []lazy{path, newLazy(&constant{stringValue(e.Name)})}, l.at.id(e.At)}
	case *syntax.List:
		if len(e.Elems) == 0 {
			return &constant{emptyList}
		}
		return &listNode{l.lazies(e.Elems, sc)}
	case *syntax.Attrs:
		return l.set(e, sc)
	case *syntax.Select:
		return l.selection(e, sc)
	case *syntax.HasAttr:
		return &hasAttrNode{l.expr(e.X, sc), l.attrPath(e.Path, sc)}
	case *syntax.Apply:
		f, args := l.expr(e.F, sc), make([]lazy, len(e.Args))
		for i, a := range e.Args {
			args[i] = l.countKeeper(newArgument(l.expr(a, sc)))
		}
		if len(args) == 1 {
			return &call1{f, args[0], l.at.id(e.At)}
		}
		return &callNode{f, args, l.at.id(e.At)}
	case *syntax.Lambda:
		return l.lambda(e, sc)
	case *syntax.Let:
		return l.let(e, sc)
	case *syntax.LegacyLet:
		set := l.set(&syntax.Attrs{At: e.At, Rec: true, Bindings: e.Bindings}, sc)
		return &select1{set, symBody, l.at.id(e.At)}
	case *syntax.With:
		return &with{l.lazy(e.Scope, sc), l.expr(e.Body, &scope{up: sc, with: true, pos: l.at.id(e.At)})}
	case *syntax.If:
		return &ifNode{newCondition(l.expr(e.Cond, sc), l.at.id(e.At)), l.expr(e.Then, sc), l.expr(e.Else, sc)}
	case *syntax.Assert:
		return &assertNode{newCondition(l.expr(e.Cond, sc), l.at.id(e.At)), l.expr(e.Body, sc), e.Cond}
	case *syntax.Unary:
		return l.unary(e, sc)
	case *syntax.Binary:
		return l.binary(e, sc)
	}
	panic(fmt.Sprintf("unknown expression %T", e))
}

func (l *lowering) text(e *syntax.String, sc *scope) node {
	if s, ok := plainText(e.Parts); ok {
		return &constant{stringValue(s)}
	}
	return &interpolation{l.parts(e.Parts, sc), l.places(e.Parts), l.at.id(e.At)}
}

// plainText returns the text of parts without interpolation.
func plainText(parts []syntax.Part) (string, bool) {
	switch {
	case len(parts) == 0:
		return "", true
	case len(parts) == 1 && parts[0].Expr == nil:
		return parts[0].Text, true
	}
	var b strings.Builder
	for _, p := range parts {
		if p.Expr != nil {
			return "", false
		}
		b.WriteString(p.Text)
	}
	return b.String(), true
}

func (l *lowering) parts(parts []syntax.Part, sc *scope) []node {
	out := make([]node, len(parts))
	for i, p := range parts {
		if p.Expr == nil {
			out[i] = &constant{stringValue(p.Text)}
		} else {
			out[i] = l.expr(p.Expr, sc)
		}
	}
	return out
}

// places returns where the parts are.
func (l *lowering) places(parts []syntax.Part) []posID {
	out := make([]posID, len(parts))
	for i, p := range parts {
		if out[i] = l.at.id(p.At); p.Expr != nil && out[i] == 0 {
			out[i] = l.at.id(p.Expr.Pos())
		}
	}
	return out
}

func (l *lowering) path(e *syntax.Path, sc *scope) node {
	first := e.Parts[0].Text
	switch {
	case strings.HasPrefix(first, "/"):
	case strings.HasPrefix(first, "~/"):
		if l.ev.compat.pure {
			l.fail(e.At, "the path '%s' can not be resolved in pure mode", first)
		}
		first = l.ev.opts.Home + first[1:]
	default:
		first = l.dir + "/" + first
	}
	if len(e.Parts) == 1 {
		return &constant{pathValue(cleanPath(first))}
	}
	// The other parts are appended to the text, so a slash at its end must
	// stay.
	clean := cleanPath(first)
	if strings.HasSuffix(first, "/") && clean != "/" {
		clean += "/"
	}
	parts := append([]node{&constant{pathValue(clean)}}, l.parts(e.Parts[1:], sc)...)
	return &pathNode{parts, l.places(e.Parts), l.at.id(e.At)}
}

// attrName lowers one name of an attribute path. A name in quotes is the same
// as one without.
func (l *lowering) attrName(n syntax.AttrName, sc *scope) attrName {
	if n.Expr == nil {
		return attrName{sym: l.sym(n.Name)}
	}
	if s, ok := n.Expr.(*syntax.String); ok {
		if name, ok := plainText(s.Parts); ok {
			return attrName{sym: l.sym(name)}
		}
	}
	return attrName{node: l.expr(n.Expr, sc), pos: l.at.id(n.Expr.Pos())}
}

func (l *lowering) attrPath(path syntax.AttrPath, sc *scope) []attrName {
	out := make([]attrName, len(path))
	for i, n := range path {
		out[i] = l.attrName(n, sc)
	}
	return out
}

func (l *lowering) selection(e *syntax.Select, sc *scope) node {
	x, path := l.expr(e.X, sc), l.attrPath(e.Path, sc)
	if len(path) == 1 && path[0].sym != 0 && e.Default == nil {
		return &select1{x, path[0].sym, l.at.id(e.At)}
	}
	n := &selectNode{x: x, path: path, pos: l.at.id(e.At)}
	if e.Default != nil {
		n.def = l.expr(e.Default, sc)
	}
	return n
}

func (l *lowering) lambda(e *syntax.Lambda, sc *scope) node {
	n := &lambda{pos: l.at.id(e.At)}
	inner := &scope{up: sc}
	if e.Param != "" {
		n.param = l.sym(e.Param)
		n.slots = 1
		inner.first = n.param
	}
	if e.Formals == nil {
		n.plain = 1
	} else {
		n.hasSet, n.ellipsis = true, e.Formals.Ellipsis
		list := slices.Clone(e.Formals.List)
		slices.SortFunc(list, func(a, b syntax.Formal) int { return int(l.sym(a.Name)) - int(l.sym(b.Name)) })
		for _, f := range list {
			inner.names = append(inner.names, l.sym(f.Name))
		}
		n.slots += len(list)
		n.formals = make([]formal, len(list))
		for i, f := range list {
			p := formal{sym: inner.names[i], pos: l.at.id(f.At), hasDef: f.Default != nil}
			if f.Default != nil {
				p.def = l.lazy(f.Default, inner)
			}
			n.formals[i] = p
		}
	}
	keeps := l.keeps
	n.body = l.expr(e.Body, inner)
	n.leaf = l.keeps == keeps
	l.keeps++ // a closure keeps the frame of the scope around it
	n.curried, _ = n.body.(*lambda)
	return n
}

// named names a function after what it is bound to.
func named(z lazy, name symbol) lazy {
	for fn := z.fn; fn != nil; fn = fn.curried {
		if fn.name == 0 {
			fn.name = name
		}
	}
	return z
}

func (l *lowering) unary(e *syntax.Unary, sc *scope) node {
	x := l.expr(e.X, sc)
	if e.Op == syntax.Not {
		return &notNode{newCondition(x, l.at.id(e.X.Pos()))}
	}
	return l.arithmetic('-', &constant{intValue(0)}, x, sc, e.At)
}

func (l *lowering) binary(e *syntax.Binary, sc *scope) node {
	pos := l.at.id(e.At)
	x, y := l.expr(e.X, sc), l.expr(e.Y, sc)
	switch e.Op {
	case syntax.PipeTo:
		return &call1{y, l.delayed(x), pos}
	case syntax.PipeFrom:
		return &call1{x, l.delayed(y), pos}
	case syntax.Implies:
		return &impliesNode{newCondition(x, pos), newCondition(y, pos)}
	case syntax.Or:
		return &orNode{newCondition(x, pos), newCondition(y, pos)}
	case syntax.And:
		return &andNode{newCondition(x, pos), newCondition(y, pos)}
	case syntax.Eq:
		return &equalNode{x, y, false, pos}
	case syntax.Neq:
		return &equalNode{x, y, true, pos}
	case syntax.Less:
		return l.order(x, y, false, sc, e.At)
	case syntax.LessEq:
		return l.order(y, x, true, sc, e.At)
	case syntax.Greater:
		return l.order(y, x, false, sc, e.At)
	case syntax.GreaterEq:
		return l.order(x, y, true, sc, e.At)
	case syntax.Update:
		return &updateNode{x, y, pos, l.at.id(e.X.Pos()), l.at.id(e.Y.Pos())}
	case syntax.Concat:
		return &concatNode{x, y, pos}
	case syntax.Add:
		return &addNode{x, y, pos, l.begin(e.XAt, e.X), l.begin(e.YAt, e.Y)}
	case syntax.Sub:
		return l.arithmetic('-', x, y, sc, e.At)
	case syntax.Mul:
		return l.arithmetic('*', x, y, sc, e.At)
	case syntax.Div:
		return l.arithmetic('/', x, y, sc, e.At)
	}
	panic(fmt.Sprintf("unknown operator %s", e.Op))
}

// begin returns where an operand begins. Generated code does not say.
func (l *lowering) begin(at syntax.Pos, e syntax.Expr) posID {
	if at.IsValid() {
		return l.at.id(at)
	}
	return l.at.id(e.Pos())
}

// arithmetic returns the node of an operator. In Nix it is a call of __sub and
// the like, which the program may define.
func (l *lowering) arithmetic(op byte, x, y node, sc *scope, at syntax.Pos) node {
	name := map[byte]string{'-': "__sub", '*': "__mul", '/': "__div"}[op]
	if sym := intern(name); sc.defines(sym) {
		return &callNode{l.variable(sc, sym, at), []lazy{l.delayed(x), l.delayed(y)}, l.at.id(at)}
	}
	return &arithmeticNode{op, x, y, l.at.id(at)}
}

// order returns the node of x < y, or of its negation. In Nix it is a call of
// __lessThan, which the program may define.
func (l *lowering) order(x, y node, not bool, sc *scope, at syntax.Pos) node {
	if sym := intern("__lessThan"); sc.defines(sym) {
		n := node(&callNode{l.variable(sc, sym, at), []lazy{l.delayed(x), l.delayed(y)}, l.at.id(at)})
		if not {
			n = &notNode{newCondition(n, l.at.id(at))}
		}
		return n
	}
	return &lessNode{x, y, not, l.at.id(at)}
}
