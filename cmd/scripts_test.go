package cmd

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"muster/compile/syntax"
)

// maxShell is the number of lines that shell in a Go file may have. Longer
// scripts are *.sh files, which shellcheck reads.
const maxShell = 3

// mayHoldShell are the Go files that embed scripts.
var mayHoldShell = []string{"exec/host/scripts.go"}

func TestGoFilesHoldNoScripts(t *testing.T) {
	for _, path := range repositoryFiles(t) {
		if filepath.Ext(path) != ".go" || slices.Contains(mayHoldShell, path) {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join("..", path), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		allowed := slices.Contains(notYet, path)
		found := false
		eachText(file, func(pos token.Pos, text string) {
			line, ok := shellIn(text)
			if !ok {
				return
			}
			found = true
			if !allowed {
				t.Errorf("%s:%d: more than %d lines of shell, recognized by %q: move the script to a *.sh file",
					path, fset.Position(pos).Line, maxShell, line)
			}
		})
		if allowed && !found {
			t.Errorf("%s holds no script any more: take it off notYet", path)
		}
	}
}

func TestNotYetNamesFiles(t *testing.T) {
	files := repositoryFiles(t)
	for _, path := range notYet {
		if !slices.Contains(files, path) {
			t.Errorf("%s does not exist: take it off notYet", path)
		}
	}
}

func TestShellcheck(t *testing.T) {
	shellcheck, err := osexec.LookPath("shellcheck")
	if err != nil {
		t.Fatalf("%v: install it with apt-get install shellcheck, dnf install ShellCheck or nix-env -iA nixpkgs.shellcheck", err)
	}
	var scripts []string
	for _, path := range repositoryFiles(t) {
		if !slices.Contains(notYet, path) && isScript(t, path) {
			scripts = append(scripts, path)
		}
	}
	if len(scripts) == 0 {
		t.Fatal("no scripts found")
	}
	check := osexec.Command(shellcheck, append([]string{"--"}, scripts...)...)
	check.Dir = ".."
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %v\n%s", check, err, out)
	}
}

// isScript reports whether a file is a shell script, by its name or its first
// line.
func isScript(t *testing.T, path string) bool {
	if filepath.Ext(path) == ".sh" {
		return true
	}
	if filepath.Ext(path) != "" {
		return false
	}
	text, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	return shebang.Match(first)
}

var shebang = regexp.MustCompile(`^#! ?/(usr/)?bin/(env )?(ba)?sh\b`)

// repositoryFiles returns the regular files of the repository, relative to its
// root.
func repositoryFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return filepath.SkipDir
		case d.Type().IsRegular():
			files = append(files, filepath.ToSlash(strings.TrimPrefix(path, "../")))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// eachText calls f for the string literals of a file. A sum of literals is one
// text; an operand that is none counts as the word x.
func eachText(file *ast.File, f func(token.Pos, string)) {
	ast.Inspect(file, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		text, literal := textOf(e)
		if !literal {
			return true
		}
		f(e.Pos(), text)
		_, single := e.(*ast.BasicLit)
		return single // the operands of a sum are looked at together
	})
}

// textOf returns the text of an expression, and whether it contains a string
// literal.
func textOf(e ast.Expr) (text string, literal bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			text, err := strconv.Unquote(e.Value)
			return text, err == nil
		}
	case *ast.ParenExpr:
		return textOf(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			x, isX := textOf(e.X)
			y, isY := textOf(e.Y)
			return x + y, isX || isY
		}
	}
	return "x", false
}

var (
	// shellLine matches a line that is most likely shell.
	shellLine = regexp.MustCompile(`^(` + strings.Join([]string{
		`(if|elif|while|until) .*; (then|do)`,
		`(if|elif|while|until) (! )?(\[|test |command |grep )`,
		`for \w+ in .*[^{]`,
		`case \S+ in`,
		`(fi|done|esac)\b.*`,
		`\[ (-|!|"?\$).*\].*`,
		`(echo|printf|trap|exec|export|test|mkdir|rm|ln|chmod|chown|cd|sleep|kill|grep|sed|mount|umount|ip|command|eval|source|\.) [^=:]*[-$"'/].*`,
		`(exit|return)( ([0-9]+|\$\S+))?`,
		`set -[a-z].*`,
		`: ?> ?\S+`,
		`(local |readonly )?\w+="?\$[({\w].*`,
		`\w+\(\) ?\{.*`,
		`#! ?/\S*sh\b.*`,
		`find /\S* .*`,
		`[a-z]\S* .* \| (awk|cut|grep|head|sed|sort|tail|tr|wc|xargs)\b.*`,
	}, `|`) + `)$`)
	// txtarFile separates the files of an archive, whose scripts are
	// testscript's.
	txtarFile = regexp.MustCompile(`(?m)^-- .+ --$`)
	// goVerb is a placeholder of package fmt.
	goVerb = regexp.MustCompile(`%[-+#]?(\[\d+\])?[sqdvx]`)
)

// shellIn returns the first line of a text that shows it to be a script of more
// than maxShell lines.
func shellIn(text string) (line string, found bool) {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) <= maxShell || txtarFile.MatchString(text) || isNix(text) {
		return "", false
	}
	i := slices.IndexFunc(lines, shellLine.MatchString)
	if i < 0 {
		return "", false
	}
	return lines[i], true
}

// isNix reports whether a text is a Nix set, list, function or let. Builders in
// it may well be shell.
func isNix(text string) bool {
	text = strings.TrimSpace(text)
	if !regexp.MustCompile(`^(\{|\[|\(|#|let\b|rec\b|with\b|\w+:)`).MatchString(text) {
		return false
	}
	_, err := syntax.ParseExpr(goVerb.ReplaceAllString(text, "x"))
	return err == nil
}

func TestShellIsRecognized(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"a loop", `a=1|b=2|for i in $a; do|  run $i|done`, true},
		{"a condition", `x|y|z|if [ -e /x ]; then|w|fi`, true},
		{"commands", `cp a b|cp c d|mv e f|mkdir -p "$HOME/x"`, true},
		{"a function", `f() {|  true|}|f`, true},
		{"three lines", `set -e|mkdir -p /x|exec muster`, false},
		{"Nix", `{ pkgs, ... }:|{|  x = ''|    mkdir -p $out|  '';|}`, false},
		{"CUE", `package fleet|hosts: {|	for n in [1, 2] {|		"h\(n)": host: "10.0.0.\(n)"|	}|}`, false},
		{"help", `Run a command on the hosts.|exec runs it as root, and test|only tries. For a shell, say:|  -- sh -c 'uptime'`, false},
		{"an archive", `exec muster vet|stdout x|-- hosts.toml --|[hosts.a]`, false},
		{"TOML", `[hosts.a]|host = "1.2.3.4"|[hosts.b]|host = "1.2.3.5"`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.ReplaceAll(tt.text, "|", "\n")
			if line, got := shellIn(text); got != tt.want {
				t.Errorf("got %t by %q, want %t", got, line, tt.want)
			}
		})
	}
}

// notYet are files whose scripts are still to be moved, and scripts that
// shellcheck still has something to say about. No file may be added.
var notYet = []string{}
