package nixcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A program that prints without end is ended.
func TestOutputIsLimited(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ssh"), []byte("#!/bin/sh\nexec cat /dev/zero\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	_, err := SSH(t.Context(), []string{"-G", "web1"})
	if err == nil || !strings.Contains(err.Error(), "prints more than 1048576 bytes") {
		t.Errorf("got %v", err)
	}
}
