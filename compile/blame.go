package compile

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/compile/syntax"
	"muster/exec/foreign"
	"muster/exec/ondemand"
	"muster/schema"
)

// A Blame is the position that causes an evaluation error: in the inventory or in
// a Nix file of the fleet.
type Blame struct {
	Pos    schema.Pos
	Option string // the NixOS option; "" if only the position is known
	Hint   string // what to do about it; may be empty
	// Message is that of the witness; of a conflict, with the place of each definition.
	Message string
}

// A Witness is an error as an evaluator reports it.
type Witness struct {
	Message string
	Steps   []Step // the trace, innermost first
	Log     string // what was printed before, such as the log of a build
}

// A Step is one step of a trace.
type Step struct {
	Text string     // such as: while evaluating the option `time.timeZone':
	At   syntax.Pos // in the inventory, or in a Nix file with an absolute name
}

// BlameFor finds the cause of an error in the evaluation of a host. It returns the
// first it finds of
//
//   - the imports of a module that depend on what follows from them, of a circle,
//   - the definition of an option that the message is about,
//   - the throw or the assertion that the message is the text of,
//   - the definition of an option that the message mentions, as assertions do,
//   - the module or the path that the message is about,
//   - the innermost step in the inventory or in a file of the fleet,
//   - the definition of the innermost option that was being evaluated.
//
// It returns false if the cause is not in the user's own text. Files are named
// relative to dir if they are below it.
func BlameFor(f *schema.Fleet, host string, w Witness, dir string) (Blame, bool) {
	h := f.Host(host)
	if h == nil {
		return Blame{Message: w.Message}, false
	}
	s := newSearch(f, h, w.Message)
	s.dir = dir
	b, ok := s.blame(h, w)
	if !ok {
		if at, found := s.textInFlake(h, w.Message); found {
			b, ok = Blame{Pos: at, Option: w.evaluated()}, true
		}
	}
	if b.Hint == "" {
		b.Hint = olderModule(f, b.Option, w.Message)
	}
	b.Pos.File = s.shown(b.Pos.File)
	b.Message = s.withPlaces(w.Message)
	return b, ok
}

// evaluated is the option that a message is about, or the innermost that was evaluated.
func (w Witness) evaluated() string {
	if named, _ := optionsIn(w.Message); len(named) > 0 {
		return named[0]
	}
	for _, step := range w.Steps {
		if options, _ := optionsIn(step.Text); len(options) > 0 {
			return options[0]
		}
	}
	return ""
}

func (s *search) blame(h *schema.Host, w Witness) (Blame, bool) {
	if at, ok := failedPatch(s.fleet, h, w); ok {
		return Blame{Pos: at}, true
	}
	if strings.HasPrefix(w.Message, "infinite recursion") {
		if b, ok := s.importsCycle(h); ok {
			return b, true
		}
	}
	named, mentioned := optionsIn(w.Message)
	for _, option := range named {
		if at, depth := s.find(option); depth > 0 {
			return Blame{Pos: at, Option: option}, true
		}
	}
	if at, option := s.wrongDefault(named, w.Message); at.IsValid() {
		return Blame{Pos: at, Option: option}, true
	}
	evaluated := w.evaluated()
	if at, ok := s.textOf(w.Message); ok {
		return Blame{Pos: at, Option: evaluated}, true
	}
	for _, option := range mentioned {
		if at, depth := s.find(option); depth == len(splitOption(option)) {
			return Blame{Pos: at, Option: option}, true
		}
	}
	if at, ok := s.fileOf(w.Message); ok {
		return Blame{Pos: at}, true
	}
	if path := splitOption(evaluated); strings.HasPrefix(w.Message, "infinite recursion") && evaluated != "" {
		// Which expression of the circle is met twice depends on the evaluator.
		if d := s.best(path, nil); d.depth == len(path) {
			return Blame{Pos: posOf(s.anchor(d.at)), Option: evaluated}, true
		}
	}
	for _, step := range w.Steps {
		// Every trace has the position of the host.
		if at := posOf(step.At); at != h.At && s.ours(at.File) {
			b := Blame{Pos: posOf(s.anchor(step.At)), Option: evaluated}
			isModule := func(m namedExpr) bool { return m.file != "" && posOf(m.expr.Pos()) == posOf(step.At) }
			if strings.Contains(w.Message, " called with unexpected argument ") && slices.ContainsFunc(s.modules, isModule) {
				b.Hint = ellipsisHint
			}
			return b, true
		}
	}
	if at := s.noList(w.Message); at.IsValid() {
		return Blame{Pos: posOf(s.anchor(at))}, true
	}
	for _, option := range mentioned {
		if at, depth := s.find(option); depth > 1 {
			return Blame{Pos: at, Option: option}, true
		}
	}
	for _, step := range w.Steps {
		options, _ := optionsIn(step.Text)
		for _, option := range options {
			path := splitOption(option)
			if d := s.best(path, nil); d.depth == len(path) {
				return Blame{Pos: posOf(s.anchor(d.at)), Option: option}, true
			}
		}
	}
	return Blame{}, false
}

