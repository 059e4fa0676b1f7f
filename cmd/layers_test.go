package cmd

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the import rule: what of muster's own each package may use.
// Tests may use more.
var mayImport = map[string][]string{
	"schema":                 {"exec/foreign", "exec/ondemand"},
	"compile/syntax":         {},
	"compile/store":          {},
	"compile/definitions":    {"compile/syntax"},
	"compile":                {"schema", "compile/definitions", "compile/syntax", "exec/foreign", "exec/ondemand"},
	"compile/flake":          {"compile/store", "exec/ondemand"},
	"compile/flake/fetch":    {"compile/flake", "compile/store", "exec/backoff", "exec/bounded", "exec/foreign", "exec/ondemand"},
	"compile/eval":           {"compile/flake", "compile/syntax", "compile/store", "compile/eval/ere", "compile/eval/float", "compile/eval/collector", "exec/ondemand"},
	"compile/tofu":           {"schema", "exec/ondemand"},
	"compile/convert":        {"schema", "compile/syntax", "exec/foreign", "exec/ondemand"},
	"compile/eval/ere":       {},
	"compile/eval/float":     {},
	"compile/eval/collector": {},
	"exec":                   {"schema", "compile/store", "exec/backoff", "exec/builds", "exec/clock", "exec/foreign", "exec/host", "exec/human", "exec/ondemand", "exec/transfer", "exec/nixserve", "exec/secret", "exec/strictjson", "exec/units", "compile/definitions"},
	"exec/adopt":             {"schema", "compile/syntax", "exec/host", "exec/human", "exec/ondemand"},
	"exec/archive":           {"compile/store", "exec/foreign", "exec/nixserve", "exec/objectstore", "exec/ondemand"},
	"exec/backoff":           {},
	"exec/bounded":           {},
	"exec/builds":            {"compile/store"},
	"exec/clock":             {},
	"exec/evaluate":          {"schema", "compile", "compile/eval", "compile/flake", "compile/flake/fetch", "compile/store", "compile/syntax", "exec/foreign", "exec/human", "exec/nixcmd", "exec/nixserve", "exec/ondemand"},
	"exec/foreign":           {},
	"exec/host":              {"compile/store", "exec/backoff", "exec/bounded", "exec/human", "exec/ondemand", "exec/units"},
	"exec/human":             {"exec/ondemand"},
	"exec/kube":              {"schema", "exec/backoff", "exec/foreign", "exec/host", "exec/human"},
	"exec/lab":               {"exec/ondemand"},
	"exec/lab/kubelab":       {},
	"exec/lab/objectlab":     {},
	"exec/lab/storelab":      {"compile/store"},
	"exec/local":             {"exec/bounded"},
	"exec/nixcmd":            {"compile/syntax", "compile/store", "exec/bounded", "exec/builds", "exec/foreign", "exec/human", "exec/ondemand"},
	"exec/nixserve":          {"compile/store"},
	"exec/objectstore":       {"exec/backoff", "exec/bounded", "exec/foreign"},
	"exec/ondemand":          {},
	"exec/pull":              {"compile/store", "exec", "exec/archive", "exec/foreign", "exec/host", "exec/objectstore", "exec/release", "exec/sshsig", "exec/strictjson", "exec/webhook"},
	"exec/release":           {"schema", "compile/store", "exec", "exec/archive", "exec/human", "exec/objectstore", "exec/sshsig", "exec/strictjson"},
	"exec/provision":         {"schema", "compile/tofu", "exec/backoff", "exec/bounded"},
	"exec/remote":            {"schema", "exec/backoff", "exec/bounded", "exec/foreign", "exec/ondemand", "exec/remote/sshconfig"},
	"exec/remote/sshconfig":  {},
	"exec/secret":            {"schema", "exec/foreign"},
	"exec/sshsig":            {},
	"exec/strictjson":        {},
	"exec/telemetry":         {"exec", "exec/human", "exec/ondemand", "exec/webhook"},
	"exec/transfer":          {"compile/store", "exec/backoff", "exec/human", "exec/nixserve"},
	"exec/units":             {"exec/ondemand"},
	"exec/webhook":           {"exec/backoff"},
	"examples":               {},
	"examples/minios":        {},
	"cmd":                    {"*"},
	"cmd/flags":              {},
	"cmd/ui":                 {"schema", "exec", "exec/foreign", "exec/human", "compile/definitions", "compile/store", "exec/ondemand"},
	"cmd/ui/graph":           {"exec/human", "schema"},
	"cmd/ui/report":          {"exec", "exec/human", "schema"},
	"cmd/muster":             {"cmd"},
}

