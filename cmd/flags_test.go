package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/cmd/flags"
)

// badValues are values that no flag may take without having said so.
var badValues = []string{
	"", " ", "?!bogus", "-1", "-5s", "0", "0s",
	"99999999999999999999", "9999999999h", "1e400",
	"a\x00b", "a\nb", "\x1b[2J",
	"/nonexistent/directory/file",
	"--", "\xff\xfe",
	strings.Repeat("x", 1<<16),
}

// goodAfterAll are those of the bad values that are values of a kind. A kind that
// is not here takes none of them.
var goodAfterAll = map[string][]string{
	"bool":                    {"0"},
	"share":                   {"0"},
	"selector":                {"0", "-5s", "0s", "99999999999999999999", "9999999999h", "1e400", "--", strings.Repeat("x", 1<<16), "/nonexistent/directory/file", "\xff\xfe", "a\xff"},
	"number from 0":           {"0"},
	"duration of 0 or more":   {"0s", "0"},
	"run":                     {"-1", "0", "99999999999999999999", "-5s", "0s", "9999999999h", "1e400", "--", strings.Repeat("x", 1<<16)},
	"key files":               {"/nonexistent/directory/file"}, // one is enough: each is looked at when it is used
	"key name":                {"0", "0s", "99999999999999999999", "9999999999h", "1e400"},
	"profile name":            {"0", "0s", "99999999999999999999", "9999999999h", "1e400"},
	"host name":               {"0", "0s", "99999999999999999999", "9999999999h", "1e400"},
	"name of a machine":       {"0", "0s", "99999999999999999999", "9999999999h", "1e400"},
	"name of a user or group": {"0", "0s", "99999999999999999999", "9999999999h", "1e400"},
	"flake reference":         {"?!bogus", "0", "0s", "99999999999999999999", "9999999999h", "1e400", "/nonexistent/directory/file", strings.Repeat("x", 1<<16)},
	"attribute path":          {"0s", "9999999999h", "1e400", "-5s", "-1", "0", "99999999999999999999", "--", strings.Repeat("x", 1<<16)},
	"revision":                {"0", "0s", "99999999999999999999", "9999999999h", "1e400"},
	"build machines":          {"", " ", "0", "0s", "99999999999999999999", "9999999999h", "1e400", "a\xff", strings.Repeat("x", 1<<16)},
}

// free are the flags whose text nothing can be said about, on purpose. What they
// refuse is no text at all: see flags.Kind.
var free = []string{
	"agent run --state",
	"apply --metrics",
	"apply-local --keep",
	"apply-local --metrics",
	"build --keep",
	"build --out",
	"compile --output",
	"compile --split",
	"convert --out",
	"deploy --keep",
	"deploy --metrics",
	"eval --apply",
	"eval --expr",
	"eval --include",
	"export --to",
	"graph --out",
	"install --metrics",
	"kubeconfig --out",
	"plan --out",
	"provision plan --out",
	"publish --key",
	"push --keep",
	"push --metrics",
	"report --out",
	"resume --metrics",
	"retry --metrics",
	"rollback --metrics",
}

// eachVerb calls do with every command that is a verb, and its name.
func eachVerb(root *cobra.Command, do func(name string, c *cobra.Command)) {
	for _, c := range root.Commands() {
		eachVerb(c, do)
		if c.Runnable() && !c.HasSubCommands() {
			do(strings.TrimPrefix(c.CommandPath(), "muster "), c)
		}
	}
}

// uncheckedFlags finds the flags that were added without a kind.
func uncheckedFlags(root *cobra.Command) []string {
	var found []string
	eachVerb(root, func(name string, c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if _, ok := f.Value.(flags.Value); !ok {
				found = append(found, name+" --"+f.Name)
			}
		})
	})
	return found
}

func newTestRoot() *cobra.Command { return newRoot(streams{}) }

