package eval_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"muster/compile/eval"
)

// Differential testing evaluates random programs with real Nix and with this
// package. just fuzz-eval evaluates many; a plain test run evaluates some, if
// Nix is installed.
var (
	fuzzPrograms    = flag.Int("fuzz-programs", 400, "compare this many random `programs` with Nix")
	fuzzRegexes     = flag.Int("fuzz-regexes", 400, "compare this many random regular expressions with Nix")
	fuzzDerivations = flag.Int("fuzz-derivations", 100, "compare this many random `derivations` with Nix, which writes them")
	fuzzSeed        = flag.Uint64("fuzz-seed", 1, "the `seed` of the random programs")
	fuzzMessages    = flag.Bool("fuzz-messages", false, "show where both fail with different messages")
	fuzzLib         = flag.String("fuzz-lib", "../../examples/minios/lib", "the `library` the programs use, in the manner of nixpkgs'")
	fuzzNix         = flag.String("fuzz-nix", "nix-instantiate", "the nix-instantiate to compare with")
)

// batchSize is the number of programs that one process of Nix evaluates.
const batchSize = 200

func TestProgramsGiveWhatNixGives(t *testing.T) {
	differential(t, findOracle(t, *fuzzNix), *fuzzPrograms, batchSize, (*generator).program)
}

// TestRegexesGiveWhatNixGives uses small batches, because Nix hardly ever
// finishes some expressions.
func TestRegexesGiveWhatNixGives(t *testing.T) {
	differential(t, findOracle(t, *fuzzNix), *fuzzRegexes, 25, (*generator).regex)
}

// TestRandomDerivationsGiveWhatNixGives compares derivations alone. Nix writes
// them: without a store it does not know what a whole closure refers to.
func TestRandomDerivationsGiveWhatNixGives(t *testing.T) {
	nix := findOracle(t, *fuzzNix)
	nix.store = t.TempDir()
	t.Cleanup(func() { makeWritable(nix.store) })
	differential(t, nix, *fuzzDerivations, batchSize, (*generator).derivations)
}

// makeWritable makes directories that Nix wrote removable.
func makeWritable(dir string) {
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = os.Chmod(path, 0o755)
		}
		return nil
	})
}

// An oracle is a Nix to compare with.
type oracle struct {
	command string
	version string
	store   string // the directory of its store; "" is a read-only evaluation
	path    string // $NIX_PATH
}

func findOracle(t *testing.T, command string) oracle {
	t.Helper()
	out, err := exec.Command(command, "--version").Output()
	if err != nil {
		if os.Getenv("CI") != "" || command != "nix-instantiate" {
			t.Fatalf("%s --version: %v", command, err)
		}
		t.Skipf("%s: %v", command, err)
	}
	words := strings.Fields(string(out))
	return oracle{command: command, version: words[len(words)-1]}
}

// old reports whether this Nix is 2.8, which lacks later builtins.
func (o oracle) old() bool { return strings.HasPrefix(o.version, "2.8.") }

// errSlow says that Nix needed too much processor time.
var errSlow = errors.New("it takes too long")

