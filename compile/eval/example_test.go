package eval_test

import (
	"context"
	"fmt"
	"slices"

	"muster/compile/eval"
)

func ExampleEvaluator() {
	ctx := context.Background()
	ev := eval.New(eval.Options{})
	v, err := ev.Expr(ctx, `
		let double = x: 2 * x;
		in {
		  answer = double 21;
		  hello = derivation { name = "hello"; system = "x86_64-linux"; builder = "/bin/sh"; };
		}`, "/")
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := v.Select(ctx, "answer", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := answer.Print(ctx, true)
	fmt.Println(text, err)

	hello, err := v.Select(ctx, "hello", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	drvs, err := hello.Derivations(ctx, nil)
	fmt.Println(drvs, err)
	// Output:
	// 42 <nil>
	// [/nix/store/x0sj6ynccvc1a8kxr8fifnlf7qlxw6hd-hello.drv] <nil>
}

func ExampleEvaluator_Fleet() {
	ctx := context.Background()
	ev := eval.New(eval.Options{})
	hosts, err := ev.Expr(ctx, `{ db1.system = "nixos-db1"; web1.system = throw "no such role"; }`, "/")
	if err != nil {
		fmt.Println(err)
		return
	}
	var lines []string
	ev.Fleet(ctx, hosts, []string{"web1", "db1"}, "system", 2, func(h eval.Host) {
		lines = append(lines, fmt.Sprintf("%s: %q %v", h.Name, h.Text, h.Err))
	})
	slices.Sort(lines) // hosts are reported in any order
	for _, line := range lines {
		fmt.Println(line)
	}
	// Output:
	// db1: "nixos-db1" <nil>
	// web1: "" no such role
}

// A branded is this computer with another value of one environment variable.
type branded struct{ eval.OS }

func (branded) Getenv(name string) string { return map[string]string{"BRAND": "muster"}[name] }

func ExampleWorld() {
	ev := eval.New(eval.Options{World: branded{}})
	v, err := ev.Expr(context.Background(), `"made with ${builtins.getEnv "BRAND"}"`, "/")
	if err != nil {
		fmt.Println(err)
		return
	}
	text, _, err := v.Text(context.Background())
	fmt.Println(text, err)
	// Output: made with muster <nil>
}