// anchor returns the anchor of a position in the user's text.
func (s *search) anchor(at syntax.Pos) syntax.Pos {
	for _, m := range s.modules {
		if found, ok := anchor(m.expr, at); ok {
			return found
		}
	}
	return at
}

// shown is the name of a file for people.
func (s *search) shown(file string) string { return NameBelow(s.dir, file) }

// posOf converts a position of package syntax.
func posOf(p syntax.Pos) schema.Pos {
	if !p.IsValid() {
		return schema.Pos{}
	}
	return schema.Pos{File: p.File(), Line: int(p.Line), Col: int(p.Col)}
}

var (
	// The option that a message or a step is about: the option `services.x.enable'.
	namedOption = ondemand.Regexp("option [`']([^'\\s]+(?:\"[^\"\n]*\"[^'\\s]*)*)'")
	// What may be an option elsewhere in a message, with quotes or without.
	dottedName = ondemand.Regexp(`[a-zA-Z_][\w-]*(?:\.(?:"[^"\n]*"|<[\w-]+>|[\w/@+-]+))+`)
	// The modules that a message names: In `host web': …
	namedModule = ondemand.Regexp("In [`']([^'\n]+)'")
	// An element of a list in a message of NixOS.
	listEntry = ondemand.Regexp(`^\[definition \d+-entry (\d+)\]$`)
)

// optionsIn returns the options that a message is about, and names in it that may
// be options.
func optionsIn(message string) (named, mentioned []string) {
	for _, m := range namedOption().FindAllStringSubmatch(message, -1) {
		named = append(named, m[1])
	}
	for _, name := range dottedName().FindAllString(message, -1) {
		if !slices.Contains(named, name) {
			mentioned = append(mentioned, name)
		}
	}
	return named, mentioned
}

// splitOption splits fileSystems."/".device into its names.
func splitOption(name string) []string {
	var path []string
	for name != "" {
		if strings.HasPrefix(name, `"`) {
			if end := strings.IndexByte(name[1:], '"'); end >= 0 {
				path = append(path, name[1:end+1])
				name = strings.TrimPrefix(name[end+2:], ".")
				continue
			}
		}
		var first string
		first, name, _ = strings.Cut(name, ".")
		path = append(path, first)
	}
	return path
}

// A search finds definitions of options in the modules of a host.
type search struct {
	fleet   *schema.Fleet
	dir     string // names of files are relative to it
	message string
	modules []namedExpr
}

// A namedExpr is a module with its name in the messages of NixOS.
type namedExpr struct {
	name string
	file string // its file; "" for a module of the inventory
	expr syntax.Expr
}