// home is where each foreign module, and running processes, belong. A module that
// is not here may not be imported outside of tests.
var home = map[string][]string{
	"cuelang.org/go":                      {"schema"},
	"github.com/pelletier/go-toml":        {"schema"},
	"golang.org/x/crypto":                 {"exec/remote", "exec/lab", "exec/secret", "exec/sshsig"},
	"filippo.io/age":                      {"exec/secret"},
	"github.com/klauspost/compress":       {"compile/flake/fetch", "exec/archive", "exec/transfer"},
	"github.com/ulikunitz/xz":             {"compile/flake/fetch"},
	"go.yaml.in/yaml":                     {"exec/kube", "schema"},
	"golang.org/x/sys":                    {"exec/lab", "exec/remote"},
	"golang.org/x/sync":                   {"exec/archive", "exec/objectstore", "exec/release", "compile/eval", "compile/flake/fetch"},
	"golang.org/x/time":                   {"exec/transfer"},
	"github.com/spf13":                    {"cmd", "cmd/flags"},
	"github.com/olekukonko/tablewriter":   {"cmd/ui"},
	"golang.org/x/term":                   {"cmd/ui"},
	"github.com/hashicorp/terraform-exec": {"exec/provision"},
	"github.com/hashicorp/terraform-json": {"exec/provision"},
	"os/exec":                             {"compile/flake/fetch", "exec/local", "exec/nixcmd", "exec/provision", "exec/lab", "exec/lab/kubelab", "exec/lab/storelab"},
	"testing":                             {},
	"github.com/google/go-cmp":            {},
	"github.com/rogpeppe/go-internal":     {},
	"honnef.co/go/tools/cmd/staticcheck":  {},
	"github.com/minio/minio-go":           {"exec/objectstore"},
	"go.etcd.io/etcd":                     {"exec/kube"},
	"go.uber.org/zap":                     {"exec/kube"},
	"google.golang.org/grpc":              {"exec/kube"},
}

func TestImportsGoOnlyDownward(t *testing.T) {
	seen, used := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != "..") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, "../")))
		seen[pkg] = true
		allowed, known := mayImport[pkg]
		if !known {
			t.Errorf("%s: package %s is not in the import rule", path, pkg)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			if ours, ok := strings.CutPrefix(name, "muster/"); ok {
				if !slices.Contains(allowed, ours) && !slices.Contains(allowed, "*") {
					t.Errorf("%s imports %s; %s may import %v", path, name, pkg, allowed)
				}
				continue
			}
			dep, homes := homeOf(name)
			if domain, _, _ := strings.Cut(name, "/"); dep == "" && strings.Contains(domain, ".") {
				t.Errorf("%s imports %s, which has no home", path, name)
			}
			if dep != "" && !slices.Contains(homes, pkg) {
				t.Errorf("%s imports %s, which belongs in %v", path, name, homes)
			}
			used[dep] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range mayImport {
		if !seen[pkg] {
			t.Errorf("package %s is in the import rule and does not exist", pkg)
		}
	}
	for dep, homes := range home {
		if !used[dep] && len(homes) > 0 {
			t.Errorf("%s has a home and is not imported", dep)
		}
	}
}

// homeOf returns the entry of home for an import; "" where there is none.
func homeOf(name string) (dep string, homes []string) {
	for dep, homes := range home {
		if name == dep || strings.HasPrefix(name, dep+"/") {
			return dep, homes
		}
	}
	return "", nil
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for pkg := range mayImport {
		files, err := filepath.Glob(filepath.Join("..", pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			continue // not there yet
		}
		documented := false
		for _, f := range files {
			file, err := parser.ParseFile(token.NewFileSet(), f, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			documented = documented || file.Doc != nil && len(file.Doc.Text()) > 40
		}
		if !documented {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}
