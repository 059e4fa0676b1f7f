package cmd

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/exec/secret"
	"muster/schema"
)

// A certificate of the cluster that ends soon is told of by vet and status and made anew by
// secrets renew and by a deployment, signed by the same authority, for the same names. The
// key of service accounts stays: all tokens would end with it.
func TestClusterCertificatesAreRenewed(t *testing.T) {
	dir := t.TempDir()
	c := cluster{distribution: "kubernetes", hosts: 1, masters: 1, more: `, pki: "./pki", rollout: timeout: "1s"`}
	c.write(t, dir)
	hosts := filepath.Join(dir, "hosts.cue")
	edit(t, hosts, `host: "10.9.0.1"`, `port: 1, host: "127.0.0.1"`, 1) // where nothing answers
	c.muster(t, dir, "secrets", "generate")
	if out := c.muster(t, dir, "secrets", "renew", "--identity", "identity"); !strings.Contains(out, "nothing to renew") {
		t.Errorf("renew: %s", out)
	}

	pki := clusterPKI{t, dir}
	account := pki.read("service-account")
	for _, renew := range [][]string{
		{"secrets", "renew", "--identity", "identity"},
		{"deploy", "--yes", "--identity", "identity"},
	} {
		pki.age("h1/apiserver", "ca", schema.Generate{CommonName: "kubernetes", Names: []string{"127.0.0.1"}, Days: 3})
		pki.age("service-account", "ca", schema.Generate{CommonName: "system:service-account-signer", Days: 3})
		old := pki.read("h1/apiserver")
		if out := c.muster(t, dir, "vet"); !strings.Contains(out, "kluster.pki.generate: the certificate in") || !strings.Contains(out, "muster deploy and muster secrets renew make a new one") || strings.Contains(out, "service-account") {
			t.Errorf("vet: %s", out)
		}
		// The hosts do not answer: what is tried before is seen.
		if out := pki.muster("status"); !strings.Contains(out, "certificates: 1 in "+filepath.Join(".", "pki")+" end soon") && !strings.Contains(out, "certificates: 1 in ./pki end soon") {
			t.Errorf("status: %s", out)
		}
		out := pki.muster(renew...)
		now := pki.read("h1/apiserver")
		if now.SerialNumber.Cmp(old.SerialNumber) == 0 || time.Until(now.NotAfter) < 300*24*time.Hour {
			t.Fatalf("%v: the certificate ends on %v: %s", renew, now.NotAfter, out)
		}
		if err := now.CheckSignatureFrom(pki.read("ca")); err != nil {
			t.Errorf("%v: %v", renew, err)
		}
		if now.VerifyHostname("kubernetes.default.svc") != nil {
			t.Errorf("%v: for %v", renew, now.DNSNames)
		}
		if renew[0] == "deploy" && !strings.Contains(out, "renewed 1 cluster certificate, the first of which was to end on "+old.NotAfter.UTC().Format(time.DateOnly)) {
			t.Errorf("deploy: %s", out)
		}
	}
	if now := pki.read("service-account"); now.SerialNumber.Cmp(account.SerialNumber) == 0 {
		t.Error("the test has not replaced the certificate of service accounts")
	} else if time.Until(now.NotAfter) > 3*24*time.Hour {
		t.Error("the key of service accounts was made anew")
	}

	// Without an identity that opens the authority, a deployment says so and goes on.
	pki.age("h1/apiserver", "ca", schema.Generate{CommonName: "kubernetes", Days: 3})
	if out := pki.muster("deploy", "--yes"); !strings.Contains(out, "of the cluster's certificates, 1 end soon") || !strings.Contains(out, "could not be renewed") {
		t.Errorf("deploy without an identity: %s", out)
	}
}

// A clusterPKI is the folder of a cluster's certificates.
type clusterPKI struct {
	t   *testing.T
	dir string
}

// muster runs muster, which may fail.
func (p clusterPKI) muster(args ...string) string {
	cmd := exec.Command(musterProgram(p.t), args...)
	cmd.Dir, cmd.Env = p.dir, append(os.Environ(), "HOME="+p.dir)
	out, _ := cmd.CombinedOutput()
	return string(out)
}

func (p clusterPKI) read(name string) *x509.Certificate {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "pki", name+".crt"))
	if err != nil {
		p.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		p.t.Fatal(err)
	}
	return cert
}

// age replaces a certificate by one that began some days ago, of which an hour less than a
// third is left.
func (p clusterPKI) age(name, authority string, g schema.Generate) {
	p.t.Helper()
	must := func(err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
	}
	identities, err := secret.Identities(filepath.Join(p.dir, "identity"), nil)
	must(err)
	r := &secret.Reader{Dir: p.dir, Identities: func() ([]secret.Identity, error) { return identities, nil }}
	signer, err := r.Age("./pki/" + authority + ".age")
	must(err)
	content, certificate, err := secret.Certificate(g, signer, time.Now().AddDate(0, 0, -2).Add(-time.Hour))
	must(err)
	recipient := ""
	text, err := os.ReadFile(filepath.Join(p.dir, "hosts.cue"))
	must(err)
	for word := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return strings.ContainsRune("[]\"\n ", r) }) {
		if strings.HasPrefix(word, "age1") {
			recipient = word
		}
	}
	sealed, err := secret.SealFile(content, recipient)
	must(err)
	must(os.WriteFile(filepath.Join(p.dir, "pki", name+".age"), sealed, 0o600))
	must(os.WriteFile(filepath.Join(p.dir, "pki", name+".crt"), certificate, 0o644))
}