// newSearch returns a search of the modules of a host, its own first, and of the
// files that they import.
func newSearch(f *schema.Fleet, h *schema.Host, message string) *search {
	s := &search{fleet: f, message: message}
	w := newWriter(f, Options{})
	host, all := "host "+h.Name, "defaults of the fleet"
	s.add(host, w.module(w.host(h)))
	imports := slices.Clone(h.Imports)
	for _, r := range f.RolesOf(h) {
		s.add(host, w.module(module{own: &schema.Attrs{}, user: []schema.Module{r.Module}}))
		imports = append(imports, r.Imports...)
	}
	if f.Kluster != nil && (h.HasRole(schema.RoleMaster) || h.HasRole(schema.RoleNode)) {
		s.add(host, w.module(module{own: w.kluster(h.HasRole(schema.RoleMaster))}))
	}
	s.add(all, w.module(module{own: &schema.Attrs{}, user: []schema.Module{f.Defaults}}))
	var files []string
	for _, i := range append(imports, f.Defaults.Imports...) {
		if i.Input != nil {
			continue
		}
		file := i.Path
		if !filepath.IsAbs(file) {
			file = filepath.Join(f.Dir, file)
		}
		files = append(files, file)
	}
	for _, m := range namedModule().FindAllStringSubmatch(message, -1) {
		if !slices.Contains(files, m[1]) && s.ours(m[1]) {
			files = append(files, m[1])
		}
	}
	for _, name := range files {
		s.addFile(name)
	}
	return s
}

// add adds a module.
func (s *search) add(name string, e syntax.Expr) {
	if e != nil {
		s.modules = append(s.modules, namedExpr{name: name, expr: e})
	}
}

// maxModule is the largest module, in bytes, that is searched for definitions.
const maxModule = 16 << 20

// maxModules is how many files are searched.
const maxModules = 2000

// addFile adds a module that is a file, and the files that it imports by literal
// paths. It ignores one that cannot be read, which may be the error in question.
func (s *search) addFile(name string) {
	known := func(m namedExpr) bool { return m.name == name || m.file == name }
	if len(s.modules) > maxModules || inNixpkgs(s.fleet, name) || slices.ContainsFunc(s.modules, known) {
		return
	}
	file := name
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, "default.nix")
	}
	src, err := foreign.ReadFile(file, foreign.Limits{Size: maxModule, Time: foreign.Time, Links: true})
	if err != nil {
		return
	}
	f, err := syntax.ParseFile(file, src, syntax.Options{})
	if err != nil {
		return
	}
	s.modules = append(s.modules, namedExpr{name: name, file: file, expr: f.Expr})
	literalImports(f.Expr, func(_ *syntax.Path, text string, _ bool) {
		if !filepath.IsAbs(text) {
			text = filepath.Join(filepath.Dir(file), text)
		}
		s.addFile(filepath.Clean(text))
	})
}

// ours reports whether a file belongs to the user: to the inventory, or to its
// directory and not to nixpkgs.
func (s *search) ours(file string) bool {
	f := s.fleet
	for _, name := range f.Files {
		// Positions in the inventory have the name of messages.
		if file == name || !filepath.IsAbs(file) && filepath.Base(file) == filepath.Base(name) {
			return true
		}
	}
	imported := func(m namedExpr) bool { return m.file != "" && m.file == file }
	return slices.ContainsFunc(s.modules, imported) || below(file, f.Dir) && !inNixpkgs(f, file)
}

// inNixpkgs reports whether a file belongs to a nixpkgs of the fleet.
func inNixpkgs(f *schema.Fleet, file string) bool {
	trees := []*schema.Nixpkgs{&f.Nixpkgs}
	for _, r := range f.Roles {
		trees = append(trees, r.Nixpkgs)
	}
	for _, h := range f.Hosts {
		trees = append(trees, h.Nixpkgs)
	}
	return slices.ContainsFunc(trees, func(n *schema.Nixpkgs) bool {
		if n == nil || n.Path == "" {
			return false
		}
		dir := n.Path
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(f.Dir, dir)
		}
		return below(file, dir)
	})
}

// below reports whether a file is in a directory or its subdirectories.
func below(file, dir string) bool {
	return strings.HasPrefix(file, dir+string(filepath.Separator))
}

// A definition is where a module sets an option or a parent of it.
type definition struct {
	at     syntax.Pos
	depth  int         // number of names of the option's path that it sets
	value  syntax.Expr // nil if it is not a single expression
	module string
}

