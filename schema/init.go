package schema

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

//go:embed init.cue.txt
var initText string

// NixInCUE is the page on writing Nix inside an inventory.
//
//go:embed nix-in-cue.md
var NixInCUE string

// moduleText is the module of an inventory begun by [Init].
const moduleText = "module: \"fleet.example/fleet@v0\"\nlanguage: version: \"v0.17.0\"\n"

// Init begins an inventory in a directory: hosts.cue to edit, and a CUE module
// with our schema in it, such that cue vet and the CUE language server know it
// without a network. Where there is a module or a hosts.cue already, they are
// left alone; the schema is always written, for muster may have been upgraded.
// It returns the files it wrote.
func Init(dir string) ([]string, error) {
	files := []struct {
		name, text string
		keep       bool
	}{
		{"hosts.cue", initText, true},
		{"cue.mod/module.cue", moduleText, true},
		{filepath.Join("cue.mod/pkg", schemaModule, "schema.cue"), schemaText, false},
	}
	var written []string
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		if _, err := os.Lstat(name); err == nil && f.keep {
			continue
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return written, fmt.Errorf("begin an inventory in %s: %w", dir, err)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return written, fmt.Errorf("begin an inventory in %s: %w", dir, err)
		}
		if err := os.WriteFile(name, []byte(f.text), 0o644); err != nil {
			return written, fmt.Errorf("begin an inventory in %s: %w", dir, err)
		}
		written = append(written, name)
	}
	slices.Sort(written)
	return written, nil
}
