package evaluate

import (
	"bytes"
	"errors"
	"testing"
)

func TestBoth(t *testing.T) {
	otherOut := system("a")
	otherOut.System.Out = "elsewhere"
	for _, tt := range []struct {
		name          string
		embedded, nix Result
		want          found
		log           string
	}{
		{
			name:     "the same",
			embedded: system("a"), nix: system("a"),
			want: found{Host: "a", Value: "a.drv"},
		},
		{
			name:     "two errors: that of Nix",
			embedded: failed("no x"), nix: failed("undefined variable x"),
			want: found{Host: "a", Err: "undefined variable x"},
		},
		{
			name:     "other derivations",
			embedded: system("a1"), nix: system("a2"),
			want: found{Host: "a", Err: "the evaluators differ: Nix finds a2.drv, the embedded one a1.drv"},
		},
		{
			name:     "other outputs",
			embedded: otherOut, nix: system("a"),
			want: found{Host: "a", Err: "the evaluators differ: Nix finds a.drv, the embedded one a.drv"},
		},
		{
			name:     "only Nix finds one",
			embedded: failed("no x"), nix: system("a"),
			want: found{Host: "a", Err: "the evaluators differ: Nix finds a.drv, the embedded one: no x"},
		},
		{
			name:     "only the embedded one finds one",
			embedded: system("a"), nix: failed("no x"),
			want: found{Host: "a", Err: "the evaluators differ: the embedded one finds a.drv, Nix: no x"},
		},
		{
			name:     "unsupported: not compared",
			embedded: unsupported(), nix: system("a"),
			want: found{Host: "a", Value: "a.drv"},
			log:  "a: evaluated by Nix only: builtins.getFlake is left to Nix\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			b := Both{
				Embedded: &fake{results: map[string]Result{"a": tt.embedded, "b": system("b")}},
				Nix:      &fake{results: map[string]Result{"a": tt.nix, "b": system("b")}},
				Log:      &log,
			}
			results, err := b.Systems(t.Context(), hostsNamed("b", "a"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := differs([]found{{Host: "b", Value: "b.drv"}, tt.want}, foundResults(results)); diff != "" {
				t.Errorf("results %s", diff)
			}
			if diff := differs(tt.log, log.String()); diff != "" {
				t.Errorf("log %s", diff)
			}
		})
	}
}

func TestBothNeedsBoth(t *testing.T) {
	broken := errors.New("interrupted")
	good := &fake{results: map[string]Result{"a": system("a")}}
	for name, b := range map[string]Both{
		"embedded": {Embedded: &fake{err: broken}, Nix: good},
		"Nix":      {Embedded: good, Nix: &fake{err: broken}},
	} {
		if results, err := b.Systems(t.Context(), hostsNamed("a")); !errors.Is(err, broken) || results != nil {
			t.Errorf("%s fails: got %v, %v", name, results, err)
		}
	}
}

func TestBothQueriesNix(t *testing.T) {
	embedded := &fake{}
	b := Both{Embedded: embedded, Nix: &fake{results: map[string]Result{"a": system("a")}}}
	values, err := b.Query(t.Context(), hostsNamed("a"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := differs([]found{{Host: "a", Value: `"a.drv"`}}, foundValues(values)); diff != "" {
		t.Error(diff)
	}
	if len(embedded.asked) > 0 {
		t.Errorf("the embedded evaluator was asked for %v", embedded.asked)
	}
}
