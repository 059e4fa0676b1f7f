package secret

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"muster/schema"
)

// aKey is an SSH key pair: the line of the public key, and the file of the private one.
func aKey(t *testing.T, passphrase string) (public string, file string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(priv, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))), aFile(t, "key", string(pem.EncodeToMemory(block)))
}

func aFile(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What is encrypted to a host's SSH key is read with that key, and with no other.
func TestSealedToASSHKey(t *testing.T) {
	public, file := aKey(t, "")
	_, other := aKey(t, "")
	to, err := ParseRecipient(public)
	if err != nil {
		t.Fatal(err)
	}
	for _, seal := range []func([]byte, ...age.Recipient) ([]byte, error){Seal, func(content []byte, _ ...age.Recipient) ([]byte, error) { return SealFile(content, public) }} {
		text, err := seal([]byte("swordfish"), to)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "swordfish") {
			t.Error("the content is plain to see")
		}
		ids, err := Identities(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Open(text, ids); err != nil || string(got) != "swordfish" {
			t.Errorf("Open = %q, %v", got, err)
		}
		if ids, err = Identities(other, nil); err != nil {
			t.Fatal(err)
		}
		if got, err := Open(text, ids); !errors.Is(err, ErrNoIdentity) {
			t.Errorf("another key opens it: %q, %v", got, err)
		}
		if got, err := Open(append(text[:len(text)-40:len(text)-40], "and something else, of the same length …"...), ids); err == nil {
			t.Errorf("a changed file is opened: %q", got)
		}
	}
}

// The passphrase of a key is asked for when a file is encrypted to it.
func TestPassphraseIsAskedWhenNeeded(t *testing.T) {
	public, file := aKey(t, "open sesame")
	asked := 0
	ids, err := Identities(file, func(name string) ([]byte, error) {
		if asked++; name != file {
			t.Errorf("asked for the passphrase of %s", name)
		}
		return []byte("open sesame"), nil
	})
	if err != nil || asked != 0 {
		t.Fatal(err, asked)
	}
	to, err := ParseRecipient(public)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Seal([]byte("swordfish"), to)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(text, ids); err != nil || string(got) != "swordfish" || asked != 1 {
		t.Errorf("Open = %q, %v after %d questions", got, err, asked)
	}
}

func TestWrongIdentitiesAndRecipients(t *testing.T) {
	for _, line := range []string{"AGE-SECRET-KEY-1SECRETSECRETSECRET", "hunter2", "AGE-PLUGIN-"} {
		_, err := Identities(aFile(t, "id", "# mine\n\n"+line+"\n"), nil)
		if err == nil || !strings.HasSuffix(err.Error(), "id:3: not an age identity") {
			t.Errorf("%q: %v", line, err)
		}
	}
	if _, err := Identities(aFile(t, "id", "# nothing\n"), nil); err == nil || !strings.Contains(err.Error(), "no identity in it") {
		t.Error(err)
	}
	for _, text := range []string{"", "age1", "age1qqqq", "ssh-ed25519 AAAA", "ssh-dss AAAA", "hunter2"} {
		if _, err := ParseRecipient(text); err == nil {
			t.Errorf("%q is taken for a recipient", text)
		}
	}
}

// A Key tells contents, recipients and what is kept apart.
func TestMAC(t *testing.T) {
	k := NewKey()
	again, ok := ParseKey(k.String())
	if !ok || again != k {
		t.Errorf("ParseKey(%s) = %s, %t", k, again, ok)
	}
	for _, text := range []string{"", "00", k.String() + "00", strings.Repeat("x", 64)} {
		if _, ok := ParseKey(text); ok {
			t.Errorf("ParseKey takes %q", text)
		}
	}
	macs := map[string]string{}
	for name, mac := range map[string]string{
		"one":       k.MAC([]byte("a"), "r", false),
		"content":   k.MAC([]byte("b"), "r", false),
		"recipient": k.MAC([]byte("a"), "s", false),
		"boundary":  k.MAC([]byte("r a"), "", false),
		"kept":      k.MAC([]byte("a"), "r", true),
		"key":       NewKey().MAC([]byte("a"), "r", false),
	} {
		if other := macs[mac]; other != "" {
			t.Errorf("%s and %s have one MAC", name, other)
		}
		macs[mac] = name
	}
	if k.MAC([]byte("a"), "r", false) != again.MAC([]byte("a"), "r", false) {
		t.Error("the same has another MAC")
	}
}

// Each source gives its content, commands and files are read once, and no error holds
// a content.
func TestSources(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := SealFile([]byte("from age\n"), id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	write("x.age", string(sealed))
	write("broken.age", "age-encryption.org/v1\n-> X25519 swordfish\n")
	write("plain", "from a file")
	t.Setenv("SECRET_OF_THE_TEST", "from the environment")

	runs := map[string]int{}
	r := &Reader{
		Dir:        dir,
		Env:        os.LookupEnv,
		Identities: func() ([]age.Identity, error) { runs["identities"]++; return []age.Identity{id}, nil },
		Run: func(_ context.Context, in string, argv, env []string, limit int) ([]byte, error) {
			runs[strings.Join(argv, " ")]++
			switch {
			case in != dir:
				return nil, fmt.Errorf("run in %s", in)
			case argv[0] == "sops" && len(argv) == 5:
				return []byte(`{"db": {"password": "from sops", "port": 5432}, "list": ["a", {"b": true}]}`), nil
			case argv[0] == "sops":
				return []byte("the whole file"), nil
			case argv[0] == "false":
				return []byte("swordfish"), errors.New("exit status 1")
			}
			return []byte(strings.Join(env, " ")), nil
		},
	}
	h := &schema.Host{Name: "web1", AllSecrets: []*schema.Secret{{Name: "file", File: "plain"}, {Name: "age", Age: "./x.age"}}}
	for _, tt := range []struct {
		name    string
		secret  schema.Secret
		want    string
		problem string
	}{
		{"age", schema.Secret{Age: "./x.age"}, "from age\n", ""},
		{"age, absolute", schema.Secret{Age: filepath.Join(dir, "x.age")}, "from age\n", ""},
		{"file", schema.Secret{File: "plain"}, "from a file", ""},
		{"environment", schema.Secret{Env: "SECRET_OF_THE_TEST"}, "from the environment", ""},
		{"command", schema.Secret{Command: []string{"pass", "show"}}, "MUSTER_HOST=web1 MUSTER_SECRET=command", ""},
		{"sops, whole", schema.Secret{Sops: schema.Sops{File: "s.yaml"}}, "the whole file", ""},
		{"sops, text", schema.Secret{Sops: schema.Sops{File: "s.yaml", Key: "db.password"}}, "from sops", ""},
		{"sops, number", schema.Secret{Sops: schema.Sops{File: "s.yaml", Key: "db.port"}}, "5432", ""},
		{"sops, list", schema.Secret{Sops: schema.Sops{File: "s.yaml", Key: "list.1"}}, `{"b":true}`, ""},
		{"template", schema.Secret{Template: "{{file}}:{{ age }}!"}, "from a file:from age!", ""},
		{"missing file", schema.Secret{File: "nope"}, "", "no such file"},
		{"broken", schema.Secret{Age: "broken.age"}, "", `decrypt "broken.age"`},
		{"not set", schema.Secret{Env: "NOT_SET_AT_ALL"}, "", "the environment variable NOT_SET_AT_ALL is not set"},
		{"command fails", schema.Secret{Command: []string{"false"}}, "", "false: exit status 1"},
		{"sops, no key", schema.Secret{Sops: schema.Sops{File: "s.yaml", Key: "db.nope"}}, "", "no key db.nope"},
		{"sops, no list", schema.Secret{Sops: schema.Sops{File: "s.yaml", Key: "list.7"}}, "", "no key list.7"},
		{"template of nothing", schema.Secret{Template: "{{nope}}"}, "", "{{nope}}: the host has no secret of this name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.secret
			s.Name, s.At = tt.name, schema.Pos{File: "hosts.cue", Line: 7, Col: 3}
			for range 2 {
				got, err := r.Value(t.Context(), h, &s)
				if tt.problem == "" {
					if err != nil || string(got) != tt.want {
						t.Errorf("Value = %q, %v; want %q", got, err, tt.want)
					}
					continue
				}
				if err == nil || !strings.Contains(err.Error(), "hosts.cue:7:3: secret "+tt.name+": ") || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("Value: %v; want %s", err, tt.problem)
				} else if strings.Contains(err.Error(), "swordfish") || strings.Contains(err.Error(), "from ") {
					t.Errorf("the error holds a content: %v", err)
				}
			}
		})
	}
	want := map[string]int{"identities": 1, "pass show": 1, "false": 1, "sops --decrypt " + dir + "/s.yaml": 1, "sops --decrypt --output-type json " + dir + "/s.yaml": 1}
	if diff := cmp.Diff(want, runs); diff != "" {
		t.Error(diff)
	}
}

