package schema

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/inject/embed"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/load"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"
)

// schemaModule is how an inventory in CUE imports the schema, for the sake of
// cue vet and editors.
const schemaModule = "muster.internal/schema"

// A cueReader reads an inventory written in CUE. Only the user's own text is
// evaluated: where it imports the schema it finds definitions that allow
// everything, and the shape says afterwards, in better words, what schema.cue
// does not allow.
type cueReader struct {
	root   string // of the CUE module: nothing outside is read
	dir    string
	report *report
	show   func(string) string // a file's name in messages
	files  []string
	main   string // the file to blame where nothing else is known

	time              time.Duration      // allowed for the evaluation, if not 0
	names             map[string]string  // shown, by file; "" for what is not the user's
	texts             map[string]*source // what was read, by shown name
	static            map[string]place   // where struct fields stand whose path is plain in the text
	noPlain, wasPlain bool               // leave plain data to CUE as well; whether it was
	vague             bool               // some value is not concrete; the shape will say so
}

// A place is where a field's name and value stand.
type place struct{ label, at Pos }

// read loads and evaluates a package, args being load's, and returns what it
// exports.
func (c *cueReader) read(ctx context.Context, args []string, pkg string) *node {
	// An abandoned evaluation may still be at it, so it works on its own copy.
	inner := *c
	inner.report, inner.names, inner.texts = new(report), make(map[string]string), make(map[string]*source)
	var n *node
	err := limited(ctx, c.allowed(), func() { n = inner.evaluate(args, pkg) })
	if err != nil {
		c.report.add(Pos{c.show(c.main), 1, 1}, "", "limit", "evaluate the inventory: %v", err)
		return nil
	}
	c.report.list = append(c.report.list, inner.report.list...)
	c.files, c.wasPlain = inner.files, inner.wasPlain
	return n
}

// newContext returns a context of CUE that the environment has no say in: some
// settings of these variables make every evaluation fail.
func newContext(options ...cuecontext.Option) *cue.Context {
	os.Unsetenv("CUE_EXPERIMENT")
	os.Unsetenv("CUE_DEBUG")
	return cuecontext.New(options...)
}

func (c *cueReader) evaluate(args []string, pkg string) *node {
	if !c.regular() {
		return nil
	}
	cc := newContext(cuecontext.WithInjection(embed.New()))
	cfg := &load.Config{
		Dir:        c.dir,
		ModuleRoot: c.root,
		Package:    pkg,
		ParseFile:  c.parse,
		Overlay:    c.overlay(),
		Env:        []string{"CUE_REGISTRY=none", "HOME=/nonexistent", "CUE_CACHE_DIR=/nonexistent"},
	}
	inst := load.Instances(args, cfg)[0]
	c.note(inst)
	if inst.Err != nil {
		c.translate(inst.Err, cue.Value{})
		return nil
	}
	if !c.embeds(inst) {
		return nil
	}
	if !c.noPlain {
		if n := c.plain(inst); n != nil {
			c.wasPlain = true
			return n
		}
	}
	c.static = make(map[string]place)
	for _, f := range inst.Files {
		c.index(f.Decls, "")
	}
	root := cc.BuildInstance(inst)
	n := c.node(root, Pos{c.show(c.main), 1, 1}, "", 0)
	if err := root.Validate(cue.All()); err != nil {
		c.translate(err, root)
	} else if len(c.report.list) == 0 && !c.vague {
		// What CUE leaves out while it waits for a value, such as an if.
		if err := root.Validate(cue.Concrete(true)); err != nil {
			c.translate(err, root)
		}
	}
	return n
}

// overlay is what CUE sees beside the user's files: a module where there is
// none, and the schema, which allows everything.
func (c *cueReader) overlay() map[string]load.Source {
	ov := map[string]load.Source{
		filepath.Join(c.root, "cue.mod/pkg", schemaModule, "schema.cue"): load.FromString(openSchema()),
	}
	if _, err := os.Stat(filepath.Join(c.root, "cue.mod/module.cue")); err != nil {
		ov[filepath.Join(c.root, "cue.mod/module.cue")] = load.FromString("module: \"fleet.local/fleet@v0\"\nlanguage: version: \"v0.17.0\"\n")
	}
	return ov
}

