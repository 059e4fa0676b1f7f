package compile

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/exec/ondemand"
	"muster/schema"
)

// This file finds the cause of errors whose trace does not lead to the user's text:
// the message itself, or the text of the modules, has to tell.

// early are the module arguments that exist before the modules are known, so that
// imports may use them.
var early = []string{"lib", "modulesPath", "name", "nodes", "options", inputsName}

// earlyFor returns whether a host has a module argument early.
func (s *search) earlyFor(h *schema.Host) func(argument string) bool {
	given := []*schema.Attrs{s.fleet.Defaults.SpecialArgs, h.SpecialArgs}
	for _, r := range s.fleet.RolesOf(h) {
		given = append(given, r.SpecialArgs)
	}
	return func(argument string) bool {
		return slices.Contains(early, argument) || slices.ContainsFunc(given, func(a *schema.Attrs) bool {
			return a != nil && slices.ContainsFunc(a.Fields, func(f schema.Field) bool { return f.Name == argument })
		})
	}
}

// importsCycle returns where the imports of a module depend on what is known only
// after all modules are imported, and what to do about it.
func (s *search) importsCycle(h *schema.Host) (Blame, bool) {
	isEarly := s.earlyFor(h)
	for _, m := range s.modules {
		formals := map[string]bool{}
		fn, _ := m.expr.(*syntax.Lambda)
		if fn == nil || fn.Formals == nil {
			continue
		}
		for _, f := range fn.Formals.List {
			formals[f.Name] = !isEarly(f.Name)
		}
		var cause *syntax.Ident
		syntax.Walk(m.expr, func(e syntax.Expr) bool {
			set, ok := e.(*syntax.Attrs)
			if !ok {
				return true
			}
			for _, b := range set.Bindings {
				if a, ok := b.(*syntax.Attr); ok && len(a.Path) == 1 && a.Path[0].Name == "imports" && cause == nil {
					cause = lateArgument(a.Value, formals)
				}
			}
			return true
		})
		if cause != nil {
			hint := fmt.Sprintf("imports uses %s, which is known only after all modules are imported: use a path, or an argument that exists before: lib, modulesPath, name, nodes, inputs, or one of special_args", cause.Name)
			if cause.Name == "config" {
				hint = "imports depends on config, which is known only after all modules are imported: import the module always, and put lib.mkIf around its config"
			}
			return Blame{Pos: posOf(cause.At), Hint: hint}, true
		}
	}
	return Blame{}, false
}

// lateArgument returns the first use of one of some arguments in the value of
// imports, outside of the modules that it holds.
func lateArgument(imports syntax.Expr, late map[string]bool) *syntax.Ident {
	var found *syntax.Ident
	syntax.Walk(imports, func(e syntax.Expr) bool {
		switch e := e.(type) {
		case *syntax.Attrs, *syntax.Lambda:
			return false
		case *syntax.Ident:
			if found == nil && late[e.Name] {
				found = e
			}
		}
		return found == nil
	})
	return found
}

// textInFlake is textOf in all files of the flake that a host is a system of: which of
// them are its modules is not known.
func (s *search) textInFlake(h *schema.Host, message string) (schema.Pos, bool) {
	if h.Flake == nil || h.Flake.Dir == "" {
		return schema.Pos{}, false
	}
	_ = filepath.WalkDir(inFleet(s.fleet, h.Flake.Dir), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || len(s.modules) > maxModules:
			return fs.SkipAll
		case d.IsDir() && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.Type().IsRegular() && filepath.Ext(name) == ".nix":
			s.addFile(name)
		}
		return nil
	})
	return s.textOf(message)
}

// longestAssertion is how many lines the text of an assertion may have that is looked for.
const longestAssertion = 30

