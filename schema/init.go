package schema

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cuelang.org/go/cue/literal"
)

//go:embed init.cue.txt
var initText string

// NixInCUE is the manual page on Nix inside an inventory.
//
//go:embed nix-in-cue.md
var NixInCUE string

// exampleKey stands in the text of [Init] for the key of the user.
const exampleKey = `"ssh-ed25519 AAAA… you@example.org"`

// moduleText is the CUE module of an inventory that [Init] makes.
const moduleText = "module: \"fleet.example/fleet@v0\"\nlanguage: version: \"v0.17.0\"\n"

// Init makes an inventory in a directory: hosts.cue to edit, and a CUE module with
// the schema, so that cue vet and the CUE language server know it offline. It
// leaves an existing module or hosts.cue alone, but always writes the schema,
// because muster may have been upgraded. If the public key of the user is not empty, it
// gives access to all hosts. Init returns the files it wrote.
func Init(dir, key string) ([]string, error) {
	hosts := initText
	if key != "" {
		hosts = strings.Replace(hosts, exampleKey, literal.String.Quote(key), 1)
	}
	files := []struct {
		name, text string
		keep       bool
	}{
		{"hosts.cue", hosts, true},
		{"cue.mod/module.cue", moduleText, true},
		{filepath.Join("cue.mod/pkg", schemaModule, "schema.cue"), schemaText, false},
	}
	var written []string
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		if _, err := os.Lstat(name); err == nil && f.keep {
			continue
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return written, fmt.Errorf("create inventory in %s: %w", dir, err)
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return written, fmt.Errorf("create inventory in %s: %w", dir, err)
		}
		if err := os.WriteFile(name, []byte(f.text), 0o644); err != nil {
			return written, fmt.Errorf("create inventory in %s: %w", dir, err)
		}
		written = append(written, name)
	}
	slices.Sort(written)
	return written, nil
}
