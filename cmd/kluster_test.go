package cmd

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
)

var klusterNixpkgs = flag.String("kluster-nixpkgs", "", "a `directory` with all of nixpkgs, over which clusters evaluate in place of minios")

// klusterTree is the tree that clusters evaluate over. Real reports whether that is a whole nixpkgs.
func klusterTree(t *testing.T) (tree string, real bool) {
	t.Helper()
	tree = "../examples/minios"
	if *klusterNixpkgs != "" {
		tree, real = *klusterNixpkgs, true
	}
	tree, err := filepath.Abs(tree)
	if err != nil {
		t.Fatal(err)
	}
	return tree, real
}

// A cluster is a fleet of hosts that are one Kubernetes cluster.
type cluster struct {
	distribution   string
	hosts, masters int
	more           string // fields of kluster
	dual           bool   // hosts have addresses of both families
}

// write writes the cluster's inventory to a directory, and an identity that opens its
// secrets.
func (c cluster) write(t *testing.T, dir string) {
	t.Helper()
	tree, real := klusterTree(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package fleet\n\nnixpkgs: path: %q\nsecret_recipients: [%q]\n", tree, id.Recipient())
	if real {
		b.WriteString("defaults: config: {system: stateVersion: \"24.05\", boot: loader: grub: device: \"nodev\"}\n")
	}
	b.WriteString("defaults: config: users: users: root: openssh: authorizedKeys: keys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBzOBS0ma5kWaMp9MNx8lyzgIDVOOqMvDwmsOTtsuDQS\"]\n")
	var masters []string
	for i := range c.hosts {
		if i < c.masters {
			masters = append(masters, fmt.Sprintf("%q", fmt.Sprintf("h%d", i+1)))
		}
		address := fmt.Sprintf("%q", fmt.Sprintf("10.9.0.%d", i+1))
		if c.dual {
			address = fmt.Sprintf("[%s, %q]", address, fmt.Sprintf("fd09::%d", i+1))
		}
		fmt.Fprintf(&b, "hosts: h%d: {host: %s, disk_uuid: \"01b3bcba-c0ef-4538-8dd2-f7dee29523%02d\"}\n", i+1, address, i)
	}
	fmt.Fprintf(&b, "kluster: {distribution: %q, masters: [%s], api: address: \"10.9.0.1\"%s}\n", c.distribution, strings.Join(masters, ", "), c.more)
	if c.distribution != "kubernetes" {
		b.WriteString("kluster: token: \"join\"\ndefaults: secrets: join: {age: \"./join.age\", generate: kind: \"password\"}\n")
	}
	for name, content := range map[string]string{"hosts.cue": b.String(), "identity": id.String() + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// muster runs muster in a directory, and returns what it printed.
func (c cluster) muster(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command(musterProgram(t), args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// Clusters of every distribution, with one master and with three, evaluate: with muster's
// evaluator and with Nix's, to the same derivations.
func TestClusters(t *testing.T) {
	tree, _ := klusterTree(t)
	distributions, rke2Manifests := distributionsIn(t, tree)
	for _, distribution := range distributions {
		for _, hosts := range []int{1, 3, 5, 7} {
			for _, masters := range []int{1, 3} {
				if masters > hosts {
					continue
				}
				c := cluster{distribution: distribution, hosts: hosts, masters: masters}
				if distribution == "kubernetes" && masters > 1 {
					c.more = `, pki: "./pki"`
				}
				t.Run(fmt.Sprintf("%s/%d hosts/%d masters", distribution, hosts, masters), c.evaluates)
			}
		}
	}
	for name, c := range map[string]cluster{
		"etcd elsewhere and load balancers": {distribution: "kubernetes", hosts: 6, masters: 3,
			more: `, etcd: ["h4", "h5", "h6"], pki: "./pki", load_balancers: ["h4", "h5"], domain: "k.example.com", api: interface: "eth1"`},
		"networks":       {distribution: "kubernetes", hosts: 4, masters: 3, more: `, pki: "./pki", service_cidr: "10.32.0.0/24", pod_cidr: "10.200.0.0/16"`},
		"both families":  {distribution: "kubernetes", hosts: 4, masters: 3, more: `, pki: "./pki"` + klusterStack, dual: true},
		"easyCerts":      {distribution: "kubernetes", hosts: 2, masters: 1, more: klusterStack, dual: true},
		"etcd elsewhere": {distribution: "k3s", hosts: 6, masters: 3, more: `, etcd: ["h4", "h5", "h6"], pki: "./pki"`},
		"SQLite":         {distribution: "k3s", hosts: 3, masters: 1, more: `, etcd: []`},
		"own networks":   {distribution: "k3s", hosts: 4, masters: 3, more: klusterNetworks},
		"balanced":       {distribution: "k3s", hosts: 5, masters: 3, more: klusterBalanced},
		"all of it":      {distribution: "k3s", hosts: 3, masters: 1, more: klusterStack, dual: true},
		"with networks":  {distribution: "rke2", hosts: 4, masters: 3, more: klusterNetworks},
		"with balancers": {distribution: "rke2", hosts: 5, masters: 3, more: klusterBalanced},
		"of both":        {distribution: "rke2", hosts: 4, masters: 3, more: klusterFamilies, dual: true},
		"with manifests": {distribution: "rke2", hosts: 4, masters: 3, more: klusterStack, dual: true},
	} {
		if !slices.Contains(distributions, c.distribution) {
			continue
		}
		if c.distribution == "rke2" && strings.Contains(c.more, "manifests") && !rke2Manifests {
			t.Run(c.distribution+"/"+name, c.isRefused(`needs NixOS 25.11 or later with rke2`))
			continue
		}
		t.Run(c.distribution+"/"+name, c.evaluates)
	}
}

// distributionsIn are the distributions whose modules a tree of NixOS has, as muster needs
// them, and whether that of RKE2 takes manifests. Before 24.11, that of k3s takes one text of flags.
func distributionsIn(t *testing.T, tree string) (found []string, rke2Manifests bool) {
	t.Helper()
	if _, real := klusterTree(t); !real {
		return []string{"kubernetes", "k3s", "rke2"}, true // minios
	}
	modules := filepath.Join(tree, "nixos/modules/services/cluster")
	text := func(name string) string {
		text, err := os.ReadFile(filepath.Join(modules, name, "default.nix"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
	found = []string{"kubernetes"}
	if text("rancher") != "" {
		return append(found, "k3s", "rke2"), true
	}
	if regexp.MustCompile(`extraFlags = (lib\.)?mkOption \{[^}]*listOf`).MatchString(text("k3s")) {
		found = append(found, "k3s")
	}
	if rke2 := text("rke2"); rke2 != "" {
		found, rke2Manifests = append(found, "rke2"), strings.Contains(rke2, "manifests = ")
	}
	t.Logf("%s has the modules of %s", tree, strings.Join(found, ", "))
	return found, rke2Manifests
}

// Networks and balancers of a cluster.
const (
	klusterNetworks = `, service_cidr: "10.32.0.0/16", pod_cidr: "10.200.0.0/16", domain: "k.example.com"`
	klusterBalanced = `, load_balancers: ["h4", "h5"], api: interface: "eth1"`
	klusterFamilies = `, pod_cidr6: "fd42:10::/56", service_cidr6: "fd42:11::/112", dns: false`
)

// klusterStack is a cluster with both families of addresses, an object of its own, and no DNS.
const klusterStack = klusterFamilies + `, manifests: web: {apiVersion: "v1", kind: "ConfigMap", metadata: {name: "web", namespace: "kube-system"}, data: a: "b"}`

// evaluates evaluates the cluster by both evaluators.
func (c cluster) evaluates(t *testing.T) {
	if *klusterNixpkgs == "" { // Nix takes gigabytes for a cluster over all of nixpkgs
		t.Parallel()
	}
	c.muster(t, c.prepared(t), "eval", "--evaluator", "both")
}

// isRefused returns a test that the cluster is an error of the evaluation that says so.
func (c cluster) isRefused(says string) func(*testing.T) {
	return func(t *testing.T) {
		cmd := exec.Command(musterProgram(t), "eval")
		cmd.Dir = c.prepared(t)
		cmd.Env = append(os.Environ(), "HOME="+cmd.Dir)
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), says) {
			t.Errorf("%v, want %q:\n%s", err, says, out)
		}
	}
}

// prepared is a directory with the cluster's inventory, and its secrets.
func (c cluster) prepared(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	c.write(t, dir)
	if strings.Contains(c.more, "load_balancers") {
		edit(t, filepath.Join(dir, "hosts.cue"), `address: "10.9.0.1"`, `address: "10.9.0.100"`, 1)
	}
	if c.more != "" {
		c.muster(t, dir, "secrets", "generate")
	}
	return dir
}

// What a cluster of three masters is compiled to: the modules that masters and nodes
// share, and what each host has of its own.
func TestClusterModules(t *testing.T) {
	for _, c := range []cluster{
		{distribution: "kubernetes", hosts: 4, masters: 3, more: `, pki: "./pki", service_cidr: "10.32.0.0/24", pod_cidr: "10.200.0.0/16"`},
		{distribution: "kubernetes", hosts: 6, masters: 3, more: `, etcd: ["h4", "h5", "h6"], pki: "./pki", load_balancers: ["h4", "h5"], domain: "k.example.com"} & {api: interface: "eth1"`},
		{distribution: "k3s", hosts: 4, masters: 3, more: `, domain: "k.example.com", pod_cidr: "10.42.0.0/16", service_cidr: "10.43.0.0/16"`},
		{distribution: "rke2", hosts: 5, masters: 3, more: `, load_balancers: ["h5"]`},
		{distribution: "kubernetes", hosts: 3, masters: 1, more: `, pki: "./pki", version: "1.31.2"` + klusterStack, dual: true},
		{distribution: "k3s", hosts: 6, masters: 3, more: `, version: "1.31", etcd: ["h4", "h5", "h6"], pki: "./pki"` + klusterStack, dual: true},
		{distribution: "rke2", hosts: 3, masters: 1, more: klusterStack, dual: true},
	} {
		t.Run(fmt.Sprint(c.distribution, c.hosts), func(t *testing.T) {
			dir := t.TempDir()
			c.write(t, dir)
			if c.hosts > 4 && strings.Contains(c.more, "load_balancers") {
				edit(t, filepath.Join(dir, "hosts.cue"), `"10.9.0.1"`, `"10.9.0.100"`, 2)
			}
			master := ""
			if c.masters > 2 {
				master = "hosts: h3: roles: [\"kubernetes-master\"]\n"
			}
			edit(t, filepath.Join(dir, "hosts.cue"), "kluster: {", `hosts: h2: node: {labels: zone: "a", taints: ["gpu=yes:NoSchedule", "old:NoExecute"]}`+"\n"+master+"kluster: {", 1)
			c.muster(t, dir, "compile", "--split", "out")
			var got strings.Builder
			for _, pattern := range []string{"roles/kubernetes-*.nix", "hosts/*.nix"} {
				files, err := filepath.Glob(filepath.Join(dir, "out", pattern))
				if err != nil {
					t.Fatal(err)
				}
				for _, file := range files {
					text, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					fmt.Fprintf(&got, "# %s\n%s\n", strings.TrimPrefix(file, dir+"/out/"), text)
				}
			}
			golden := filepath.Join("testdata/kluster", fmt.Sprint(c.distribution, c.hosts, ".nix"))
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s: -want +got\n%s", golden, diff)
			}
		})
	}
}

// edit replaces the nth text in a file.
func edit(t *testing.T, name, old, new string, nth int) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(text), old, nth+1)
	if len(parts) != nth+1 {
		t.Fatalf("%s has no %d times %q:\n%s", name, nth, old, text)
	}
	if err := os.WriteFile(name, []byte(strings.Join(parts[:nth], old)+new+parts[nth]), 0o600); err != nil {
		t.Fatal(err)
	}
}

// The certificates of a cluster are for the names that its members use, and those of etcd
// are signed by another authority: a client of the API is none of etcd.
func TestClusterCertificates(t *testing.T) {
	dir := t.TempDir()
	c := cluster{distribution: "kubernetes", hosts: 4, masters: 3, more: `, pki: "./pki", service_cidr: "10.32.0.0/24"`}
	c.write(t, dir)
	c.muster(t, dir, "secrets", "generate")
	read := func(name string) *x509.Certificate {
		text, err := os.ReadFile(filepath.Join(dir, "pki", name+".crt"))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(text)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	for _, row := range []struct{ name, authority, subject, host string }{
		{"h1/apiserver", "ca", "CN=kubernetes", "10.32.0.1"},
		{"h2/apiserver", "ca", "CN=kubernetes", "10.9.0.1"},
		{"h3/apiserver", "ca", "CN=kubernetes", "kubernetes.default.svc.cluster.local"},
		{"h3/apiserver-kubelet-client", "ca", "CN=system:kube-apiserver", ""},
		{"h3/apiserver-etcd-client", "etcd-ca", "CN=etcd-client", ""},
		{"h1/etcd", "etcd-ca", "CN=h1", "10.9.0.1"},
		{"h1/cluster-admin", "ca", "CN=cluster-admin,O=system:masters", ""},
		{"h4/kubelet", "ca", "CN=system:node:h4,O=system:nodes", "10.9.0.4"},
		{"h4/kube-proxy", "ca", "CN=system:kube-proxy", ""},
		{"service-account", "ca", "CN=system:service-account-signer", ""},
	} {
		cert := read(row.name)
		if got := cert.Subject.String(); got != row.subject {
			t.Errorf("%s: subject %s, want %s", row.name, got, row.subject)
		}
		if row.host != "" && cert.VerifyHostname(row.host) != nil {
			t.Errorf("%s: not for %s: %v %v", row.name, row.host, cert.DNSNames, cert.IPAddresses)
		}
		for _, authority := range []string{"ca", "etcd-ca"} {
			if signed := cert.CheckSignatureFrom(read(authority)) == nil; signed != (authority == row.authority) {
				t.Errorf("%s: signed by %s: %v", row.name, authority, signed)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "pki/h4/apiserver.age")); err == nil {
		t.Error("a node has the certificate of an API server")
	}
}

// Three members of a real etcd form a cluster with the certificates, the API servers'
// certificate lets a client in, and one that the cluster's own authority signed does not.
func TestEtcdTakesTheCertificates(t *testing.T) {
	for _, program := range []string{"etcd", "etcdctl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: apt-get install etcd-server etcd-client", err)
		}
	}
	dir := t.TempDir()
	c := cluster{distribution: "kubernetes", hosts: 3, masters: 3, more: `, pki: "./pki"`}
	c.write(t, dir)
	c.muster(t, dir, "secrets", "generate")
	opened := func(name string) string {
		plain := filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
		if out, err := exec.Command("age", "-d", "-i", filepath.Join(dir, "identity"), "-o", plain, filepath.Join(dir, "pki", name+".age")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return plain
	}
	authority := filepath.Join(dir, "pki/etcd-ca.crt")
	urls := freeURLs(t, 6)
	var members, endpoints []string
	for i := range 3 {
		members = append(members, fmt.Sprintf("h%d=%s", i+1, urls[3+i]))
		endpoints = append(endpoints, urls[i])
	}
	for i := range 3 {
		pair := opened(fmt.Sprintf("h%d/etcd", i+1))
		log, err := os.Create(filepath.Join(dir, fmt.Sprintf("log%d", i+1)))
		if err != nil {
			t.Fatal(err)
		}
		etcd := exec.Command("etcd", "--name", fmt.Sprintf("h%d", i+1), "--data-dir", filepath.Join(dir, fmt.Sprintf("data%d", i+1)),
			"--listen-client-urls", urls[i], "--advertise-client-urls", urls[i], "--listen-peer-urls", urls[3+i], "--initial-advertise-peer-urls", urls[3+i],
			"--initial-cluster", strings.Join(members, ","), "--client-cert-auth", "--peer-client-cert-auth",
			"--cert-file", pair, "--key-file", pair, "--peer-cert-file", pair, "--peer-key-file", pair, "--trusted-ca-file", authority, "--peer-trusted-ca-file", authority)
		etcd.Stdout, etcd.Stderr = log, log
		if err := etcd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			etcd.Process.Kill()
			etcd.Wait()
			if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
				t.Logf("%s", text)
			}
		})
	}
	client := func(certificate string, seconds string, words ...string) (string, error) {
		pair := opened(certificate)
		cmd := exec.Command("etcdctl", append([]string{"--endpoints", strings.Join(endpoints, ","), "--cacert", authority, "--cert", pair, "--key", pair, "--dial-timeout", seconds, "--command-timeout", seconds}, words...)...)
		cmd.Env = append(os.Environ(), "ETCDCTL_API=3")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := client("h1/apiserver-etcd-client", "120s", "put", "fleet", "whole"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := client("h2/apiserver-etcd-client", "60s", "member", "list"); err != nil || strings.Count(out, "started") != 3 {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := client("h1/cluster-admin", "5s", "get", "fleet"); err == nil {
		t.Errorf("the cluster's administrator is a client of etcd: %s", out)
	}
}

// freeURLs are HTTPS URLs of this machine whose ports nothing uses.
func freeURLs(t *testing.T, n int) []string {
	t.Helper()
	var urls []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		urls = append(urls, "https://"+l.Addr().String())
	}
	return urls
}
