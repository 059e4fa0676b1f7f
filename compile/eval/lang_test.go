package eval_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/compile/eval"
	"muster/compile/syntax"
)

// TestLanguage evaluates the chunks of testdata/lang/*.nix. Chunks are
// separated by --- lines. Each ends with ### and its value, or the error's
// message in quotes after "### error". Lines "### trace …" hold what
// builtins.trace writes. Lines such as "# nix 2.8.0" or "# pure" set options:
// see chunkOptions.
func TestLanguage(t *testing.T) {
	files, err := filepath.Glob("testdata/lang/*.nix")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := 1
		for _, chunk := range strings.Split(string(text), "\n---\n") {
			at := line
			line += strings.Count(chunk, "\n") + 2
			t.Run(filepath.Base(file)+":"+strconv.Itoa(at), func(t *testing.T) { testChunk(t, chunk) })
		}
	}
}

func testChunk(t *testing.T, chunk string) {
	program, want, ok := strings.Cut(chunk, "### ")
	if !ok {
		t.Fatalf("no ### in\n%s", chunk)
	}
	want, said, _ := strings.Cut(want, "\n### trace ")
	want = strings.TrimSpace(want)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var trace bytes.Buffer
	o := eval.Options{
		Trace:   &trace,
		Now:     time.Unix(1, 0),
		NixPath: []eval.SearchEntry{{Prefix: "here", Path: dir}, {Path: dir + "/files"}},
		World:   environment{vars: map[string]string{"NAME": "value", "HOME": os.Getenv("HOME")}},
	}
	attr := chunkOptions(t, program, &o)
	ev := eval.New(o)
	got := ""
	v, err := ev.Expr(ctx, program, dir)
	if err == nil && attr != "" {
		v, err = v.Select(ctx, attr, nil)
	}
	if err == nil {
		got, err = v.Print(ctx, true)
	}
	if err != nil {
		e, ok := err.(*eval.Error)
		if !ok {
			t.Fatalf("not an *eval.Error: %v", err)
		}
		got = "error " + strconv.Quote(e.Msg)
	}
	got = strings.ReplaceAll(got, dir, "/testdata")
	if got != want {
		t.Errorf("%s\n got %s\nwant %s", program, got, want)
	}
	said = strings.TrimSpace(strings.ReplaceAll(said, "\n### trace ", "\n"))
	if got := strings.TrimSpace(trace.String()); got != said {
		t.Errorf("%s\n said %q\nwanted %q", program, got, said)
	}
}

// chunkOptions applies the comments of a chunk that set options, and returns
// the attribute path to select.
func chunkOptions(t *testing.T, program string, o *eval.Options) (attr string) {
	t.Helper()
	for line := range strings.Lines(program) {
		word, ok := strings.CutPrefix(line, "# ")
		if !ok {
			continue
		}
		word, value, _ := strings.Cut(strings.TrimSpace(word), " ")
		switch word {
		case "nix":
			o.NixVersion = value
		case "pure":
			o.Pure = true
		case "restricted":
			o.Restricted = true
		case "feature":
			o.Features = append(o.Features, value)
		case "attr":
			attr = value
		case "abort-on-warn":
			o.AbortOnWarn = true
		case "trace-verbose":
			o.TraceVerbose = true
		case "no-import-from-derivation":
			o.NoImportFromDerivation = true
		case "url-literals", "short-path-literals", "absolute-path-literals":
			lint := map[string]*syntax.Lint{
				"url-literals": &o.Lints.URLs, "short-path-literals": &o.Lints.ShortPaths, "absolute-path-literals": &o.Lints.AbsolutePaths,
			}[word]
			*lint = nixLangLint(t, value)
		}
	}
	return attr
}
