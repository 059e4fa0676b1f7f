package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/schema"
)

// What a user has of a machine's console is read for fingerprints, whatever is around them.
func TestExpectations(t *testing.T) {
	const (
		a   = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
		b   = "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
		key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
		of  = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
	)
	fleet := &schema.Fleet{Hosts: []*schema.Host{{Name: "web1"}, {Name: "web2"}}}
	for _, tt := range []struct {
		name, text string
		want       expectations
		fails      string
	}{
		{"ssh-keygen -l", "256 " + a + " root@web (ED25519)\n", expectations{"": {a}}, ""},
		{"of named hosts", "web1 " + a + "\nweb2: 256 " + b + "\r\n", expectations{"web1": {a}, "web2": {b}}, ""},
		{"EC2", "[  12.3] ec2: -----BEGIN SSH HOST KEY FINGERPRINTS-----\nec2: 256 " + a + " root@ip (ECDSA)\nec2: 256 " + b + " root@ip (ED25519)\n", expectations{"": {a, b}}, ""},
		{"cloud-init", "-----BEGIN SSH HOST KEY KEYS-----\n" + key + " root@web1\n-----END", expectations{"": {of}}, ""},
		{"known_hosts", "192.0.2.1 " + key + "\n", expectations{"": {of}}, ""},
		{"MD5", "2048 MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48 root (RSA)", nil, "by MD5"},
		{"nothing", "hello\n", nil, "no fingerprint"},
		{"a cut key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMq", nil, "no fingerprint"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "console")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readExpectations(streams{}, fleet, []string{file})
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v, %v, want %s", got, err, tt.fails)
				}
				return
			}
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}
