package evaluate

import (
	"bytes"
	"errors"
	"testing"
)

func TestFallback(t *testing.T) {
	broken := errors.New("the network expression cannot be generated")
	for _, tt := range []struct {
		name          string
		first, second fake
		want          []found
		asked         []string // of second
		log           string
		err           error
	}{
		{
			name:  "first finds all",
			first: fake{results: map[string]Result{"a": system("a1"), "b": system("b1"), "c": system("c1")}},
			want:  []found{{Host: "a", Value: "a1.drv"}, {Host: "b", Value: "b1.drv"}, {Host: "c", Value: "c1.drv"}},
		},
		{
			name:  "an error is no reason to ask second",
			first: fake{results: map[string]Result{"a": system("a1"), "b": failed("undefined variable"), "c": system("c1")}},
			want:  []found{{Host: "a", Value: "a1.drv"}, {Host: "b", Err: "undefined variable"}, {Host: "c", Value: "c1.drv"}},
		},
		{
			name:   "second is asked for the unsupported, and its results and errors count",
			first:  fake{results: map[string]Result{"a": unsupported(), "b": system("b1"), "c": unsupported()}},
			second: fake{results: map[string]Result{"a": system("a2"), "b": system("b2"), "c": failed("no such flake")}},
			want:   []found{{Host: "a", Value: "a2.drv"}, {Host: "b", Value: "b1.drv"}, {Host: "c", Err: "no such flake"}},
			asked:  []string{"a", "c"},
			log:    "a: evaluated by Nix: builtins.getFlake is left to Nix\nc: evaluated by Nix: builtins.getFlake is left to Nix\n",
		},
		{
			name:  "first cannot evaluate the fleet",
			first: fake{err: broken},
			err:   broken,
		},
		{
			name:   "second cannot evaluate the fleet",
			first:  fake{results: map[string]Result{"a": unsupported()}},
			second: fake{err: broken},
			log:    "a: evaluated by Nix: builtins.getFlake is left to Nix\n",
			err:    broken,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			f := Fallback{First: &tt.first, Second: &tt.second, Log: &log}
			results, err := f.Systems(t.Context(), hostsNamed("a", "b", "c"))
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if diff := differs(tt.asked, tt.second.asked); diff != "" {
				t.Errorf("hosts that second was asked for %s", diff)
			}
			if diff := differs(tt.log, log.String()); diff != "" {
				t.Errorf("log %s", diff)
			}
			if tt.err != nil {
				return
			}
			if diff := differs(tt.want, foundResults(results)); diff != "" {
				t.Errorf("results %s", diff)
			}
			// Query does the same. The fake's values are in quotes.
			values, err := f.Query(t.Context(), hostsNamed("a", "b", "c"), []string{"config"})
			if err != nil {
				t.Fatal(err)
			}
			want := append([]found(nil), tt.want...)
			for i := range want {
				if want[i].Value != "" {
					want[i].Value = `"` + want[i].Value + `"`
				}
			}
			if diff := differs(want, foundValues(values)); diff != "" {
				t.Errorf("values %s", diff)
			}
		})
	}
}