// textOf returns where the text of a message is written: in throw "…", abort "…" and
// the like, or as the message of an assertion.
func (s *search) textOf(message string) (schema.Pos, bool) {
	lines := []string{strings.TrimSpace(message)}
	all := strings.Split(message, "\n")
	for i, line := range all {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			// The text of an assertion may have several lines, some of which begin like another.
			for n := range min(len(all)-i, longestAssertion) {
				lines = append(lines, strings.TrimSpace(strings.Join(append([]string{rest}, all[i+1:i+1+n]...), "\n")))
			}
		}
	}
	var places []syntax.Pos
	add := func(e syntax.Expr, at syntax.Pos) {
		if text, ok := e.(*syntax.String); ok && at.IsValid() && slices.ContainsFunc(lines, func(line string) bool { return matches(text, line) }) && !slices.Contains(places, at) {
			places = append(places, at)
		}
	}
	for _, m := range s.modules {
		syntax.Walk(m.expr, func(e syntax.Expr) bool {
			switch e := e.(type) {
			case *syntax.Apply:
				if name := syntax.LastName(e.F); strings.HasPrefix(name, "throw") || strings.HasPrefix(name, "assert") || name == "abort" {
					for _, arg := range e.Args {
						add(arg, beginning(e))
					}
				}
			case *syntax.Attrs:
				for _, b := range e.Bindings {
					if a, ok := b.(*syntax.Attr); ok && a.Path[len(a.Path)-1].Name == "message" {
						add(a.Value, beginning(a.Value))
					}
				}
			}
			return true
		})
	}
	if len(places) == 0 || len(lines) == 1 && len(places) > 1 {
		return schema.Pos{}, false
	}
	return posOf(places[0]), true
}

// matches reports whether a string, with anything for its interpolations, is a text.
func matches(s *syntax.String, text string) bool {
	pattern, literal := "(?s)^", 0
	for i, p := range s.Parts {
		if p.Expr != nil {
			pattern += ".*"
			continue
		}
		part := p.Text
		if i == len(s.Parts)-1 {
			part = strings.TrimRight(part, " \n")
		}
		if i == 0 {
			part = strings.TrimLeft(part, " \n")
		}
		pattern += regexp.QuoteMeta(part)
		literal += len(part)
	}
	if literal < 4 {
		return false // it would match by chance
	}
	re, err := regexp.Compile(pattern + "$")
	return err == nil && (re.MatchString(text) || re.MatchString(strings.TrimSuffix(strings.TrimPrefix(text, aborted), "'")))
}

// aborted is what Nix writes before the text of abort.
const aborted = "evaluation aborted with the following error message: '"

var (
	quotedPath = ondemand.Regexp("[`'](/[^'\n]*)'")
	// What a module may not have beside config and options.
	unsupported = ondemand.Regexp("unsupported attribute [`']([^'\n]+)'")
)

// fileOf returns the place in the user's text that a path in a message is about: the
// beginning of the module of that name, or where the path is written.
func (s *search) fileOf(message string) (schema.Pos, bool) {
	for _, m := range quotedPath().FindAllStringSubmatch(message, -1) {
		for _, module := range s.modules {
			if module.name == m[1] || module.file == m[1] {
				if at := s.inFile(module, message); at.IsValid() {
					return posOf(at), true
				}
			}
		}
		if at := s.literal(m[1]); at.IsValid() {
			return posOf(at), true
		}
	}
	if m := moduleExpected().FindStringSubmatch(message); m != nil {
		for _, module := range s.modules {
			if module.name == m[1] || module.file == m[1] {
				at := wrongImport(module.expr)
				if !at.IsValid() {
					at = s.inFile(module, message)
				}
				if at.IsValid() {
					return posOf(at), true
				}
			}
		}
	}
	return schema.Pos{}, false
}

// moduleExpected matches the file in a message about an import that is no module.
var moduleExpected = ondemand.Regexp(`^Expected a module, but found (?:.*), in file (.*)\.$`)

// wrongImport returns the first literal in the imports of a module that cannot be a module.
func wrongImport(e syntax.Expr) (at syntax.Pos) {
	eachImports(e, func(value syntax.Expr) {
		list, ok := value.(*syntax.List)
		if !ok || at.IsValid() {
			return
		}
		for _, x := range list.Elems {
			if isScalar(x) {
				at = x.Pos()
				return
			}
		}
	})
	return at
}

// isScalar reports whether an expression is a literal number or text, or null, true or false.
func isScalar(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Int, *syntax.Float, *syntax.String:
		return true
	case *syntax.Ident:
		return e.Name == "null" || e.Name == "true" || e.Name == "false"
	}
	return false
}