// eval evaluates a file that holds one list, to JSON, within a number of
// seconds of processor time.
func (o oracle) eval(ctx context.Context, file string, seconds int) (string, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -t "$0" && exec "$@"`, fmt.Sprint(seconds), o.command, "--eval", "--strict", "--json", file)
	cmd.Env = append(os.Environ(), "NIX_PATH="+o.path, "NIX_REMOTE="+o.store)
	if o.store == "" {
		cmd.Args = append(cmd.Args, "--readonly-mode")
		cmd.Env = append(cmd.Env, "NIX_REMOTE=dummy://")
	}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && ctx.Err() == nil && (status.Signal() == syscall.SIGKILL || status.Signal() == syscall.SIGXCPU) {
		return "", errSlow
	}
	if err != nil {
		return "", fmt.Errorf("%v: %s", err, stderr.String())
	}
	return stdout.String(), nil
}

// differential compares count programs.
func differential(t *testing.T, nix oracle, count, batchSize int, generate func(*generator) string) {
	var mu sync.Mutex
	var sum tally
	var g errgroup.Group
	g.SetLimit(max(1, min(4, runtime.NumCPU())))
	for batch := range (count + batchSize - 1) / batchSize {
		g.Go(func() error {
			b := newBatch(t, nix, uint64(batch), min(batchSize, count-batch*batchSize), generate)
			b.compare()
			mu.Lock()
			defer mu.Unlock()
			sum.add(b.tally)
			if batch%50 == 49 {
				fmt.Fprintln(os.Stderr, sum)
			}
			return nil
		})
	}
	_ = g.Wait()
	t.Logf("Nix %s: %v", nix.version, sum)
	if count >= 400 && sum.evaluated < count/2 {
		t.Errorf("only %d of %d programs evaluate; the generator is no good", sum.evaluated, count)
	}
	if sum.slow > count/50 {
		t.Errorf("Nix takes too long for %d of %d programs", sum.slow, count)
	}
}

// A tally counts the results of programs.
type tally struct{ evaluated, thrown, failed, sameMessage, slow, differences int }

func (a *tally) add(b tally) {
	a.evaluated += b.evaluated
	a.thrown += b.thrown
	a.failed += b.failed
	a.sameMessage += b.sameMessage
	a.slow += b.slow
	a.differences += b.differences
}

func (a tally) String() string {
	return fmt.Sprintf("%d programs: %d evaluated, %d threw, %d failed, %d of them with the same message, Nix is too slow for %d; %d differences",
		a.evaluated+a.thrown+a.failed+a.slow+a.differences, a.evaluated, a.thrown, a.failed, a.sameMessage, a.slow, a.differences)
}

// A batch is programs that are compared together.
type batch struct {
	t        *testing.T
	nix      oracle
	dir, lib string
	number   uint64
	programs []string
	ours     []string // as JSON; "" if it failed
	errs     []error

	theirErrs []string
	slow      []bool // Nix takes too long

	tally
}

func newBatch(t *testing.T, nix oracle, number uint64, n int, generate func(*generator) string) *batch {
	lib, err := filepath.Abs(*fuzzLib)
	if err != nil {
		t.Fatal(err)
	}
	b := &batch{t: t, nix: nix, dir: filepath.Join(t.TempDir(), "work"), lib: lib, number: number}
	for name, content := range map[string]string{"s/s/file": "content\n", "s/s/dir/inner": "inner", "s/s/dir/here.nix": "here"} {
		file := filepath.Join(b.dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g := &generator{Rand: rand.New(rand.NewPCG(*fuzzSeed, number)), old: nix.old()}
	for range n {
		b.programs = append(b.programs, generate(g))
	}
	return b
}

// write writes the programs for which keep is true as one list. The others
// become empty lines, so that positions stay the same.
func (b *batch) write(name string, keep func(i int) bool) string {
	var s strings.Builder
	s.WriteString("let order = " + order + "; lib = import " + b.lib + ";" + prelude + "[\n")
	for i, p := range b.programs {
		if keep(i) {
			s.WriteString("(guard (" + p + "))\n")
		} else {
			s.WriteString("null" + strings.Repeat("\n", strings.Count(p, "\n")+1))
		}
	}
	s.WriteString("]\n")
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, []byte(s.String()), 0o644); err != nil {
		b.t.Error(err)
	}
	return file
}

func (b *batch) compare() {
	ctx := b.t.Context()
	if !b.evaluate(ctx) {
		return
	}
	// First those programs that this package evaluates, together.
	theirs := make([]json.RawMessage, len(b.programs))
	b.theirErrs, b.slow = make([]string, len(b.programs)), make([]bool, len(b.programs))
	b.ask(ctx, 0, len(b.programs), theirs)
	for i, p := range b.programs {
		switch got, want := b.ours[i], string(theirs[i]); {
		case b.slow[i]:
			b.tally.slow++
		case got == "" && theirs[i] == nil:
			b.failed++
			b.compareMessages(i)
		case got == "":
			b.differ(p, "fails: "+b.errs[i].Error(), want)
		case strings.Contains(want, "-work"):
			// The program copies its own directory to the store, whose content differs for Nix.
			b.failed++
		case want == "" && b.nix.store == "" && strings.Contains(b.theirErrs[i], "is not valid"):
			// Without a store Nix does not know what a whole closure refers to.
			b.failed++
		case want == "":
			b.differ(p, got, "fails: "+lastErrorLine(b.theirErrs[i]))
		case !sameJSON(got, want):
			b.differ(p, got, want)
		case got == `"thrown"`:
			b.thrown++
		default:
			b.evaluated++
		}
	}
}

// compareMessages compares the messages of programs that both fail. Versions of
// Nix word them differently, so differences are only counted and shown.
func (b *batch) compareMessages(i int) {
	var e *eval.Error
	if !errors.As(b.errs[i], &e) {
		return
	}
	ours, theirs := lastErrorLine("error: "+e.Msg), lastErrorLine(b.theirErrs[i])
	if ours == theirs {
		b.sameMessage++
	} else if *fuzzMessages {
		b.t.Logf("message:\n%s\n ours %s\n  nix %s", b.programs[i], ours, theirs)
	}
}

// evaluate evaluates the programs one by one with this package.
func (b *batch) evaluate(ctx context.Context) bool {
	file := b.write("all.nix", func(int) bool { return true })
	ev := eval.New(eval.Options{NixVersion: b.nix.version, MaxDepth: 10_000})
	v, err := ev.File(ctx, file)
	if err != nil {
		b.t.Errorf("seed %d, batch %d: %v", *fuzzSeed, b.number, err)
		var e *eval.Error
		if text, rerr := os.ReadFile(file); rerr == nil && errors.As(err, &e) {
			b.t.Log(strings.Split(string(text), "\n")[e.Pos.Line-1])
		}
		return false
	}
	b.ours, b.errs = make([]string, len(b.programs)), make([]error, len(b.programs))
	for i, p := range b.programs {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		x, err := v.Select(ctx, fmt.Sprint(i), nil)
		if err == nil {
			b.ours[i], err = x.JSON(ctx)
		}
		cancel()
		b.errs[i] = err
		var e *eval.Error
		if errors.As(err, &e) && (e.Kind == eval.InternalError || e.Kind == eval.CanceledError || e.Kind == eval.UnsupportedError) {
			b.t.Errorf("seed %d, batch %d: %v %v\n%s", *fuzzSeed, b.number, e, e.Unwrap(), p)
			b.differences++
		}
	}
	return true
}

// ask fills theirs[from:to] with the results of Nix. An error that tryEval does
// not catch ends Nix, so programs that fail in this package are evaluated one
// by one, and a batch that fails is halved.
func (b *batch) ask(ctx context.Context, from, to int, theirs []json.RawMessage) {
	for i := from; i < to; i++ {
		if b.ours[i] == "" {
			b.askOne(ctx, i, theirs)
		}
	}
	b.halve(ctx, from, to, theirs)
}

func (b *batch) askOne(ctx context.Context, i int, theirs []json.RawMessage) {
	err := b.askAbout(ctx, 2, func(j int) bool { return i == j }, theirs)
	b.slow[i] = errors.Is(err, errSlow)
}

func (b *batch) halve(ctx context.Context, from, to int, theirs []json.RawMessage) {
	err := b.askAbout(ctx, 2+(to-from)/10, func(i int) bool { return i >= from && i < to && b.ours[i] != "" }, theirs)
	switch {
	case err == nil:
	case errors.Is(err, errSlow) || to-from <= 1:
		for i := from; i < to; i++ {
			if b.ours[i] != "" {
				b.askOne(ctx, i, theirs)
			}
		}
	default:
		half := (from + to) / 2
		b.halve(ctx, from, half, theirs)
		b.halve(ctx, half, to, theirs)
	}
}

func (b *batch) askAbout(ctx context.Context, seconds int, keep func(i int) bool, theirs []json.RawMessage) error {
	out, err := b.nix.eval(ctx, b.write("all.nix", keep), seconds)
	if err != nil {
		for i := range b.programs {
			if keep(i) {
				b.theirErrs[i] = err.Error()
			}
		}
		return err
	}
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		b.t.Errorf("seed %d, batch %d: %v", *fuzzSeed, b.number, err)
		return nil
	}
	for i := range list {
		if keep(i) {
			theirs[i] = list[i]
		}
	}
	return nil
}

// sameJSON reports whether texts are the same JSON, or the same bytes if they
// are not JSON.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return false
	}
	return cmp.Equal(x, y)
}

func (b *batch) differ(program, ours, nix string) {
	b.differences++
	if b.differences > 20 {
		return
	}
	b.t.Errorf("seed %d, batch %d, Nix %s:\n%s\n ours %s\n  nix %s", *fuzzSeed, b.number, b.nix.version, program, ours, nix)
}
