package ui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/definitions"
)

func TestDefinitions(t *testing.T) {
	many := make([]definitions.Change, mostOptions+2)
	for i := range many {
		many[i] = definitions.Change{Name: fmt.Sprintf("a%d", i), After: []string{"1"}}
	}
	for _, test := range []struct {
		name    string
		changes definitions.Changes
		want    string
	}{
		{"options", definitions.Changes{Options: []definitions.Change{
			{Name: "a", Before: []string{"1"}, After: []string{"2"}},
			{Name: "b", After: []string{"[\n  80\n  443\n]"}},
			{Name: "c", Before: []string{"true", "false"}},
			{Name: "d.password", Hidden: true},
		}}, `
  ~ option a: 1 → 2
  + option b: [ 80 443 ]
  − option c: true, false
  ~ option d.password: changed, not shown
`},
		{"lists that are long", definitions.Changes{Options: []definitions.Change{
			{Name: "a", Before: []string{"[ " + strings.Repeat("x ", 40) + "]"}, After: []string{"[ z ]"}, Added: []string{"z"}, Removed: []string{"x"}},
		}}, `
  ~ option a + z − x
`},
		{"texts of many lines", definitions.Changes{Options: []definitions.Change{
			{Name: "a", Before: []string{"''\n  x\n''"}, After: []string{"''\n  x\n  y\n''"}},
			{Name: "b", Before: []string{`"` + strings.Repeat("x", 200) + `"`}, After: []string{"\"\u202e\""}},
		}}, `
  ~ option a: 3 lines → 4 lines
  ~ option b: "` + strings.Repeat("x", 99) + `… → "�"
`},
		{"files and pins", definitions.Changes{
			Files: []string{"a.nix", "b.nix"},
			Pins: []definitions.Pin{{Name: "nixpkgs", Before: strings.Repeat("a", 40), After: strings.Repeat("b", 40)}, {Name: "home-manager", After: "release-24.11"},
				{Name: "old", Before: "sha256-" + strings.Repeat("c", 44)}},
		}, `
  ~ pin nixpkgs aaaaaaaaaaaa → bbbbbbbbbbbb
  ~ pin home-manager none → release-24.11
  ~ pin old sha256-ccccc → none
  ~ file a.nix, b.nix (no option by name)
`},
		{"many", definitions.Changes{Options: many[:mostOptions+2]}, "\n" + func() string {
			lines := ""
			for i := range mostOptions {
				lines += fmt.Sprintf("  + option a%d: 1\n", i)
			}
			return lines + "  ~ option … and 2 more\n"
		}()},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			Definitions(&out, []string{"web1", "web2"}, &test.changes)
			if diff := cmp.Diff("\nweb1, web2 (2 hosts)"+test.want, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