// find returns the position and the depth of the definition of an option that
// matches the message best. The depth is 0 if there is none. For an option with an
// element of a list, only a definition with the element counts.
func (s *search) find(option string) (schema.Pos, int) {
	path := splitOption(option)
	best := s.best(path, nil)
	// A definition of services alone, say, is not specific enough.
	if names := slices.IndexFunc(path, listEntry().MatchString); best.depth < 2 && best.depth < len(path) && best.depth != names {
		return schema.Pos{}, 0
	}
	return posOf(best.at), best.depth
}

// wrongDefault returns the declaration of an option of the user's own whose default is
// not of its type: nothing else defines it.
func (s *search) wrongDefault(named []string, message string) (at schema.Pos, option string) {
	if !strings.Contains(message, "is not of type") {
		return schema.Pos{}, ""
	}
	for _, option := range named {
		declared := "options." + option
		if at, depth := s.find(declared); depth == len(splitOption(declared)) {
			return at, option
		}
	}
	return schema.Pos{}, ""
}

// best returns the definition of an option that matches the message best, except
// those at some places.
func (s *search) best(path []string, except map[syntax.Pos]bool) definition {
	var best definition
	bestFit := 0
	for _, m := range s.modules {
		inModule(m.expr, path, func(d definition) {
			d.module = m.name
			if fit := s.fit(d); fit > bestFit && !except[d.at] {
				best, bestFit = d, fit
			}
		})
	}
	return best
}

// fit returns how well a definition matches the message.
func (s *search) fit(d definition) int {
	if !d.at.IsValid() {
		return 0
	}
	fit := 4 * d.depth
	if strings.Contains(s.message, "In `"+d.module+"'") {
		fit += 2
	}
	switch d.value.(type) {
	case *syntax.String, *syntax.Int, *syntax.Float, *syntax.Ident:
		if strings.Contains(s.message, ": "+syntax.FormatExpr(d.value)) {
			fit++
		}
	}
	return fit
}

// inModule calls found for the definitions of an option in a module: a set of
// options, a set with config and imports, or a function that returns one.
func inModule(e syntax.Expr, path []string, found func(definition)) {
	switch e := e.(type) {
	case *syntax.Lambda:
		inModule(e.Body, path, found)
	case *syntax.Let:
		inModule(e.Body, path, found)
	case *syntax.With:
		inModule(e.Body, path, found)
	case *syntax.Attrs:
		inValue(e, path, definition{}, found)
		for _, b := range e.Bindings {
			a, ok := b.(*syntax.Attr)
			if !ok || len(a.Path) == 0 {
				continue
			}
			switch a.Path[0].Name {
			case "config":
				config := append([]string{"config"}, path...)
				inValue(&syntax.Attrs{Bindings: []syntax.Binding{a}}, config, definition{depth: -1}, found)
			case "imports":
				if l, ok := a.Value.(*syntax.List); ok {
					for _, x := range l.Elems {
						inModule(x, path, found)
					}
				}
			}
		}
	}
}

// inValue calls found for the definitions of the rest of an option's path in a
// value. sofar is the definition that the value belongs to.
func inValue(e syntax.Expr, path []string, sofar definition, found func(definition)) {
	if len(path) == 0 {
		sofar.value = e
	}
	switch e := e.(type) {
	case *syntax.Let:
		inValue(e.Body, path, sofar, found)
		return
	case *syntax.With:
		inValue(e.Body, path, sofar, found)
		return
	case *syntax.If:
		inValue(e.Then, path, sofar, found)
		inValue(e.Else, path, sofar, found)
		return
	case *syntax.Binary:
		if e.Op == syntax.Update {
			inValue(e.X, path, sofar, found)
			inValue(e.Y, path, sofar, found)
			return
		}
	case *syntax.Apply:
		// lib.mkIf condition value, lib.mkForce value, …
		last := e.Args[len(e.Args)-1]
		switch name := syntax.LastName(e.F); {
		case name == "mkMerge":
			if l, ok := last.(*syntax.List); ok {
				for _, x := range l.Elems {
					inValue(x, path, sofar, found)
				}
				return
			}
		case strings.HasPrefix(name, "mk"):
			inValue(last, path, sofar, found)
			return
		}
	case *syntax.List:
		if len(path) == 0 {
			break
		}
		if m := listEntry().FindStringSubmatch(path[0]); m != nil {
			if n, err := strconv.Atoi(m[1]); err == nil && 0 < n && n <= len(e.Elems) {
				x := e.Elems[n-1]
				if sofar.depth++; x.Pos().IsValid() {
					sofar.at = x.Pos()
				}
				inValue(x, path[1:], sofar, found)
				return
			}
		}
	case *syntax.Attrs:
		if len(path) > 0 {
			inSet(e, path, sofar, found)
			return
		}
	}
	if sofar.depth > 0 {
		found(sofar)
	}
}