func TestEveryFlagHasAKind(t *testing.T) {
	root := newTestRoot()
	if found := uncheckedFlags(root); len(found) > 0 {
		t.Errorf("added without a kind: %v", found)
	}
	bogus := &cobra.Command{Use: "bogus", Run: func(*cobra.Command, []string) {}}
	bogus.Flags().String("raw", "", "a flag that takes anything")
	root.AddCommand(bogus)
	if diff := cmp.Diff([]string{"bogus --raw"}, uncheckedFlags(root)); diff != "" {
		t.Errorf("a raw flag is not found (-want +got):\n%s", diff)
	}
}

// A group whose flags are added other than by newCommand would not be checked.
func TestOnlyNewCommandAddsGroups(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), ".addFlags("); n > 0 && !strings.HasSuffix(name, "_test.go") {
			calls[name] = n
		}
	}
	if diff := cmp.Diff(map[string]int{"verb.go": 1}, calls); diff != "" {
		t.Errorf("calls of addFlags (-want +got):\n%s", diff)
	}
}

func TestFlagsThatTakeAnyTextDoSoOnPurpose(t *testing.T) {
	var found []string
	eachVerb(newTestRoot(), func(name string, c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Value.(flags.Value).Free() != "" {
				found = append(found, name+" --"+f.Name)
			}
		})
	})
	slices.Sort(found)
	if diff := cmp.Diff(free, found); diff != "" {
		t.Errorf("flags that take any text (-want +got):\n%s", diff)
	}
}

// looseVerb has a flag with a kind that refuses nothing, and does not say so.
type looseVerb struct {
	noRules
	loose string
}

func (v *looseVerb) groups() []group { return nil }

func (v *looseVerb) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&v.loose, "", flags.Kind[string]{Name: "loose", Want: "anything", Parse: func(s string) (string, error) { return s, nil }}), "loose", "")
}

func (v *looseVerb) run(context.Context, streams, []string) error { return nil }

func TestBadValuesAreRefused(t *testing.T) {
	world := newFlagWorld(t)
	flagCount := 0
	eachVerb(newTestRoot(), func(name string, c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			flagCount++
			for _, fault := range world.tryBadValues(name, f, world.run) {
				t.Error(fault)
			}
		})
	})
	if flagCount < 150 {
		t.Errorf("only %d flags were tried", flagCount)
	}
	world.sees(t)

	// The test finds a flag whose kind takes everything.
	_, loose := newCommand(streams{out: new(bytes.Buffer), err: new(bytes.Buffer)}, "loose", &looseVerb{})
	loose.SilenceErrors, loose.SilenceUsage = true, true
	if faults := world.tryBadValues("loose", loose.Flags().Lookup("loose"), func(args []string) (int, string) {
		loose.SetArgs(args[1:])
		var stderr bytes.Buffer
		c, err := loose.ExecuteContextC(t.Context())
		return report(t.Context(), &stderr, c, err), stderr.String()
	}); len(faults) == 0 {
		t.Error("a flag that takes everything is not found")
	}
}

