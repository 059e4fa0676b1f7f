package kube

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"muster/exec/lab/kubelab"
	fleet "muster/schema"
)

// rancherFiles are the files of a server of k3s or RKE2 that begins a cluster, as
// pkg/daemons/control/deps of k3s lays them out, and its kubeconfig.
func rancherFiles(name string, p *kubelab.PKI) map[string]string {
	server := "/var/lib/rancher/" + name + "/server/"
	encode := func(file string) string { return base64.StdEncoding.EncodeToString([]byte(p.Text(file))) }
	return map[string]string{
		"/etc/rancher/" + name + "/" + name + ".yaml": fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://127.0.0.1:6443
  name: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, encode("ca.crt"), encode("admin.crt"), encode("admin.key")),
		server + "tls/server-ca.crt":      p.Text("ca.crt"),
		server + "tls/client-admin.crt":   p.Text("admin.crt"),
		server + "tls/client-admin.key":   p.Text("admin.key"),
		server + "tls/etcd/server-ca.crt": p.Text("etcd-ca.crt"),
		server + "tls/etcd/client.crt":    p.Text("etcd-client.crt"),
		server + "tls/etcd/client.key":    p.Text("etcd-client.key"),
		server + "db/etcd/config":         "name: m1-0a1b2c3d\n",
	}
}

// without is files without some.
func without(all map[string]string, names ...string) map[string]string {
	all = maps.Clone(all)
	for _, name := range names {
		delete(all, name)
	}
	return all
}

// Servers of k3s and RKE2 have the credentials where those programs put them. Certificates
// for etcd are there with every datastore, and a member of etcd only with one of them: a
// server without it is let go without a question for a quorum. The etcd and the API server
// are real; the files are laid out as the programs lay them out.
func TestServersOfK3sAndRKE2(t *testing.T) {
	k3s, rke2 := "/var/lib/rancher/k3s/server/", "/var/lib/rancher/rke2/server/"
	for _, row := range []struct {
		name         string
		distribution fleet.Distribution
		masters      int
		files        func(p *kubelab.PKI, master string) map[string]string
		etcd         int  // members that are found
		elsewhere    bool // the etcd is that of kluster.etcd
		quorum       bool // whether that of a real etcd is lost, too
	}{
		{"k3s with etcd", fleet.K3s, 3, func(p *kubelab.PKI, _ string) map[string]string { return rancherFiles("k3s", p) }, 3, false, true},
		{"k3s with its kubeconfig elsewhere", fleet.K3s, 1, func(p *kubelab.PKI, _ string) map[string]string {
			return without(rancherFiles("k3s", p), "/etc/rancher/k3s/k3s.yaml")
		}, 1, false, false},
		{"k3s with SQLite", fleet.K3s, 1, func(p *kubelab.PKI, _ string) map[string]string {
			return without(rancherFiles("k3s", p), k3s+"db/etcd/config")
		}, 0, false, false},
		{"k3s with etcd elsewhere", fleet.K3s, 1, func(p *kubelab.PKI, _ string) map[string]string {
			files := without(rancherFiles("k3s", p), k3s+"db/etcd/config")
			files[etcdFile] = p.Text("etcd-client.crt") + p.Text("etcd-client.key")
			return files
		}, 1, true, false},
		{"the second server of k3s has begun", fleet.K3s, 3, func(p *kubelab.PKI, master string) map[string]string {
			if master == "m1" {
				return nil
			}
			return rancherFiles("k3s", p)
		}, 3, false, false},
		{"RKE2", fleet.RKE2, 3, func(p *kubelab.PKI, _ string) map[string]string { return rancherFiles("rke2", p) }, 3, false, false},
		{"RKE2 with its kubeconfig elsewhere", fleet.RKE2, 1, func(p *kubelab.PKI, _ string) map[string]string {
			return without(rancherFiles("rke2", p), "/etc/rancher/rke2/rke2.yaml", rke2+"cred")
		}, 1, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			lab := startLabAs(t, kubelab.Config{Masters: row.masters, APIServer: *apiServer, Files: row.files})
			all := members(row.masters, 1)
			c := open(t, lab, fleet.KlusterRollout{Timeout: time.Minute}, all)
			c.config.Distribution, c.config.PKI = row.distribution, nil
			if row.elsewhere {
				_, etcdCA := lab.PKI.Authorities()
				c.config.PKI = &PKI{EtcdCA: etcdCA}
			}
			o, err := c.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case row.etcd == 0 && o.etcd != nil:
				t.Error("a server without etcd has one")
			case row.etcd > 0:
				awaitEtcd(t, c, row.etcd)
			}
			if err := c.Spare(t.Context(), &all[0]); err != nil {
				t.Errorf("m1 is restarted: %v", err)
			}
			if row.quorum {
				lab.StopEtcd("m3")
				awaitEtcd(t, c, 2)
				if err := c.Spare(t.Context(), &all[0]); err == nil || !strings.Contains(err.Error(), "etcd would lose its quorum without m1") {
					t.Errorf("m1 is restarted while m3 is down: %v", err)
				}
			}
			if *apiServer != "" && row.masters == 1 {
				rancherStatus(t, c, row.etcd)
			}
		})
	}
}

