package compile

import (
	"os"
	"path/filepath"
	"testing"

	"muster/compile/syntax"
	"muster/schema"
)

const blamedFleet = `package fleet

nixpkgs: path: "./nixpkgs"
roles: web: config: networking: firewall: allowedTCPPorts: [80, "443"]
defaults: config: time: timeZone: 3
hosts: web: {
	host: "192.0.2.1"
	roles: ["web"]
	file_systems: "/": label: "nixos"
	imports: ["./imported.nix"]
	config: {
		networking: firewall: allowedTCPPorts: [22]
		services: openssh: enable: "yes"
		swapDevices: [{device: "/a"}, {device: 3}]
		environment: etc: motd: text: $str: "on ${pkgs.nothing}"
		users: users: root: shell: $pkg: "nosuch"
		boot: kernelParams: $force: ["quiet"]
	}
	nix: """
		{ config, lib, ... }:
		{
		  config = lib.mkIf true {
		    services.nginx.enable = "no";
		  };
		}
		"""
}
`

// Errors of evaluators are attributed to the position in the inventory, or in a
// file of the fleet, that causes them.
func TestAnErrorIsBlamedOnTheLineItComesFrom(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"hosts.cue":    blamedFleet,
		"imported.nix": "{ ... }:\n{\n  networking.domain = 3;\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "nixpkgs"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := schema.Load(t.Context(), dir, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	inventory := f.Hosts[0].At.File
	at := func(file string, line, col int) syntax.Pos { return syntax.NewPos(&file, line, col) }
	tests := []struct {
		name    string
		witness Witness
		line    int
		option  string
		file    string // where it is not the inventory
	}{
		{"an option that is set", Witness{Message: "A definition for option `services.openssh.enable' is not of type `boolean'. Definition values:\n- In `host web': \"yes\""},
			13, "services.openssh.enable", ""},
		{"an option that does not exist, above the one that is set", Witness{Message: "The option `services.openssh' does not exist."}, 13, "services.openssh", ""},
		{"an element of a list, in the definition that has it", Witness{Message: "A definition for option `networking.firewall.allowedTCPPorts.\"[definition 2-entry 2]\"' is not of type `16 bit unsigned integer'. Definition values:\n- In `host web': \"443\""},
			4, "networking.firewall.allowedTCPPorts.\"[definition 2-entry 2]\"", ""},
		{"an option of an element of a list", Witness{Message: "A definition for option `swapDevices.\"[definition 1-entry 2]\".device' is not of type `non-empty string'. Definition values:\n- In `host web': 3"},
			14, "swapDevices.\"[definition 1-entry 2]\".device", ""},
		{"an option of the defaults", Witness{Message: "A definition for option `time.timeZone' is not of type `string'. Definition values:\n- In `defaults of the fleet': 3"}, 5, "time.timeZone", ""},
		{"a module that is Nix", Witness{Message: "A definition for option `services.nginx.enable' is not of type `boolean'. Definition values:\n- In `host web': \"no\""}, 23, "services.nginx.enable", ""},
		{"a property", Witness{Message: "The option `boot.kernelParams' has conflicting definition values"}, 17, "boot.kernelParams", ""},
		{"a file that is imported", Witness{Message: "A definition for option `networking.domain' is not of type `string'. Definition values:\n- In `" + filepath.Join(dir, "imported.nix") + "': 3"},
			3, "networking.domain", filepath.Join(dir, "imported.nix")},
		{"an assertion that mentions an option", Witness{Message: "Failed assertions:\n- services.openssh.enable must be set"}, 13, "services.openssh.enable", ""},
		{"an assertion that mentions one beside it", Witness{Message: "Failed assertions:\n- services.openssh.ports is empty"}, 13, "services.openssh.ports", ""},
		{"a step in the inventory, in what was evaluated", Witness{Message: "attribute 'nothing' missing", Steps: []Step{
			{At: at(inventory, 15, 46)},
			{Text: "while calling 'discharge'", At: at(filepath.Join(dir, "nixpkgs/lib/modules.nix"), 487, 33)},
			{Text: "while evaluating the option `environment.etc.motd.text':"},
		}}, 15, "environment.etc.motd.text", ""},
		{"a step in a file beside it, before one further out", Witness{Message: "boo", Steps: []Step{
			{At: at(filepath.Join(dir, "nixpkgs/lib/lists.nix"), 3, 1)},
			{At: at(filepath.Join(dir, "imported.nix"), 3, 23)},
			{At: at(inventory, 15, 46)},
		}}, 3, "", filepath.Join(dir, "imported.nix")},
		{"only what was evaluated", Witness{Message: "boo", Steps: []Step{
			{Text: "while evaluating the option `system.build.toplevel':"},
			{Text: "while evaluating the option `users.users.root.shell':"},
		}}, 16, "users.users.root.shell", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, ok := BlameFor(f, "web", tt.witness, "")
			want := tt.file
			if want == "" {
				want = inventory
			}
			if !ok || b.Pos.File != want || b.Pos.Line != tt.line || b.Option != tt.option {
				t.Errorf("got %v %q, want %s:%d %q", b.Pos, b.Option, want, tt.line, tt.option)
			}
		})
	}
	for _, w := range []Witness{
		{Message: "stack overflow"},
		{Message: "attribute 'x' missing", Steps: []Step{{At: at(filepath.Join(dir, "nixpkgs/lib/modules.nix"), 1, 1)}, {At: pos(f.Hosts[0].At)}}},
		{Message: "The option `services.unknown.enable' does not exist."},
	} {
		if b, ok := BlameFor(f, "web", w, ""); ok {
			t.Errorf("%s is blamed on %v %q", w.Message, b.Pos, b.Option)
		}
	}
}

// Every position of a printed network has its origin, including numbers that are
// parsed as several nodes.
func TestPlacesOfThePrintedNetworkHaveTheirOrigin(t *testing.T) {
	f := &schema.Fleet{Dir: "/fleet", Hosts: []*schema.Host{{Name: "web", Address: "192.0.2.1", At: schema.Pos{File: "hosts.cue", Line: 1, Col: 1}}}}
	here := func(line int) schema.Pos { return schema.Pos{File: "hosts.cue", Line: line, Col: 7} }
	set := &schema.Attrs{}
	values := []schema.Value{
		schema.Int{At: here(2), V: -1}, schema.Int{At: here(3), V: -1 << 63}, schema.Float{At: here(4), V: -1.5},
		schema.Float{At: here(5), V: -1e-7}, schema.Template{At: here(6), Text: "a ${pkgs.b} ${lib.d}"}, schema.Pkg{At: here(7), Name: "htop"},
	}
	for i, v := range values {
		put(set, v, "test", string(rune('a'+i)))
	}
	f.Hosts[0].Config = set
	file, err := Network(f, Options{Absolute: true})
	if err != nil {
		t.Fatal(err)
	}
	text := syntax.Format(file)
	origin := Origins(f, text)
	printed, err := syntax.ParseFile("network.nix", text, syntax.Options{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[int32]bool{}
	for _, p := range places(printed.Expr) {
		found[origin(p).Line] = true
	}
	for line := int32(2); line <= 7; line++ {
		if !found[line] {
			t.Errorf("nothing of\n%s\nleads back to line %d", text, line)
		}
	}
}
