package secret

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is picked by a name is what encoding/json finds by it, and no error repeats what is in the text.
func FuzzPick(f *testing.F) {
	f.Add(`{"a":{"b":["x",1.50,{"c":null}]}}`, "a.b.1")
	f.Add(`{"a":"canary"}`, "a.x")
	f.Fuzz(func(t *testing.T, text, key string) {
		content, err := pick([]byte(text), key)
		if err != nil {
			if strings.Contains(err.Error(), "canary") && !strings.Contains(key, "canary") {
				t.Errorf("%v", err)
			}
			return
		}
		var fields map[string]any
		if json.Unmarshal([]byte(text), &fields) != nil || strings.Contains(key, ".") {
			return
		}
		if s, ok := fields[key].(string); ok && s != string(content) || !ok && !json.Valid(content) {
			t.Errorf("%q of %q is %q", key, text, content)
		}
	})
}

// Any file of identities gives some, or an error that names it and does not repeat its lines. What is encrypted to none of
// them is not decrypted.
func FuzzIdentities(f *testing.F) {
	f.Add("# created: 2026\nAGE-SECRET-KEY-1QQPQYZ\n", "age-encryption.org/v1\n-> X25519 a\nb\n--- c\n")
	f.Add("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n")
	f.Fuzz(func(t *testing.T, text, sealed string) {
		if strings.Contains(text, "AGE-PLUGIN") || strings.Contains(sealed, "scrypt") {
			return // starts a program, or takes as long as the file says
		}
		file := filepath.Join(t.TempDir(), "identities")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ids, err := Identities(file, func(string) ([]byte, error) { return nil, os.ErrDeadlineExceeded })
		if err != nil {
			if !strings.Contains(err.Error(), file) || len(err.Error()) > len(file)+200 {
				t.Errorf("%.1000v", err)
			}
			return
		}
		if content, err := Open([]byte(sealed), ids); err == nil {
			t.Errorf("decrypted: %q", content)
		}
	})
}
