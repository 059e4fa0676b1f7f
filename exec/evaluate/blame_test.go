package evaluate

import (
	"strings"
	"testing"

	"muster/compile/eval"
	"muster/compile/syntax"
	"muster/exec/nixcmd"
)

// TestErrorsNameThePlace breaks a file of one host: its error names the place
// in the file, relative to the working directory, and the other hosts have their
// systems.
func TestErrorsNameThePlace(t *testing.T) {
	w := newFleetDir(t)
	w.edit("b.nix", `"b's own`, `{}.nothing + "b's own`)
	e := w.evaluator()
	e.WorkDir = w.dir
	results, err := e.Systems(t.Context(), e.Fleet.Hosts)
	if err != nil {
		t.Fatal(err)
	}
	b := results[1]
	for _, r := range []Result{results[0], results[2]} {
		if r.Err != nil || r.System.Drv == "" {
			t.Errorf("%s: %+v", r.Host.Name, r)
		}
	}
	if diff := differs("b.nix:1:18: attribute 'nothing' missing", errorText(b.Err)); diff != "" {
		t.Error(diff)
	}
	e.ShowTrace, e.WorkDir = true, ""
	if results, err = e.Systems(t.Context(), e.Fleet.Hosts[1:2]); err != nil {
		t.Fatal(err)
	}
	text := errorText(results[0].Err)
	if !strings.HasPrefix(text, w.dir+"/b.nix:1:") || !strings.Contains(text, "\n") {
		t.Errorf("b, with a trace: %q", text)
	}
}

func TestErrorText(t *testing.T) {
	w := newFleetDir(t)
	o := w.evaluator().Options
	network := &syntax.File{Expr: &syntax.Attrs{}}
	host := o.Fleet.Hosts[0].At.String() + ": " // the place of an error that has no other
	for _, tt := range []struct {
		name  string
		err   error
		trace bool
		want  string
	}{
		{name: "none"},
		{
			name: "of the embedded evaluator",
			err:  &eval.Error{Msg: "\x1b[31mred\x1b[0m", Trace: []eval.TraceEntry{{Text: "while calling f"}}},
			want: host + "red",
		},
		{
			name: "of Nix",
			err:  &nixcmd.ExitError{Command: "nix-instantiate", Status: 1, Stderr: "error: boom\n\n       … while calling f\n"},
			want: host + "boom",
		},
		{
			name:  "of Nix, with its trace",
			err:   &nixcmd.ExitError{Command: "nix-instantiate", Status: 1, Stderr: "error: boom\n\n       … while calling f\n"},
			trace: true,
			want:  host + "boom\nerror: boom\n\n       … while calling f",
		},
	} {
		o.ShowTrace = tt.trace
		if diff := differs(tt.want, errorText(o.hostError(o.Fleet.Hosts[0], network, tt.err))); diff != "" {
			t.Errorf("%s %s", tt.name, diff)
		}
	}
}