// regular reports whether all CUE files of the package are files inside the
// inventory's tree: the loader would follow a link anywhere, and wait for ever
// for a pipe.
func (c *cueReader) regular() bool {
	fine := true
	for dir := c.dir; ; dir = filepath.Dir(dir) {
		names, _ := filepath.Glob(filepath.Join(globEscape(dir), "*.cue"))
		for _, name := range names {
			if why := c.outside(name); why != "" {
				c.report.add(Pos{c.show(name), 1, 1}, "", "outside-tree", "is not read: %s", why)
				fine = false
			}
		}
		if dir == c.root || dir == filepath.Dir(dir) {
			return fine
		}
	}
}

// globEscape makes a pattern that matches a name only.
func globEscape(name string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(name, `\$0`)
}

// outside says why a file must not be read, "" if it may.
func (c *cueReader) outside(name string) string {
	root, err := filepath.EvalSymlinks(c.root)
	if err != nil {
		return bare(err).Error()
	}
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return bare(err).Error()
	}
	if rel, err := filepath.Rel(root, real); err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "it is outside the inventory's directory " + quote(c.show(c.root))
	}
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() {
		return "it is not a regular file"
	} else if info.Size() > maxFileSize {
		return fmt.Sprintf("it is larger than %d MiB", maxFileSize>>20)
	}
	return ""
}

// openSchema returns the definitions of schema.cue, each allowing anything.
func openSchema() string {
	var b strings.Builder
	b.WriteString("package schema\n")
	for line := range strings.Lines(schemaText) {
		if name, _, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(line, "#") {
			b.WriteString(name + ": _\n")
		}
	}
	return b.String()
}

// note remembers the files of a package and of what it imports.
func (c *cueReader) note(inst *build.Instance) {
	for _, f := range inst.BuildFiles {
		if !c.ours(f.Filename) && !slices.Contains(c.files, f.Filename) {
			c.files = append(c.files, f.Filename)
		}
	}
	for _, i := range inst.Imports {
		c.note(i)
	}
}

// embeds finds the files a package takes in, remembers them, and reports
// whether all of them may be read.
func (c *cueReader) embeds(inst *build.Instance) bool {
	fine := true
	for _, f := range inst.Files {
		ast.Walk(f, func(n ast.Node) bool {
			a, ok := n.(*ast.Attribute)
			if !ok {
				return true
			}
			names, err := embedded(filepath.Dir(f.Filename), a.Text)
			if err != nil {
				c.report.add(c.pos(a.Pos()), "", "embed", "cannot be taken in: %v", err)
				fine = false
			}
			for _, name := range names {
				if _, err := os.Stat(name); err != nil {
					continue // CUE will say so
				}
				if why := c.outside(name); why != "" {
					c.report.add(c.pos(a.Pos()), "", "embed", "%s cannot be taken in: %s", c.show(name), why)
					fine = false
				}
				c.files = append(c.files, name)
			}
			return false
		}, nil)
	}
	for _, i := range inst.Imports {
		fine = c.embeds(i) && fine
	}
	return fine
}

var embedArgument = regexp.MustCompile(`(file|glob)\s*=\s*("(?:[^"\\]|\\.)*"|[^,)"]*)`)

// embedded returns the files an @embed attribute takes in.
func embedded(dir, attribute string) ([]string, error) {
	if !strings.HasPrefix(attribute, "@embed(") {
		return nil, nil
	}
	var names []string
	for _, m := range embedArgument.FindAllStringSubmatch(attribute, -1) {
		name := strings.TrimSpace(m[2])
		if strings.HasPrefix(name, `"`) {
			plain, err := literal.Unquote(name)
			if err != nil {
				return nil, fmt.Errorf("%s is no name", name)
			}
			name = plain
		}
		name = filepath.Join(dir, filepath.FromSlash(name))
		if m[1] == "file" {
			names = append(names, name)
			continue
		}
		found, err := filepath.Glob(name)
		if err != nil {
			return nil, fmt.Errorf("%s is no pattern", quote(m[2]))
		}
		names = append(names, found...)
	}
	if len(names) == 0 && !strings.Contains(attribute, "glob") {
		return nil, fmt.Errorf("write the file's name plainly: @embed(file=\"name\")")
	}
	return names, nil
}

