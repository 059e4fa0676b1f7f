package sshsig

import (
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// kinds are the keys that ssh-keygen makes for hosts.
var kinds = []string{"ed25519", "ecdsa", "rsa"}

// keygen makes a key with ssh-keygen and returns the name of its file.
func keygen(t testing.TB, kind string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file, "-C", "root@web1").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return file
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func key(t testing.TB, file string) *Key {
	t.Helper()
	k, err := ParseKey(read(t, file))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// armored is a signature as ssh-keygen writes it, and line the reverse.
func armored(line string) string {
	return "-----BEGIN SSH SIGNATURE-----\n" + line + "\n-----END SSH SIGNATURE-----\n"
}

func line(armored string) string {
	_, rest, _ := strings.Cut(armored, "-----BEGIN SSH SIGNATURE-----\n")
	text, _, _ := strings.Cut(rest, "-----END")
	return strings.ReplaceAll(text, "\n", "")
}

// ssh-keygen verifies what is signed here, and the reverse.
func TestAsSSHKeygen(t *testing.T) {
	const message = "{\"host\":\"web1\"}\n"
	for _, kind := range kinds {
		file := keygen(t, kind)
		k := key(t, file)
		public := string(read(t, file+".pub"))
		if !strings.HasPrefix(public, k.Public()+" ") {
			t.Errorf("%s: the public half is %s, want %s", kind, k.Public(), public)
		}
		sig, err := k.Sign("muster-report", []byte(message))
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify([]string{"ssh-ed25519 AAAA", public}, "muster-report", []byte(message), sig); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		dir := t.TempDir()
		for name, text := range map[string]string{"sig": armored(sig), "signers": "web1 " + public} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		verify := exec.Command("ssh-keygen", "-Y", "verify", "-f", dir+"/signers", "-I", "web1", "-n", "muster-report", "-s", dir+"/sig")
		verify.Stdin = strings.NewReader(message)
		if out, err := verify.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", kind, err, out)
		}
		for _, hash := range []string{"sha256", "sha512"} {
			sign := exec.Command("ssh-keygen", "-Y", "sign", "-q", "-f", file, "-n", "muster-report", "-O", "hashalg="+hash)
			sign.Stdin = strings.NewReader(message)
			out, err := sign.Output()
			if err != nil {
				t.Fatal(err)
			}
			if err := Verify([]string{public}, "muster-report", []byte(message), line(string(out))); err != nil {
				t.Errorf("%s, %s: %v", kind, hash, err)
			}
		}
	}
}

func TestWhatDoesNotVerify(t *testing.T) {
	k, other := key(t, keygen(t, "ed25519")), key(t, keygen(t, "ed25519"))
	message := []byte("text\n")
	sig, err := k.Sign("muster-report", message)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := base64.StdEncoding.DecodeString(sig)
	flipped := append([]byte{}, raw...)
	flipped[len(flipped)-1] ^= 1
	trusted := []string{k.Public() + " a comment"}
	for name, tt := range map[string]struct {
		public    []string
		namespace string
		message   string
		sig       string
		want      error
	}{
		"good":                  {trusted, "muster-report", "text\n", sig, nil},
		"no keys":               {nil, "muster-report", "text\n", sig, ErrOtherKey},
		"another key":           {[]string{other.Public()}, "muster-report", "text\n", sig, ErrOtherKey},
		"certificate authority": {[]string{"cert-authority " + k.Public()}, "muster-report", "text\n", sig, ErrOtherKey},
		"another namespace":     {trusted, "muster-gate", "text\n", sig, ErrForged},
		"another text":          {trusted, "muster-report", "text", sig, ErrForged},
		"a bit":                 {trusted, "muster-report", "text\n", base64.StdEncoding.EncodeToString(flipped), ErrForged},
		"half":                  {trusted, "muster-report", "text\n", base64.StdEncoding.EncodeToString(raw[:len(raw)/2]), ErrDamaged},
		"nothing":               {trusted, "muster-report", "text\n", "", ErrDamaged},
		"no base64":             {trusted, "muster-report", "text\n", "!", ErrDamaged},
		"very long":             {trusted, "muster-report", "text\n", strings.Repeat("A", 1<<20), ErrDamaged},
		"more behind it":        {trusted, "muster-report", "text\n", base64.StdEncoding.EncodeToString(append(append([]byte{}, raw...), 0)), ErrDamaged},
	} {
		if err := Verify(tt.public, tt.namespace, []byte(tt.message), tt.sig); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, err, tt.want)
		}
	}
}

// A signature by RSA with SHA-1 is not believed, which ssh-keygen does not write either.
func TestNoSHA1(t *testing.T) {
	k := key(t, keygen(t, "rsa"))
	algorithms["ssh-rsa"] = append([]string{"ssh-rsa"}, algorithms["ssh-rsa"]...)
	sig, err := k.Sign("muster-report", nil)
	algorithms["ssh-rsa"] = algorithms["ssh-rsa"][1:]
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify([]string{k.Public()}, "muster-report", nil, sig); !errors.Is(err, ErrForged) {
		t.Errorf("got %v", err)
	}
}

func TestKeysThatDoNotSign(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "no key": "x", "public": "ssh-ed25519 AAAA"} {
		if _, err := ParseKey([]byte(text)); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	file := keygen(f, "ed25519")
	k := key(f, file)
	sig, err := k.Sign("muster-report", []byte("text"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig, k.Public())
	f.Fuzz(func(t *testing.T, text, public string) {
		if err := Verify([]string{public, k.Public()}, "muster-report", []byte("other"), text); err == nil {
			t.Errorf("%q verifies", text)
		}
	})
}
