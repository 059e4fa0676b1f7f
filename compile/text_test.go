package compile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
	"muster/schema"
)

// TestTextIsTheNetworkPrinted compares the text of a network whose hosts are made
// one by one with that of the whole tree, and the errors of both.
func TestTextIsTheNetworkPrinted(t *testing.T) {
	inventories := map[string]*schema.Fleet{
		"none":  {Dir: "/fleet"},
		"one":   manyHosts(1),
		"many":  manyHosts(500),
		"split": manyHosts(3),
	}
	for _, pattern := range []string{"testdata/*/hosts.*", "../examples/*/hosts.*"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("no inventories %s: %v", pattern, err)
		}
		for _, name := range names {
			if filepath.Ext(name) == ".nix" {
				continue
			}
			inventories[name] = load(t, name)
		}
	}
	for name, f := range inventories {
		for _, format := range Formats() {
			t.Run(name+"/"+string(format), func(t *testing.T) { compareText(t, f, Options{Format: format}) })
		}
	}
}

// TestTextOfRandomFleets has strings of all kinds, comments in Nix text, and in
// every fourth fleet text that is not Nix and names that cannot be printed.
func TestTextOfRandomFleets(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			format := Formats()[seed%5]
			r := source{rand.New(rand.NewPCG(seed, 22))}
			f, _ := r.fleet(1+int(seed%7), 4, format)
			if seed%4 == 0 {
				for _, h := range f.Hosts {
					h.Nix = append(h.Nix, schema.Snippet{At: schema.Pos{File: "hosts.cue", Line: 1 + r.IntN(9), Col: 1}, Text: "{ a = ; }"})
				}
				f.Roles[0].Nix = []schema.Snippet{{At: schema.Pos{File: "hosts.cue", Line: 1 + r.IntN(9), Col: 1}, Text: "{"}}
			}
			if seed%8 == 1 {
				f.Hosts[len(f.Hosts)-1].Config.Fields[0].Name = "\x00"
			}
			compareText(t, f, Options{Format: format, Absolute: seed%2 == 0})
		})
	}
}

func compareText(t *testing.T, f *schema.Fleet, o Options) {
	t.Helper()
	var want bytes.Buffer
	file, wantErr := Network(f, o)
	if wantErr == nil {
		wantErr = syntax.Fprint(&want, file)
	}
	text, err := Text(f, o)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("got error %v, want %v", err, wantErr)
	}
	if err != nil {
		return
	}
	if diff := cmp.Diff(want.String(), string(bytes.Join(text, nil))); diff != "" {
		t.Errorf("whole (-) and made host by host (+):\n%s", diff)
	}
}
