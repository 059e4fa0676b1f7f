package cmd

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The commands that topics show are accepted with their flags and arguments.
func TestTopicsShowCommands(t *testing.T) {
	world := newFlagWorld(t)
	t.Chdir(world.dir)
	shown := 0
	for _, topic := range topics() {
		for _, line := range regexp.MustCompile(`(?m)^  (?:.*\| )?(muster [a-z].*?)(?:   *[a-z].*| \|.*)?$`).FindAllStringSubmatch(topic.text, -1) {
			shown++
			if fault := parseCommand(strings.ReplaceAll(line[1], "FILE", "/dev/null")); fault != "" {
				t.Errorf("muster help %s: %s: %s", topic.name, line[1], fault)
			}
		}
	}
	if shown < 15 {
		t.Errorf("%d commands were found in topics", shown)
	}
}

// ageFile is a file as age writes them, with nothing in it.
var ageFile = "age-encryption.org/v1\n-> X25519 " + strings.Repeat("A", 43) + "\n" + strings.Repeat("A", 43) + "\n--- " + strings.Repeat("A", 43) + "\n" + strings.Repeat("x", 32)

// The inventories that topics show are valid.
func TestTopicsShowInventories(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{"web1.nix": "{ }", "secrets/db.age": ageFile} {
		if err := os.MkdirAll("secrets", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shown := 0
	for _, topic := range topics() {
		block := regexp.MustCompile(`(?ms)^  [a-z_]+: (?:[a-z]+\d: )?[{\[].*?^  \}$`).FindString(topic.text)
		if block == "" || strings.HasPrefix(topic.name, "coming-from") {
			continue
		}
		shown++
		block = strings.ReplaceAll(block, `"age1…"`, `"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"`)
		rest := "package fleet\nnixpkgs: unpinned: true\nhosts: web3: {host: \"192.0.2.3\", tags: [\"canary\", \"front\"]}\nhosts: web2: {host: \"192.0.2.2\", tags: [\"db\"]}\n"
		if err := os.WriteFile("hosts.cue", []byte(rest+block), 0o644); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if status := Run(t.Context(), []string{"vet"}, nil, &out, &out); status != 0 {
			t.Errorf("muster help %s:\n%s", topic.name, out.String())
		}
	}
	if shown < 3 {
		t.Errorf("%d inventories were found in topics", shown)
	}
}
