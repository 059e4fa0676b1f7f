package schema

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var editors = flag.String("editors", "", "a `directory` node_modules with @taplo/cli, yaml-language-server and vscode-json-languageservice")

// The language server of CUE explains the fields of a fleet that Init has begun, completes
// their names, and underlines what is no CUE.
func TestCUELanguageServer(t *testing.T) {
	cue := stockCUE(t)
	dir := t.TempDir()
	if _, err := Init(dir, ""); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "hosts.cue")
	begun, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(begun), "\t\thost: \"192.0.2.1\"\n", "\t\thost: \"192.0.2.1\"\n\t\t\n", 1)
	s := startLanguageServer(t, dir, nil, cue, "lsp", "serve")
	s.open(name, "cue", text)
	if hover := s.ask("textDocument/hover", at(name, text, "unpinned", 2)); !strings.Contains(string(hover), "nixpkgs") {
		t.Errorf("hover over unpinned: %s", hover)
	}
	if hover := s.ask("textDocument/hover", at(name, text, `host: "192`, 2)); !strings.Contains(string(hover), "Its address") {
		t.Errorf("hover over host: %s", hover)
	}
	completion := string(s.ask("textDocument/completion", at(name, text, "\t\t\n", 2)))
	for _, field := range []string{"tags", "disk_uuid", "secrets"} {
		if !strings.Contains(completion, `"label":"`+field+`"`) {
			t.Errorf("%s is not among what completes: %.500s", field, completion)
		}
	}
	bad := text + "hosts: x: {host: \"192.0.2.3\n"
	s.tell("textDocument/didChange", map[string]any{"textDocument": map[string]any{"uri": fileURI(name), "version": 2}, "contentChanges": []any{map[string]any{"text": bad}}})
	s.await("problems", func(lspMessage) bool { return len(s.problems[fileURI(name)]) > 0 })
	sameLine(t, dir, name, bad, s.problems[fileURI(name)][0].Range.Start.Line+1)
}

// sameLine compares the line that an editor underlines with the one that muster vet names first.
func sameLine(t *testing.T, dir, name, text string, line int) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Load(t.Context(), name, Options{Dir: dir})
	if err == nil {
		t.Fatalf("no mistake in\n%s", text)
	}
	want := fmt.Sprintf("%s:%d:", filepath.Base(name), line)
	if !strings.Contains(messages(err), want) {
		t.Errorf("the editor underlines line %d, vet says:\n%s", line, messages(err))
	}
}

// No pattern is one that the engine of taplo finds too large.
func TestPatternsAreSmall(t *testing.T) {
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	if large := regexp.MustCompile(`p\{\w+\}[^\]]*\]\{\d*,?\d{2,}\}`).FindString(text); large != "" {
		t.Errorf("a class of Unicode characters has a count: %s; see countedClass", large)
	}
}

// dataWithMistakes has a mistake in its last line but one or the last, and a place for a field.
const (
	tomlWithMistake = "#:schema ./inventory.schema.json\n[hosts.web]\nhost = \"192.0.2.1\"\nport = 70000\n"
	yamlWithMistake = "# yaml-language-server: $schema=inventory.schema.json\nhosts:\n  web:\n    host: 192.0.2.1\n    port: 70000\n    \n"
	jsonWithMistake = "{\n  \"$schema\": \"inventory.schema.json\",\n  \"hosts\": {\"web\": {\n    \"host\": \"192.0.2.1\",\n    \"port\": 70000,\n    \"\"\n  }}\n}\n"
)

// besideTheSchema is a directory with the JSON Schema.
func besideTheSchema(t *testing.T) string {
	t.Helper()
	if *editors == "" {
		t.Skip("-editors says where the language servers are: just test-editors")
	}
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "inventory.schema.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// taplo, of TOML, takes the schema from a comment, and names the line of a mistake.
func TestTaplo(t *testing.T) {
	dir := besideTheSchema(t)
	name := filepath.Join(dir, "hosts.toml")
	for _, tt := range []struct {
		text string
		line string
	}{
		{tomlWithMistake, "hosts.toml:4:8"},
		{strings.Replace(tomlWithMistake, "70000", "22", 1), ""},
		{"#:schema ./inventory.schema.json\n[hosts.web]\ntags = [\"rack 1\", \"ü\"]\n", ""},
		{"#:schema ./inventory.schema.json\n[hosts.web]\ntags = [\"@x\"]\n", "hosts.toml:3:"},
	} {
		if err := os.WriteFile(name, []byte(tt.text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(filepath.Join(*editors, ".bin", "taplo"), "check", "hosts.toml")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if (err == nil) != (tt.line == "") || !strings.Contains(string(out), tt.line) {
			t.Errorf("taplo: %v, want %q\n%s", err, tt.line, out)
		}
	}
	sameLine(t, dir, name, tomlWithMistake, 4)
}

// The language server of YAML takes the schema from a comment: it underlines, explains and
// completes.
func TestYAMLLanguageServer(t *testing.T) {
	dir := besideTheSchema(t)
	name := filepath.Join(dir, "hosts.yaml")
	settings := map[string]any{"validate": true, "hover": true, "completion": true, "schemaStore": map[string]any{"enable": false}}
	s := startLanguageServer(t, dir, settings, filepath.Join(*editors, ".bin", "yaml-language-server"), "--stdio")
	s.open(name, "yaml", yamlWithMistake)
	s.await("problems", func(lspMessage) bool { return len(s.problems[fileURI(name)]) > 0 })
	if hover := s.ask("textDocument/hover", at(name, yamlWithMistake, "host: 192", 2)); !strings.Contains(string(hover), "Its address") {
		t.Errorf("hover over host: %s", hover)
	}
	if completion := s.ask("textDocument/completion", at(name, yamlWithMistake, "    \n", 4)); !strings.Contains(string(completion), `"label":"disk_uuid"`) {
		t.Errorf("disk_uuid is not among what completes: %.500s", completion)
	}
	sameLine(t, dir, name, yamlWithMistake, s.problems[fileURI(name)][0].Range.Start.Line+1)
}

// VS Code's service for JSON takes the schema from the field $schema.
func TestJSONLanguageService(t *testing.T) {
	dir := besideTheSchema(t)
	name := filepath.Join(dir, "hosts.json")
	ask := func(text, place string) (said struct {
		Problems   []lspProblem
		Hover      json.RawMessage
		Completion []string
	}) {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		where := at(name, text, place, 1)["position"].(map[string]any)
		out, err := exec.Command("node", "testdata/editors/json.js", *editors, name, fmt.Sprint(where["line"]), fmt.Sprint(where["character"])).Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &said); err != nil {
			t.Fatal(err)
		}
		return said
	}
	if said := ask(jsonWithMistake, `""`); !strings.Contains(strings.Join(said.Completion, " "), "disk_uuid") {
		t.Errorf("disk_uuid is not among what completes: %q", said.Completion)
	}
	whole := strings.Replace(jsonWithMistake, ",\n    \"\"", "", 1)
	said := ask(whole, `"host"`)
	if !strings.Contains(string(said.Hover), "Its address") || len(said.Problems) != 1 {
		t.Fatalf("hover over host: %s; problems: %v", said.Hover, said.Problems)
	}
	sameLine(t, dir, name, whole, said.Problems[0].Range.Start.Line+1)
}
