package cmd

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A member is what the modules of k3s and RKE2 are told of a member of a cluster.
type member struct {
	Role, ServerAddr, TokenFile string
	ClusterInit                 bool
	Flags                       []string
	TCP, UDP                    []int // open ports
}

// memberText is the option in which a host of the test says what it is told.
const memberText = `
defaults: config: environment: etc: member: text: $expr: """
	let cfg = config.services.%DISTRIBUTION; in builtins.toJSON {
	  Role = cfg.role;
	  ServerAddr = cfg.serverAddr;
	  TokenFile = cfg.tokenFile;
	  ClusterInit = cfg.clusterInit or false;
	  Flags = lib.toList cfg.extraFlags;
	  TCP = config.networking.firewall.allowedTCPPorts;
	  UDP = config.networking.firewall.allowedUDPPorts;
	}
	"""
`

// The options of a cluster are those of the guides: for k3s, of nixpkgs
// (pkgs/applications/networking/cluster/k3s/docs/USAGE.md), and the tables of inbound rules
// of docs.k3s.io/installation/requirements; for RKE2, of docs.rke2.io/install/ha and
// docs.rke2.io/install/requirements. The token is a file in place of a text in the store.
func TestClustersAreThoseOfTheGuides(t *testing.T) {
	const token = "/run/muster-secrets/join"
	first, second, agent := []string{"--tls-san=10.9.0.1", "--node-ip=10.9.0.1"}, []string{"--tls-san=10.9.0.1", "--node-ip=10.9.0.2"}, []string{"--node-ip=10.9.0.4"}
	k3s, rke2 := "https://10.9.0.1:6443", "https://10.9.0.1:9345"
	etcd, flannel := []int{2379, 2380, 6443, 10250}, []int{8472}
	supervised := []int{2379, 2380, 6443, 9345, 10250}
	tainted := func(flags []string) []string {
		return append(slices.Clone(flags), "--node-taint=node-role.kubernetes.io/control-plane=true:NoSchedule")
	}
	for name, row := range map[string]struct {
		cluster cluster
		want    map[string]member
	}{
		"k3s, a single node": {
			cluster{distribution: "k3s", hosts: 1, masters: 1},
			map[string]member{"h1": {Role: "server", TokenFile: token, Flags: first, TCP: []int{6443, 10250}, UDP: flannel}},
		},
		"k3s, highly available": {
			cluster{distribution: "k3s", hosts: 4, masters: 3},
			map[string]member{
				"h1": {Role: "server", TokenFile: token, ClusterInit: true, Flags: first, TCP: etcd, UDP: flannel},
				"h2": {Role: "server", TokenFile: token, ServerAddr: k3s, Flags: second, TCP: etcd, UDP: flannel},
				"h4": {Role: "agent", TokenFile: token, ServerAddr: k3s, Flags: agent, TCP: []int{10250}, UDP: flannel},
			},
		},
		"k3s, servers that take pods from nobody": {
			cluster{distribution: "k3s", hosts: 2, masters: 1, more: `}` + "\n" + `hosts: h1: roles: ["kubernetes-master"` + "]\n" + `kluster: {`},
			map[string]member{
				"h1": {Role: "server", TokenFile: token, Flags: tainted(first), TCP: []int{6443, 10250}, UDP: flannel},
				"h2": {Role: "agent", TokenFile: token, ServerAddr: k3s, Flags: []string{"--node-ip=10.9.0.2"}, TCP: []int{10250}, UDP: flannel},
			},
		},
		"RKE2, highly available": {
			cluster{distribution: "rke2", hosts: 4, masters: 3},
			map[string]member{
				"h1": {Role: "server", TokenFile: token, Flags: first, TCP: supervised, UDP: flannel},
				"h2": {Role: "server", TokenFile: token, ServerAddr: rke2, Flags: second, TCP: supervised, UDP: flannel},
				"h4": {Role: "agent", TokenFile: token, ServerAddr: rke2, Flags: agent, TCP: []int{10250}, UDP: flannel},
			},
		},
	} {
		tree, _ := klusterTree(t)
		if has, _ := distributionsIn(t, tree); !slices.Contains(has, row.cluster.distribution) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			row.cluster.write(t, dir)
			appendTo(t, filepath.Join(dir, "hosts.cue"), memberText)
			edit(t, filepath.Join(dir, "hosts.cue"), "%DISTRIBUTION", row.cluster.distribution, 1)
			cmd := exec.Command(musterProgram(t), "eval", "--json", "--attr", "config.environment.etc.member.text")
			cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), "HOME="+dir), os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			var texts map[string]string
			if err := json.Unmarshal(out, &texts); err != nil {
				t.Fatal(err)
			}
			for host, want := range row.want {
				var got member
				if err := json.Unmarshal([]byte(texts[host]), &got); err != nil {
					t.Fatalf("%s: %v: %s", host, err, texts[host])
				}
				got.TCP = slices.DeleteFunc(got.TCP, func(port int) bool { return port == 22 })
				slices.Sort(got.TCP)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: -want +got\n%s", host, diff)
				}
			}
		})
	}
}

// appendTo appends text to a file.
func appendTo(t *testing.T, name, text string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}
