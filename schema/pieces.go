package schema

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/token"
)

// CUE finds a field of a struct by walking over all its fields, and checks a
// struct that a comprehension fills against all that filled it. So the time of a
// fleet grows with the square of its hosts. A fleet of many hosts is therefore
// evaluated in pieces: the same package several times, each time with other hosts.
//
//	hosts: [_]: {…}             in every piece
//	hosts: h1: {…}              in one piece, or in every one if something refers to h1
//	hosts: {for … in … {…}}     in every piece, for other elements of its lists
//
// A package that refers to its hosts otherwise, as in "for h in hosts", is
// evaluated whole.

// pieceHosts is the number of hosts of one piece.
const pieceHosts = 500

// A division is a package that can be evaluated in pieces.
type division struct {
	files  []*fileParts
	hosts  map[string]*hostPart // hosts that are written out, by name
	pieces []piece
	loops  []*loop
}

// A fileParts is a file whose declarations differ from piece to piece.
type fileParts struct {
	file  *ast.File
	decls []ast.Decl
	hosts map[ast.Decl]*hostsPart // those of decls that declare hosts
	lets  []*ast.LetClause        // those of decls that something refers to
}

// A hostsPart is a declaration of hosts.
type hostsPart struct {
	lit  *ast.StructLit
	elts []ast.Decl
	// names are the hosts that elements are about; loops those that generate
	// hosts. An element that is in neither is in every piece.
	names map[ast.Decl]*hostPart
	gens  map[ast.Decl]*generator
	fixed bool // the declaration says something of all hosts
}

// A hostPart is a host that is written out.
type hostPart struct {
	piece  int
	pinned bool // the host is in every piece, because something refers to it
}

// A generator is a comprehension that makes hosts.
type generator struct {
	loops []*loop // the outermost first
}

// A piece says which hosts are evaluated together: those written out whose piece
// it is, and a box of the iterations of some generators.
type piece struct {
	boxes map[*generator][]span // by loop
}

// A span is a part of the iterations of a loop: lo ≤ i < hi.
type span struct{ lo, hi int }

// divide returns the pieces of a package, or nil if it is to be evaluated whole.
func divide(files []*ast.File, size int) *division {
	d := &division{hosts: make(map[string]*hostPart)}
	tops := make(map[string][]ast.Expr) // values of the fields of the package
	for _, f := range files {
		for _, decl := range f.Decls {
			if field, ok := decl.(*ast.Field); ok {
				if name, _, err := ast.LabelName(field.Label); err == nil {
					tops[name] = append(tops[name], field.Value)
				}
			}
		}
	}
	uses := usesOf(files)
	if uses.whole {
		return nil
	}
	total := 0
	var items []any // *hostPart and *generator, in the order of the text
	for _, f := range files {
		fp := &fileParts{file: f, decls: f.Decls, hosts: make(map[ast.Decl]*hostsPart)}
		d.files = append(d.files, fp)
		for _, decl := range f.Decls {
			switch decl := decl.(type) {
			case *ast.Field:
				if _, aliased := decl.Label.(*ast.Alias); aliased || decl.Alias != nil {
					return nil
				}
				if name, _, err := ast.LabelName(decl.Label); err != nil || name != "hosts" {
					continue
				}
				part, more := d.hostsPart(decl, tops, uses)
				if part == nil {
					return nil
				}
				fp.hosts[decl] = part
				items = append(items, more...)
			case *ast.LetClause:
				if uses.count[decl.Ident.Name] > 0 {
					fp.lets = append(fp.lets, decl)
				}
			case *ast.Package, *ast.ImportDecl, *ast.CommentGroup, *ast.Attribute:
			default:
				return nil // an embedding may have hosts
			}
		}
	}
	pinned := 0
	for name, h := range d.hosts {
		if h.pinned = uses.names[name]; h.pinned {
			pinned++
		}
	}
	for name := range uses.hosts {
		if d.hosts[name] == nil {
			return nil // a generated host
		}
	}
	for _, item := range items {
		total++
		if g, ok := item.(*generator); ok {
			total += g.size() - 1
		}
	}
	if total < 2*size || pinned > size {
		return nil
	}
	d.fill(items, size)
	return d
}

