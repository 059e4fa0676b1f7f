package schema

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// The API is at the port of https where NixOS makes its certificates, at its own port in all
// other clusters, and at that of load balancers where they have another.
func TestAPIAddress(t *testing.T) {
	for _, row := range []struct{ name, kluster, want string }{
		{"certificates of NixOS", `master: "a"`, "192.0.2.1:443"},
		{"certificates of muster", `master: "a", pki: "./pki"`, "192.0.2.1:6443"},
		{"k3s", `master: "a", distribution: "k3s", token: "t"`, "192.0.2.1:6443"},
		{"RKE2 with an address of its own", `master: "a", distribution: "rke2", token: "t", api: address: "2001:db8::9"`, "[2001:db8::9]:6443"},
		{"load balancers", `master: "a", pki: "./pki", load_balancers: ["b"], api: {address: "192.0.2.2", port: 8443}`, "192.0.2.2:8443"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			text := "package fleet\n\nnixpkgs: unpinned: true\nsecret_recipients: [\"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\"]\n" +
				"defaults: secrets: t: {age: \"./t.age\", generate: kind: \"password\"}\n" +
				"hosts: {a: host: \"192.0.2.1\", b: host: \"192.0.2.2\"}\nkluster: {" + row.kluster + "}\n"
			if err := os.WriteFile(filepath.Join(dir, "hosts.cue"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			f, err := Load(context.Background(), "hosts.cue", Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if got := f.APIAddress(); got != row.want {
				t.Errorf("%s, want %s", got, row.want)
			}
		})
	}
}
