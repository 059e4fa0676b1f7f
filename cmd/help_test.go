package cmd

import (
	"bytes"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every command has two examples, which its own flags and arguments accept.
func TestExamplesAreCommands(t *testing.T) {
	world := newFlagWorld(t)
	t.Chdir(world.dir)
	for _, name := range []string{"web1.tar", "plan.json", "hive.nix"} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	eachVerb(newTestRoot(), func(name string, c *cobra.Command) {
		lines := regexp.MustCompile(`(?m)^  (muster .*?)(?:  +#.*)?$`).FindAllStringSubmatch(c.Example, -1)
		if len(lines) < 2 {
			t.Errorf("%s has %d examples, want two: %s", name, len(lines), c.Example)
		}
		for _, line := range lines {
			if fault := parseCommand(line[1]); fault != "" {
				t.Errorf("%s: %s: %s", name, line[1], fault)
			} else if !strings.HasPrefix(line[1], "muster "+name) {
				t.Errorf("%s is no example of %s", line[1], name)
			}
		}
	})
}

// parseCommand returns why a command line would be refused before any work, or "".
func parseCommand(line string) string {
	split, err := osexec.Command("/bin/bash", "-c", `printf '%s\0' `+line).Output()
	if err != nil {
		return err.Error()
	}
	words := strings.Split(strings.TrimSuffix(string(split), "\x00"), "\x00")
	root := newTestRoot()
	c, rest, err := root.Find(words[1:])
	if err != nil {
		return err.Error()
	}
	if err := c.ParseFlags(rest); err != nil {
		return err.Error()
	}
	if c.Args != nil {
		if err := c.Args(c, c.Flags().Args()); err != nil {
			return err.Error()
		}
	}
	return ""
}

// The help of a command begins with its examples, and shows few flags first.
func TestHelpTeaches(t *testing.T) {
	eachVerb(newTestRoot(), func(name string, _ *cobra.Command) {
		text := helpOf(t, append(strings.Fields(name), "--help")...)
		if !strings.HasPrefix(text, "Examples:\n  ") {
			t.Errorf("help of %s begins with %.40q", name, text)
		}
		_, flags, _ := strings.Cut(text, "\nFlags:\n")
		first, _, _ := strings.Cut(flags, "\n\n")
		if n := len(regexp.MustCompile(`(?m)^  (-\w, |    )--`).FindAllString(first, -1)); n > mostFirst+2 {
			t.Errorf("help of %s shows %d flags first", name, n)
		}
		for line := range strings.Lines(text) {
			if len([]rune(line)) > 100 {
				t.Errorf("help of %s is wide: %s", name, line)
			}
		}
	})
}

// Every command says in a line what it is, also one that only has subcommands.
func TestEveryCommandHasAWord(t *testing.T) {
	var look func(*cobra.Command)
	look = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s: no short description", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			look(sub)
		}
	}
	look(newTestRoot())
}

// Every topic has a page; muster help lists it.
func TestTopics(t *testing.T) {
	list := helpOf(t, "help")
	for _, topic := range topics() {
		if text := helpOf(t, append([]string{"help"}, strings.Fields(topic.name)...)...); len(text) < 100 {
			t.Errorf("muster help %s: %q", topic.name, text)
		}
		if !strings.Contains(list, "  "+topic.name+" ") {
			t.Errorf("muster help does not list %s", topic.name)
		}
	}
	for _, word := range []string{"selectors", "nix-in-cue", "rollout", "secrets", "ssh", "exit-status", "inventory", "environment"} {
		if text := helpOf(t, "help", word); strings.HasPrefix(text, "Examples:") {
			t.Errorf("muster help %s is about the command: %.60q", word, text)
		}
	}
}

func helpOf(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if status := Run(t.Context(), args, nil, &out, &errs); status != 0 {
		t.Fatalf("muster %s: status %d: %s", strings.Join(args, " "), status, errs.String())
	}
	return out.String()
}

// Words and flags of other tools, and hosts in the wrong place, lead on.
func TestUnknownWordsLeadOn(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if err := os.WriteFile("hosts.toml", []byte("[hosts.web1]\nhost = \"192.0.2.1\"\ntags = [\"front\"]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("other", 0o755); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"check":                             "muster vet checks the inventory, muster status the hosts",
		"reboot":                            "muster deploy --reboot",
		"switch":                            "muster deploy",
		"dry-run":                           "muster plan",
		"upload-keys":                       "muster secrets push",
		"upload-secrets":                    "muster secrets push",
		"send-keys":                         "muster secrets push",
		"check-health":                      "muster status",
		"list-generations":                  "muster generations",
		"apply-loca":                        "did you mean apply-local?",
		"delpoy":                            "did you mean deploy?",
		"web1":                              "muster deploy --on web1",
		"@front":                            "muster deploy --on @front",
		"hosts.toml":                        "muster vet hosts.toml",
		"selectors":                         "muster help selectors",
		"rekey":                             "did you mean muster secrets rekey?",
		"deploy web1":                       "hosts are chosen with --on: --on web1",
		"deploy @front":                     "--on @front",
		"deploy web1 @front":                "muster deploy --on web1,@front",
		"status +db":                        "--on +db",
		"apply":                             "muster deploy brings hosts to what the inventory says",
		"apply --on @front":                 "muster deploy --on chooses hosts",
		"deploy --include web1":             "want --on web1,web2",
		"deploy --target-host web1":         "want --on",
		"deploy --parallel 3":               "want --jobs",
		"deploy --use-remote-sudo":          `privilege: "sudo"`,
		"deploy --actoin boot":              "did you mean --action?",
		"deploy other":                      "muster init begins one",
		"secrets lits":                      "did you mean list?",
		"inventory":                         "",
		"help nosuch":                       `unknown command or topic "nosuch"`,
		"ssh":                               "muster ssh needs an argument; usage: muster ssh HOST",
		"deploy web2 web3 and many further": "usage: muster deploy [INVENTORY]",
	} {
		var out, errs bytes.Buffer
		status := Run(t.Context(), strings.Fields(line), nil, &out, &errs)
		if !strings.Contains(errs.String(), want) || (status != 2) != (want == "") {
			t.Errorf("muster %s: status %d, want %q in\n%s", line, status, want, errs.String())
		}
	}
}

// The manual is valid, as groff sees it.
func TestManPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man1")
	helpOf(t, "man-pages", dir)
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 40 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	groff, err := osexec.LookPath("groff")
	if err != nil {
		t.Skip("no groff here")
	}
	out, err := osexec.Command(groff, append([]string{"-man", "-Tutf8", "-ww", "-z"}, pages...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}
