package cmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"muster/exec"
	"muster/schema"
)

// The plan of a very large fleet is saved without white space, and is read all the same.
func TestALargePlanIsSavedOnOneLine(t *testing.T) {
	p := &exec.Plan{Action: exec.Switch, Dir: "/fleet"}
	for i := range 100 {
		p.Steps = append(p.Steps, exec.Step{Host: &schema.Host{Name: fmt.Sprintf("h%d", i), Address: "10.0.0.1"}})
	}
	for _, tt := range []struct {
		most, lines int
	}{{exec.MaxPlan, 500}, {10_000, 1}} {
		text, err := planText(p, tt.most)
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(text, []byte("\n")); lines < tt.lines || tt.lines == 1 && lines != 1 {
			t.Errorf("at most %d bytes: %d lines", tt.most, lines)
		}
		name := filepath.Join(t.TempDir(), "plan")
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if read, err := exec.ReadPlan(name); err != nil || len(read.Steps) != len(p.Steps) {
			t.Errorf("read: %v", err)
		}
	}
}
