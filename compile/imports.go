package compile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/exec/foreign"
	"muster/schema"
)

// CheckImports reads the Nix files that the modules of a fleet import, and the files
// that these import, as far as literal paths lead. It returns what is wrong with
// them: no such file, a syntax error, an undefined variable. Nothing is evaluated.
// Files are named relative to dir if they are below it.
func CheckImports(ctx context.Context, f *schema.Fleet, dir string) schema.Errors {
	c := importChecker{fleet: f, dir: dir, seen: map[string]bool{}}
	c.module(&f.Defaults, "defaults")
	for _, r := range f.Roles {
		c.module(&r.Module, "roles."+r.Name)
	}
	for _, h := range f.Hosts {
		c.module(&h.Module, "hosts."+h.Name)
	}
	for len(c.queue) > 0 && ctx.Err() == nil && len(c.seen) < maxImports {
		next := c.queue[0]
		c.queue = c.queue[1:]
		c.file(next)
	}
	return c.errs
}

// maxImports is how many files are checked at most.
const maxImports = 20_000

// An importChecker checks imported files, each once.
type importChecker struct {
	fleet *schema.Fleet
	dir   string
	seen  map[string]bool // names of files
	queue []importedFile
	errs  schema.Errors
}

// An importedFile is a file to check.
type importedFile struct {
	name string // absolute
	from string // the field of the inventory that leads to it, such as hosts.web.imports[0]
	// module says that imports name it: import, say, may read any expression.
	module bool
}

// module adds the imports of a module of the inventory. The loader has checked that
// the files exist.
func (c *importChecker) module(m *schema.Module, path string) {
	for i, im := range m.Imports {
		if im.Input != nil {
			continue // it may have to be fetched first
		}
		c.add(importedFile{c.absolute(im.Path), fmt.Sprintf("%s.imports[%d]", path, i), true})
	}
	for _, s := range m.Nix {
		text, err := syntax.ParseFile("", []byte(s.Text), syntax.Options{Start: textStart(s.At, s.Text)})
		if err != nil {
			continue // the loader reports it
		}
		c.arguments(text.Expr, path+".nix")
		modules := importedModules(text.Expr)
		literalImports(text.Expr, func(p *syntax.Path, name string, certain bool) {
			c.follow(p, name, certain, importedFile{filepath.Join(c.fleet.Dir, name), path + ".nix", modules[p]})
		})
	}
}

func (c *importChecker) absolute(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.fleet.Dir, name)
}

// add adds a file or the default.nix of a directory, unless it is one of nixpkgs.
func (c *importChecker) add(f importedFile) {
	if info, err := os.Stat(f.name); err == nil && info.IsDir() {
		f.name = filepath.Join(f.name, "default.nix")
	}
	if inNixpkgs(c.fleet, f.name) || c.seen[f.name] {
		return
	}
	c.seen[f.name] = true
	c.queue = append(c.queue, f)
}

// follow adds a file that a literal path leads to, and reports one that does not
// exist. text is how the path is written.
func (c *importChecker) follow(p *syntax.Path, text string, certain bool, f importedFile) {
	if strings.HasPrefix(text, "/") {
		f.name = filepath.Clean(text)
	}
	problem := ""
	switch info, err := os.Stat(f.name); {
	case errors.Is(err, fs.ErrNotExist):
		problem = "no such file: "
	case err == nil && info.IsDir():
		if _, err := os.Stat(filepath.Join(f.name, "default.nix")); errors.Is(err, fs.ErrNotExist) {
			problem = "a directory without default.nix: "
		}
	}
	switch {
	case problem == "":
		c.add(f)
	case certain:
		c.report(p.At, f.from, "missing-file", problem+text)
	}
}

func (c *importChecker) report(at syntax.Pos, from, rule, message string) {
	pos := posOf(at)
	pos.File = NameBelow(c.dir, pos.File)
	c.errs = append(c.errs, &schema.Error{Pos: pos, Path: from, Rule: rule, Msg: message})
}

// NameBelow returns the name of a file relative to a directory if the file is below
// it, and the name itself otherwise.
func NameBelow(dir, name string) string {
	if dir != "" && filepath.IsAbs(name) {
		if rel, err := filepath.Rel(dir, name); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return rel
		}
	}
	return name
}

// file checks a file. One that cannot be read is left to the evaluation.
func (c *importChecker) file(f importedFile) {
	src, err := foreign.ReadFile(f.name, foreign.Limits{Size: maxModule, Time: foreign.Time, Links: true})
	if err != nil {
		return
	}
	text, err := syntax.ParseFile(f.name, src, syntax.Options{})
	if err == nil {
		err = syntax.Resolve(text, nil)
	}
	var invalid *syntax.Error
	if errors.As(err, &invalid) {
		c.report(invalid.At, f.from, "nix", invalid.Msg)
		if schema.ConflictMark(lineOf(src, int(invalid.At.Line))) == 0 {
			e := c.errs[len(c.errs)-1]
			e.Msg, e.Hint = schema.Unmerged, schema.UnmergedHint
		}
	}
	if text == nil {
		return
	}
	dir := filepath.Dir(f.name)
	if real, err := filepath.EvalSymlinks(f.name); err == nil {
		dir = filepath.Dir(real)
	}
	var modules map[*syntax.Path]bool
	if f.module {
		c.arguments(text.Expr, f.from)
		modules = importedModules(text.Expr)
	}
	literalImports(text.Expr, func(p *syntax.Path, name string, certain bool) {
		c.follow(p, name, certain, importedFile{filepath.Join(dir, name), f.from, modules[p]})
	})
}