// fill distributes the hosts over pieces.
func (d *division) fill(items []any, size int) {
	used := 0
	next := func() *piece {
		d.pieces = append(d.pieces, piece{boxes: make(map[*generator][]span)})
		used = 0
		return &d.pieces[len(d.pieces)-1]
	}
	p := next()
	for _, item := range items {
		switch item := item.(type) {
		case *hostPart:
			if used == size {
				p = next()
			}
			item.piece = len(d.pieces) - 1
			used++
		case *generator:
			d.loops = append(d.loops, item.loops...)
			for _, box := range item.boxes(size) {
				n := 1
				for _, s := range box {
					n *= s.hi - s.lo
				}
				if used+n > size && used > 0 || p.boxes[item] != nil {
					p = next()
				}
				p.boxes[item] = box
				used += n
			}
		}
	}
}

// hostsPart takes a declaration of hosts apart. It returns nil for one that
// cannot be.
func (d *division) hostsPart(f *ast.Field, tops map[string][]ast.Expr, uses *uses) (*hostsPart, []any) {
	value := f.Value
	if b, ok := value.(*ast.BinaryExpr); ok && b.Op == token.AND {
		value = b.Y // schema.#Hosts & {…}
	}
	lit, ok := value.(*ast.StructLit)
	if !ok || f.Constraint != token.ILLEGAL || len(f.Attrs) > 0 {
		return nil, nil
	}
	part := &hostsPart{lit: lit, elts: lit.Elts, names: make(map[ast.Decl]*hostPart), gens: make(map[ast.Decl]*generator), fixed: value != f.Value}
	var items []any
	for _, e := range lit.Elts {
		switch e := e.(type) {
		case *ast.CommentGroup, *ast.Ellipsis:
		case *ast.Field:
			if _, pattern := e.Label.(*ast.ListLit); pattern {
				continue
			}
			name, plain := labelName(e.Label)
			if !plain || e.Alias != nil || e.Constraint != token.ILLEGAL {
				return nil, nil
			}
			h := d.hosts[name]
			if h == nil {
				h = new(hostPart)
				d.hosts[name] = h
				items = append(items, h)
			}
			part.names[e] = h
		case *ast.Comprehension:
			g := newGenerator(e, tops, uses)
			part.gens[e] = g
			items = append(items, g)
		default:
			return nil, nil
		}
	}
	return part, items
}

// choose leaves in the package's files only what belongs to a piece.
func (d *division) choose(n int) {
	p := &d.pieces[n]
	for g, box := range p.boxes {
		for i, l := range g.loops {
			l.restrict(box[i])
		}
	}
	for _, fp := range d.files {
		decls := useLets(fp.file, fp.lets)
		for _, decl := range fp.decls {
			part := fp.hosts[decl]
			if part == nil {
				decls = append(decls, decl)
				continue
			}
			var elts []ast.Decl
			for _, e := range part.elts {
				if h := part.names[e]; h != nil && h.piece != n && !h.pinned {
					continue
				}
				if g := part.gens[e]; g != nil && p.boxes[g] == nil {
					continue
				}
				elts = append(elts, e)
			}
			if len(elts) == 0 && len(part.elts) > 0 && !part.fixed {
				continue
			}
			part.lit.Elts = elts
			decls = append(decls, decl)
		}
		fp.file.Decls = decls
	}
}

// useLets returns a declaration that refers to lets and gives no value. To CUE, a
// let that nothing refers to is an error, and only hosts of other pieces may.
func useLets(file *ast.File, lets []*ast.LetClause) []ast.Decl {
	if len(lets) == 0 {
		return nil
	}
	list := new(ast.ListLit)
	for _, let := range lets {
		list.Elts = append(list.Elts, &ast.Ident{Name: let.Ident.Name, Node: let, Scope: file})
	}
	never := &ast.Comprehension{
		Clauses: []ast.Clause{&ast.IfClause{Condition: ast.NewBool(false)}},
		Value:   ast.NewStruct(&ast.Field{Label: ast.NewIdent("lets"), Value: list}),
	}
	return []ast.Decl{&ast.Field{Label: ast.NewIdent("_lets_of_pieces"), Value: &ast.StructLit{Elts: []ast.Decl{never}}}}
}

// restore undoes what choose did.
func (d *division) restore() {
	for _, l := range d.loops {
		l.restore()
	}
	for _, fp := range d.files {
		fp.file.Decls = fp.decls
		for _, part := range fp.hosts {
			part.lit.Elts = part.elts
		}
	}
}