// eachImports calls found with the values of imports in a module.
func eachImports(e syntax.Expr, found func(value syntax.Expr)) {
	syntax.Walk(e, func(e syntax.Expr) bool {
		if set, ok := e.(*syntax.Attrs); ok {
			for _, b := range set.Bindings {
				if a, ok := b.(*syntax.Attr); ok && len(a.Path) == 1 && a.Path[0].Name == "imports" {
					found(a.Value)
				}
			}
		}
		return true
	})
}

// noList returns where the modules of the fleet have something else in place of a list: in imports, or in a call of mkMerge.
func (s *search) noList(message string) (at syntax.Pos) {
	if !strings.HasPrefix(message, "expected a list but found ") && !strings.HasSuffix(message, " while a list was expected") {
		return at
	}
	found := func(e syntax.Expr) {
		switch e.(type) {
		case *syntax.Attrs, *syntax.Path, *syntax.Int, *syntax.Float, *syntax.String:
			if !at.IsValid() {
				at = e.Pos()
			}
		}
	}
	for _, m := range s.modules {
		eachImports(m.expr, found)
		syntax.Walk(m.expr, func(e syntax.Expr) bool {
			if a, ok := e.(*syntax.Apply); ok && syntax.LastName(a.F) == "mkMerge" {
				found(a.Args[0])
			}
			return true
		})
	}
	return at
}

// inFile returns the place in a module that a message about the module concerns.
func (s *search) inFile(m namedExpr, message string) syntax.Pos {
	path := []string(nil)
	if a := unsupported().FindStringSubmatch(message); a != nil {
		path = []string{a[1]}
	} else if named, _ := optionsIn(message); len(named) > 0 && strings.Contains(message, "declared in") {
		path = append([]string{"options"}, splitOption(named[0])...)
	}
	var at syntax.Pos
	body := m.expr
	for fn, ok := body.(*syntax.Lambda); ok; fn, ok = body.(*syntax.Lambda) {
		body = fn.Body
	}
	if path != nil {
		inModule(body, path, func(d definition) {
			if d.depth == len(path) && !at.IsValid() {
				at = d.at
			}
		})
	}
	if !at.IsValid() {
		at = beginning(body)
	}
	return at
}

// literal returns where a path is written in a module.
func (s *search) literal(name string) syntax.Pos {
	var at syntax.Pos
	for _, m := range s.modules {
		if m.file == "" {
			continue
		}
		syntax.Walk(m.expr, func(e syntax.Expr) bool {
			p, ok := e.(*syntax.Path)
			if !ok || at.IsValid() {
				return true
			}
			text := literalPath(p)
			if !strings.HasPrefix(text, "/") {
				text = filepath.Join(filepath.Dir(m.file), text)
			}
			if text == name {
				at = p.At
			}
			return true
		})
	}
	return at
}

// definitionLine matches a definition in a message of NixOS: - In `host web': "a".
var definitionLine = ondemand.Regexp("(?m)^- In [`']([^'\n]+)'")

// withPlaces returns a message with the place of each of the definitions that it
// lists, if it lists several.
func (s *search) withPlaces(message string) string {
	named, _ := optionsIn(message)
	lines := definitionLine().FindAllStringSubmatchIndex(message, -1)
	if len(named) == 0 || len(lines) < 2 {
		return message
	}
	var out strings.Builder
	done := 0
	used := map[syntax.Pos]bool{}
	for i, l := range lines {
		end := len(message)
		if i+1 < len(lines) {
			end = lines[i+1][0]
		}
		part := &search{fleet: s.fleet, message: message[l[0]:end]}
		for _, m := range s.modules {
			if m.name == message[l[2]:l[3]] {
				part.modules = append(part.modules, m)
			}
		}
		out.WriteString(message[done:l[1]])
		done = l[1]
		if d := part.best(splitOption(named[0]), used); d.at.IsValid() {
			used[d.at] = true
			at := posOf(d.at)
			at.File = s.shown(at.File)
			fmt.Fprintf(&out, " at %v", at)
		}
	}
	out.WriteString(message[done:])
	return out.String()
}
