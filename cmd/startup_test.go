package cmd

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Every start of muster pays for the patterns that are compiled in advance, about 20 µs and
// 15 kB each: they are compiled when they are first used.
func TestNoPatternIsCompiledAtStart(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, call := range compiledAtStart(file) {
			t.Errorf("%s: this pattern is compiled at every start: want ondemand.Regexp", set.Position(call.Pos()))
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("%d files: %v", files, err)
	}
	probe, err := parser.ParseFile(token.NewFileSet(), "probe.go", `package p; var a = []*regexp.Regexp{regexp.MustCompile("x")}; var b = func() any { return regexp.MustCompile("x") }`, 0)
	if err != nil || len(compiledAtStart(probe)) != 1 {
		t.Errorf("the search finds %d of 1 in the probe: %v", len(compiledAtStart(probe)), err)
	}
}

// compiledAtStart are the calls of regexp.MustCompile among the values of a file's variables,
// outside of functions.
func compiledAtStart(file *ast.File) (calls []*ast.CallExpr) {
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		ast.Inspect(g, func(n ast.Node) bool {
			if _, isFunc := n.(*ast.FuncLit); isFunc {
				return false
			}
			if call, ok := n.(*ast.CallExpr); ok {
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && strings.HasPrefix(f.Sel.Name, "MustCompile") {
					calls = append(calls, call)
				}
			}
			return true
		})
	}
	return calls
}
