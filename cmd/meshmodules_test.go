package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What meshes are compiled to, with names for the keys, which are made anew in each run: one
// with a hub, two hosts behind NAT and IPv6, one of systemd-networkd, and that of a cluster
// of RKE2, whose Canal takes it.
func TestMeshModules(t *testing.T) {
	for name, mesh := range map[string]string{
		"hub":      `mesh: wg0: {network: "10.99.0.0/24", ipv6: "fd5a::/64", hub: "h1", names: "mesh.example.org", deploy: true, hosts: {h3: nat: true, h4: nat: true}}`,
		"networkd": `mesh: wg0: {network: "10.99.0.0/24", backend: "networkd", port: 51999, hosts: h2: {address: "10.99.0.77", endpoint: "vpn.example.org:51821"}}`,
		"rke2": `mesh: wg0: {network: "10.99.0.0/24", ipv6: "fd5a::/64"}
kluster: {distribution: "rke2", master: "h1", token: "join", mesh: "wg0", pod_cidr6: "fd42:10::/56", service_cidr6: "fd42:11::/112"}
defaults: secrets: join: {age: "./join.age", generate: kind: "password"}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newMeshFleet(t, meshHosts(4, mesh+"\n"))
			minios, err := filepath.Abs("../examples/minios")
			if err != nil {
				t.Fatal(err)
			}
			f.muster(t, "mesh", "assign")
			f.muster(t, "secrets", "generate")
			f.muster(t, "compile", "--split", "out")
			var got strings.Builder
			for _, pattern := range []string{"roles/kubernetes-*.nix", "hosts/*.nix"} {
				files, err := filepath.Glob(filepath.Join(f.dir, "out", pattern))
				if err != nil {
					t.Fatal(err)
				}
				for _, file := range files {
					text, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&got, "# %s\n%s\n", strings.TrimPrefix(file, f.dir+"/out/"), text)
				}
			}
			text := strings.ReplaceAll(got.String(), minios, "MINIOS")
			for i := range 4 {
				host := fmt.Sprintf("h%d", i+1)
				key := strings.TrimSpace(f.read(t, "mesh/wg0/"+host+".age.pub"))
				text = strings.ReplaceAll(text, key, "KEY-OF-"+host)
			}
			if found := regexp.MustCompile(`[A-Za-z0-9+/]{43}=`).FindString(text); found != "" {
				t.Fatalf("a key of no host: %s", found)
			}
			golden := filepath.Join("testdata/mesh", name+".nix")
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("%s: -want +got\n%s", golden, diff)
			}
			f.muster(t, "eval", "--evaluator", "both")
		})
	}
}
