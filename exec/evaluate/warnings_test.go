package evaluate

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestWarnings(t *testing.T) {
	for _, tt := range []struct {
		name    string
		traces  []string
		results map[string]Result
		err     error
		want    []string
	}{
		{
			name:    "traces pass",
			traces:  []string{"trace: hello", "building a"},
			results: map[string]Result{"a": system("a")},
			want:    []string{"trace: hello", "building a"},
		},
		{
			name:    "a warning that is a host's is written once, with its hosts",
			traces:  []string{"evaluation warning: mind the gap", "trace: evaluation warning: mind the gap"},
			results: map[string]Result{"b": warned(system("b"), "mind the gap"), "d": warned(system("d"), "mind the gap")},
			want:    []string{"b, d: warning: mind the gap"},
		},
		{
			name:    "of many hosts two are named",
			results: map[string]Result{"a": warned(system("a"), "w"), "b": warned(system("b"), "w"), "c": warned(system("c"), "w"), "d": warned(system("d"), "w")},
			want:    []string{"a, b and 2 more: warning: w"},
		},
		{
			name:    "of a warning of many lines the trace has the first",
			traces:  []string{"evaluation warning: first line"},
			results: map[string]Result{"a": warned(system("a"), "first line\nsecond line\n")},
			want:    []string{"a: warning: first line", "second line"},
		},
		{
			name:    "a warning of no host is written too, without duplicates",
			traces:  []string{"evaluation warning: lib.x is deprecated", "evaluation warning: lib.x is deprecated"},
			results: map[string]Result{"a": warned(system("a"), "another")},
			want:    []string{"evaluation warning: lib.x is deprecated", "a: warning: another"},
		},
		{
			name:    "a warning traced for each host is one of all",
			traces:  slices.Repeat([]string{"trace: evaluation warning: system.stateVersion is not set"}, 4),
			results: map[string]Result{"a": system("a"), "b": system("b"), "c": system("c"), "d": system("d")},
			want:    []string{"a, b and 2 more: warning: system.stateVersion is not set"},
		},
		{
			name:    "lib.warn of an old nixpkgs is a trace",
			traces:  []string{"trace: \x1b[1;31mwarning: mind the gap\nand the step\x1b[0m\n", "trace: warning: mind the gap\nand the step", "warning: of Nix", "trace: a warning: x"},
			results: map[string]Result{"a": warned(system("a"), "mind the gap\nand the step"), "b": warned(system("b"), "mind the gap\nand the step")},
			want:    []string{"warning: of Nix", "trace: a warning: x", "a, b: warning: mind the gap", "and the step"},
		},
		{
			name: "in the order of the hosts, then of the text",
			results: map[string]Result{
				"a": warned(system("a"), "y", "x"),
				"b": warned(system("b"), "a", "x"),
			},
			want: []string{"a, b: warning: x", "a: warning: y", "b: warning: a"},
		},
		{
			name:    "what a terminal would obey is removed",
			traces:  []string{"\x1b[1;35mevaluation warning:\x1b[0m red"},
			results: map[string]Result{"a": warned(system("a"), "\x1b[31mred\x1b[0m")},
			want:    []string{"a: warning: red"},
		},
		{
			name:   "held warnings are written when the fleet fails",
			traces: []string{"evaluation warning: careful"},
			err:    errors.New("interrupted"),
			want:   []string{"evaluation warning: careful"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			w := NewWarnings(&out)
			e := w.Around(&fake{results: tt.results, traces: tt.traces, trace: w, err: tt.err})
			if _, err := e.Systems(t.Context(), hostsNamed("a", "b", "c", "d")); !errors.Is(err, tt.err) {
				t.Fatal(err)
			}
			if diff := differs(strings.Join(tt.want, "\n")+"\n", out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Values have no warnings of their own, so those in the trace pass.
func TestWarningsOfAQueryPass(t *testing.T) {
	var out bytes.Buffer
	w := NewWarnings(&out)
	e := w.Around(&fake{results: map[string]Result{"a": system("a")}, traces: []string{"evaluation warning: careful"}, trace: w})
	if _, err := e.Query(t.Context(), hostsNamed("a"), nil); err != nil {
		t.Fatal(err)
	}
	if diff := differs("evaluation warning: careful\n", out.String()); diff != "" {
		t.Error(diff)
	}
}
