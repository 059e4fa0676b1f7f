package evaluate_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"muster/compile/eval"
	"muster/compile/flake"
	"muster/compile/flake/fetch"
	"muster/exec/evaluate"
	"muster/exec/nixcmd"
)

var (
	recordFlakes = flag.String("record-flakes", "", "record the values of flakes from this nix, with what NIX_REMOTE says as its root")
	onlyFlakes   = flag.String("flakes", "*", "evaluate only these flakes")
)

// TestFlakesGiveWhatNixGives evaluates the flakes in compile/flake/testdata/flakes. Their values are those of Nix 2.34
// (just record-flakes). The comment of an archive is a list of commands:
//
//	git DIR            make a git repository of DIR, with one commit
//	commit DIR         commit all changes in DIR, new files as well
//	append FILE TEXT   append a line to a file
//	write FILE TEXT    make a file of a line
//	remove FILE        remove a file
//	link FILE TARGET   make a symbolic link
//	exec FILE          make a file executable
//	run DIR ARG…       run git in DIR
//	tar DIR FILE       make an archive of DIR, in a directory of its name
//	lock DIR           (when values are recorded) have Nix write the lock file of DIR
//	eval REF           the value follows; $DIR is the directory of all
//	raw REF, json REF  the same with --raw and --json
//	impure REF         the same with --impure
//	refused REF        an error follows that there is with --impure, of which only counts that there is one
//	fail REF           an error follows, of which only counts that there is one
//	error REF          an error follows, whose message counts
func TestFlakesGiveWhatNixGives(t *testing.T) {
	files, err := filepath.Glob("../../compile/flake/testdata/flakes/" + *onlyFlakes + ".txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no flakes", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runFlakeFile(t, file)
		})
	}
}

// A flakeCase is one archive of flakes.
type flakeCase struct {
	t     *testing.T
	dir   string
	cache string
	lines []string // of the comment, with the values as they are now
	files []txtar.File
}

func runFlakeFile(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := &flakeCase{t: t, dir: dir, cache: t.TempDir(), files: archive.Files}
	for _, f := range archive.Files {
		c.write(f.Name, string(f.Data))
	}
	var want []string
	for line := range strings.Lines(string(archive.Comment)) {
		line = strings.TrimSuffix(line, "\n")
		want = append(want, line)
		c.command(line)
	}
	if *recordFlakes != "" {
		archive.Comment, archive.Files = []byte(strings.Join(c.lines, "\n")+"\n"), c.files
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(c.lines, "\n")); diff != "" {
		t.Errorf("-Nix +here\n%s", diff)
	}
}

// stamp is the time of all files and commits.
var stamp = time.Unix(1700000000, 0)

func (c *flakeCase) path(name string) string { return filepath.Join(c.dir, name) }

