package schema

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/cuecontext"
	"cuelang.org/go/cue/inject/embed"
	"cuelang.org/go/cue/load"
)

// schemaModule is the path under which an inventory in CUE imports the schema,
// for cue vet and for editors.
const schemaModule = "muster.internal/schema"

// A cueReader reads an inventory written in CUE:
//
//	files ─ load.Instances ─▶ instance ─ plain ────────────────────────────▶ tree
//	                                   ├ BuildInstance ─ node ─────────────▶ tree
//	                                   └ divide ─ BuildInstance, node … ───▶ tree
//
// It evaluates only the user's own text. An import of the schema yields
// definitions that allow everything (see [openSchema]); the shape checks the
// tree afterwards and has better messages than CUE.
type cueReader struct {
	root    string // root of the CUE module; nothing outside it is read
	dir     string // directory of the package
	report  *report
	show    func(string) string // returns the name of a file in messages
	files   []string            // files that were read
	given   map[string][]byte   // texts that are read instead of files
	special []string            // files that are not regular and are not read
	main    string              // file to report a problem in when its position is unknown

	limits limits             // of the evaluation; 0 means evalTime, and more for large text, and evalMemory
	names  map[string]string  // name in messages, by file; "" for a file that is not the user's
	texts  map[string]*source // files that were read, by name in messages
	static map[string]place   // positions of fields in struct literals, by path
	vague  bool               // a value is not concrete; the shape reports it

	noPlain  bool // evaluate plain data with CUE too
	wasPlain bool // the package was plain data
	piece    int  // number of hosts of a piece; 0 means pieceHosts
	pieces   int  // number of pieces that were evaluated; 0 if the package was evaluated whole
}

// A place holds the positions of a field's label and of its value.
type place struct{ label, at Pos }

// read loads and evaluates a package and returns its exported fields. args are
// those of [load.Instances].
func (c *cueReader) read(ctx context.Context, args []string, pkg string) *node {
	// An abandoned evaluation keeps running, so it works on a copy.
	inner := *c
	allowed := c.allowed()
	inner.limits.more = allowed.more
	inner.report, inner.names, inner.texts = new(report), make(map[string]string), make(map[string]*source)
	var n *node
	err := limited(ctx, allowed, func() { n = inner.evaluate(args, pkg) })
	if err != nil {
		c.exceeded(err)
		return nil
	}
	c.report.list = append(c.report.list, inner.report.list...)
	c.files, c.wasPlain, c.pieces = inner.files, inner.wasPlain, inner.pieces
	return n
}

// start returns the first position of the main file.
func (c *cueReader) start() Pos { return Pos{File: c.show(c.main), Line: 1, Col: 1} }

// evaluate is read without limits.
func (c *cueReader) evaluate(args []string, pkg string) *node {
	if !c.regular() {
		return nil
	}
	cfg := &load.Config{
		Dir:        c.dir,
		ModuleRoot: c.root,
		Package:    pkg,
		ParseFile:  c.parse,
		Overlay:    c.overlay(),
		Registry:   noModules{},
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
	if n, ok := c.inPieces(inst); ok {
		return n
	}
	n, incomplete := c.build(inst)
	if len(c.report.list) == 0 && !c.vague {
		c.report.list = incomplete
	}
	return n
}

// build evaluates a package, or a piece of it. incomplete are the problems of
// fields that CUE drops because they depend on a missing value, such as those
// below an undecided if; they count if there is no other problem.
func (c *cueReader) build(inst *build.Instance) (n *node, incomplete Errors) {
	c.static = make(map[string]place)
	for _, f := range inst.Files {
		c.index(f.Decls, "")
	}
	root := cuecontext.New(cuecontext.WithInjection(embed.New())).BuildInstance(inst)
	n = c.node(root, c.start(), "", 0)
	if err := root.Validate(cue.All()); err != nil {
		c.translate(err, root)
	} else if len(c.report.list) == 0 && !c.vague {
		if err := root.Validate(cue.Concrete(true)); err != nil {
			found := c.report
			c.report = new(report)
			c.translate(err, root)
			incomplete, c.report = c.report.list, found
		}
	}
	return n, incomplete
}

// overlay returns the files that CUE sees in addition to the user's or instead of
// them: the open schema, a module if the user has none, and special files as empty.
func (c *cueReader) overlay() map[string]load.Source {
	ov := map[string]load.Source{
		filepath.Join(c.root, "cue.mod/pkg", schemaModule, "schema.cue"): load.FromString(openSchema()),
	}
	if _, err := os.Stat(filepath.Join(c.root, "cue.mod/module.cue")); err != nil {
		ov[filepath.Join(c.root, "cue.mod/module.cue")] = load.FromString("module: \"fleet.local/fleet@v0\"\nlanguage: version: \"v0.17.0\"\n")
	}
	for _, name := range c.special {
		ov[name] = load.FromString("")
	}
	return ov
}

// openSchema returns the definitions of schema.cue, each of which allows
// anything.
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

// node converts a value of CUE at a position to a node.
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

// unfinished converts a value that is not concrete: one with a default, a type,
// a container of errors, or an error.
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
		// An error somewhere below; the other fields are still converted.
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

// fields converts the fields of a struct into those of n.
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

// labelText returns a field's name without quotes.
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

// elems converts the elements of a list into those of n.
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

// elements iterates over a list, even one that contains an error.
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
