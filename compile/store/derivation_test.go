package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	someDrv  = Path("/nix/store/" + someDigest + "-some.drv")
	someText = `Derive([("out","/nix/store/` + someDigest + `-some","","")],[("/nix/store/` + someDigest + `-in.drv",["dev","out"])],` +
		`["/nix/store/` + someDigest + `-src"],"x86_64-linux","/bin/sh",["-c","a\"\\\n\r\tb"],[("k","v"),("out","")])`
)

func TestParseDerivation(t *testing.T) {
	d, err := ParseDerivation(someDrv, []byte(someText))
	if err != nil {
		t.Fatal(err)
	}
	want := &Derivation{
		Name:      "some",
		Outputs:   map[string]Output{"out": {Path: "/nix/store/" + someDigest + "-some"}},
		InputDrvs: map[Path][]string{"/nix/store/" + someDigest + "-in.drv": {"dev", "out"}},
		InputSrcs: []Path{"/nix/store/" + someDigest + "-src"},
		Platform:  "x86_64-linux",
		Builder:   "/bin/sh",
		Args:      []string{"-c", "a\"\\\n\r\tb"},
		Env:       map[string]string{"k": "v", "out": ""},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	refs := []Path{"/nix/store/" + someDigest + "-in.drv", "/nix/store/" + someDigest + "-src"}
	if diff := cmp.Diff(refs, d.References()); diff != "" {
		t.Errorf("references:\n%s", diff)
	}
}

func TestParseDerivationRefuses(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(someText, old) {
			t.Fatalf("no %q in the text", old)
		}
		return strings.Replace(someText, old, new, 1)
	}
	tests := []struct {
		name string
		text string
		err  string
	}{
		{"nothing", "", `got "", want "Derive("`},
		{"the end missing", someText[:len(someText)-1], `want ")"`},
		{"something after the end", someText + "\n", "text after the derivation"},
		{"white space", replace("],[", "], ["), `want "["`},
		{"a line break in a string", replace("x86_64", "x86\n64"), "must be escaped"},
		{"an unknown escape", replace(`\r`, `\x`), `unknown escape \x`},
		{"an output outside of the store", replace("/nix/store/"+someDigest+`-some"`, `/tmp/out"`), `parse store path "/tmp/out"`},
		{"unsorted outputs of an input", replace(`["dev","out"]`, `["out","dev"]`), "out of order"},
		{"an output of an input twice", replace(`["dev","out"]`, `["out","out"]`), "out of order"},
		{"unsorted environment", replace(`("k","v"),`, `("z","v"),`), `variable "out" is out of order`},
		{"a variable twice", replace(`("k","v")`, `("k","v"),("k","w")`), `variable "k" is out of order`},
		{"an experimental format", "DrvWithVersion(\"xp-dyn-drv\",[", "not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseDerivation(someDrv, []byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want an error with %q", err, tt.err)
			}
		})
	}
	if _, err := ParseDerivation("/nix/store/"+someDigest+"-some", []byte(someText)); err == nil {
		t.Error("a path without .drv was accepted")
	}
}

func TestOutputPathsRefuses(t *testing.T) {
	in := Path("/nix/store/" + someDigest + "-in.drv")
	inputs := map[Path]*Derivation{in: {Name: "in", Outputs: map[string]Output{"out": {Path: "/nix/store/" + someDigest + "-in"}}}}
	read := func(p Path) (*Derivation, error) {
		if d, ok := inputs[p]; ok {
			return d, nil
		}
		return nil, errors.New("no such file")
	}
	loop := Path("/nix/store/" + someDigest + "-loop.drv")
	inputs[loop] = &Derivation{Name: "loop", Outputs: map[string]Output{"out": {Path: "/nix/store/" + someDigest + "-loop"}},
		InputDrvs: map[Path][]string{loop: {"out"}}}
	plain := map[string]Output{"out": {}}
	tests := []struct {
		name string
		drv  Derivation
		err  string
	}{
		{"no outputs", Derivation{}, "no outputs"},
		{"content-addressed", Derivation{Outputs: map[string]Output{"out": {HashAlgo: "r:sha256"}}}, "not supported"},
		{"two fixed outputs", Derivation{Outputs: map[string]Output{"out": {HashAlgo: "sha256", Hash: abcBase16}, "b": {HashAlgo: "sha256", Hash: abcBase16}}}, "not supported"},
		{"unknown algorithm", Derivation{Outputs: map[string]Output{"out": {HashAlgo: "text:sha256", Hash: abcBase16}}}, `unknown hash algorithm "text:sha256"`},
		{"unknown output of an input", Derivation{Outputs: plain, InputDrvs: map[Path][]string{in: {"dev"}}}, "uses output dev of " + string(in)},
		{"missing input", Derivation{Outputs: plain, InputDrvs: map[Path][]string{someDrv: {"out"}}}, "read derivation " + string(someDrv) + ": no such file"},
		{"input that needs itself", Derivation{Outputs: plain, InputDrvs: map[Path][]string{loop: {"out"}}}, "depends on itself"},
		{"bad output name", Derivation{Outputs: map[string]Output{"a/b": {}}}, "output a/b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.drv.Name = "refused"
			paths, err := tt.drv.OutputPaths(NewModulo(read))
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, %v, want an error with %q", paths, err, tt.err)
			}
		})
	}
}

func ExampleDerivation() {
	d := &Derivation{
		Name:     "hello",
		Outputs:  map[string]Output{"out": {}},
		Platform: "x86_64-linux",
		Builder:  "/bin/sh",
		Env:      map[string]string{"name": "hello", "system": "x86_64-linux", "builder": "/bin/sh"},
	}
	if err := d.FillOutputs(NewModulo(nil)); err != nil {
		panic(err)
	}
	p, err := d.Path()
	if err != nil {
		panic(err)
	}
	fmt.Println(p)
	fmt.Println(d.Env["out"])
	// Output:
	// /nix/store/x0sj6ynccvc1a8kxr8fifnlf7qlxw6hd-hello.drv
	// /nix/store/pnwh4xsfs4j508bs9iw6bpkyc4zw6ryx-hello
}

func FuzzParseDerivation(f *testing.F) {
	f.Add([]byte(someText))
	f.Add([]byte(`Derive([],[],[],"","",[],[])`))
	f.Add([]byte(`Derive([("out","","r:sha256","` + abcBase16 + `")],[],[],"","",[""],[("","")])`))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDerivation(someDrv, text)
		if err != nil {
			return
		}
		if got := string(d.ATerm()); got != string(text) {
			t.Errorf("%q\nwritten again is\n%q", text, got)
		}
		d.OutputPaths(NewModulo(func(Path) (*Derivation, error) { return nil, errors.New("none") }))
	})
}
