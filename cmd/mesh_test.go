package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// A meshFleet is an inventory with a mesh, in a directory of its own.
type meshFleet struct {
	dir string
	env []string
}

// newMeshFleet writes an inventory of minios hosts with more text at its end, and an
// identity that opens its secrets.
func newMeshFleet(t *testing.T, text string) *meshFleet {
	t.Helper()
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	f := &meshFleet{dir: t.TempDir()}
	f.env = append(os.Environ(), "HOME="+f.dir, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
	f.write(t, "hosts.cue", fmt.Sprintf("package fleet\n\nnixpkgs: path: %q\nsecret_recipients: [%q]\n%s", minios, id.Recipient(), text))
	f.write(t, "identity", id.String()+"\n")
	return f
}

func (f *meshFleet) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *meshFleet) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// try runs muster in the fleet's directory.
func (f *meshFleet) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(musterProgram(t), args...)
	cmd.Dir, cmd.Env = f.dir, f.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (f *meshFleet) muster(t *testing.T, args ...string) string {
	t.Helper()
	out, err := f.try(t, args...)
	if err != nil {
		t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// meshHosts is an inventory text of hosts h1, h2, … of which the last is behind NAT.
func meshHosts(n int, mesh string) string {
	var b strings.Builder
	b.WriteString("defaults: config: users: users: root: openssh: authorizedKeys: keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBzOBS0ma5kWaMp9MNx8lyzgIDVOOqMvDwmsOTtsuDQS\"]\n")
	for i := range n {
		fmt.Fprintf(&b, "hosts: h%d: {host: \"192.0.2.%d\", disk_uuid: \"01b3bcba-c0ef-4538-8dd2-f7dee29523%02d\"}\n", i+1, i+1, i)
	}
	b.WriteString(mesh)
	return b.String()
}

// Meshes of both backends evaluate, with muster's evaluator and with Nix's, to the same
// derivations.
func TestMeshesEvaluate(t *testing.T) {
	for name, mesh := range map[string]string{
		"wireguard": `mesh: wg0: {network: "10.99.0.0/16", hosts: h4: nat: true}`,
		"networkd":  `mesh: wg0: {network: "10.99.0.0/16", ipv6: "fd5a:12c8:73d1::/64", backend: "networkd", names: true, hub: "h1", hosts: {h3: nat: true, h4: nat: true}}`,
		"two":       `mesh: {wg0: {network: "10.99.0.0/16", names: "mesh.example.org"}, wg1: {network: "10.98.0.0/24", on: "h1,h2", port: 51821}}`,
		"cluster":   `mesh: wg0: network: "10.99.0.0/16", kluster: {masters: ["h1", "h2", "h3"], mesh: "wg0", pki: "./pki", api: address: "10.99.0.1"}`,
		"k3s":       `mesh: wg0: network: "10.99.0.0/16", kluster: {distribution: "k3s", master: "h1", mesh: "wg0", token: "join"}, defaults: secrets: join: {age: "./join.age", generate: kind: "password"}`,
		"easyCerts": `mesh: wg0: network: "10.99.0.0/16", kluster: {master: "h1", mesh: "wg0"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newMeshFleet(t, meshHosts(4, strings.NewReplacer(", kluster", "\nkluster", ", defaults", "\ndefaults").Replace(mesh)))
			f.muster(t, "mesh", "assign")
			f.muster(t, "secrets", "generate")
			f.muster(t, "eval", "--evaluator", "both")
		})
	}
}