func TestGenerate(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []string{"password", "hex", "ssh-ed25519", "wireguard"} {
		for range 3 {
			content, public, err := Generate(schema.Generate{Kind: kind}, "name")
			if err != nil || seen[string(content)] {
				t.Fatalf("%s: %v, again %t", kind, err, seen[string(content)])
			}
			seen[string(content)] = true
			switch kind {
			case "password":
				if len(content) != 32 || public != "" {
					t.Errorf("password of %d characters, public %q", len(content), public)
				}
			case "hex":
				if len(content) != 64 {
					t.Errorf("hex of %d digits", len(content))
				}
			case "ssh-ed25519":
				key, err := ssh.ParsePrivateKey(content)
				if err != nil || strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey())))+" name" != public {
					t.Errorf("%v; public %q", err, public)
				}
			case "wireguard":
				key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(content)))
				if err != nil || len(key) != 32 || key[0]&7 != 0 || key[31]&0xc0 != 0x40 || len(public) != 44 {
					t.Errorf("key %v, %v; public %q", len(key), err, public)
				}
			}
		}
	}
	if content, _, err := Generate(schema.Generate{Kind: "password", Length: 64}, ""); err != nil || len(content) != 64 {
		t.Error(len(content), err)
	}
	if _, _, err := Generate(schema.Generate{Kind: "x509"}, ""); err == nil {
		t.Error("an unknown kind is made")
	}
}

func TestThePublicKeyOfAPrivateOne(t *testing.T) {
	private, public, err := Generate(schema.Generate{Kind: "ssh-ed25519"}, "web")
	if err != nil {
		t.Fatal(err)
	}
	kind, got, err := PublicKey(private)
	if err != nil || kind != "ed25519" || got+" web" != public {
		t.Errorf("got %s %s, %v; want %s", kind, got, err, public)
	}
	for name, content := range map[string]string{"nothing": "", "a public key": public, "a password": "swordfish"} {
		if _, _, err := PublicKey([]byte(content)); err == nil || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
