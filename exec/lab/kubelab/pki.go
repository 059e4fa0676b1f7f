package kubelab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// A PKI is the certificates of a control plane: files in a directory.
type PKI struct {
	dir    string
	serial int64
}

// A pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newPKI(dir string, masters int) (*PKI, error) {
	p := &PKI{dir: filepath.Join(dir, "pki")}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	local := []net.IP{net.ParseIP("127.0.0.1")}
	ca, err := p.issue("ca", nil, &x509.Certificate{Subject: pkix.Name{CommonName: "kubernetes"}})
	if err != nil {
		return nil, err
	}
	etcdCA, err := p.issue("etcd-ca", nil, &x509.Certificate{Subject: pkix.Name{CommonName: "etcd"}})
	if err != nil {
		return nil, err
	}
	for i := range masters {
		name := fmt.Sprintf("m%d", i+1)
		if _, err := p.issue(name+"-etcd", etcdCA, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: append(local, net.ParseIP(Address(i+1)))}); err != nil {
			return nil, err
		}
	}
	for name, t := range map[string]*x509.Certificate{
		"api":   {Subject: pkix.Name{CommonName: "kubernetes"}, IPAddresses: local, DNSNames: []string{"kubernetes.default.svc", "localhost"}},
		"admin": {Subject: pkix.Name{CommonName: "cluster-admin", Organization: []string{"system:masters"}}},
	} {
		if _, err := p.issue(name, ca, t); err != nil {
			return nil, err
		}
	}
	_, err = p.issue("etcd-client", etcdCA, &x509.Certificate{Subject: pkix.Name{CommonName: "etcd-client"}})
	return p, err
}

// issue writes a certificate and its key; it signs itself without a parent.
func (p *PKI) issue(name string, parent *pair, t *x509.Certificate) (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p.serial++
	t.SerialNumber, t.NotBefore, t.NotAfter = big.NewInt(p.serial), time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if parent == nil {
		t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
		parent = &pair{t, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent.cert, key.Public(), parent.key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	certText := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyText := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	// The last one is as the secrets that muster makes.
	for file, text := range map[string][]byte{".crt": certText, ".key": keyText, ".pem": append(keyText, certText...)} {
		if err := os.WriteFile(p.file(name+file), text, 0o600); err != nil {
			return nil, err
		}
	}
	cert, err := x509.ParseCertificate(der)
	return &pair{cert, key}, err
}

// client makes requests as the administrator.
func (p *PKI) client() (*http.Client, error) {
	pair, err := tls.LoadX509KeyPair(p.file("admin.crt"), p.file("admin.key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.text("ca.crt"))
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}}, nil
}

func (p *PKI) file(name string) string { return filepath.Join(p.dir, name) }

// Authorities are the certificates of the cluster's authority and of etcd's.
func (p *PKI) Authorities() (ca, etcd []byte) { return p.text("ca.crt"), p.text("etcd-ca.crt") }

// Text is a file: NAME.crt or NAME.key of ca, etcd-ca, admin or etcd-client.
func (p *PKI) Text(name string) string { return string(p.text(name)) }

func (p *PKI) text(name string) []byte {
	text, _ := os.ReadFile(p.file(name))
	return text
}