// A default that comes from the environment is checked too, and so are the rules
// between flags, before anything is done.
func TestBadFlagsAreRefusedBeforeAnyWork(t *testing.T) {
	world := newFlagWorld(t)
	for _, c := range []struct {
		name string
		env  string
		args []string
		want string
	}{
		{name: "the file in the environment", env: "/nonexistent", args: []string{"deploy"},
			want: "--ssh-config (from $MUSTER_SSH_CONFIG) /nonexistent: want a file that can be read, or none"},
		{name: "the file of a flag", args: []string{"deploy", "-F", "/nonexistent"},
			want: "--ssh-config /nonexistent: want a file that can be read, or none (no such file or directory)"},
		{name: "a word of several", args: []string{"build", "--evaluator", "bogus"}, want: "--evaluator bogus: want embedded, nix or both"},
		{name: "a value that is missing", args: []string{"deploy", "--jobs"}, want: "--jobs needs a value: want a number from 1 to 100000"},
		{name: "dry runs check all flags", args: []string{"deploy", "-n", "--compress", "bogus"}, want: "--compress bogus: want auto, always or never"},
		{name: "pull-from", args: []string{"deploy", "--pull-from", "s3://bucket"}, want: "--pull-from needs --push-to"},
		{name: "pull-from in a dry run", args: []string{"deploy", "-n", "--pull-from", "s3://bucket"}, want: "--pull-from needs --push-to"},
		{name: "dry-run", args: []string{"deploy", "-n", "--action", "dry-activate"}, want: "--dry-run needs another --action than dry-activate"},
		{name: "failed", args: []string{"retry", "--failed=false"}, want: "--failed=false: want --failed"},
		{name: "to", args: []string{"export"}, want: "export needs --to"},
		{name: "a directory as a file", args: []string{"plan", "-o", "."}, want: "--out .: want a file in a directory that exists (it is a directory)"},
		{name: "split and output", args: []string{"compile", "--split", "d", "-o", "f"}, want: "--split excludes --output"},
		{name: "raw flags", args: []string{"eval", "--xml"}, want: "need --file or --expr"},
		{name: "no command", args: []string{"exec"}, want: "exec needs a command"},
		{name: "no flag", args: []string{"deploy", "--bogus"}, want: "unknown flag: --bogus"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("MUSTER_SSH_CONFIG", c.env)
			status, stderr := world.run(c.args)
			if status != 2 || !strings.Contains(stderr, c.want) {
				t.Errorf("muster %q: exit status %d, want 2 and %q:\n%s", c.args, status, c.want, stderr)
			}
			world.sees(t)
		})
	}
}

// What a value may be stands in the help, and the shell completes it.
func TestKindsAreHelpAndCompletion(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"help", "plan"}, "what to plan: switch, boot or test"},
		{[]string{"__complete", "deploy", "--evaluator", ""}, "embedded\nnix\nboth\n:4\n"},
		{[]string{"__complete", "plan", "--action", ""}, "switch\nboot\ntest\n:4\n"},
		{[]string{"__complete", "deploy", "--ssh-config", ""}, ":0\n"},
		{[]string{"__complete", "deploy", "--jobs", ""}, ":4\n"},
		{[]string{"__complete", "compile", "--split", ""}, ":16\n"},
	} {
		var out, errs bytes.Buffer
		if status := Run(t.Context(), c.args, nil, &out, &errs); status != 0 || !strings.Contains(out.String(), c.want) {
			t.Errorf("muster %q: exit status %d, want %q in\n%s%s", c.args, status, c.want, out.String(), errs.String())
		}
	}
}

// A flagWorld is a directory with a good inventory, where nothing may be
// touched: no file may appear, no program may be called, and no host connected to.
type flagWorld struct {
	dir       string
	called    string // lists the programs that were called
	before    []string
	connected atomic.Bool // to the host of the inventory
}

