package compile

import (
	"regexp"
	"strings"
	"testing"

	"muster/compile/syntax"
)

// TestPartsAreOfTheirHosts checks that a host depends on its own text and on its
// roles, directly or not, and on nothing of other hosts.
func TestPartsAreOfTheirHosts(t *testing.T) {
	file, err := syntax.ParseFile("network.nix", []byte(`
let
  web = { imports = [ base ]; };
  base = { base = true; };
  db = { db = true; };
in
{
  network.description = "a fleet";
  defaults = { common = true; };
  a = { imports = [ web ]; a = true; };
  b = { imports = [ db ]; b = true; };
  c = { c = true; };
}`), syntax.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, hosts := Parts(file); len(hosts) > 0 {
		t.Errorf("a path of several names: %v", hosts)
	}
	set := file.Expr.(*syntax.Let).Body.(*syntax.Attrs)
	set.Bindings = set.Bindings[1:]
	common, hosts := Parts(file)
	for name, want := range map[string]string{"a": "a web base", "b": "b db", "c": "c", "": "common"} {
		text := hosts[name]
		if name == "" {
			text = common
		}
		for _, word := range []string{"a", "b", "c", "web", "base", "db", "common"} {
			has := regexp.MustCompile(`(^|\s)` + word + ` = `).MatchString(text)
			if expect := strings.Contains(" "+want+" ", " "+word+" "); has != expect {
				t.Errorf("part %q: %s in it: %v, want %v:\n%s", name, word, has, expect, text)
			}
		}
	}
}

// TestPartsOfANetworkAreOfTheirHosts checks that what a network says about single hosts is
// theirs.
func TestPartsOfANetworkAreOfTheirHosts(t *testing.T) {
	file, err := syntax.ParseFile("network.nix", []byte(`
let
  inputs = { made = true; };
in
{
  network = {
    description = "a fleet";
    systems = { a = { systemOfA = true; }; };
    nodeSpecialArgs = { a = { argsOfA = inputs; }; b = { argsOfB = true; }; };
    nodeNixpkgs = { b = { nixpkgsOfB = true; }; };
    specialArgs = { common = true; };
  };
  a = { a = true; };
  b = { b = true; };
}`), syntax.Options{})
	if err != nil {
		t.Fatal(err)
	}
	common, hosts := Parts(file)
	for name, want := range map[string]string{"a": "a systemOfA argsOfA made", "b": "b argsOfB nixpkgsOfB", "": "description common"} {
		text := hosts[name]
		if name == "" {
			text = common
		}
		for _, word := range []string{"a", "b", "systemOfA", "argsOfA", "argsOfB", "nixpkgsOfB", "made", "description", "common"} {
			has := regexp.MustCompile(`(^|\s)` + word + ` = `).MatchString(text)
			if expect := strings.Contains(" "+want+" ", " "+word+" "); has != expect {
				t.Errorf("part %q: %s in it: %v, want %v:\n%s", name, word, has, expect, text)
			}
		}
	}
}
