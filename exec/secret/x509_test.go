package secret

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"muster/schema"
)

// vet says, without reading the key, when a certificate ends.
func TestCertificatesEnd(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		age  int // days since it was made
		want string
	}{
		{"new", 0, ""},
		{"in good time", 50, ""},
		{"soon", 61, `the certificate in "./tls.crt" ends on `},
		{"over", 91, `the certificate in "./tls.crt" has ended on `},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := schema.Generate{Kind: "x509", Names: []string{"b.example.org", "a.example.org", "::1"}, Days: 90}
			content, certificate, err := Certificate(g, nil, time.Now().AddDate(0, 0, -tt.age))
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := SealFile(content, id.Recipient().String())
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			inventory := "package fleet\nnixpkgs: unpinned: true\nhosts: a: {host: \"10.0.0.1\", disk_uuid: \"01b3bcba-c0ef-4538-8dd2-f7dee2952322\"}\n" +
				`secret_recipients: ["` + id.Recipient().String() + `"]` + "\n" +
				`hosts: a: secrets: tls: {age: "./tls.age", generate: {kind: "x509", days: 90, names: ["b.example.org", "a.example.org", "::1"]}}`
			for name, text := range map[string][]byte{"hosts.cue": []byte(inventory), "tls.age": sealed, "tls.crt": certificate} {
				if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			fleet, err := schema.Load(t.Context(), dir, schema.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, w := range fleet.Warnings {
				if strings.Contains(w.Error(), "secrets") {
					said = append(said, w.Error())
				}
			}
			if text := strings.Join(said, "\n"); !strings.Contains(text, tt.want) || (tt.want == "") != (text == "") {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
}

// A certificate of an authority does not outlive it, and only an authority signs.
func TestAuthorities(t *testing.T) {
	g := schema.Generate{Kind: "x509", Names: []string{"a"}, Days: 3000}
	authority, _, err := Authority("ca", time.Now().AddDate(-5, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	leaf, _, err := Certificate(g, authority, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, ends, err := CertificateTime(leaf)
	if err != nil || ends.After(time.Now().AddDate(5, 1, 0)) {
		t.Errorf("it ends on %v, %v", ends, err)
	}
	for text, want := range map[string]string{
		string(leaf):       "its certificate is not that of an authority",
		"hunter2":          "it has no ECDSA private key",
		string(leaf[:300]): "it has no certificate",
		"x" + string(leaf)[strings.Index(string(leaf), "-----BEGIN CERT"):]: "it has no ECDSA private key",
	} {
		if _, _, err := Certificate(g, []byte(text), time.Now()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
