package cmd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// jsonFolders are those whose types are printed by --output json, --json and muster events,
// or written into journals and plans.
var jsonFolders = []string{"../cmd", "../cmd/ui", "../exec", "../exec/host", "../exec/release", "../exec/adopt", "../compile/definitions"}

// The names in what muster prints as JSON are one family: words in small letters with _
// between, durations in _ns, and a host is "host" while "address" is where it is.
func TestJSONNames(t *testing.T) {
	word := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	found := 0
	for _, folder := range jsonFolders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(folder, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				s, ok := n.(*ast.StructType)
				if !ok {
					return true
				}
				names := map[string]bool{}
				for _, f := range s.Fields.List {
					if f.Tag == nil {
						continue
					}
					tag, ok := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Lookup("json")
					if !ok || tag == "-" {
						continue
					}
					found++
					label, _, _ := strings.Cut(tag, ",")
					names[label] = true
					at := set.Position(f.Pos())
					if !word.MatchString(label) {
						t.Errorf("%s: %q: want small letters, with _ between words", at, label)
					}
					isDuration := strings.HasSuffix(typeName(f.Type), "time.Duration")
					if isDuration != strings.HasSuffix(label, "_ns") {
						t.Errorf("%s: %q: want _ns behind durations, and nowhere else", at, label)
					}
				}
				if names["host"] && names["name"] && !strings.HasSuffix(name, "saved.go") { // a profile in a plan has a name and a host
					t.Errorf("%s: \"host\" is the name of a host, \"address\" where it is: it has no other \"name\"", set.Position(s.Pos()))
				}
				return true
			})
		}
	}
	if found < 200 {
		t.Errorf("only %d names are found", found)
	}
}

// typeName is the name of the type of a field, such as *time.Duration.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return "*" + typeName(e.X)
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	case *ast.Ident:
		return e.Name
	}
	return ""
}
