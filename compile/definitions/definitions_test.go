package definitions

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
)

// files are read as if they were below /fleet.
type files map[string]string

func (f files) Read(name string) ([]byte, error) {
	if text, ok := f[strings.TrimPrefix(name, "/fleet/")]; ok {
		return []byte(text), nil
	}
	return nil, fs.ErrNotExist
}

func (f files) system(t *testing.T, module string) *System {
	t.Helper()
	e, err := syntax.ParseExpr(module)
	if err != nil {
		t.Fatal(err)
	}
	r := Reader{Read: f.Read, Dir: "/fleet"}
	return r.System(e)
}

func TestModulesDefineOptions(t *testing.T) {
	for _, test := range []struct {
		name, module string
		files        files
		want         []string
	}{
		{"sets and paths", `{ services.nginx = { enable = true; virtualHosts."a.org".root = "/a"; }; }`, nil,
			[]string{`services.nginx.enable = true`, `services.nginx.virtualHosts."a.org".root = "/a"`}},
		{"a function with let and with", `{ lib, ... }: let x = 1; in with lib; { a.b = x; c = { }; }`, nil, []string{`a.b = x`, `c = { }`}},
		{"config beside options", `{ options.x = 1; imports = [ ]; config.a = 1; config = { b = 2; }; c = 3; }`, nil, []string{`a = 1`, `b = 2`}},
		{"what is no option", `{ _file = "x"; disabledModules = [ "x" ]; deployment.targetHost = "x"; a = 1; }`, nil, []string{`a = 1`}},
		{"conditions", `{ config = lib.mkIf config.x.enable { a = 1; b = lib.mkForce 2; }; }`, nil,
			[]string{`a = mkIf config.x.enable 1`, `b = mkIf config.x.enable (lib.mkForce 2)`}},
		{"a merge", `{ config = mkMerge [ { a = 1; } (mkIf (x || y) { b = [ 1 ]; }) ]; }`, nil, []string{`a = 1`, `b = mkIf (x || y) [ 1 ]`}},
		{"a condition of a value", `{ a = mkIf x 1; }`, nil, []string{`a = mkIf x 1`}},
		{"inherited", `{ inherit (x.y) a b; c = { inherit d; }; }`, nil, []string{`a = x.y.a`, `b = x.y.b`, `c.d = d`}},
		{"names that are computed", `{ users.users.${name}.shell = pkgs.zsh; a."b c" = 1; }`, nil, []string{`users.users.${name}.shell = pkgs.zsh`, `a."b c" = 1`}},
		{"files, each once", `{ imports = [ ./a.nix ./dir (import ./a.nix) { imports = [ ./dir/default.nix ]; e = 5; } ]; d = 4; }`,
			files{"a.nix": `{ imports = [ ./dir/../b.nix ]; a = 1; }`, "b.nix": `{ b = 2; }`, "dir/default.nix": `{ imports = [ ../a.nix ]; c = 3; }`},
			[]string{`d = 4`, `a.nix: a = 1`, `b.nix: b = 2`, `dir/default.nix: c = 3`, `e = 5`}},
		{"files that cannot be read", `{ imports = [ ./none.nix ./bad.nix <nixpkgs/x.nix> inputs.x.nixosModules.y ./${x}.nix ]; a = 1; }`, files{"bad.nix": `{`}, []string{`a = 1`}},
		{"a path with spaces", `{ imports = [ (./. + "/a b.nix") ]; }`, files{"a b.nix": `{ a = 1; }`}, []string{`a b.nix: a = 1`}},
		{"confidential", `{ a.hashedPassword = "x"; a.passwordFile = "/y"; }`, nil, []string{`a.hashedPassword hidden`, `a.passwordFile = "/y"`}},
		{"long", fmt.Sprintf(`{ a = "%s"; }`, strings.Repeat("x", maxText)), nil, []string{`a hidden`}},
		{"no set", `f x`, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, m := range test.files.system(t, test.module).Modules {
				for _, o := range m.Options {
					line := o.Name + " = " + strings.Join(strings.Fields(o.Text), " ")
					if o.Hidden {
						line = o.Name + " hidden"
					}
					if m.Source != "" {
						line = m.Source + ": " + line
					}
					got = append(got, line)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	for _, test := range []struct {
		name, before, after   string
		filesBefore, filesNow files
		want                  Changes
	}{
		{name: "nothing", before: `{ a = 1; b = 2; }`, after: `{ b = 2; /* a comment */ a = 1; }`},
		{name: "values", before: `{ a = 1; b = 2; c = 3; }`, after: `{ a = 1; b = 3; d = 4; }`, want: Changes{Options: []Change{
			{Name: "b", Before: []string{"2"}, After: []string{"3"}}, {Name: "c", Before: []string{"3"}}, {Name: "d", After: []string{"4"}}}}},
		{name: "lists", before: `{ a = [ 80 ]; }`, after: `{ a = [ 80 443 ]; }`, want: Changes{Options: []Change{
			{Name: "a", Before: []string{"[ 80 ]"}, After: []string{"[\n  80\n  443\n]"}, Added: []string{"443"}}}}},
		{name: "packages", before: `{ a = with pkgs; [ x y ]; }`, after: `{ a = with pkgs; [ y (f z) ]; }`, want: Changes{Options: []Change{
			{Name: "a", Before: []string{"with pkgs;\n[\n  x\n  y\n]"}, After: []string{"with pkgs;\n[\n  y\n  (f z)\n]"}, Added: []string{"(f z)"}, Removed: []string{"x"}}}}},
		{name: "one of two definitions", before: `{ imports = [ { a = [ 1 ]; } { a = [ 2 ]; } ]; }`, after: `{ imports = [ { a = [ 2 ]; } { a = [ 3 ]; } ]; }`, want: Changes{Options: []Change{
			{Name: "a", Before: []string{"[ 1 ]"}, After: []string{"[ 3 ]"}, Added: []string{"3"}, Removed: []string{"1"}}}}},
		{name: "moved to another module", before: `{ a = 1; }`, after: `{ imports = [ { a = 1; } ]; }`},
		{name: "confidential", before: `{ token = "x"; }`, after: `{ token = "y"; }`, want: Changes{Options: []Change{{Name: "token", Hidden: true}}}},
		{name: "what options are made of", before: `{ imports = [ ./a.nix ./b.nix ]; }`, after: `{ imports = [ ./a.nix ./b.nix ]; }`,
			filesBefore: files{"a.nix": `let x = 1; in { a = x; }`, "b.nix": `{ b = 1; }`}, filesNow: files{"a.nix": `let x = 2; in { a = x; }`, "b.nix": `{ b = 2; }`},
			want: Changes{Options: []Change{{Name: "b", Before: []string{"1"}, After: []string{"2"}}}, Files: []string{"a.nix"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := Compare(test.filesBefore.system(t, test.before), test.filesNow.system(t, test.after))
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
			if got.Empty() != cmp.Equal(test.want, Changes{}) {
				t.Errorf("Empty: got %v", got.Empty())
			}
		})
	}
}

func TestComparePins(t *testing.T) {
	got := Compare(&System{Pins: map[string]string{"nixpkgs": "a", "x": "1", "same": "1"}}, &System{Pins: map[string]string{"nixpkgs": "b", "y": "2", "same": "1"}})
	want := &Changes{Pins: []Pin{{Name: "nixpkgs", Before: "a", After: "b"}, {Name: "x", Before: "1"}, {Name: "y", After: "2"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
