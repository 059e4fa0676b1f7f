package cmd

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// examples/docs/commands.md has every verb and every flag, as the help has them; -update
// writes it.
func TestCommandsOfDocsAreThoseOfTheHelp(t *testing.T) {
	const name = "../examples/docs/commands.md"
	got := commandsPage()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: go test ./cmd -run TestCommandsOfDocs -update writes it (-want +got):\n%s", name, diff)
	}
}

// commandsPage is the help of all verbs as Markdown. Flags that several verbs have under a
// heading of their own are written once.
func commandsPage() string {
	var b strings.Builder
	b.WriteString("# All commands\n\nMade from the help; `go test ./cmd -run TestCommandsOfDocs -update` writes it.\n")
	shared := map[string]map[string]*pflag.Flag{}
	for _, c := range leaves(newRoot(streams{})) {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n", c.CommandPath(), upperFirst(c.Short))
		if c.Example != "" {
			fmt.Fprintf(&b, "```text\n%s\n```\n\n", unindented(c.Example))
		}
		var own []*pflag.Flag
		var headings []string
		for _, g := range flagGroups(c) {
			for _, f := range g.flags {
				heading := ""
				if title := f.Annotations[groupAnnotation]; len(title) > 0 {
					heading = title[0]
				}
				switch {
				case f.Name == "help":
				case heading == "":
					own = append(own, f)
				default:
					if shared[heading] == nil {
						shared[heading] = map[string]*pflag.Flag{}
					}
					shared[heading][f.Name] = f
					if !slices.Contains(headings, heading) {
						headings = append(headings, heading)
					}
				}
			}
		}
		writeFlags(&b, own)
		slices.Sort(headings)
		for i, h := range headings {
			headings[i] = fmt.Sprintf("[%s](#%s)", strings.ToLower(h), strings.ReplaceAll(strings.ToLower(h), " ", "-"))
		}
		if len(headings) > 0 {
			fmt.Fprintf(&b, "Flags for %s.\n", strings.Join(headings, ", "))
		}
	}
	for _, heading := range slices.Sorted(maps.Keys(shared)) {
		fmt.Fprintf(&b, "\n## %s\n\n", heading)
		flags := slices.SortedFunc(maps.Values(shared[heading]), func(a, b *pflag.Flag) int { return cmp.Compare(a.Name, b.Name) })
		writeFlags(&b, flags)
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// leaves are the commands that do something, in the order of the help.
func leaves(c *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		switch {
		case sub.Hidden:
		case sub.HasAvailableSubCommands():
			all = append(all, leaves(sub)...)
		case sub.Runnable():
			all = append(all, sub)
		}
	}
	return all
}

func writeFlags(b *strings.Builder, flags []*pflag.Flag) {
	if len(flags) == 0 {
		return
	}
	fmt.Fprint(b, "| flag | what it does |\n| --- | --- |\n")
	for _, f := range flags {
		value, what := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", name, strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ").Replace(what))
	}
	b.WriteString("\n")
}

func upperFirst(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}
