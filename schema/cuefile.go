package schema

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/literal"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"

	"muster/exec/foreign"
	"muster/exec/ondemand"
)

// Which files CUE may read, and what keeps one from exhausting its parser.

// ours reports whether a file belongs to the schema and not to the user.
func (c *cueReader) ours(name string) bool {
	return name == "" || strings.HasPrefix(name, filepath.Join(c.root, "cue.mod/pkg", schemaModule)+string(filepath.Separator))
}

// outside returns the reason why a file must not be read, or "".
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
	} else if info.Size() > MaxFileSize {
		return fmt.Sprintf("it is larger than %d MiB", MaxFileSize>>20)
	}
	return ""
}

// regular reports whether all CUE files of the package, and of the packages that
// it imports, are regular files inside the inventory's tree. The loader itself
// would follow a symbolic link anywhere and block on a pipe.
func (c *cueReader) regular() bool {
	fine := true
	if module := filepath.Join(c.root, "cue.mod/module.cue"); exists(module) {
		fine = c.admit(module)
	}
	seen := map[string]bool{}
	for dirs := []string{c.dir}; len(dirs) > 0; dirs = dirs[1:] {
		for dir := dirs[0]; !seen[dir] && c.inside(dir); dir = filepath.Dir(dir) {
			seen[dir] = true
			names, _ := filepath.Glob(filepath.Join(globEscape(dir), "*.cue"))
			for _, name := range names {
				if !c.admit(name) {
					fine = false
					continue
				}
				dirs = append(dirs, c.imports(name)...)
			}
			c.special = append(c.special, specialFiles(dir)...)
		}
	}
	return fine
}

// specialFiles returns the files of a directory that are neither CUE nor regular,
// such as pipes. The loader would read some of them, to no purpose.
func specialFiles(dir string) []string {
	entries, _ := os.ReadDir(dir) // the loader reports the error
	var special []string
	for _, e := range entries {
		if e.Type().IsRegular() || e.IsDir() || strings.HasSuffix(e.Name(), ".cue") {
			continue
		}
		name := filepath.Join(dir, e.Name())
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
			special = append(special, name)
		}
	}
	return special
}

// admit reports a file that must not be read.
func (c *cueReader) admit(name string) bool {
	why := c.outside(name)
	if why == "" {
		return c.readable(name)
	}
	c.report.add(Pos{File: c.show(name), Line: 1, Col: 1}, "", "outside-tree", "not read: %s", why).Hint = linkMend(name)
	return false
}

// readable reports a file that this user may not read.
func (c *cueReader) readable(name string) bool {
	if _, given := c.given[name]; given {
		return true
	}
	f, err := foreign.Open(name, foreign.Limits{Size: MaxFileSize, Links: true})
	if err == nil {
		f.Close()
	}
	if !errors.Is(err, fs.ErrPermission) {
		return true
	}
	c.report.add(Pos{File: c.show(name), Line: 1, Col: 1}, "", "unread", "not read: permission denied").Hint = permissionMend(err)
	return false
}

// permissionMend says what to do about a file that this user may not read; "" for another error.
func permissionMend(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "let yourself read it with chmod or chown, or run muster as its owner"
	}
	return ""
}

// linkMend says what is wrong with a symbolic link that leads nowhere; "" for another file.
func linkMend(name string) string {
	target, err := os.Readlink(name)
	if err != nil {
		return ""
	}
	if _, err := os.Stat(name); err != nil {
		return "it is a symbolic link to " + target + ", which is not there"
	}
	return ""
}

