package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ignorePlaces makes cmp ignore positions.
var ignorePlaces = cmp.Options{
	cmpopts.IgnoreTypes(Pos{}),
	cmpopts.EquateEmpty(),
}

func TestMarkers(t *testing.T) {
	for _, tt := range []struct {
		name, cue string
		want      Value
	}{
		{"string", `"${x} ''"`, String{V: "${x} ''"}},
		{"int", `9223372036854775807`, Int{V: 9223372036854775807}},
		{"float", `1.5`, Float{V: 1.5}},
		{"bool", `true`, Bool{V: true}},
		{"null", `null`, Null{}},
		{"list", `[1, "a"]`, List{Elems: []Value{Int{V: 1}, String{V: "a"}}}},
		{"path", `{$path: "./www"}`, Path{Name: "./www"}},
		{"pkg", `{$pkg: "python3Packages.flask"}`, Pkg{Name: "python3Packages.flask"}},
		{"expr", `{$expr: "pkgs.hello"}`, Expr{Text: "pkgs.hello"}},
		{"str", `{$str: "${pkgs.x}/share"}`, Template{Text: "${pkgs.x}/share"}},
		{"force", `{$force: false}`, Mark{Kind: Force, Values: []Value{Bool{}}}},
		{"default of path", `{$default: $path: "./www"}`, Mark{Kind: Default, Values: []Value{Path{Name: "./www"}}}},
		{"if", `{$if: "true", $then: [80]}`, Mark{Kind: If, Cond: "true", Values: []Value{List{Elems: []Value{Int{V: 80}}}}}},
		{"merge", `{$merge: [{$before: "a"}, {$after: "b"}]}`, Mark{Kind: Merge, Values: []Value{
			Mark{Kind: Before, Values: []Value{String{V: "a"}}}, Mark{Kind: After, Values: []Value{String{V: "b"}}}}}},
		{"override", `{$override: 1, $priority: 75}`, Mark{Kind: Override, Priority: 75, Values: []Value{Int{V: 1}}}},
		{"order", `{$order: 1, $priority: 700}`, Mark{Kind: Order, Priority: 700, Values: []Value{Int{V: 1}}}},
		{"literal dollar", `{$$schema: "x", $$$y: 1}`, &Attrs{Fields: []Field{{Name: "$schema", Value: String{V: "x"}}, {Name: "$$y", Value: Int{V: 1}}}}},
		{"empty set", `{}`, &Attrs{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := "package fleet\nhosts: a: {host: \"10.0.0.1\", config: x: " + tt.cue + "}\n"
			f, err := loadFiles(t, "hosts.cue", text, "www/index.html", "")
			if err != nil {
				t.Fatal(err)
			}
			got := f.Hosts[0].Config.Fields[0].Value
			if d := cmp.Diff(tt.want, got, ignorePlaces); d != "" {
				t.Error(d)
			}
			if !got.Pos().IsValid() {
				t.Error("no place")
			}
			// What is shown of a value reads back as the same, in JSON too.
			again, err := loadFiles(t, "hosts.json", `{"hosts":{"a":{"host":"10.0.0.1","config":{"x":`+string(JSON(got))+`}}}}`, "www/index.html", "")
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(got, again.Hosts[0].Config.Fields[0].Value, ignorePlaces); d != "" {
				t.Errorf("after JSON: %s", d)
			}
		})
	}
}

func TestPathsAreRelativeToTheirFile(t *testing.T) {
	f, err := loadFiles(t, "staging", "",
		"cue.mod/module.cue", moduleText,
		"hosts.cue", "package fleet\ndefaults: imports: [\"./base.nix\"]\ndefaults: config: x: $path: \"./www\"\n",
		"staging/physical.cue", "package fleet\nhosts: a: {host: \"10.0.0.1\", imports: [\"./disk.nix\"]}\n",
		"base.nix", "{ }", "www/x", "", "staging/disk.nix", "{ }")
	if err != nil {
		t.Fatal(err)
	}
	got := []string{f.Defaults.Imports[0].Path, f.Defaults.Config.Fields[0].Value.(Path).Name, f.Hosts[0].Imports[0].Path}
	if d := cmp.Diff([]string{"../base.nix", "../www", "./disk.nix"}, got); d != "" {
		t.Error(d)
	}
}

func TestTheNixPageShowsEveryMarker(t *testing.T) {
	for _, m := range append(markerNames, "$then", "$priority") {
		if !strings.Contains(NixInCUE, m) {
			t.Errorf("%s is not on the page", m)
		}
	}
}