// uses are the names that the expressions of a package refer to.
type uses struct {
	names map[string]bool // names of any kind
	count map[string]int  // how often an identifier occurs
	hosts map[string]bool // names of hosts, as in hosts.h1
	whole bool            // hosts are referred to otherwise
}

func usesOf(files []*ast.File) *uses {
	u := &uses{names: make(map[string]bool), count: make(map[string]int), hosts: make(map[string]bool)}
	var visit func(ast.Node) bool
	walk := func(n ast.Node) { ast.Walk(n, visit, nil) }
	visit = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			switch n.Label.(type) {
			case *ast.Ident, *ast.BasicLit:
			default:
				walk(n.Label)
			}
			walk(n.Value)
			return false
		case *ast.ImportDecl, *ast.Package:
			return false
		case *ast.LetClause:
			walk(n.Expr)
			return false
		case *ast.SelectorExpr:
			name, _, err := ast.LabelName(n.Sel)
			if err == nil {
				u.names[name] = true
			}
			if base, ok := n.X.(*ast.Ident); ok && base.Name == "hosts" && err == nil {
				u.hosts[name] = true
				return false
			}
			walk(n.X)
			return false
		case *ast.IndexExpr:
			lit, ok := n.Index.(*ast.BasicLit)
			if base, isIdent := n.X.(*ast.Ident); ok && lit.Kind == token.STRING && isIdent && base.Name == "hosts" {
				if name, err := literal.Unquote(lit.Value); err == nil {
					u.names[name], u.hosts[name] = true, true
					return false
				}
			}
		case *ast.Ident:
			u.names[n.Name] = true
			u.count[n.Name]++
			u.whole = u.whole || n.Name == "hosts"
		}
		return true
	}
	for _, f := range files {
		walk(f)
	}
	return u
}

// newGenerator finds the loops of a comprehension whose lengths are known, and
// makes them restrictable.
func newGenerator(c *ast.Comprehension, tops map[string][]ast.Expr, uses *uses) *generator {
	g := new(generator)
	for c != nil {
		in := c
		for _, clause := range c.Clauses {
			if f, ok := clause.(*ast.ForClause); ok {
				if l := newLoop(in, f, tops, uses); l != nil {
					g.loops = append(g.loops, l)
				}
			}
		}
		c = nil
		if st, ok := in.Value.(*ast.StructLit); ok && len(st.Elts) == 1 {
			c, _ = st.Elts[0].(*ast.Comprehension)
		}
	}
	return g
}

// size returns the number of iterations.
func (g *generator) size() int {
	n := 1
	for _, l := range g.loops {
		if n *= l.length; n > 1<<30 {
			return 1 << 30
		}
	}
	return n
}

// boxes divides the iterations, in their order, into boxes of at most size, if
// possible.
func (g *generator) boxes(size int) [][]span {
	if g.size() > maxNodes {
		size = g.size() // CUE says that it is too much
	}
	var out [][]span
	var below func(box []span, rest []*loop)
	below = func(box []span, rest []*loop) {
		if len(rest) == 0 {
			out = append(out, slices.Clone(box))
			return
		}
		inner := (&generator{loops: rest[1:]}).size()
		step := max(1, size/inner)
		for lo := 0; lo < rest[0].length; lo += step {
			hi := min(lo+step, rest[0].length)
			if hi-lo > 1 || inner <= size {
				whole := box
				whole = append(whole, span{lo, hi})
				for _, l := range rest[1:] {
					whole = append(whole, span{0, l.length})
				}
				out = append(out, slices.Clone(whole))
			} else {
				below(append(box, span{lo, hi}), rest[1:])
			}
		}
	}
	below(nil, g.loops)
	return out
}

// A loop is a for clause over a list or struct of known length.
type loop struct {
	length  int
	restore func()
	// restrict limits the loop to some of its iterations.
	restrict func(span)
}