// ours reports whether a file is the schema and no user's.
func (c *cueReader) ours(name string) bool {
	return name == "" || strings.HasPrefix(name, filepath.Join(c.root, "cue.mod/pkg", schemaModule)+string(filepath.Separator))
}

// parse parses one file, after what keeps the parser and the evaluator from
// running away.
func (c *cueReader) parse(name string, src any, cfg parser.Config) (*ast.File, error) {
	if c.ours(name) {
		return parser.ParseFile(name, src, cfg)
	}
	if why := c.outside(name); why != "" {
		c.report.add(Pos{c.show(name), 1, 1}, "", "outside-tree", "is not read: %s", why)
		return nil, errSeen
	}
	// The loader has read the file, but hides what is not UTF-8.
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := new(report)
	text := newSource(c.show(name), data, r)
	if text == nil {
		c.report.list = append(c.report.list, r.list...)
		return nil, errSeen
	}
	c.texts[text.name] = text
	if e := c.prescan(name, data); e != nil {
		c.report.list = append(c.report.list, e)
		return nil, errSeen
	}
	return parser.ParseFile(name, data, cfg)
}

// errSeen stands for a problem that is reported already.
var errSeen = errors.Newf(token.NoPos, "reported already")

// prescan looks for nesting that would exhaust the parser's stack: brackets,
// chains of a: b: c: and of unary operators.
func (c *cueReader) prescan(name string, data []byte) *Error {
	file := token.NewFile(name, -1, len(data))
	var s scanner.Scanner
	s.Init(file, data, func(token.Pos, string, []any) {}, 0)
	depth, chain := 0, 0
	for {
		pos, tok, _ := s.Scan()
		switch tok {
		case token.EOF:
			return nil
		case token.LBRACE, token.LBRACK, token.LPAREN:
			depth++
		case token.RBRACE, token.RBRACK, token.RPAREN:
			depth--
			chain = 0
		case token.COLON, token.NOT, token.SUB, token.ADD, token.AND, token.OR, token.MUL, token.PERIOD:
			chain++
		case token.COMMA:
			chain = 0
		case token.INTERPOLATION:
			// What is inside is scanned by the parser; it cannot nest
			// deeper than the text before it has quotes.
			s.ResumeInterpolation()
		}
		if depth > maxDepth || chain > 20*maxDepth {
			return &Error{Pos: c.pos(pos), Rule: "too-deep", Msg: fmt.Sprintf("nested deeper than %d levels", maxDepth)}
		}
	}
}

// index notes where the fields stand that lie in plain structs: for a value
// that several places contribute to, CUE does not tell them apart cheaply.
func (c *cueReader) index(decls []ast.Decl, path string) {
	for _, d := range decls {
		f, ok := d.(*ast.Field)
		if !ok {
			continue
		}
		name, _, err := ast.LabelName(f.Label)
		if err != nil {
			continue
		}
		below := join(path, name)
		value := f.Value
		for {
			b, ok := value.(*ast.BinaryExpr)
			if !ok || b.Op != token.AND {
				break
			}
			value = b.Y // _web & {…}
		}
		st, ok := value.(*ast.StructLit)
		if !ok {
			continue
		}
		if _, known := c.static[below]; !known {
			c.static[below] = place{c.pos(f.Label.Pos()), c.pos(f.Value.Pos())}
		}
		c.index(st.Elts, below)
	}
}

// pos turns a place of CUE's into one of ours, if it is in the user's text.
func (c *cueReader) pos(p token.Pos) Pos {
	if !p.IsValid() {
		return Pos{}
	}
	name := p.Filename()
	shown, known := c.names[name]
	if !known {
		if !c.ours(name) {
			abs := name
			if !filepath.IsAbs(abs) {
				abs = filepath.Join(c.root, abs)
			}
			shown = c.show(abs)
		}
		c.names[name] = shown
	}
	if shown == "" {
		return Pos{}
	}
	at := p.Position()
	return Pos{shown, at.Line, at.Column}
}

