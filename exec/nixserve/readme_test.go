package nixserve_test

import (
	"os"
	"strings"
	"testing"

	"muster/exec/nixserve"
)

// The documentation says which Nix hosts need.
func TestReadmeNamesTheOldestNix(t *testing.T) {
	text, err := os.ReadFile("../../examples/docs/copying.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := "Hosts need Nix " + nixserve.OldestNix + " or later."; !strings.Contains(string(text), want) {
		t.Errorf("examples/docs/copying.md does not say %q", want)
	}
}
