package compile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/schema"
)

// An option of k3s or RKE2 that the nixpkgs of a host does not have is told of with the
// NixOS that has it.
func TestModulesOlderThanTheirOptions(t *testing.T) {
	const fleet = `package fleet

nixpkgs: path: "./nixpkgs"
mesh: wg0: network: "10.99.0.0/16"
hosts: a: {host: "192.0.2.1", file_systems: "/": label: "nixos"}
defaults: secrets: join: {age: "./join.age", generate: kind: "password"}
secret_recipients: ["age1yqjl8zqsmp6lpkk3wvgy7hk5tvup2nfyjw7rlrpkh5a9vdwj6vwshdnvmy"]
`
	const manifests = `, manifests: m: {apiVersion: "v1", kind: "ConfigMap", metadata: {name: "m", namespace: "kube-system"}}`
	for _, row := range []struct{ name, kluster, message, want string }{
		{"no module", `distribution: "rke2"`, "The option `services.rke2' does not exist. Definition values:\n- In `host a': {}",
			`this nixpkgs has no services.rke2: kluster.distribution "rke2" needs NixOS 24.11 or later`},
		{"one text of flags", `distribution: "k3s"`, "A definition for option `services.k3s.extraFlags' is not of type `string'. Definition values:\n- In `host a': []",
			`the services.k3s.extraFlags of this nixpkgs is one text: kluster.distribution "k3s" needs NixOS 24.11 or later`},
		{"no manifests of k3s", `distribution: "k3s"` + manifests, "The option `services.k3s.manifests' does not exist.",
			"this nixpkgs has no services.k3s.manifests: kluster.manifests needs NixOS 24.11 or later with k3s"},
		{"no manifests of RKE2", `distribution: "rke2"` + manifests, "The option `services.rke2.manifests' does not exist.",
			"this nixpkgs has no services.rke2.manifests: kluster.manifests needs NixOS 25.11 or later with rke2"},
		{"no manifests for the mesh", `distribution: "rke2", mesh: "wg0"`, "The option `services.rke2.manifests' does not exist.",
			"this nixpkgs has no services.rke2.manifests: kluster.mesh needs NixOS 25.11 or later with rke2"},
		{"flags of another type", `distribution: "rke2"`, "A definition for option `services.rke2.extraFlags' is not of type `list of string'.", ""},
		{"an option of the user", `distribution: "k3s"`, "The option `services.k3s.nosuch' does not exist.", ""},
		{"another service", `distribution: "k3s"`, "The option `services.rke2' does not exist.", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.MkdirAll(filepath.Join(dir, "nixpkgs"), 0o755); err != nil {
				t.Fatal(err)
			}
			text := fleet + `kluster: {master: "a", token: "join", ` + row.kluster + "}\nhosts: a: config: services: {k3s: nosuch: 1, rke2: x: 1}\n"
			if err := os.WriteFile(filepath.Join(dir, "hosts.cue"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := schema.Load(t.Context(), dir, schema.Options{})
			if err != nil {
				t.Fatal(err)
			}
			b, ok := BlameFor(f, "a", Witness{Message: row.message}, "")
			if !ok || b.Hint != row.want || !strings.HasPrefix(row.message[strings.Index(row.message, "`")+1:], b.Option) {
				t.Errorf("got %v, hint %q, want %q", b, b.Hint, row.want)
			}
		})
	}
}
