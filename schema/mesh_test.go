package schema

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// meshOf loads a fleet with a mesh, with the mesh.lock that is there.
func meshOf(t *testing.T, dir, mesh string, hosts ...string) *Fleet {
	t.Helper()
	var b strings.Builder
	b.WriteString("package fleet\n\nnixpkgs: unpinned: true\n" + mesh + "\n")
	for i, h := range hosts {
		fmt.Fprintf(&b, "hosts: %s: host: \"192.0.2.%d\"\n", h, i+1)
	}
	if err := os.WriteFile(filepath.Join(dir, "hosts.cue"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Load(context.Background(), "hosts.cue", Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// addresses are the addresses of a mesh's members, by host.
func addresses(m *Mesh) string {
	var all []string
	for _, member := range m.Members {
		var own []string
		for _, a := range member.Addresses {
			own = append(own, a.String())
		}
		all = append(all, member.Host+" "+strings.Join(own, " "))
	}
	return strings.Join(all, ", ")
}

// Who has an address keeps it, whoever comes or goes; one that the inventory gives comes
// first; and that of a host that is gone is free when the user says so.
func TestMeshAddressesStay(t *testing.T) {
	dir := t.TempDir()
	for _, step := range []struct {
		name, mesh string
		hosts      []string
		release    bool
		want       string
	}{
		{"first", `mesh: wg0: network: "10.99.0.0/24"`, []string{"a", "b", "c"}, false, "a 10.99.0.1, b 10.99.0.2, c 10.99.0.3"},
		{"a new one before the others", `mesh: wg0: network: "10.99.0.0/24"`, []string{"n", "a", "b", "c"}, false, "n 10.99.0.4, a 10.99.0.1, b 10.99.0.2, c 10.99.0.3"},
		{"one gone, one new", `mesh: wg0: network: "10.99.0.0/24"`, []string{"n", "a", "c", "d"}, false, "n 10.99.0.4, a 10.99.0.1, c 10.99.0.3, d 10.99.0.5"},
		{"it comes back", `mesh: wg0: network: "10.99.0.0/24"`, []string{"a", "b", "c"}, false, "a 10.99.0.1, b 10.99.0.2, c 10.99.0.3"},
		{"released", `mesh: wg0: network: "10.99.0.0/24"`, []string{"a", "c"}, true, "a 10.99.0.1, c 10.99.0.3"},
		{"the free one is taken", `mesh: wg0: network: "10.99.0.0/24"`, []string{"a", "c", "e"}, false, "a 10.99.0.1, c 10.99.0.3, e 10.99.0.2"},
		{"a given one wins", `mesh: wg0: {network: "10.99.0.0/24", hosts: e: address: "10.99.0.3"}`, []string{"a", "c", "e"}, false, "a 10.99.0.1, c 10.99.0.2, e 10.99.0.3"},
		{"IPv6 is added", `mesh: wg0: {network: "10.99.0.0/24", ipv6: "fd5a:12c8:73d1::/64"}`, []string{"a", "c", "e"}, false, "a 10.99.0.1 fd5a:12c8:73d1::1, c 10.99.0.2 fd5a:12c8:73d1::2, e 10.99.0.3 fd5a:12c8:73d1::3"},
		{"another network", `mesh: wg0: network: "10.98.0.0/24"`, []string{"a", "c"}, false, "a 10.98.0.1, c 10.98.0.2"},
		{"two meshes", `mesh: {wg0: network: "10.98.0.0/24", wg1: {network: "10.97.0.0/24", port: 51821}}`, []string{"c", "a"}, false, "c 10.98.0.2, a 10.98.0.1"},
	} {
		t.Run(step.name, func(t *testing.T) {
			f := meshOf(t, dir, step.mesh, step.hosts...)
			lock := filepath.Join(dir, MeshLockFile)
			before := MeshLock{}
			if text, err := os.ReadFile(lock); err == nil {
				if before, err = ParseMeshLock(text); err != nil {
					t.Fatal(err)
				}
			}
			now := f.AssignMeshes(before, step.release)
			if err := os.WriteFile(lock, now.Text(), 0o644); err != nil {
				t.Fatal(err)
			}
			again := meshOf(t, dir, step.mesh, step.hosts...)
			if diff := cmp.Diff(step.want, addresses(again.Meshes[0])); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(string(now.Text()), string(again.AssignMeshes(now, step.release).Text())); diff != "" {
				t.Errorf("assigned twice:\n%s", diff)
			}
		})
	}
}

// A full network gives the last member no address, which vet says.
func TestMeshIsFull(t *testing.T) {
	f := meshOf(t, t.TempDir(), `mesh: wg0: network: "10.99.0.0/29"`, "a", "b", "c", "d", "e", "f")
	f.AssignMeshes(MeshLock{Version: meshLockVersion, Meshes: map[string]map[string][]netip.Addr{"wg0": {"gone": {netip.MustParseAddr("10.99.0.1")}}}}, false)
	if got, want := addresses(f.Meshes[0]), "a 10.99.0.2, b 10.99.0.3, c 10.99.0.4, d 10.99.0.5, e 10.99.0.6, f invalid IP"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What a mesh makes of its members: their endpoints, their secrets, and the ways to them.
func TestMeshMembers(t *testing.T) {
	dir := t.TempDir()
	mesh := `mesh: wg0: {network: "10.99.0.0/24", deploy: true, hub: "a", hosts: {b: endpoint: "vpn.example.org", c: {nat: true}, d: {endpoint: "[2001:db8::1]:443", port: 9}, e: address: "10.99.0.77"}}
kluster: {distribution: "k3s", master: "a", mesh: "wg0", token: "join"}
defaults: secrets: join: {env: "JOIN"}`
	hosts := []string{"a", "b", "c", "d", "e"}
	lock := meshOf(t, dir, mesh, hosts...).AssignMeshes(MeshLock{}, false)
	if err := os.WriteFile(filepath.Join(dir, MeshLockFile), lock.Text(), 0o644); err != nil {
		t.Fatal(err)
	}
	f := meshOf(t, dir, mesh, hosts...)
	var got []string
	for _, m := range f.Meshes[0].Members {
		h := f.Host(m.Host)
		got = append(got, fmt.Sprintf("%s: endpoint %q, port %d, keep-alive %v, cluster %s, ways %v, key %s", m.Host, m.Endpoint, m.Port, m.KeepAlive, h.ClusterAddress(), h.DialWays(), h.Secret("mesh-wg0").Age))
	}
	want := []string{
		`a: endpoint "192.0.2.1:51820", port 51820, keep-alive 0s, cluster 10.99.0.1, ways [10.99.0.1 192.0.2.1], key ./mesh/wg0/a.age`,
		`b: endpoint "vpn.example.org:51820", port 51820, keep-alive 0s, cluster 10.99.0.2, ways [10.99.0.2 192.0.2.2], key ./mesh/wg0/b.age`,
		`c: endpoint "", port 51820, keep-alive 25s, cluster 10.99.0.3, ways [10.99.0.3 192.0.2.3], key ./mesh/wg0/c.age`,
		`d: endpoint "[2001:db8::1]:443", port 9, keep-alive 0s, cluster 10.99.0.4, ways [10.99.0.4 192.0.2.4], key ./mesh/wg0/d.age`,
		`e: endpoint "192.0.2.5:51820", port 51820, keep-alive 0s, cluster 10.99.0.77, ways [10.99.0.77 192.0.2.5], key ./mesh/wg0/e.age`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A host of a site may fetch from each of its addresses, those in meshes too.
func TestPeerAddresses(t *testing.T) {
	dir := t.TempDir()
	f := meshOf(t, dir, `mesh: wg0: {network: "10.99.0.0/24", on: "a", hosts: a: address: "10.99.0.7"}
hosts: c: host: ["c.example.com", "192.0.2.30:2222", "fe80::1%eth0"]
hosts: d: host: "d.example.com"`, "a", "b")
	got := map[string]string{}
	for _, h := range f.Hosts {
		got[h.Name] = fmt.Sprint(PeerAddresses(f, h))
	}
	want := map[string]string{"a": "[192.0.2.1 10.99.0.7]", "b": "[192.0.2.2]", "c": "[192.0.2.30 fe80::1]", "d": "[]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}