func (c *cueReader) node(v cue.Value, at Pos, path string, depth int) *node {
	n := &node{at: at}
	if depth > maxDepth {
		c.report.add(at, path, "too-deep", "nested deeper than %d levels", maxDepth)
		return n
	}
	switch v.Kind() {
	case cue.StructKind:
		n.kind = structKind
		c.fields(n, v, path, depth)
	case cue.ListKind:
		n.kind = listKind
		c.elems(n, v, path, depth)
	case cue.StringKind:
		n.kind = stringKind
		n.text, _ = v.String()
	case cue.BytesKind:
		b, _ := v.Bytes()
		n.kind, n.text = stringKind, string(b)
	case cue.BoolKind:
		n.kind = boolKind
		n.bool, _ = v.Bool()
	case cue.NullKind:
		n.kind = nullKind
	case cue.IntKind:
		i, err := v.Int64()
		n.kind, n.num = intKind, i
		if err != nil {
			n.kind, n.text = bigKind, fmt.Sprint(v)
		}
	case cue.FloatKind, cue.NumberKind:
		number(n, fmt.Sprint(v))
		if n.kind == intKind {
			n.kind, n.flt = floatKind, float64(n.num)
		}
	default:
		return c.unfinished(n, v, path, depth)
	}
	return n
}

// unfinished makes a node of what is no concrete value: one with a default, one
// that holds mistakes, a mistake, or a mere type.
func (c *cueReader) unfinished(n *node, v cue.Value, path string, depth int) *node {
	if d, ok := v.Default(); ok {
		return c.node(d, n.at, path, depth)
	}
	if v.IncompleteKind() != cue.BottomKind {
		n.kind, n.text = unknownKind, fmt.Sprint(v)
		c.vague = true
		return n
	}
	if it, err := v.Fields(); err == nil && it.Next() {
		// A mistake somewhere within; the rest is looked at.
		if it.Selector().LabelType() == cue.IndexLabel {
			n.kind = listKind
			c.elems(n, v, path, depth)
		} else {
			n.kind = structKind
			c.fields(n, v, path, depth)
		}
		return n
	}
	if err := v.Err(); err != nil {
		c.translate(err, v)
	}
	return n
}

func (c *cueReader) fields(n *node, v cue.Value, path string, depth int) {
	it, err := v.Fields()
	if err != nil {
		c.translate(err, v)
		return
	}
	for it.Next() {
		name, val := labelText(it.Selector()), it.Value()
		below := join(path, name)
		label, at := c.places(val, below)
		if !at.IsValid() {
			at = n.at
		}
		if !label.IsValid() {
			label = at
		}
		n.set(name, label, c.node(val, at, below, depth+1))
	}
}

// labelText is a field's name as it is meant, without quotes.
func labelText(s cue.Selector) string {
	if s.LabelType() == cue.StringLabel && s.ConstraintType() == 0 {
		return s.Unquoted()
	}
	text := strings.TrimRight(s.String(), "?!")
	if name, err := strconv.Unquote(text); err == nil {
		return name
	}
	return text
}

func (c *cueReader) elems(n *node, v cue.Value, path string, depth int) {
	next, value, err := elements(v)
	if err != nil {
		c.translate(err, v)
		return
	}
	for i := 0; next(); i++ {
		val := value()
		below := path + "[" + strconv.Itoa(i) + "]"
		_, at := c.places(val, below)
		if !at.IsValid() {
			at = n.at
		}
		n.elems = append(n.elems, c.node(val, at, below, depth+1))
	}
}

// says reports whether an expression is likely to be a value rather than a type.
func says(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name != "_" && x.Name != "string" && x.Name != "int" && x.Name != "bool"
	case *ast.ListLit:
		for _, e := range x.Elts {
			if _, open := e.(*ast.Ellipsis); open {
				return false
			}
		}
	case *ast.BinaryExpr:
		return x.Op != token.OR
	}
	return true
}

