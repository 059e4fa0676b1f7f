package cmd

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// opens are the functions that open files, or read a stream to its end, without a limit.
var opens = map[string][]string{
	"os":    {"DirFS", "Open", "OpenFile", "ReadFile"},
	"io":    {"ReadAll"},
	"bufio": {"NewScanner"}, // ends in silence at a line of 64 kB
}

// mayOpen are the Go files that use them all the same, with the reason. All others use muster/exec/foreign.
var mayOpen = map[string]string{
	"cmd/compile.go":                      "makes a new file with a random name",
	"cmd/demo.go":                         "reads what the demo has written itself",
	"cmd/flags/kinds.go":                  "looks whether a regular file may be opened, and reads nothing",
	"cmd/publish.go":                      "makes a new file",
	"cmd/ui/ask.go":                       "the terminal",
	"compile/eval/collector/collector.go": "files of the kernel",
	"compile/flake/fetch/cache.go":        "makes new files, and locks one that it only holds",
	"compile/store/files.go":              "archives are made as Nix makes them; the walk opens what lstat calls regular",
	"exec/archive/dirread.go":             "the file is one of package foreign",
	"exec/archive/tar.go":                 "a section of an open file, as long as a narinfo may be",
	"exec/objectstore/directory.go":       "locks a file that it only holds",
	"exec/pull/doc.go":                    "locks a file that it only holds",
	"exec/remote/knownhosts.go":           "the file is one of package foreign",
	"exec/secret/read.go":                 "what is decrypted from a file of package foreign, with a limit",
	"exec/transfer/cpu.go":                "a file of the kernel",
	"schema/limit.go":                     "a file of the kernel",
}

// Files that others may have written are opened by package foreign: regular, limited, never waited for.
func TestForeignFilesAreOpenedByForeign(t *testing.T) {
	used := map[string]bool{}
	for _, path := range repositoryFiles(t) {
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "exec/lab/") || strings.HasPrefix(path, "exec/foreign/") {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join("..", path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		imports := map[string]string{}
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			local := filepath.Base(name)
			if spec.Name != nil {
				local = spec.Name.Name
			}
			imports[local] = name
		}
		ast.Inspect(file, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || !slices.Contains(opens[imports[pkg.Name]], sel.Sel.Name) {
				return true
			}
			used[path] = true
			if mayOpen[path] == "" {
				t.Errorf("%s: %s.%s has no limit: use muster/exec/foreign", fset.Position(sel.Pos()), pkg.Name, sel.Sel.Name)
			}
			return true
		})
	}
	for path := range mayOpen {
		if !used[path] {
			t.Errorf("%s opens no files any more: take it off mayOpen", path)
		}
	}
}
