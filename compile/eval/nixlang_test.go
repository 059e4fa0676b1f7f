package eval_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/compile/eval"
	"muster/compile/syntax"
)

// TestNixLang runs Nix's own language tests: tests/functional/lang of the
// checkout that $NIX_LANG_TESTS names. Their licence does not allow to copy
// them here.
func TestNixLang(t *testing.T) {
	dir := os.Getenv("NIX_LANG_TESTS")
	if dir == "" {
		t.Skip("NIX_LANG_TESTS names no checkout of Nix's tests/functional/lang")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(dir))
	t.Setenv("TEST_VAR", "foo")
	okay, _ := filepath.Glob(dir + "/eval-okay-*.nix")
	fail, _ := filepath.Glob(dir + "/eval-fail-*.nix")
	var okays, fails, lines int
	for _, file := range okay {
		if _, err := os.Stat(nixLangFile(file, ".exp-disabled")); err == nil {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			if nixLangOkay(t, dir, file) {
				okays++
			}
		})
	}
	for _, file := range fail {
		t.Run(filepath.Base(file), func(t *testing.T) {
			_, err := nixLangRun(t, dir, file, true)
			if err == nil {
				t.Error("it evaluates")
				return
			}
			fails++
			want, _ := os.ReadFile(nixLangFile(file, ".err.exp"))
			if got, want := lastErrorLine("error: "+strings.ReplaceAll(err.Error(), filepath.Dir(dir), "/pwd")), lastErrorLine(string(want)); got == want {
				lines++
			} else {
				t.Logf("message\n got %s\nwant %s", got, want)
			}
		})
	}
	t.Logf("eval-okay %d, eval-fail %d of %d, messages %d", okays, fails, len(fail), lines)
}

func nixLangFile(file, suffix string) string { return strings.TrimSuffix(file, ".nix") + suffix }

func nixLangOkay(t *testing.T, dir, file string) bool {
	suffix := ".exp"
	if _, err := os.Stat(nixLangFile(file, ".exp.xml")); err == nil {
		suffix = ".exp.xml"
	}
	want, err := os.ReadFile(nixLangFile(file, suffix))
	if err != nil {
		t.Skip(err)
	}
	got, eerr := nixLangRun(t, dir, file, false)
	if eerr != nil {
		t.Errorf("%v", eerr)
		return false
	}
	got = strings.ReplaceAll(got, filepath.Dir(dir), "/pwd")
	if suffix == ".exp" {
		got += "\n"
	}
	if got != string(want) {
		t.Errorf(" got %s\nwant %s", got, want)
		return false
	}
	return true
}

// nixLangRun does what nix-instantiate --eval does with the test's flags.
func nixLangRun(t *testing.T, dir, file string, fails bool) (string, *eval.Error) {
	flags, _ := os.ReadFile(nixLangFile(file, ".flags"))
	o := eval.Options{Home: "/fake-home", Trace: &bytes.Buffer{}, NixVersion: "2.34.0", MaxDepth: 10_000,
		Features: []string{"fetch-tree"}}
	if !fails {
		o.NixPath = []eval.SearchEntry{{Path: dir + "/dir3"}, {Path: dir + "/dir4"}}
	}
	var sel string
	args, strs := map[string]string{}, map[string]string{}
	strict, xml, json := true, false, false
	var include []eval.SearchEntry
	f := strings.Fields(strings.SplitN(string(flags), "#", 2)[0])
	for i := 0; i < len(f); i++ {
		switch f[i] {
		case "--arg":
			args[f[i+1]] = f[i+2]
			i += 2
		case "--argstr":
			strs[f[i+1]] = strings.Trim(f[i+2], "\"'")
			i += 2
		case "-A", "--attr":
			sel = f[i+1]
			i++
		case "-I":
			prefix, path, ok := strings.Cut(f[i+1], "=")
			if !ok {
				prefix, path = "", prefix
			}
			path, _ = filepath.Abs(path)
			include = append(include, eval.SearchEntry{Prefix: prefix, Path: path})
			i++
		case "--extra-experimental-features":
			o.Features = append(o.Features, f[i+1])
			i++
		case "--lint-url-literals":
			o.Lints.URLs = nixLangLint(t, f[i+1])
			i++
		case "--lint-short-path-literals":
			o.Lints.ShortPaths = nixLangLint(t, f[i+1])
			i++
		case "--lint-absolute-path-literals":
			o.Lints.AbsolutePaths = nixLangLint(t, f[i+1])
			i++
		case "--max-call-depth":
			o.MaxDepth, _ = strconv.Atoi(f[i+1])
			i++
		case "--xml":
			xml = true
		case "--json":
			json = true
		case "--strict", "--eval", "--show-trace", "--no-show-trace", "--no-location", "--impure":
		default:
			t.Logf("flag %s", f[i])
		}
	}
	if _, err := os.Stat(nixLangFile(file, ".exp.xml")); err == nil {
		xml = true
	}
	o.NixPath = append(include, o.NixPath...)
	ev := eval.New(o)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := func() (string, error) {
		values := map[string]eval.Value{}
		for name, x := range args {
			v, err := ev.Expr(ctx, x, filepath.Dir(dir))
			if err != nil {
				return "", err
			}
			values[name] = v
		}
		for name, s := range strs {
			values[name] = ev.String(s)
		}
		v, err := ev.File(ctx, file)
		if err == nil {
			v, err = v.Select(ctx, sel, values)
		}
		switch {
		case err != nil:
			return "", err
		case xml:
			return v.XML(ctx, strict)
		case json:
			return v.JSON(ctx)
		}
		return v.Print(ctx, strict)
	}()
	if err == nil {
		return out, nil
	}
	e, ok := err.(*eval.Error)
	if !ok {
		t.Fatalf("not an *eval.Error: %v", err)
	}
	if e.Kind == eval.InternalError {
		t.Errorf("%v", fmt.Sprint(e.Unwrap()))
	}
	return "", &eval.Error{Kind: e.Kind, Msg: e.Msg}
}

func nixLangLint(t *testing.T, level string) syntax.Lint {
	l, ok := map[string]syntax.Lint{"ignore": syntax.LintIgnore, "warn": syntax.LintWarn, "fatal": syntax.LintFatal}[level]
	if !ok {
		t.Errorf("lint level %s", level)
	}
	return l
}

// lastErrorLine returns the last line of a message that begins with error:.
func lastErrorLine(s string) string {
	last := ""
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "error:") && len(line) > len("error:") {
			last = line
		}
	}
	return last
}