// newLoop returns the loop of a clause, or nil if the length is unknown.
func newLoop(c *ast.Comprehension, f *ast.ForClause, tops map[string][]ast.Expr, uses *uses) *loop {
	source, own := f.Source, true
	if id, ok := source.(*ast.Ident); ok {
		if source = topLevel(id, tops); source == nil {
			return nil
		}
		// What nothing else uses can be cut.
		own = uses.count[id.Name] == 1 && (strings.HasPrefix(id.Name, "_") || strings.HasPrefix(id.Name, "#"))
	}
	switch source := source.(type) {
	case *ast.StructLit:
		if own && onlyFields(source) {
			elts := source.Elts
			return &loop{
				length:   len(elts),
				restore:  func() { source.Elts = elts },
				restrict: func(s span) { source.Elts = elts[s.lo:s.hi] },
			}
		}
	case *ast.ListLit:
		if slices.ContainsFunc(source.Elts, isOpen) {
			return nil
		}
		if own {
			elts := source.Elts
			l := shifted(c, f, func(s span) { source.Elts = elts[s.lo:s.hi] })
			l.length = len(elts)
			return l
		}
		if len(source.Elts) <= pieceHosts {
			return guarded(c, f, len(source.Elts))
		}
	case *ast.CallExpr:
		return rangeLoop(c, f, source, tops)
	}
	return nil
}

// topLevel returns the value of a field of the package that an identifier refers
// to, if only one declaration gives it.
func topLevel(id *ast.Ident, tops map[string][]ast.Expr) ast.Expr {
	if _, file := id.Scope.(*ast.File); id.Scope != nil && !file || len(tops[id.Name]) != 1 {
		return nil
	}
	return tops[id.Name][0]
}

// isOpen reports whether an element of a list may stand for any number of them.
func isOpen(e ast.Expr) bool {
	switch e.(type) {
	case *ast.Ellipsis, *ast.Comprehension:
		return true
	}
	return false
}

// onlyFields reports whether a struct has only plain fields, each once.
func onlyFields(st *ast.StructLit) bool {
	seen := make(map[string]bool, len(st.Elts))
	for _, e := range st.Elts {
		f, ok := e.(*ast.Field)
		if !ok || f.Alias != nil || f.Constraint != token.ILLEGAL {
			return false
		}
		name, plain := labelName(f.Label)
		if !plain || seen[name] {
			return false
		}
		seen[name] = true
	}
	return true
}

// rangeLoop returns the loop over list.Range(from, to, step) of known numbers.
func rangeLoop(c *ast.Comprehension, f *ast.ForClause, call *ast.CallExpr, tops map[string][]ast.Expr) *loop {
	r, ok := rangeOf(call, tops)
	if !ok {
		return nil
	}
	given := call.Args
	l := shifted(c, f, func(s span) {
		call.Args = given
		if s.hi-s.lo < r.length() {
			call.Args = []ast.Expr{number10(r.from + s.lo*r.step), number10(min(r.to, r.from+s.hi*r.step)), number10(r.step)}
		}
	})
	l.length = r.length()
	return l
}

// A numberRange is list.Range(from, to, step).
type numberRange struct{ from, to, step int }

func (r numberRange) length() int { return (r.to - r.from + r.step - 1) / r.step }

// rangeOf returns the range of a call whose arguments are known and that is one.
func rangeOf(call *ast.CallExpr, tops map[string][]ast.Expr) (r numberRange, ok bool) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) != 3 {
		return r, false
	}
	pkg, ok := sel.X.(*ast.Ident)
	name, _, err := ast.LabelName(sel.Sel)
	if !ok || err != nil || name != "Range" {
		return r, false
	}
	if spec, ok := pkg.Node.(*ast.ImportSpec); !ok || spec.Path.Value != `"list"` {
		return r, false
	}
	for i, n := range []*int{&r.from, &r.to, &r.step} {
		a := call.Args[i]
		if id, ok := a.(*ast.Ident); ok {
			a = topLevel(id, tops)
		}
		lit, ok := a.(*ast.BasicLit)
		if !ok || lit.Kind != token.INT {
			return r, false
		}
		if *n, err = strconv.Atoi(lit.Value); err != nil || *n > 1<<30 {
			return r, false
		}
	}
	return r, r.step > 0 && r.to > r.from
}

func number10(n int) *ast.BasicLit { return ast.NewLit(token.INT, strconv.Itoa(n)) }

