package evaluate_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"muster/exec/evaluate"
	"muster/schema"
)

// Evaluate a fleet in this process, without Nix.
func Example() {
	ctx := context.Background()
	fleet, err := schema.Load(ctx, "../../examples/kluster-cue", schema.Options{})
	if err != nil {
		log.Fatal(err)
	}
	var e evaluate.Evaluator = evaluate.Embedded{
		Options:     evaluate.Options{Fleet: fleet, Trace: os.Stderr},
		Environment: evaluate.Environment{Getenv: os.Getenv},
	}
	results, err := e.Systems(ctx, fleet.Hosts[:2])
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range results {
		fmt.Println(r.Host.Name, r.System.Out.Name(), r.Err)
	}
	values, err := e.Query(ctx, fleet.Hosts[:1], []string{"config", "time", "timeZone"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", values[0].JSON)
	// Output:
	// il nixos-system-il-24.11.minios <nil>
	// ee nixos-system-ee-24.11.minios <nil>
	// "Europe/Berlin"
}

// Nix evaluates the hosts that the embedded evaluator cannot.
func ExampleFallback() {
	var fleet *schema.Fleet
	warnings := evaluate.NewWarnings(os.Stderr)
	options := evaluate.Options{Fleet: fleet, Trace: warnings}
	_ = warnings.Around(evaluate.Fallback{
		First:  evaluate.Embedded{Options: options},
		Second: evaluate.Nix{Options: options},
		Log:    os.Stderr,
	})
}