// inSet is inValue for an attribute set.
func inSet(set *syntax.Attrs, path []string, sofar definition, found func(definition)) {
	any := false
	for _, b := range set.Bindings {
		d := sofar
		switch b := b.(type) {
		case *syntax.Inherit:
			for _, n := range b.Names {
				if n.Name == path[0] {
					d.at, d.depth = n.At, d.depth+1
					any = true
					found(d)
				}
			}
		case *syntax.Attr:
			n := 0
			for n < len(path) && n < len(b.Path) && b.Path[n].Expr == nil && b.Path[n].Name == path[n] {
				n++
			}
			if n == 0 {
				continue
			}
			any = true
			d.depth += n
			d.at = b.Path[n-1].At
			if n == len(b.Path) {
				if !d.at.IsValid() {
					d.at = b.Pos()
				}
				inValue(b.Value, path[n:], d, found)
			} else if d.depth > 0 {
				found(d)
			}
		}
	}
	if !any && sofar.depth > 0 {
		found(sofar)
	}
}

// Origins returns a function from a position in the printed network expression to
// the position in the inventory of the node there, or of the nearest node before it
// on the line. network is the printed text. Parsed again it is the same tree as the
// one of [Network], so both are walked in parallel.
func Origins(f *schema.Fleet, network []byte) func(at syntax.Pos) syntax.Pos {
	nowhere := func(syntax.Pos) syntax.Pos { return syntax.Pos{} }
	printed, err := syntax.ParseFile("network.nix", network, syntax.Options{})
	if err != nil {
		return nowhere
	}
	file, err := Network(f, Options{Absolute: true})
	if err != nil {
		return nowhere
	}
	printedAt, from := places(printed.Expr), places(file.Expr)
	if len(printedAt) != len(from) {
		return nowhere
	}
	return func(at syntax.Pos) syntax.Pos {
		var best, bestPrinted syntax.Pos
		for i, p := range printedAt {
			if p.Line == at.Line && from[i].IsValid() && !after(p, at) && !after(bestPrinted, p) {
				best, bestPrinted = from[i], p
			}
		}
		return best
	}
}

// places returns the positions of all nodes and bindings of a tree. Their order is
// the same for a generated tree and for its parsed text.
func places(e syntax.Expr) []syntax.Pos {
	var ps []syntax.Pos
	bindings := func(bs []syntax.Binding) {
		for _, b := range bs {
			ps = append(ps, b.Pos())
		}
	}
	syntax.Walk(e, func(e syntax.Expr) bool {
		ps = append(ps, e.Pos())
		switch e := e.(type) {
		case *syntax.Attrs:
			bindings(e.Bindings)
		case *syntax.Let:
			bindings(e.Bindings)
		case *syntax.Int:
			ps = append(ps, again(e.At, syntax.FormatExpr(e))...)
		case *syntax.Float:
			ps = append(ps, again(e.At, syntax.FormatExpr(e))...)
		}
		return true
	})
	return ps
}

// again repeats the position of a number for each further node that its text is
// parsed as: -1 is an operator and a number.
func again(at syntax.Pos, number string) (ps []syntax.Pos) {
	if !strings.ContainsAny(number, "-") {
		return nil
	}
	e, err := syntax.ParseExpr(number)
	if err != nil {
		return nil
	}
	syntax.Walk(e, func(x syntax.Expr) bool {
		if x != e {
			ps = append(ps, at)
		}
		return true
	})
	return ps
}

// after reports whether a is after b in a text.
func after(a, b syntax.Pos) bool {
	return a.Line > b.Line || a.Line == b.Line && a.Col > b.Col
}
