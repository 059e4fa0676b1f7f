package cmd

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A kubeconfig has a client certificate that the cluster's authority signed, for the user and
// for a while, and only the user can read it. Merged again, it has it once.
func TestKubeconfig(t *testing.T) {
	dir := t.TempDir()
	c := cluster{distribution: "kubernetes", hosts: 3, masters: 3, more: `, pki: "./pki"`}
	c.write(t, dir)
	c.muster(t, dir, "secrets", "generate")
	file := filepath.Join(dir, "admin.kubeconfig")
	for range 2 {
		c.muster(t, dir, "kubeconfig", "--identity", "identity", "--out", file, "--merge", "--user", "ada", "--group", "dev", "--lifetime", "2h")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for _, part := range []string{"server: https://10.9.0.1:6443", "name: ada@10.9.0.1", "current-context: 10.9.0.1"} {
		if strings.Count(string(text), part) != 1 {
			t.Errorf("want once: %s\n%s", part, text)
		}
	}
	read := func(field string) *x509.Certificate {
		found := regexp.MustCompile(field + `: (\S+)`).FindSubmatch(text)
		if found == nil {
			t.Fatalf("no %s:\n%s", field, text)
		}
		plain, err := base64.StdEncoding.DecodeString(string(found[1]))
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode(plain)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	cert, authority := read("client-certificate-data"), read("certificate-authority-data")
	if got := cert.Subject.String(); got != "CN=ada,O=dev" {
		t.Errorf("subject %s", got)
	}
	if err := cert.CheckSignatureFrom(authority); err != nil {
		t.Error(err)
	}
	if left := time.Until(cert.NotAfter); left > 2*time.Hour || left < time.Hour {
		t.Errorf("it ends in %v", left)
	}
}
