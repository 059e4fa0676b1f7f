package nixcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A program that prints without end is ended.
func TestOutputIsLimited(t *testing.T) {
	program := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexec cat /dev/zero\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := KnownHostsCommand(t.Context(), []string{program, "web1"})
	if err == nil || !strings.Contains(err.Error(), "prints more than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}
