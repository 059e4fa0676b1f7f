package cmd_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"muster/cmd"
)

// mistakesFiles are tables of mistakes. Each mistake is a folder in one:
//
//	NAME/host.cue  what stands in host web of the inventory, beside what all have
//	NAME/hosts.cue the whole inventory, instead
//	NAME/*.nix     modules; web.nix is imported if it is there
//	NAME/want      what muster vet says of it, or muster eval if vet finds nothing
//	NAME/nix       what eval --evaluator nix says, where that differs
var mistakesFiles = []string{"testdata/mistakes.txtar", "testdata/mistakes-more.txtar"}

// A mistake is a folder of the table.
type mistake struct {
	name  string
	files map[string]string
}

func readMistakes(t *testing.T, file string) []mistake {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []mistake
	for _, f := range archive.Files {
		folder, name, _ := strings.Cut(f.Name, "/")
		if len(all) == 0 || all[len(all)-1].name != folder {
			all = append(all, mistake{folder, map[string]string{}})
		}
		all[len(all)-1].files[name] = string(f.Data)
	}
	return all
}

// Every mistake is told with its file, line and column, and the host, alike by both
// evaluators; vet finds those that need no evaluation.
func TestMistakes(t *testing.T) {
	for _, file := range mistakesFiles {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			absolute, err := filepath.Abs(file)
			if err != nil {
				t.Fatal(err)
			}
			runMistakes(t, absolute)
		})
	}
}

func runMistakes(t *testing.T, file string) {
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	version, _ := osexec.Command("nix-instantiate", "--version").Output()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("NIX_CONFIG", "substitute = false\nsandbox = false\nbuild-users-group =")
	mistakes := readMistakes(t, file)
	root := t.TempDir()
	for i, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			dir := filepath.Join(root, m.name)
			m.write(t, dir, minios)
			t.Chdir(dir)
			want, found := m.files["want"], said(t, "vet")
			if !strings.Contains(found, "error") {
				found = said(t, "eval", "--no-eval-cache")
				if len(version) > 0 && !testing.Short() {
					m.compare(t, i, mistakes, found, said(t, "eval", "--evaluator", "nix"), strings.Contains(string(version), " 2.8."))
				}
			}
			if update() {
				mistakes[i].files["want"] = found
			} else if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !placed.MatchString(found) {
				t.Errorf("no host or no place in\n%s", found)
			}
		})
	}
	if update() {
		writeMistakes(t, file, mistakes)
	}
}

func update() bool { return flag.Lookup("update").Value.String() == "true" }

// placed matches a message with a place, and a host or what leads to the file.
var placed = regexp.MustCompile(`(?m)^(web[^:]*: evaluate: )?[\w./-]+:\d+:\d+: `)

// compare checks what Nix says against what the embedded evaluator says: host and
// place have to be equal, and the words if they are recorded for this version.
func (m mistake) compare(t *testing.T, i int, all []mistake, embedded, nix string, recorded bool) {
	t.Helper()
	// Nix does not say where the stack was when it overflowed.
	if diff := cmp.Diff(places(embedded), places(nix)); diff != "" && !strings.Contains(nix, "stack overflow") {
		t.Errorf("hosts and places (-embedded +Nix):\n%s\nembedded: %snix: %s", diff, embedded, nix)
	}
	if !recorded {
		return
	}
	want, differs := m.files["nix"]
	if !differs {
		want = embedded
	}
	switch {
	case !update():
		if diff := cmp.Diff(want, nix); diff != "" {
			t.Errorf("Nix says (-want +got):\n%s", diff)
		}
	case nix == embedded:
		delete(all[i].files, "nix")
	default:
		all[i].files["nix"] = nix
	}
}

// places returns the host and place at the beginning of each message.
func places(text string) (found []string) {
	for _, line := range strings.Split(text, "\n") {
		if head := regexp.MustCompile(`^[\w, ]+: evaluate: ([^ :]+:\d+:\d+: )?`).FindString(line); head != "" {
			found = append(found, head)
		}
	}
	return found
}

// said returns what muster writes to standard error and, for vet, nothing else.
func said(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Run(context.Background(), args, nil, &out, &errs)
	var kept []string
	for _, line := range strings.Split(errs.String(), "\n") {
		if strings.Contains(line, ": warning: ") || strings.HasPrefix(line, "hint: --show-trace") {
			continue
		}
		kept = append(kept, line)
	}
	if args[0] == "vet" && !strings.Contains(out.String(), "error") {
		return ""
	}
	if args[0] == "vet" {
		kept = append(kept[:len(kept)-1], out.String())
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(strings.Join(kept, "\n"), dir+"/", "/fleet/")
	return strings.ReplaceAll(text, filepath.Join(dir, "../minios"), "/minios")
}

// write writes the files of a mistake.
func (m mistake) write(t *testing.T, dir, minios string) {
	t.Helper()
	files := map[string]string{}
	for name, text := range m.files {
		files[name] = text
	}
	if _, ok := files["hosts.cue"]; !ok {
		imports := ""
		if _, ok := files["web.nix"]; ok {
			imports = "\timports: [\"./web.nix\"]\n"
		}
		files["hosts.cue"] = "package fleet\n\nnixpkgs: path: \"../minios\"\nhosts: web: {\n\thost: \"192.0.2.1\"\n\tfile_systems: \"/\": label: \"nixos\"\n" + imports + files["host.cue"] + "}\n"
	}
	for name, text := range files {
		if name == "host.cue" || name == "want" || name == "nix" {
			continue
		}
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(minios, filepath.Join(dir, "../minios")); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
}

func writeMistakes(t *testing.T, file string, mistakes []mistake) {
	t.Helper()
	old, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	archive := txtar.Archive{Comment: old.Comment}
	for _, m := range mistakes {
		for _, f := range old.Files {
			folder, name, _ := strings.Cut(f.Name, "/")
			if folder == m.name && name != "want" && name != "nix" {
				archive.Files = append(archive.Files, f)
			}
		}
		for _, name := range []string{"want", "nix"} {
			if text, ok := m.files[name]; ok {
				archive.Files = append(archive.Files, txtar.File{Name: m.name + "/" + name, Data: []byte(text)})
			}
		}
	}
	if err := os.WriteFile(file, txtar.Format(&archive), 0o644); err != nil {
		t.Fatal(err)
	}
}