// elements iterates over a list, also one with a mistake within.
func elements(v cue.Value) (next func() bool, value func() cue.Value, err error) {
	if it, err := v.List(); err == nil {
		return it.Next, it.Value, nil
	}
	it, err := v.Fields()
	if err != nil {
		return nil, nil, err
	}
	return it.Next, it.Value, nil
}

// places returns where a field's name and value stand in the user's text.
func (c *cueReader) places(v cue.Value, path string) (label, at Pos) {
	src := v.Source()
	switch src := src.(type) {
	case *ast.Field:
		label, at = c.pos(src.Label.Pos()), c.pos(src.Value.Pos())
		if !at.IsValid() {
			at = label // a table of TOML has no brackets
		}
		return label, at
	case *ast.BasicLit:
		at = c.pos(src.Pos())
		return at, at
	}
	if p, ok := c.static[path]; ok {
		return p.label, p.at
	}
	// Several places contribute: the best is one that names the field itself,
	// not by a pattern, and says more than a type.
	_, args := v.Expr()
	best := -1
	for _, a := range args {
		f, ok := a.Source().(*ast.Field)
		if !ok || !c.pos(f.Label.Pos()).IsValid() {
			continue
		}
		score := 0
		if _, pattern := f.Label.(*ast.ListLit); !pattern {
			score = 1
		}
		if says(f.Value) {
			score += 2
		}
		if score <= best {
			continue
		}
		best = score
		label, at = c.pos(f.Label.Pos()), c.pos(f.Value.Pos())
		if !at.IsValid() {
			at = label
		}
	}
	if !at.IsValid() && src != nil {
		at = c.pos(src.Pos())
		label = at
	}
	return label, at
}

// translate reports CUE's errors in the user's terms.
func (c *cueReader) translate(err error, v cue.Value) {
	list := errors.Errors(err)
	alternatives := make(map[string]bool) // paths where a disjunction failed
	for _, e := range list {
		if strings.Contains(message(e), "in empty disjunction") {
			alternatives[strings.Join(e.Path(), ".")] = true
		}
	}
	type choice struct {
		values []string
		places []Pos
	}
	choices := make(map[string]*choice)
	for _, e := range list {
		if e == error(errSeen) || strings.Contains(e.Error(), "reported already") {
			continue
		}
		key, msg := strings.Join(e.Path(), "."), message(e)
		pos, others := c.positions(e)
		path := showPath(e.Path())
		if !v.Exists() {
			path = "" // while loading it is CUE's module and no field
		}
		switch {
		case strings.Contains(msg, "in empty disjunction"):
			continue
		case alternatives[key]:
			// One of the alternatives and what was given instead.
			ch := choices[key]
			if ch == nil {
				ch = new(choice)
				choices[key] = ch
			}
			if m := conflict.FindStringSubmatch(msg); m != nil {
				ch.values = append(ch.values, m[1], m[2])
			} else if m := bound.FindStringSubmatch(msg); m != nil {
				ch.values = append(ch.values, m[1], m[2])
			}
			if pos.IsValid() {
				ch.places = append(append(ch.places, others...), pos)
			}
			continue
		}
		if !pos.IsValid() {
			pos = c.lookup(v, e.Path())
		}
		if m := bound.FindStringSubmatch(msg); m != nil {
			pos, others = c.saying(m[1], pos, others)
		}
		msg, rule := reword(msg)
		if secretPath(e.Path()) {
			msg = "two values, or one that does not fit; they are not shown, being secret by their name"
		}
		x := c.report.add(pos, path, rule, "%s", msg)
		if len(others) > 0 && others[0] != pos {
			x.Hint = "see also " + others[0].String()
		}
	}
	for _, e := range list {
		key := strings.Join(e.Path(), ".")
		ch := choices[key]
		if ch == nil {
			continue
		}
		delete(choices, key)
		got, want := common(ch.values)
		pos := c.lookup(v, e.Path())
		if len(ch.places) > 0 {
			pos, _ = c.saying(got, ch.places[0], ch.places[1:])
		}
		if got == "" || secretPath(e.Path()) {
			c.report.add(pos, showPath(e.Path()), "conflict", "none of the alternatives fits")
			continue
		}
		c.report.add(pos, showPath(e.Path()), "conflict", "got %s, want %s", got, strings.Join(want, " or "))
	}
}