// shifted returns the loop over a list that cut limits to some of its elements.
// The name of the index, if the clause gives one, becomes that of the index in
// the whole list:
//
//	for i, x in list ─▶ for index, x in list[lo:hi] let i = index + lo
func shifted(c *ast.Comprehension, f *ast.ForClause, cut func(span)) *loop {
	key, clauses := f.Key, c.Clauses
	l := &loop{}
	if key == nil || key.Name == "_" {
		l.restrict = cut
		l.restore = func() { cut(span{0, l.length}) }
		return l
	}
	index, lo := ast.NewIdent("index"), number10(0)
	let := &ast.LetClause{Ident: key, Expr: &ast.BinaryExpr{X: &ast.Ident{Name: "index", Node: index, Scope: f}, Op: token.ADD, Y: lo}}
	rebind := func(from, to ast.Node) {
		ast.Walk(c, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && id.Node == key && id.Scope == from {
				id.Scope = to
			}
			return true
		}, nil)
	}
	l.restrict = func(s span) {
		if f.Key == key {
			rebind(f, let)
			f.Key = index
			c.Clauses = slices.Insert(slices.Clone(c.Clauses), slices.Index(c.Clauses, ast.Clause(f))+1, ast.Clause(let))
		}
		lo.Value = strconv.Itoa(s.lo)
		cut(s)
	}
	l.restore = func() {
		if f.Key == index {
			rebind(let, f)
			f.Key, c.Clauses = key, clauses
		}
		cut(span{0, l.length})
	}
	return l
}

// guarded returns the loop over a list, which is restricted by a condition on the
// index of the element.
func guarded(c *ast.Comprehension, f *ast.ForClause, length int) *loop {
	key, clauses := f.Key, c.Clauses
	var lo, hi *ast.BasicLit
	return &loop{
		length: length,
		restore: func() {
			f.Key, c.Clauses = key, clauses
			lo = nil
		},
		restrict: func(s span) {
			if lo == nil {
				lo, hi = ast.NewLit(token.INT, "0"), ast.NewLit(token.INT, "0")
				if f.Key == nil {
					f.Key = ast.NewIdent("index")
				}
				index := func() *ast.Ident { return &ast.Ident{Name: f.Key.Name, Node: f.Key, Scope: f} }
				guard := &ast.IfClause{Condition: &ast.BinaryExpr{
					X: &ast.BinaryExpr{X: index(), Op: token.GEQ, Y: lo}, Op: token.LAND,
					Y: &ast.BinaryExpr{X: index(), Op: token.LSS, Y: hi},
				}}
				at := slices.Index(c.Clauses, ast.Clause(f)) + 1
				c.Clauses = slices.Insert(slices.Clone(c.Clauses), at, ast.Clause(guard))
			}
			lo.Value, hi.Value = strconv.Itoa(s.lo), strconv.Itoa(s.hi)
		},
	}
}

// inPieces evaluates a package in pieces. It returns false for a package that has
// to be evaluated whole.
func (c *cueReader) inPieces(inst *build.Instance) (*node, bool) {
	d := divide(inst.Files, cmp.Or(c.piece, pieceHosts))
	if d == nil {
		return nil, false
	}
	defer d.restore()
	all := c.report
	defer func() { c.report = all }()
	var root, hosts *node
	var hard, incomplete Errors
	vague := false
	for i := range d.pieces {
		d.choose(i)
		c.report, c.vague = new(report), false
		n, more := c.build(inst)
		if c.limits.time == 0 && i < 400 {
			c.limits.more.Add(int64(evalTime / 20)) // the fleet is large, not endless
		}
		hard, incomplete, vague = append(hard, c.report.list...), append(incomplete, more...), vague || c.vague
		if root == nil {
			if n.kind != structKind {
				return nil, false
			}
			root, hosts = n, n.get("hosts")
			if hosts == nil || hosts.kind != structKind {
				return nil, false
			}
			have := hosts.fields
			hosts.fields = nil
			hosts.by = nil
			if !d.merge(hosts, have, i) {
				return nil, false
			}
			continue
		}
		if h := n.get("hosts"); h == nil || h.kind != structKind || !d.merge(hosts, h.fields, i) {
			return nil, false
		}
	}
	c.pieces = len(d.pieces)
	if len(hard) == 0 && !vague {
		hard = incomplete
	}
	all.list = append(all.list, hard...)
	return root, true
}

// merge adds the hosts of a piece, and reports whether there were none of their
// names.
func (d *division) merge(hosts *node, fields []field, piece int) bool {
	for _, f := range fields {
		if h := d.hosts[f.name]; h != nil && h.pinned && h.piece != piece {
			continue
		}
		if hosts.index(f.name) >= 0 {
			return false
		}
		hosts.set(f.name, f.at, f.val)
	}
	return true
}
