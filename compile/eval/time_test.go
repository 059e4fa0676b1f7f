package eval_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/compile/eval"
	"muster/compile/store"
)

// A slowWorld does not answer the first time it is asked to fetch, and never opens
// /stuck.
type slowWorld struct {
	eval.OS
	asked atomic.Int32
}

func (w *slowWorld) Fetch(ctx context.Context, _ eval.FetchRequest) (eval.Fetched, error) {
	if w.asked.Add(1) == 1 {
		<-ctx.Done()
		return eval.Fetched{}, ctx.Err()
	}
	return eval.Fetched{Path: somePackages}, nil
}

func (w *slowWorld) Open(p string) (fs.File, error) {
	if p == "/stuck" {
		select {}
	}
	return w.OS.Open(p)
}

func (w *slowWorld) References(context.Context, store.Path) ([]store.Path, error) { return nil, nil }

// TestAHostThatTakesTooLongLeavesTheOthers has two hosts share what one of them waits
// for in vain: the one that comes to it first.
func TestAHostThatTakesTooLongLeavesTheOthers(t *testing.T) {
	for _, c := range []struct {
		name, program, want string
	}{
		{"a fetch", `let shared = "${builtins.fetchurl "http://192.0.2.1/x"}"; in { a = shared; b = shared; }`, somePackages},
		{"a loop", `let f = n: if n == 0 then 1 else f (n - 1) + f (n - 1); in { a = toString (f 64); b = "b"; }`, "b"},
		{"a call that does not return", `{ a = builtins.readFile /stuck; b = "b"; }`, "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ev := eval.New(eval.Options{World: &slowWorld{}, MaxTime: 2 * time.Second})
			hosts, err := ev.Expr(t.Context(), c.program, "/")
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]eval.Host{}
			ev.Fleet(t.Context(), hosts, []string{"a", "b"}, "", 2, func(h eval.Host) { got[h.Name] = h })
			if c.name == "a fetch" && got["b"].Err != nil {
				got["a"], got["b"] = got["b"], got["a"]
			}
			if err := got["a"].Err; !errors.Is(err, eval.ErrTime) {
				t.Errorf("a: %v, want %v", err, eval.ErrTime)
			}
			if got["b"].Err != nil || got["b"].Text != c.want {
				t.Errorf("b: %q, %v", got["b"].Text, got["b"].Err)
			}
		})
	}
}

// TestHostsThatWaitForAnother has hosts wait for the fetch of another, whose end
// does not end theirs.
func TestHostsThatWaitForAnother(t *testing.T) {
	world := &slowWorld{}
	ev := eval.New(eval.Options{World: world})
	v, err := ev.Expr(t.Context(), `{ a = builtins.fetchurl "http://192.0.2.1/x"; b = builtins.fetchurl "http://192.0.2.1/x"; }`, "/")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := v.Select(ctx, "a", nil)
		first <- err
	}()
	for world.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	impatient, giveUp := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer giveUp()
	if _, err := v.Select(impatient, "b", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("who gives up gets %v", err)
	}
	patient := make(chan error)
	go func() {
		_, err := v.Select(t.Context(), "b", nil)
		patient <- err
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("who was canceled gets %v", err)
	}
	if err := <-patient; err != nil {
		t.Errorf("who waits gets %v", err)
	}
}

// TestMessagesAreCut has programs fail with huge values.
func TestMessagesAreCut(t *testing.T) {
	const huge = `let s = n: if n == 0 then "xxxxxxxx" else let t = s (n - 1); in t + t; big = s 20; in `
	for _, program := range []string{
		`throw big`, `abort big`, `1 + big`, `{ }.${big}`, `{ ${big} = 1; } + 1`, `builtins.readFile "/${big}"`, `import "/${big}"`, `builtins.match "(${big}" ""`,
		`builtins.fromJSON big`, `builtins.fromTOML big`, `builtins.hashString big ""`, `builtins.toFile big ""`, `builtins.elemAt [ big ] big`,
		`derivation { name = big; system = "x"; builder = "x"; }`, `builtins.storePath "/${big}"`, `builtins.addErrorContext big (throw "x")`,
		`builtins.parseDrvName { a = big; }`, `builtins.getAttr big { }`, `assert big; 1`, `builtins.fetchurl { url = big; name = big; }`,
		`builtins.convertHash { hash = big; toHashFormat = "sri"; hashAlgo = "sha256"; }`, `builtins.path { path = "/${big}"; }`, `"${"/${big}"}" + ({ })`,
		`builtins.fromJSON "\"\\u0000${big}\""`, `<big>`, `builtins.findFile [ ] big`, `let f = { a }: a; in f { ${big} = 1; a = 1; }`,
	} {
		t.Run(program, func(t *testing.T) {
			v, err := eval.New(eval.Options{}).Expr(t.Context(), huge+program, "/")
			if err == nil {
				_, err = v.Print(t.Context(), true)
			}
			var e *eval.Error
			if !errors.As(err, &e) {
				t.Fatalf("it ended with %v", err)
			}
			if n := len(e.Detail()); n > 64<<10 {
				t.Errorf("%d bytes: %.200s", n, e.Detail())
			}
		})
	}
}

func TestTracesAreCut(t *testing.T) {
	var said strings.Builder
	ev := eval.New(eval.Options{Trace: &said})
	v, err := ev.Expr(t.Context(), `let s = n: if n == 0 then "xxxxxxxx" else let t = s (n - 1); in t + t; in
		builtins.trace (s 20) (builtins.trace (builtins.deepSeq [ (s 20) ] [ (s 20) ]) (builtins.trace (let l = builtins.genList toString 1000000; in builtins.deepSeq l l) (builtins.warn (s 20) 1)))`, "/")
	if err == nil {
		_, err = v.Print(t.Context(), true)
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := said.Len(); n > 5<<20 {
		t.Errorf("%d bytes are traced", n)
	}
}

// TestLimitsHaveAPlace has evaluations end at a limit in a known line.
func TestLimitsHaveAPlace(t *testing.T) {
	for i, program := range []string{
		"let\n f = x: f (x + 1); in f 0",
		"let\n f = x: { v = 1 + (f (x + 1)).v; }; in (f 0).v",
		"let f = n: { x = f (n + 1); }; in\n builtins.deepSeq (f 0) 1",
		"let f = n: if n == 0 then 1 else\n f (n - 1) + f (n - 1); in f 64",
		"\n builtins.genList (x: x) 2000000000",
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			v, err := eval.New(eval.Options{MaxSteps: 3_000_000, MaxMemory: 1 << 30}).Expr(t.Context(), program, "/")
			if err == nil {
				_, err = v.Print(t.Context(), true)
			}
			var e *eval.Error
			if !errors.As(err, &e) || e.Kind != eval.LimitError || e.Pos.Line != 2 {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}