// secretPath reports whether a path is, by its last name, that of a secret.
func secretPath(path []string) bool {
	return len(path) > 0 && secretName.MatchString(unquote(path[len(path)-1]))
}

var (
	conflict = regexp.MustCompile(`^conflicting values (.*?) and (.*?)( \(mismatched types .*\))?$`)
	// incomplete is what an if or for that cannot be decided says.
	incomplete = regexp.MustCompile(`^(?:incomplete (?:bool|list|struct|string|value|int|number)[^:]*: |invalid interpolation: non-concrete value |key value of dynamic field must be concrete, found )(.*?)(?: \(type .*\))?$`)
	bound      = regexp.MustCompile(`^invalid value (.*) \(out of bound (.*)\)$`)
)

// message returns what an error says and why, without its path and place.
func message(e errors.Error) string {
	var parts []string
	for err := error(e); err != nil; err = errors.Unwrap(err) {
		text := err.Error()
		if ce, ok := err.(errors.Error); ok {
			format, args := ce.Msg()
			text = fmt.Sprintf(format, args...)
		}
		if text != "" && (len(parts) == 0 || !strings.Contains(parts[len(parts)-1], text)) {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ": ")
}

// reword puts CUE's words for a mistake in the user's text into plain ones.
func reword(msg string) (string, string) {
	if m := bound.FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("got %s, want %s", shorten(m[1]), shorten(m[2])), "type"
	}
	if m := incomplete.FindStringSubmatch(msg); m != nil && !strings.HasPrefix(m[1], "_|_") {
		return "waits for a value that is only known to be " + shorten(m[1]), "no-value"
	}
	switch {
	case strings.HasPrefix(msg, "@embed: "):
		return "cannot be taken in: " + embedFailed(strings.TrimPrefix(msg, "@embed: ")), "embed"
	case strings.HasPrefix(msg, "import failed"):
		return importFailed(msg), "import"
	case strings.HasPrefix(msg, "conflicting values"):
		return oneLine(msg), "conflict"
	case strings.Contains(msg, "field not allowed"):
		return "unknown field: a definition of the inventory's own does not allow it", "unknown-field"
	case strings.Contains(msg, "required but not present"):
		return "missing field: a definition of the inventory's own demands it", "missing-field"
	}
	msg = strings.ReplaceAll(msg, "incomplete value", "not a value yet:")
	return oneLine(msg), "cue"
}

// embedFailed says why a file cannot be taken in.
func embedFailed(msg string) string {
	switch {
	case strings.Contains(msg, "parent directory"), strings.Contains(msg, "only relative"):
		return "only files below the CUE file's directory can be"
	}
	return oneLine(msg)
}

// importFailed says why an import cannot be had, without telling of registries.
func importFailed(msg string) string {
	if strings.Contains(msg, "relative import") {
		return "import failed: relative imports are not CUE"
	}
	if m := importPath.FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("import failed: no package %s in the inventory's module; CUE packages from elsewhere go below cue.mod/pkg, nothing is fetched", m[1])
	}
	return oneLine(msg)
}

var importPath = regexp.MustCompile(`(?:package |module providing package |find package )("?[^\s":]+"?)`)

// oneLine puts a message on one line of at most 300 bytes.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// common splits pairs of values into the one all pairs have and the others.
func common(pairs []string) (string, []string) {
	count := make(map[string]int)
	for _, v := range pairs {
		count[v]++
	}
	got := ""
	for _, v := range pairs {
		if count[v]*2 == len(pairs) {
			got = v
		}
	}
	var want []string
	for _, v := range pairs {
		if v != got && !slices.Contains(want, v) {
			want = append(want, v)
		}
	}
	if len(want) == 0 {
		return "", nil
	}
	return got, want
}

