package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"time"

	"muster/exec/host"
	fleet "muster/schema"
)

// Credentials are what proves to the API, and to etcd, that the administrator asks. All are
// PEM texts. Those for etcd are empty where the cluster has none.
type Credentials struct {
	CA, Cert, Key             []byte
	EtcdCA, EtcdCert, EtcdKey []byte
}

// A files names the files of a master that have the credentials.
type files struct {
	kubeconfig                string // has the first three, in base64
	ca, cert, key             string
	etcdCA, etcdCert, etcdKey string
	etcd                      string // is there where the master runs a member of etcd; "" where it need not be
}

// places are where the masters of a distribution have the credentials; the first place
// that has them counts.
func places(d fleet.Distribution, pki *PKI) []files {
	admin, client := fleet.SecretsDir+"/"+fleet.CertAdmin, fleet.SecretsDir+"/"+fleet.CertAPIServerEtcd
	switch d {
	case fleet.K3s, fleet.RKE2:
		return rancherPlaces(string(d), pki, client)
	}
	const easy = "/var/lib/kubernetes/secrets/" // of services.kubernetes.easyCerts
	list := []files{{
		ca: easy + "ca.pem", cert: easy + "cluster-admin.pem", key: easy + "cluster-admin-key.pem",
		etcdCA: easy + "ca.pem", etcdCert: easy + "kube-apiserver-etcd-client.pem", etcdKey: easy + "kube-apiserver-etcd-client-key.pem",
	}}
	if pki != nil {
		list = append([]files{{cert: admin, key: admin, etcdCert: client, etcdKey: client}}, list...)
	}
	return list
}

// rancherPlaces are where k3s and rke2 have the credentials. Their kubeconfig may be
// elsewhere (--write-kubeconfig); the files that it is made from are not. Certificates for
// etcd are there whatever the datastore is (k3s' pkg/daemons/control/deps), so that only
// the configuration of a member tells that there is one.
func rancherPlaces(name string, pki *PKI, client string) []files {
	server := "/var/lib/rancher/" + name + "/server/"
	tls := server + "tls/"
	kubeconfig := files{
		kubeconfig: "/etc/rancher/" + name + "/" + name + ".yaml",
		etcdCA:     tls + "etcd/server-ca.crt", etcdCert: tls + "etcd/client.crt", etcdKey: tls + "etcd/client.key",
		etcd: server + "db/etcd/config",
	}
	if pki != nil { // etcd is elsewhere
		kubeconfig.etcdCA, kubeconfig.etcdCert, kubeconfig.etcdKey, kubeconfig.etcd = "", client, client, ""
	}
	made := kubeconfig
	made.kubeconfig, made.ca, made.cert, made.key = "", tls+"server-ca.crt", tls+"client-admin.crt", tls+"client-admin.key"
	return []files{kubeconfig, made}
}

// A PKI has the authorities of a cluster whose certificates muster makes. CA is empty where
// muster makes those of etcd alone.
type PKI struct{ CA, EtcdCA []byte }

// ErrNotBegun says that no master has no credentials: its cluster has not begun.
var ErrNotBegun = errors.New("the cluster has not begun: it has no certificate of an administrator")

// readCredentials reads the credentials that a master has.
func readCredentials(ctx context.Context, m Machine, d fleet.Distribution, pki *PKI) (*Credentials, error) {
	h := host.New(m, reachLimit)
	for _, f := range places(d, pki) {
		var names []string
		for _, name := range []string{f.kubeconfig, f.ca, f.cert, f.key, f.etcdCA, f.etcdCert, f.etcdKey, f.etcd} {
			if name != "" {
				names = append(names, name)
			}
		}
		texts, err := h.Texts(ctx, names)
		if err != nil {
			return nil, fmt.Errorf("read the administrator's certificate: %w", err)
		}
		if c := f.credentials(texts, pki); c != nil {
			return c, nil
		}
	}
	return nil, ErrNotBegun
}

// credentials takes the credentials out of files; nil where a part is not there.
func (f *files) credentials(texts map[string]string, pki *PKI) *Credentials {
	c := &Credentials{
		CA: []byte(texts[f.ca]), Cert: []byte(texts[f.cert]), Key: []byte(texts[f.key]),
		EtcdCA: []byte(texts[f.etcdCA]), EtcdCert: []byte(texts[f.etcdCert]), EtcdKey: []byte(texts[f.etcdKey]),
	}
	if config := texts[f.kubeconfig]; f.kubeconfig != "" {
		c.CA, c.Cert, c.Key = field(config, "certificate-authority-data"), field(config, "client-certificate-data"), field(config, "client-key-data")
	}
	if f.ca == "" && f.kubeconfig == "" && pki != nil {
		c.CA = pki.CA
	}
	if f.etcdCA == "" && pki != nil {
		c.EtcdCA = pki.EtcdCA
	}
	if f.etcd != "" && texts[f.etcd] == "" {
		c.EtcdCA, c.EtcdCert, c.EtcdKey = nil, nil, nil
	}
	if _, err := tls.X509KeyPair(c.Cert, c.Key); err != nil || len(c.CA) == 0 {
		return nil
	}
	return c
}

// hasEtcd reports whether there are credentials for etcd.
func (c *Credentials) hasEtcd() bool {
	return len(c.EtcdCA) > 0 && len(c.EtcdCert) > 0 && len(c.EtcdKey) > 0
}

// field reads a field of a kubeconfig that k3s and rke2 write, one field a line.
func field(config, name string) []byte {
	found := regexp.MustCompile(`(?m)^\s*` + name + `:\s*([A-Za-z0-9+/=]+)\s*$`).FindStringSubmatch(config)
	if found == nil {
		return nil
	}
	text, err := base64.StdEncoding.DecodeString(found[1])
	if err != nil {
		return nil
	}
	return text
}

// credentials are those of the first master that has them. A cluster that no master has
// begun has none.
func (m *masters) credentials(ctx context.Context, d fleet.Distribution, pki *PKI) (*Credentials, error) {
	var all error
	none := 0
	for _, name := range m.order() {
		machine, err := m.machine(ctx, name)
		if err == nil {
			var c *Credentials
			limited, cancel := context.WithTimeout(ctx, 2*time.Minute)
			c, err = readCredentials(limited, machine, d, pki)
			cancel()
			if err == nil {
				return c, nil
			}
			if errors.Is(err, ErrNotBegun) {
				none++
			} else {
				m.drop(name, machine)
			}
		}
		all = errors.Join(all, fmt.Errorf("%s: %w", name, err))
	}
	if none == len(m.names) {
		return nil, ErrNotBegun
	}
	return nil, all
}

// showing is how TLS shows a certificate and asks for those of an authority, each in PEM. An
// error calls them what they are.
func showing(cert, key []byte, certIs string, ca []byte, caIs string) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", certIs, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s: no certificate", caIs)
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}