// imports returns the directories that the packages may be in which a file
// imports: below cue.mod, and below the root for the packages of the module
// itself, whatever its name.
func (c *cueReader) imports(name string) []string {
	data, err := readLimited(name)
	if err != nil {
		return nil
	}
	f, _ := parser.ParseFile(name, data, parser.ImportsOnly)
	if f == nil {
		return nil
	}
	var dirs []string
	for spec := range f.ImportSpecs() {
		path, err := literal.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		path = ast.ParseImportPath(path).Path
		for _, kind := range []string{"pkg", "gen", "usr"} {
			dirs = append(dirs, filepath.Join(c.root, "cue.mod", kind, path))
		}
		for rest, more := path, true; more; {
			_, rest, more = strings.Cut(rest, "/")
			dirs = append(dirs, filepath.Join(c.root, rest))
		}
	}
	return dirs
}

// inside reports whether a directory is the root or below it.
func (c *cueReader) inside(dir string) bool {
	return dir == c.root || strings.HasPrefix(dir, strings.TrimSuffix(c.root, "/")+"/")
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// globEscape returns a pattern that matches only name.
func globEscape(name string) string {
	return regexp.MustCompile(`[*?\[\\]`).ReplaceAllString(name, `\$0`)
}

// note records the files of a package and of its imports in c.files.
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

// embeds records the files that a package embeds in c.files and reports whether
// all of them may be read.
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
				c.report.add(c.pos(a.Pos()), "", "embed", "cannot embed: %v", err)
				fine = false
			}
			for _, name := range names {
				if _, err := os.Stat(name); err != nil {
					continue // CUE reports it
				}
				if why := c.outside(name); why != "" {
					c.report.add(c.pos(a.Pos()), "", "embed", "cannot embed %s: %s", c.show(name), why)
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

var embedArgument = ondemand.Regexp(`(file|glob)\s*=\s*("(?:[^"\\]|\\.)*"|[^,)"]*)`)

// embedded returns the files that an @embed attribute names.
func embedded(dir, attribute string) ([]string, error) {
	if !strings.HasPrefix(attribute, "@embed(") {
		return nil, nil
	}
	var names []string
	for _, m := range embedArgument().FindAllStringSubmatch(attribute, -1) {
		name := strings.TrimSpace(m[2])
		if strings.HasPrefix(name, `"`) {
			plain, err := literal.Unquote(name)
			if err != nil {
				return nil, fmt.Errorf("%s is not a file name", name)
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
			return nil, fmt.Errorf("%s is not a pattern", quote(m[2]))
		}
		names = append(names, found...)
	}
	if len(names) == 0 && !strings.Contains(attribute, "glob") {
		return nil, fmt.Errorf("want a literal file name, as in @embed(file=\"name\")")
	}
	return names, nil
}

// parse parses one file of CUE. It first rejects text that could exhaust the
// parser or the evaluator.
func (c *cueReader) parse(name string, src any, cfg parser.Config) (*ast.File, error) {
	if c.ours(name) {
		return parser.ParseFile(name, src, cfg)
	}
	if why := c.outside(name); why != "" {
		c.report.add(Pos{File: c.show(name), Line: 1, Col: 1}, "", "outside-tree", "not read: %s", why).Hint = linkMend(name)
		return nil, errSeen
	}
	// src is no substitute: the loader replaces bytes that are not UTF-8.
	data, err := readText(name, c.given)
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
	f, err := parser.ParseFile(name, data, cfg)
	if err != nil {
		for _, m := range text.cueMistakes(err) {
			c.report.mistake(text, m)
		}
		return nil, errSeen
	}
	return f, nil
}

// errSeen stands for a problem that is already reported.
var errSeen = errors.Newf(token.NoPos, "reported already")

// prescan returns an error for nesting that would exhaust the parser's stack:
// brackets, chains such as a: b: c: and chains of unary operators.
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
			// The parser scans the expression inside. It cannot nest deeper
			// than the number of quotes in the text before it.
			s.ResumeInterpolation()
		}
		if depth > maxDepth || chain > 20*maxDepth {
			return &Error{Pos: c.pos(pos), Rule: "too-deep", Msg: fmt.Sprintf("nested deeper than %d levels", maxDepth)}
		}
	}
}