// positions returns an error's places in the user's text.
func (c *cueReader) positions(e errors.Error) (Pos, []Pos) {
	var all []Pos
	for _, p := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		if q := c.pos(p); q.IsValid() && !slices.Contains(all, q) {
			all = append(all, q)
		}
	}
	if len(all) == 0 {
		return Pos{}, nil
	}
	return all[0], all[1:]
}

// saying puts first the place whose text begins with the value.
func (c *cueReader) saying(value string, pos Pos, others []Pos) (Pos, []Pos) {
	all := append([]Pos{pos}, others...)
	for i, p := range all {
		if s := c.texts[p.File]; s != nil && p.Col >= 1 && p.Col-1 < len(s.line(p.Line)) && strings.HasPrefix(s.line(p.Line)[p.Col-1:], value) {
			all[0], all[i] = all[i], all[0]
			break
		}
	}
	return all[0], all[1:]
}

// lookup returns the place of the innermost value on the path that has one.
func (c *cueReader) lookup(v cue.Value, path []string) Pos {
	at := Pos{c.show(c.main), 1, 1}
	for i := range path {
		if p, ok := c.static[showPath(path[:i+1])]; ok {
			at = p.at
		}
	}
	for _, name := range path {
		sel := cue.Str(unquote(name))
		if i, err := strconv.Atoi(name); err == nil {
			sel = cue.Index(i)
		}
		if !v.Exists() {
			break
		}
		v = v.LookupPath(cue.MakePath(sel))
		if _, p := c.places(v, ""); p.IsValid() {
			at = p
		}
	}
	return at
}

func unquote(label string) string {
	if s, err := strconv.Unquote(label); err == nil {
		return s
	}
	return label
}

func showPath(labels []string) string {
	path := ""
	for _, l := range labels {
		if _, err := strconv.Atoi(l); err == nil && path != "" {
			path += "[" + l + "]"
			continue
		}
		if strings.HasPrefix(l, "#") || strings.HasPrefix(l, "_") {
			path = strings.TrimPrefix(path+"."+l, ".")
			continue
		}
		path = join(path, unquote(l))
	}
	return path
}

// The limits of one evaluation, time being that of the processor. CUE's evaluator cannot be told to stop, so an
// evaluation that passes one is abandoned; the program is expected to exit.
const (
	evalTime   = 7 * time.Second
	evalMemory = 1400 << 20
	evalStack  = 128 << 20
)

// allowed returns how long an evaluation may take: text of many megabytes is
// given more time.
func (c *cueReader) allowed() time.Duration {
	if c.time > 0 {
		return c.time
	}
	size := int64(0)
	names, _ := filepath.Glob(filepath.Join(c.dir, "*.cue"))
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			size += info.Size()
		}
	}
	return evalTime + time.Duration(size/(3<<20))*evalTime
}

// cpuTime returns the time the process has worked. A machine that is busy with
// other things must not make an inventory fail.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// limited runs f and returns an error as soon as it takes too long, grows too
// large, panics or the context ends.
func limited(ctx context.Context, allowed time.Duration, f func()) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if x := recover(); x != nil {
				done <- fmt.Errorf("cannot be evaluated: %s", shorten(fmt.Sprint(x)))
			}
		}()
		f()
		done <- nil
	}()
	use := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(use)
	heap, stack := use[0].Value.Uint64(), use[1].Value.Uint64()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	// Evaluating is mostly allocating. Collecting garbage half as often saves
	// an eighth of the time, as long as memory is not short.
	percent := debug.SetGCPercent(200)
	if percent < 0 || percent > 200 {
		debug.SetGCPercent(percent)
	}
	defer debug.SetGCPercent(percent)
	roomy := true
	started := cpuTime()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
			if cpuTime()-started > allowed {
				return fmt.Errorf("takes longer than %v", allowed)
			}
			metrics.Read(use)
			if roomy && use[0].Value.Uint64() > heap+evalMemory/3 {
				roomy = false
				debug.SetGCPercent(percent)
			}
			if use[0].Value.Uint64() > heap+evalMemory {
				return fmt.Errorf("needs more than %d MiB of memory", evalMemory>>20)
			}
			if use[1].Value.Uint64() > stack+evalStack {
				return fmt.Errorf("recurses too deeply")
			}
		}
	}
}
