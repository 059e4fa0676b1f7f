package cmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// Every command of muster help coming-from does what it says, on three machines.
func TestEveryCommandOfComingFromRuns(t *testing.T) {
	frame, err := os.ReadFile("testdata/comingfrom.txtar")
	if err != nil {
		t.Fatal(err)
	}
	script := strings.Replace(string(frame), "\n@COMMANDS\n", "\n"+strings.Join(comingFromScript(), "\n")+"\n", 1)
	name := filepath.Join(t.TempDir(), "comingfrom.txtar")
	if err := os.WriteFile(name, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	p := scriptParams()
	p.Files = []string{name}
	testscript.Run(t, p)
}

// comingFromScript are the lines of a script that run each command once.
func comingFromScript() []string {
	var lines []string
	seen := map[string]bool{}
	for _, tool := range formerTools {
		for _, c := range tool.commands {
			for _, command := range commandsIn(c.ours) {
				if !seen[command] {
					seen[command] = true
					lines = append(lines, scriptLines(command, len(seen))...)
				}
			}
		}
	}
	return lines
}

// commandsIn are the commands in what to do instead of one of another tool.
func commandsIn(ours string) []string {
	var commands []string
	for _, part := range strings.FieldsFunc(strings.ReplaceAll(ours, ", then ", ";"), func(r rune) bool { return r == ';' }) {
		if part = strings.TrimSpace(part); strings.HasPrefix(part, "muster ") && !strings.HasSuffix(part, "gives them NixOS") {
			commands = append(commands, part)
		}
	}
	return commands
}

// scriptLines run a command, and bring about before what it is for. Number is its own.
func scriptLines(command string, number int) []string {
	quoted := "'" + strings.ReplaceAll(strings.ReplaceAll(command, "STORE-PATH", "$(readlink kept/web1)"), "'", "''") + "'"
	switch {
	case strings.HasPrefix(command, "muster apply-local"):
		return []string{"host web1 sh -c 'cd /root/fleet && HOME=/root NIX_CONFIG=\"$1\" sh -c \"$2\"' sh $NIX_CONFIG " + quoted}
	case strings.HasPrefix(command, "muster rollback"):
		// There is a deployment to undo.
		change := fmt.Sprintf(`exec sh -c 'sed -i "s,timeZone: .*,timeZone: \"Etc/GMT-%d\"," hosts.cue && muster deploy'`, number%14)
		return []string{change, "exec sh -c " + quoted}
	case strings.HasPrefix(command, "muster status"):
		return []string{"exec muster deploy", "exec sh -c " + quoted}
	}
	return []string{"exec sh -c " + quoted}
}

// The help has a page for each tool, and one for all.
func TestComingFromIsHelp(t *testing.T) {
	for _, tool := range formerTools {
		for _, args := range [][]string{{"help", "coming-from", strings.ToLower(tool.name)}, {"help", "coming-from"}} {
			var out bytes.Buffer
			if status := Run(t.Context(), args, nil, &out, &out); status != 0 || !strings.Contains(out.String(), tool.page()) {
				t.Errorf("muster %q: exit status %d, without the page of %s:\n%s", args, status, tool.name, &out)
			}
		}
	}
}

// The pages of the documentation have the tables of muster help coming-from; -update writes them.
func TestComingFromIsInDocs(t *testing.T) {
	const begin, end = "<!-- commands -->\n", "<!-- end -->\n"
	for _, tool := range formerTools {
		var table strings.Builder
		fmt.Fprintf(&table, "| %s | muster |\n| --- | --- |\n", tool.name)
		for _, c := range tool.commands {
			ours := "`" + c.ours + "`"
			if len(commandsIn(c.ours)) != 1 || commandsIn(c.ours)[0] != c.ours {
				ours = c.ours
			}
			fmt.Fprintf(&table, "| `%s` | %s |\n", c.theirs, ours)
		}
		name := "../examples/docs/coming-from-" + strings.ToLower(tool.name) + ".md"
		page, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
			continue
		}
		before, rest, _ := strings.Cut(string(page), begin)
		got, after, ok := strings.Cut(rest, end)
		switch {
		case !ok:
			t.Errorf("%s: no table between %s and %s", name, begin, end)
		case got != table.String() && *update:
			if err := os.WriteFile(name, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
				t.Fatal(err)
			}
		case got != table.String():
			t.Errorf("%s: go test ./cmd -run TestComingFromIsInDocs -update writes the table (-want +got):\n%s", name, cmp.Diff(table.String(), got))
		}
	}
}