// rancherStatus asks the real API server with the credentials that were found.
func rancherStatus(t *testing.T, c *Cluster, etcd int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for {
		s, err := c.Status(ctx)
		if err == nil && len(s.Etcd) == etcd && s.Version == "1.34.1" {
			return
		}
		if c.pause(ctx) != nil {
			t.Fatalf("status: %+v: %v", s, err)
		}
	}
}

// The API of a cluster whose certificates NixOS makes by itself is where https is, that of all
// others at its own port; and a real one answers there.
func TestTheAPIIsWhereTheModuleHasIt(t *testing.T) {
	for _, row := range []struct {
		distribution fleet.Distribution
		pki          *PKI
		want         string
	}{
		{fleet.Kubernetes, nil, "127.0.0.1:443"},
		{fleet.Kubernetes, &PKI{}, "127.0.0.1:6443"},
		{fleet.K3s, nil, "127.0.0.1:6443"},
		{fleet.K3s, &PKI{}, "127.0.0.1:6443"},
		{fleet.RKE2, nil, "127.0.0.1:6443"},
	} {
		config := Config{Distribution: row.distribution, PKI: row.pki}
		if got := config.apiAddress(); got != row.want {
			t.Errorf("%s, certificates of muster's: %t: %s, want %s", row.distribution, row.pki != nil, got, row.want)
		}
	}
	if *apiServer == "" {
		t.Skip("no -apiserver; just test-kube builds one")
	}
	lab := startLabAs(t, kubelab.Config{Masters: 1, APIServer: *apiServer, APIPort: "443", Files: func(p *kubelab.PKI, _ string) map[string]string {
		const secrets = "/var/lib/kubernetes/secrets/"
		return map[string]string{
			secrets + "ca.pem": p.Text("ca.crt"), secrets + "cluster-admin.pem": p.Text("admin.crt"), secrets + "cluster-admin-key.pem": p.Text("admin.key"),
		}
	}})
	c := open(t, lab, fleet.KlusterRollout{Timeout: time.Minute}, members(1, 1))
	c.config.Distribution, c.config.PKI = fleet.Kubernetes, nil
	rancherStatus(t, c, 0)
}

// A server that has not begun its cluster has no credentials, and that is said so.
func TestServersThatHaveNotBegun(t *testing.T) {
	for _, d := range []fleet.Distribution{fleet.K3s, fleet.RKE2} {
		lab := startLabAs(t, kubelab.Config{Masters: 1, Files: func(*kubelab.PKI, string) map[string]string { return nil }})
		c := open(t, lab, fleet.KlusterRollout{}, members(1, 0))
		c.config.Distribution, c.config.PKI = d, nil
		if _, err := c.open(t.Context()); !errors.Is(err, ErrNotBegun) {
			t.Errorf("%s: %v", d, err)
		}
	}
}