func (c *flakeCase) write(name, text string) {
	c.t.Helper()
	text = strings.ReplaceAll(text, "$DIR", c.dir)
	if err := os.MkdirAll(filepath.Dir(c.path(name)), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.path(name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *flakeCase) git(dir string, args ...string) {
	c.t.Helper()
	date := fmt.Sprint(stamp.Unix(), " +0000")
	cmd := exec.Command("git", append([]string{"-C", c.path(dir), "-c", "init.defaultBranch=main", "-c", "commit.gpgSign=false", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org",
		"GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("git %s: %v\n%s", args, err, out)
	}
}

// command runs a line of the comment and adds what stays of it to c.lines.
func (c *flakeCase) command(line string) {
	c.t.Helper()
	name, rest, _ := strings.Cut(line, " ")
	first, second, _ := strings.Cut(rest, " ")
	switch name {
	case "=": // the value of the line before
		return
	case "eval", "raw", "json", "impure", "refused", "fail", "error":
		name, value := c.value(name, rest)
		c.lines = append(c.lines, name+" "+rest)
		for l := range strings.Lines(value + "\n") {
			c.lines = append(c.lines, strings.TrimSuffix("= "+l, "\n"))
		}
		return
	}
	c.lines = append(c.lines, line)
	switch name {
	case "git":
		c.git(rest, "init", "-q")
		c.git(rest, "add", "-A")
		c.git(rest, "commit", "-qm", "first")
	case "commit":
		c.git(rest, "add", "-A")
		c.git(rest, "commit", "-qm", "next", "--allow-empty")
	case "run":
		c.git(first, strings.Fields(strings.ReplaceAll(second, "$DIR", c.dir))...)
	case "append":
		text, err := os.ReadFile(c.path(first))
		c.must(err)
		c.write(first, string(text)+second+"\n")
	case "write":
		c.write(first, second+"\n")
	case "remove":
		c.must(os.RemoveAll(c.path(rest)))
	case "link":
		c.must(os.Symlink(second, c.path(first)))
	case "exec":
		c.must(os.Chmod(c.path(rest), 0o755))
	case "tar":
		c.stamp()
		out, err := exec.Command("tar", "-C", c.dir, "--sort=name", "--owner=0", "--group=0", "-caf", c.path(second), first).CombinedOutput()
		if err != nil {
			c.t.Fatalf("tar: %v\n%s", err, out)
		}
	case "lock":
		if *recordFlakes != "" {
			c.lock(rest)
		}
	case "", "#":
	default:
		c.t.Fatalf("unknown command %q", line)
	}
}

func (c *flakeCase) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// stamp gives all files the same time.
func (c *flakeCase) stamp() {
	c.must(filepath.WalkDir(c.dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == ".git" {
			return filepath.SkipDir
		}
		if err != nil || d.Type()&os.ModeSymlink != 0 {
			return err
		}
		return os.Chtimes(p, stamp, stamp)
	}))
}

// lock has Nix write a lock file, which becomes part of the archive.
func (c *flakeCase) lock(dir string) {
	c.stamp()
	if _, msg := c.nix("flake", "lock", "path:"+c.path(dir)); msg != "" {
		c.t.Fatal(msg)
	}
	text, err := os.ReadFile(c.path(dir + "/flake.lock"))
	c.must(err)
	name := dir + "/flake.lock"
	data := []byte(strings.ReplaceAll(string(text), c.dir, "$DIR"))
	for i := range c.files {
		if c.files[i].Name == name {
			c.files[i].Data = data
			return
		}
	}
	c.files = append(c.files, txtar.File{Name: name, Data: data})
}

// value evaluates a reference, here or with Nix, and returns the command that it is the value for.
func (c *flakeCase) value(how, ref string) (command, value string) {
	c.stamp()
	full := strings.ReplaceAll(ref, "$DIR", c.dir)
	failed := how == "fail" || how == "error" || how == "refused"
	var msg string
	switch {
	case *recordFlakes != "":
		args := map[string][]string{"raw": {"--raw"}, "json": {"--json"}, "impure": {"--impure"}, "refused": {"--impure"}}[how]
		value, msg = c.nix(append(append([]string{"eval", "--no-write-lock-file"}, args...), full)...)
		if failed != (msg != "") {
			how = otherwise(how)
			failed = !failed
		}
	default:
		value, msg = c.here(how, full)
		if failed != (msg != "") {
			c.t.Errorf("%s %s: value %q, error %q", how, ref, value, msg)
		}
		if how == "fail" || how == "refused" {
			return how, c.recorded(how + " " + ref)
		}
	}
	if failed {
		value = msg
	}
	return how, strings.ReplaceAll(strings.TrimSuffix(value, "\n"), c.dir, "$DIR")
}

// otherwise is the command for a reference that has a value for one that has none, and the reverse.
func otherwise(how string) string {
	switch how {
	case "impure":
		return "refused"
	case "refused":
		return "impure"
	case "fail", "error":
		return "eval"
	}
	return "fail"
}

// recorded returns the error that Nix has for a reference: that of ours may be another.
func (c *flakeCase) recorded(line string) string {
	archive, err := txtar.ParseFile("../../compile/flake/testdata/flakes/" + strings.TrimPrefix(c.t.Name(), "TestFlakesGiveWhatNixGives/") + ".txtar")
	c.must(err)
	_, after, _ := strings.Cut(string(archive.Comment), line+"\n= ")
	text, _, _ := strings.Cut(after, "\n")
	return text
}

// nix runs Nix 2.34. Of an error it returns the message without its trace and place.
func (c *flakeCase) nix(args ...string) (value, msg string) {
	cmd := exec.Command(*recordFlakes, append(args, "--offline", "--extra-experimental-features", "nix-command flakes")...)
	cmd.Dir = c.dir
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	root := os.Getenv("NIX_REMOTE")
	text := func(b bytes.Buffer) string { return strings.ReplaceAll(b.String(), root+"/nix/store", "/nix/store") }
	if err == nil {
		return text(out), ""
	}
	_, msg, ok := cutLast(text(said), "error: ")
	if !ok {
		c.t.Fatalf("nix %s: %v\n%s", args, err, said.String())
	}
	msg, _, _ = strings.Cut(msg, "\n")
	return "", msg
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// here evaluates a reference with the embedded evaluator.
func (c *flakeCase) here(how, text string) (value, msg string) {
	ref, fragment, err := fetch.Locate(text, c.dir)
	if err != nil {
		return "", err.Error()
	}
	environment := evaluate.Environment{
		Settings:   nixcmd.Settings{System: "x86_64-linux", ExperimentalFeatures: []string{"flakes"}, PureEval: how != "impure" && how != "refused"},
		NixVersion: "2.34.8",
		Fetcher:    &fetch.Fetcher{Dir: filepath.Join(c.cache, "fetch"), StoreDir: "/nonexistent", Registry: flake.Registry{}, TTL: -1},
	}
	ev, done := environment.Evaluator(evaluate.Options{})
	defer done()
	v, err := ev.Flake(c.t.Context(), ref, nil)
	if err == nil {
		v, err = v.Output(c.t.Context(), ref.String(), eval.OutputPaths(fragment, "x86_64-linux"))
	}
	if err == nil {
		switch how {
		case "raw":
			value, err = v.Raw(c.t.Context())
		case "json":
			value, err = v.PlainJSON(c.t.Context())
		default:
			value, err = v.Show(c.t.Context())
		}
	}
	var own *eval.Error
	if errors.As(err, &own) {
		msg, _, _ = strings.Cut(own.Msg, "\n")
		return "", msg
	}
	if err != nil {
		return "", err.Error()
	}
	return value, ""
}
