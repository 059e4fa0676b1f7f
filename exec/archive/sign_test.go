package archive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
)

// newKey makes a key pair with Nix.
func newKey(t *testing.T, s storelab.Store, name string) *SecretKey {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "key")
	s.Run("nix-store", "--generate-binary-cache-key", name, secret, secret+".pub")
	text, err := os.ReadFile(secret)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseSecretKey(text)
	if err != nil {
		t.Fatal(err)
	}
	if public, err := os.ReadFile(secret + ".pub"); err != nil || strings.TrimSpace(string(public)) != k.Public().String() {
		t.Fatalf("public key %s, want %s, %v", k.Public(), public, err)
	}
	return k
}

func TestSignedArchives(t *testing.T) {
	ctx := context.Background()
	from, top := storelab.Closure(t)
	ours, theirs := newKey(t, from, "ours-1"), newKey(t, from, "theirs-1")
	impostor := *theirs // another key of the same name
	impostor.name = "ours-1"
	dir := t.TempDir()
	export := func(name string, keys ...*SecretKey) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if _, err := Export(ctx, source(t, from), Manifest{Paths: []store.Path{top}}, name, ExportOptions{Keys: keys}); err != nil {
			t.Fatal(err)
		}
		return name
	}
	plain, signed, forged := export("plain.tar"), export("signed.tar", ours), export("forged.tar", &impostor)
	both := export("both/", ours, theirs)
	unsignedManifest := filepath.Join(dir, "swapped.tar")
	b := unpack(t, signed)
	b.remove(manifestSigs)
	b.mend()
	if err := os.WriteFile(unsignedManifest, b.tar(), 0o644); err != nil {
		t.Fatal(err)
	}
	unsignedPath := filepath.Join(dir, "path.tar")
	b = unpack(t, signed)
	l := b.infos()[20]
	l.drop("Sig: ours-1:")
	b.mend()
	if err := os.WriteFile(unsignedPath, b.tar(), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		required []*SecretKey
		unsigned string // what is said to lack a signature
	}{
		{plain, nil, ""},
		{signed, nil, ""},
		{signed, []*SecretKey{ours}, ""},
		{signed, []*SecretKey{theirs, ours}, ""},
		{both, []*SecretKey{theirs}, ""},
		{plain, []*SecretKey{ours}, "muster.json"},
		{forged, []*SecretKey{ours}, "muster.json"},
		{signed, []*SecretKey{theirs}, "muster.json"},
		{unsignedManifest, []*SecretKey{ours}, "muster.json"},
		{unsignedPath, []*SecretKey{ours}, l.field("StorePath")},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %d", filepath.Base(tt.name), len(tt.required)), func(t *testing.T) {
			var keys []PublicKey
			for _, k := range tt.required {
				keys = append(keys, k.Public())
			}
			a, err := Open(ctx, tt.name, OpenOptions{Required: keys})
			if tt.unsigned != "" {
				if !errors.Is(err, ErrUnsigned) || !strings.Contains(err.Error(), tt.unsigned+" is not signed") {
					t.Errorf("got %v, want that %s is not signed", err, tt.unsigned)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			a.Close()
		})
	}
}

// Nix believes what export has signed, and no signature of another key gets into a database.
func TestSignaturesReachNixIfTrusted(t *testing.T) {
	ctx := context.Background()
	from, top := storelab.Closure(t)
	ours := newKey(t, from, "ours-1")
	name := filepath.Join(t.TempDir(), "signed.tar")
	if _, err := Export(ctx, source(t, from), Manifest{Paths: []store.Path{top}}, name, ExportOptions{Keys: []*SecretKey{ours}}); err != nil {
		t.Fatal(err)
	}
	for _, trusted := range []bool{true, false} {
		opts := OpenOptions{}
		if trusted {
			opts.Required = []PublicKey{ours.Public()}
		}
		a, err := Open(ctx, name, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		to := storelab.New(t)
		to.Conf = "trusted-public-keys = " + ours.Public().String()
		if _, err := copyTo(t, to, a, top); err != nil {
			t.Fatal(err)
		}
		c, err := nixserve.New(ctx, to.Serve())
		if err != nil {
			t.Fatal(err)
		}
		closure, err := c.QueryPathInfos(ctx, a.paths())
		if err != nil || len(closure) != 60 {
			t.Fatal(len(closure), err)
		}
		for _, info := range closure {
			for _, sig := range info.Signatures {
				if !trusted || !strings.HasPrefix(sig, "ours-1:") {
					t.Errorf("trusted %v: %s has a signature %s", trusted, info.Path, sig)
				}
			}
		}
		c.Close()
		if trusted {
			to.Run("nix", "store", "verify", "--recursive", "--sigs-needed", "1", string(top))
		}
	}
}

func TestKeys(t *testing.T) {
	good := "k-1:" + strings.Repeat("A", 43) + "="
	if k, err := ParsePublicKey(good); err != nil || k.String() != good {
		t.Errorf("%v, %v", k, err)
	}
	for _, s := range []string{"", "k-1", ":" + good[4:], "k-1:", "k-1:AAAA", "k-1:" + strings.Repeat("A", 86) + "==", "k-1:!"} {
		if k, err := ParsePublicKey(s); err == nil {
			t.Errorf("%q: %v", s, k)
		}
	}
	secret := "k-1:" + strings.Repeat("A", 86) + "=="
	if _, err := ParseSecretKey([]byte(secret)); err == nil || strings.Contains(err.Error(), "AAAA") {
		t.Errorf("halves that do not belong together: %v", err)
	}
}
