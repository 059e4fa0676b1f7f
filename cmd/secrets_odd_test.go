package cmd

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/exec/secret"
)

var oddSecrets = flag.Int("oddsecrets", 60, "push `n` secrets of random content besides the odd ones")

// Contents and names of every kind arrive as they are.
func TestOddSecretsArriveAsTheyAre(t *testing.T) {
	f := newSecretFleet(t)
	random := func(n int) []byte {
		b := make([]byte, n)
		rand.Read(b)
		return b
	}
	contents := map[string][]byte{
		"empty": {}, "newline": []byte("\n"), "newlines": []byte("a\n\n\n"), "none": []byte("no newline"), "crlf": []byte("a\r\nb\r\n"),
		"zero": {0}, "zeros": make([]byte, 70000), "binary": random(3000), "pipe": random(64<<10 + 1), "largest": random(secret.MaxSize),
		"case": []byte("lower"), "CASE": []byte("upper"), "Case": []byte("mixed"),
		"x": []byte("x"), "x.age": []byte("x.age"), "x.age.age": []byte("x.age.age"), "end": []byte("end"), "kept": []byte("kept"), "current": []byte("c"), "links": []byte("l"),
		"a..b": []byte("dots"), "0": []byte("zero"), strings.Repeat("n", 64): []byte("long"), "same": []byte("kept"),
		"armour": []byte("-----BEGIN AGE ENCRYPTED FILE-----\nnot\n-----END AGE ENCRYPTED FILE-----\n"), "header": []byte("age-encryption.org/v1\n"),
		"shell": []byte("$(touch /run/owned) `id` '\"\\ %s *"), "utf8": []byte("päßwörd ☃\n"), "latin1": {'p', 0xe4, 0xdf},
	}
	for i := range *oddSecrets {
		contents[fmt.Sprintf("many%d", i)] = random(40)
	}
	hosts, err := os.ReadFile(filepath.Join(f.dir, "hosts.cue"))
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(hosts), "\tsecrets: {\n")
	var text strings.Builder
	text.WriteString(head + "\tsecrets: {\n")
	files := func() {
		for name, content := range contents {
			if err := os.WriteFile(filepath.Join(f.dir, "plain-"+name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name := range contents {
		fmt.Fprintf(&text, "\t\t%q: {file: %q, volatile: %t}\n", name, "./plain-"+name, len(name)%5 == 0)
	}
	text.WriteString("\t}\n}\n")
	if err := os.WriteFile(filepath.Join(f.dir, "hosts.cue"), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		for name, want := range contents {
			got, err := f.host.ReadFile("/run/muster-secrets/" + name)
			if err != nil {
				// The lab reads through the host's file system; a ramfs is its own.
				var out string
				out, err = f.host.Run(t.Context(), "sha256sum", "/run/muster-secrets/"+name)
				if sum := fmt.Sprintf("%x", sha256.Sum256(want)); err != nil || !strings.HasPrefix(out, sum) {
					t.Errorf("%s: %s: %q, want %s: %v", when, name, out, sum, err)
				}
				continue
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s: %s has %d bytes that differ from the %d it should have", when, name, len(got), len(want))
			}
		}
	}
	timed := func(what string, args ...string) string {
		began := time.Now()
		out := f.must(0, args...)
		t.Logf("%s: %d secrets in %v", what, len(contents), time.Since(began))
		return out
	}
	files()
	timed("deploy", "deploy")
	check("new")
	if out := timed("push that changes nothing", "secrets", "push"); !strings.Contains(out, "1 unchanged") {
		t.Errorf("a second push changes something:\n%s", out)
	}
	contents["zeros"][69999] = 1
	contents["empty"] = []byte("x")
	contents["binary"] = nil
	files()
	if out := timed("push that changes three", "secrets", "push"); !strings.Contains(out, "secrets: changed binary, empty, zeros") {
		t.Errorf("it changes others:\n%s", out)
	}
	check("changed")
	if _, err := f.host.Run(t.Context(), "test", "-e", "/run/owned"); err == nil {
		t.Error("a content was run as a command")
	}
}
