package schema

import (
	"fmt"
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
	} else if info.Size() > maxFileSize {
		return fmt.Sprintf("it is larger than %d MiB", maxFileSize>>20)
	}
	return ""
}

// regular reports whether all CUE files of the package are regular files inside
// the inventory's tree. The loader itself would follow a symbolic link anywhere
// and block on a pipe.
func (c *cueReader) regular() bool {
	fine := true
	for dir := c.dir; ; dir = filepath.Dir(dir) {
		names, _ := filepath.Glob(filepath.Join(globEscape(dir), "*.cue"))
		for _, name := range names {
			if why := c.outside(name); why != "" {
				c.report.add(Pos{File: c.show(name), Line: 1, Col: 1}, "", "outside-tree", "not read: %s", why)
				fine = false
			}
		}
		if dir == c.root || dir == filepath.Dir(dir) {
			return fine
		}
	}
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

var embedArgument = regexp.MustCompile(`(file|glob)\s*=\s*("(?:[^"\\]|\\.)*"|[^,)"]*)`)

// embedded returns the files that an @embed attribute names.
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
		c.report.add(Pos{File: c.show(name), Line: 1, Col: 1}, "", "outside-tree", "not read: %s", why)
		return nil, errSeen
	}
	// src is no substitute: the loader replaces bytes that are not UTF-8.
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
