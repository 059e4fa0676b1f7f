package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
)

// A meshFleet is an inventory with a mesh, in a directory of its own.
type meshFleet struct {
	dir string
	env []string
}

// newMeshFleet writes an inventory of minios hosts with more text at its end, and an
// identity that opens its secrets.
func newMeshFleet(t *testing.T, text string) *meshFleet {
	t.Helper()
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	f := &meshFleet{dir: t.TempDir()}
	f.env = append(os.Environ(), "HOME="+f.dir, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
	f.write(t, "hosts.cue", fmt.Sprintf("package fleet\n\nnixpkgs: path: %q\nsecret_recipients: [%q]\n%s", minios, id.Recipient(), text))
	f.write(t, "identity", id.String()+"\n")
	return f
}

func (f *meshFleet) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *meshFleet) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// try runs muster in the fleet's directory.
func (f *meshFleet) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(musterProgram(t), args...)
	cmd.Dir, cmd.Env = f.dir, f.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (f *meshFleet) muster(t *testing.T, args ...string) string {
	t.Helper()
	out, err := f.try(t, args...)
	if err != nil {
		t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}