func newFlagWorld(t *testing.T) *flagWorld {
	t.Helper()
	w := &flagWorld{dir: t.TempDir()}
	programs := t.TempDir()
	w.called = filepath.Join(programs, "called")
	for _, name := range []string{"nix", "nix-build", "nix-daemon", "nix-env", "nix-instantiate", "nix-store", "nix-shell", "ssh", "ssh-keyscan", "zstd", "sh"} {
		text := fmt.Sprintf("#!/bin/sh\necho %s >>%s\nexit 1\n", name, w.called)
		if err := os.WriteFile(filepath.Join(programs, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			w.connected.Store(true)
			c.Close()
		}
	}()
	for name, text := range map[string]string{
		"hosts.toml": fmt.Sprintf("[hosts.web]\nhost = \"127.0.0.1\"\nport = %d\n", listener.Addr().(*net.TCPAddr).Port),
		"plan.json":  "{}",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(w.dir)
	for _, name := range []string{"HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"} {
		dir := filepath.Join(w.dir, strings.ToLower(name))
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv(name, dir)
	}
	t.Setenv("PATH", programs)
	t.Setenv("MUSTER_SSH_CONFIG", "")
	w.before = w.files(t)
	return w
}

// The world sees what a good command does.
func TestTheFlagWorldSees(t *testing.T) {
	for _, args := range [][]string{{"exec", "-F", "none"}, {"build", "--evaluator", "nix"}, {"compile", "-o", "network.nix"}} {
		world := newFlagWorld(t)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		done := make(chan bool)
		go func() {
			defer close(done)
			world.runUntil(ctx, args)
		}()
		seen := false
		for ended := false; !seen && !ended; seen = world.touched(t) != "" {
			select {
			case <-done:
				ended = true
			case <-time.After(10 * time.Millisecond):
			}
		}
		cancel()
		<-done
		if !seen {
			t.Errorf("muster %q is not seen", args)
		}
	}
}

// files lists what is in the directory.
func (w *flagWorld) files(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		found = append(found, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sees fails the test if anything was done.
func (w *flagWorld) sees(t *testing.T) {
	t.Helper()
	if what := w.touched(t); what != "" {
		t.Error(what)
	}
}

// touched says what was done, "" for nothing.
func (w *flagWorld) touched(t *testing.T) string {
	t.Helper()
	if diff := cmp.Diff(w.before, w.files(t)); diff != "" {
		return "files changed (-before +after):\n" + diff
	}
	if called, err := os.ReadFile(w.called); err == nil {
		return "programs were called:\n" + string(called)
	}
	if w.connected.Load() {
		return "the host was connected to"
	}
	return ""
}

// onOutput stands before what was printed on standard output.
const onOutput = "on standard output: "

// run runs muster.
func (w *flagWorld) run(args []string) (status int, stderr string) {
	return w.runUntil(context.Background(), args)
}

// runUntil is run until ctx is done, with an argument for a verb that needs one.
func (w *flagWorld) runUntil(ctx context.Context, args []string) (status int, stderr string) {
	switch args[0] {
	case "apply":
		args = append(slices.Clone(args), "plan.json")
	case "import":
		args = append(slices.Clone(args), "archive.tar")
	case "exec":
		if len(args) > 1 {
			args = append(slices.Clone(args), "--", "true")
		}
	}
	if len(args) > 1 {
		switch args[0] + " " + args[1] {
		case "inventory get":
			args = append(slices.Clone(args), "hosts.web.host")
		case "secrets edit", "secrets rotate":
			args = append(slices.Clone(args), "token")
		}
	}
	var out, errs bytes.Buffer
	status = Run(ctx, args, strings.NewReader(""), &out, &errs)
	if out.Len() > 0 {
		errs.WriteString(onOutput + out.String())
	}
	return status, errs.String()
}

// tryBadValues gives a flag every value that it must refuse, and returns what was
// not refused as it should be.
func (w *flagWorld) tryBadValues(verb string, f *pflag.Flag, run func([]string) (int, string)) (faults []string) {
	v := f.Value.(flags.Value)
	message := regexp.MustCompile(`(?s)--` + regexp.QuoteMeta(f.Name) + ` .*(want |no host )`)
	for _, bad := range badValues {
		if slices.Contains(goodAfterAll[v.Type()], bad) {
			continue
		}
		if v.Free() != "" && bad != "" && !strings.Contains(bad, "\x00") {
			continue
		}
		args := append(strings.Fields(verb), "--"+f.Name+"="+bad)
		if verb == "export" && f.Name != "to" {
			args = append(args, "--to", "archive.tar")
		}
		if verb == "publish" && f.Name != "to" && f.Name != "key" {
			args = append(args, "--to", "file:///nonexistent", "--key", "release.key")
		}
		status, stderr := run(args)
		if status != 2 || !message.MatchString(stderr) || strings.Contains(stderr, onOutput) {
			if len(stderr) > 300 {
				stderr = stderr[:300]
			}
			faults = append(faults, fmt.Sprintf("muster %s --%s=%.30q (%s): exit status %d\n%s", verb, f.Name, bad, v.Type(), status, stderr))
		}
	}
	return faults
}
