package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/cmd/flags"
)

// manOptions are those of man-pages, which writes the manual.
type manOptions struct{ noRules }

func manEntry() entry {
	return entry{group: "more", use: "man-pages DIR", verb: &manOptions{}, short: "write the manual, a page for each command and topic",
		examples: exampleLines{{"muster man-pages man1", "write muster.1, muster-deploy.1 and the others"}, {"muster man-pages /usr/local/share/man/man1", "install them"}},
		long: `
Write the pages of the manual to a directory, which is made if it is not there: what
muster help prints, for man.`}
}

func (o *manOptions) groups() []group { return nil }

func (o *manOptions) addFlags(*flags.Set) {}

func (o *manOptions) run(_ context.Context, std streams, args []string) error {
	dir := args[0]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the manual to %s: %w", dir, err)
	}
	pages := manPages(newRoot(std))
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(text), 0o644); err != nil {
			return fmt.Errorf("write the manual to %s: %w", dir, err)
		}
	}
	fmt.Fprintf(std.out, "wrote %d pages to %s\n", len(pages), dir)
	return nil
}

// manPages are the pages of the manual by name.
func manPages(root *cobra.Command) map[string]string {
	pages := map[string]string{}
	var all []string
	eachCommand(root, func(c *cobra.Command) {
		all = append(all, strings.ReplaceAll(c.CommandPath(), " ", "-"))
	})
	for _, t := range topics() {
		name := "muster-topic-" + strings.ReplaceAll(t.name, " ", "-")
		all = append(all, name)
		pages[name] = manHead(name, t.short) + ".SH DESCRIPTION\n" + preformatted(t.text)
	}
	eachCommand(root, func(c *cobra.Command) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		pages[name] = manPage(c, name)
		if c == root {
			pages[name] += ".SH SEE ALSO\n" + roff(strings.Join(all[1:], "(1), ")+"(1)") + "\n"
		}
	})
	return pages
}

// eachCommand calls f for a command and those below it.
func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" && sub.Name() != "completion" {
			eachCommand(sub, f)
		}
	}
}

// manPage is the page of a command.
func manPage(c *cobra.Command, name string) string {
	var b strings.Builder
	b.WriteString(manHead(name, c.Short))
	b.WriteString(".SH SYNOPSIS\n" + roff(c.UseLine()) + "\n")
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n" + preformatted(c.Example))
	}
	if c.Long != "" {
		b.WriteString(".SH DESCRIPTION\n" + preformatted(c.Long))
	}
	for _, g := range flagGroups(c) {
		if len(g.flags) == 0 {
			continue
		}
		b.WriteString(".SH " + strings.ToUpper(g.heading) + "\n")
		for _, f := range g.flags {
			b.WriteString(".TP\n" + roff(flagSyntax(f)) + "\n")
			_, usage := pflag.UnquoteUsage(f)
			if f.DefValue != "" && f.DefValue != "false" {
				usage += " (default " + f.DefValue + ")"
			}
			b.WriteString(roff(usage) + "\n")
		}
	}
	return b.String()
}

// flagSyntax is a flag as it is written, such as -j, --jobs n.
func flagSyntax(f *pflag.Flag) string {
	text := "--" + f.Name
	if f.Shorthand != "" {
		text = "-" + f.Shorthand + ", " + text
	}
	if name, _ := pflag.UnquoteUsage(f); name != "" {
		text += " " + name
	}
	return text
}

func manHead(name, short string) string {
	return fmt.Sprintf(".TH %s 1 \"\" \"muster\" \"muster\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(roff(name)), roff(name), roff(short))
}

// preformatted is text whose lines stay as they are.
func preformatted(text string) string {
	var b strings.Builder
	b.WriteString(".nf\n")
	for line := range strings.Lines(strings.Trim(text, "\n") + "\n") {
		b.WriteString(roff(strings.TrimRight(line, "\n")) + "\n")
	}
	b.WriteString(".fi\n")
	return b.String()
}

// roff protects text from roff.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	var b strings.Builder
	for i, r := range text {
		switch {
		case i == 0 && r == '.':
			b.WriteString(`\&.`)
		case r > 126:
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
