package cmd_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"muster/cmd"
)

// strangersFile has the files of a folder, and in transcript what muster says there of
// mistakes in how it is called: a line "$ muster ...", what is printed, and the exit status.
// A command may begin with variables of the environment, and words may be quoted by '.
const strangersFile = "testdata/strangers.txtar"

// Every mistake in a call of muster is answered with what to write instead.
func TestStrangers(t *testing.T) {
	archive, err := txtar.ParseFile(strangersFile)
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	var transcript *txtar.File
	for i, f := range archive.Files {
		if f.Name == "transcript" {
			transcript = &archive.Files[i]
			continue
		}
		file := filepath.Join(root, f.Name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var got strings.Builder
	for line := range strings.Lines(string(transcript.Data)) {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		t.Run(strings.TrimSpace(command), func(t *testing.T) {
			t.Chdir(root)
			t.Setenv("HOME", filepath.Join(root, "home"))
			words := quotedWords(strings.TrimSpace(command))
			for words[0] != "muster" {
				name, value, _ := strings.Cut(words[0], "=")
				t.Setenv(name, value)
				words = words[1:]
			}
			var said bytes.Buffer
			status := cmd.Run(t.Context(), words[1:], nil, &said, &said)
			fmt.Fprintf(&got, "$ %s%s[%d]\n", command, strings.ReplaceAll(said.String(), root, "/fleet"), status)
		})
	}
	if update() {
		transcript.Data = []byte(got.String())
		if err := os.WriteFile(strangersFile, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(string(transcript.Data), got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// quotedWords splits a command at its spaces; what stands between two ' is kept together.
func quotedWords(command string) []string {
	var words []string
	for i, part := range strings.Split(command, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}