// arguments reports a module that cannot take the arguments which every module gets.
func (c *importChecker) arguments(module syntax.Expr, from string) {
	fn, ok := module.(*syntax.Lambda)
	if !ok || fn.Formals == nil || fn.Formals.Ellipsis {
		return
	}
	for _, name := range []string{"config", "lib", "options"} {
		if !slices.ContainsFunc(fn.Formals.List, func(f syntax.Formal) bool { return f.Name == name }) {
			c.report(fn.At, from, "nix", "the module gets more arguments than it names, such as "+name)
			c.errs[len(c.errs)-1].Hint = ellipsisHint
			return
		}
	}
}

// ellipsisHint is what to do about a module without an ellipsis.
const ellipsisHint = "end its arguments with an ellipsis: { lib, ... }"

// importedModules returns the literal paths in the imports of a module.
func importedModules(e syntax.Expr) map[*syntax.Path]bool {
	switch e := e.(type) {
	case *syntax.Lambda:
		return importedModules(e.Body)
	case *syntax.Let:
		return importedModules(e.Body)
	case *syntax.With:
		return importedModules(e.Body)
	}
	set, ok := e.(*syntax.Attrs)
	if !ok {
		return nil
	}
	modules := map[*syntax.Path]bool{}
	for _, b := range set.Bindings {
		if a, ok := b.(*syntax.Attr); ok && len(a.Path) == 1 && a.Path[0].Name == "imports" {
			if list, ok := a.Value.(*syntax.List); ok {
				for _, x := range list.Elems {
					if p, ok := x.(*syntax.Path); ok {
						modules[p] = true
					}
				}
			}
		}
	}
	return modules
}

// lineOf returns a line of a text, counted from 1.
func lineOf(text []byte, number int) []byte {
	lines := bytes.SplitAfterN(text, []byte("\n"), number+1)
	if number < 1 || number > len(lines) {
		return nil
	}
	return bytes.TrimSuffix(lines[number-1], []byte("\n"))
}

// literalImports calls found for each literal path that an expression imports: in
// imports = [ ./a.nix ], import ./b.nix and callPackage ./c.nix { }. certain is false
// if the import depends on a condition.
func literalImports(e syntax.Expr, found func(p *syntax.Path, name string, certain bool)) {
	w := importWalker{found: found, tested: map[string]bool{}}
	syntax.Walk(e, func(e syntax.Expr) bool {
		if a, ok := e.(*syntax.Apply); ok && syntax.LastName(a.F) == "pathExists" {
			if p, ok := a.Args[0].(*syntax.Path); ok {
				w.tested[literalPath(p)] = true
			}
		}
		return true
	})
	w.walk(e, true)
}

type importWalker struct {
	found  func(p *syntax.Path, name string, certain bool)
	tested map[string]bool // paths given to pathExists
}

func (w *importWalker) path(p *syntax.Path, certain bool) {
	if name := literalPath(p); name != "" {
		w.found(p, name, certain && !w.tested[name])
	}
}

// literalPath returns the text of a path without interpolation, "" for other paths.
func literalPath(p *syntax.Path) string {
	if len(p.Parts) != 1 || p.Parts[0].Expr != nil || strings.HasPrefix(p.Parts[0].Text, "~") {
		return ""
	}
	return p.Parts[0].Text
}

// walk finds the imports in an expression.
func (w *importWalker) walk(e syntax.Expr, certain bool) {
	syntax.Walk(e, func(x syntax.Expr) bool {
		switch x := x.(type) {
		case *syntax.If:
			w.walk(x.Cond, certain)
			w.walk(x.Then, false)
			w.walk(x.Else, false)
			return false
		case *syntax.Apply:
			return w.apply(x, certain)
		case *syntax.Attrs:
			for _, b := range x.Bindings {
				if a, ok := b.(*syntax.Attr); ok && len(a.Path) == 1 && a.Path[0].Name == "imports" {
					w.imports(a.Value, certain)
				}
			}
		}
		return true
	})
}

// apply finds the imports in a call, and reports whether its parts are still to be
// looked at.
func (w *importWalker) apply(a *syntax.Apply, certain bool) bool {
	switch name := syntax.LastName(a.F); {
	case name == "import", name == "callPackage":
		if p, ok := a.Args[0].(*syntax.Path); ok {
			w.path(p, certain)
		}
	case conditional(name):
		for _, arg := range a.Args {
			w.walk(arg, false)
		}
		return false
	}
	return true
}

// conditional reports whether a function of nixpkgs' lib drops its argument on some
// condition.
func conditional(function string) bool {
	return slices.Contains([]string{"optional", "optionals", "optionalAttrs", "mkIf"}, function)
}

// imports finds the paths in the value of imports.
func (w *importWalker) imports(e syntax.Expr, certain bool) {
	switch e := e.(type) {
	case *syntax.List:
		for _, x := range e.Elems {
			if p, ok := x.(*syntax.Path); ok {
				w.path(p, certain)
			}
		}
	case *syntax.Binary:
		if e.Op == syntax.Concat {
			w.imports(e.X, certain)
			w.imports(e.Y, certain)
		}
	case *syntax.If:
		w.imports(e.Then, false)
		w.imports(e.Else, false)
	case *syntax.Let:
		w.imports(e.Body, certain)
	case *syntax.With:
		w.imports(e.Body, certain)
	case *syntax.Path: // of lib.optional
		w.path(e, certain)
	case *syntax.Apply:
		if conditional(syntax.LastName(e.F)) {
			w.imports(e.Args[len(e.Args)-1], false)
		}
	}
}
