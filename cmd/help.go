package cmd

import (
	"cmp"
	"embed"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/schema"
)

// What muster help prints:
//
//	examples, what the verb does, its usage, the flags that matter first, the others in
//	groups
//
// and pages about topics, which are the files of topics and what newTopics adds.

// helpWidth is how wide the help is.
const helpWidth = 80

// firstFlags are the flags that matter, of whatever verb, in their order.
var firstFlags = []string{"on", "action", "dry-run", "to", "yes", "reboot", "out", "output", "json", "attr", "from", "jobs"}

// mostFirst is how many flags a help shows before the groups.
const mostFirst = 10

// A titled group of flags has a heading of its own in the help.
type titled interface{ title() string }

func (f *loadFlags) title() string     { return "Reading the inventory" }
func (f *sshFlags) title() string      { return "Connecting" }
func (f *evaluateFlags) title() string { return "Evaluating" }
func (f *buildFlags) title() string    { return "Building" }
func (f *copyFlags) title() string     { return "Copying" }
func (f *rolloutFlags) title() string  { return "Rolling out" }

// groupAnnotation is where a flag keeps the title of its group.
const groupAnnotation = "muster_group"

// annotate notes the title of a group at flags that it has added, which are those that
// have none yet.
func annotate(fs *pflag.FlagSet, g group) {
	title := ""
	if t, ok := g.(titled); ok {
		title = t.title()
	}
	fs.VisitAll(func(f *pflag.Flag) {
		if _, noted := f.Annotations[groupAnnotation]; !noted {
			if f.Annotations == nil {
				f.Annotations = map[string][]string{}
			}
			f.Annotations[groupAnnotation] = []string{title}
		}
	})
}

// A flagGroup is flags under a heading of the help.
type flagGroup struct {
	heading string
	flags   []*pflag.Flag
}

// flagGroups returns the flags of a command as the help shows them.
func flagGroups(c *cobra.Command) []flagGroup {
	var all []*pflag.Flag
	c.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			all = append(all, f)
		}
	})
	rank := func(f *pflag.Flag) int {
		if i := slices.Index(firstFlags, f.Name); i >= 0 {
			return i
		}
		if title := f.Annotations[groupAnnotation]; len(title) > 0 && title[0] == "" && f.Name != "help" {
			return len(firstFlags) // one of the verb's own
		}
		return len(firstFlags) + 1
	}
	slices.SortStableFunc(all, func(a, b *pflag.Flag) int { return cmp.Compare(rank(a), rank(b)) })
	first, rest := all, []*pflag.Flag(nil)
	if len(all) > mostFirst+2 {
		first, rest = all[:mostFirst], all[mostFirst:]
	}
	groups := []flagGroup{{"Flags", first}}
	for _, f := range rest {
		heading := "More"
		if title := f.Annotations[groupAnnotation]; len(title) > 0 && title[0] != "" {
			heading = title[0]
		}
		i := slices.IndexFunc(groups, func(g flagGroup) bool { return g.heading == heading })
		if i < 0 {
			i = len(groups)
			groups = append(groups, flagGroup{heading: heading})
		}
		groups[i].flags = append(groups[i].flags, f)
	}
	// The group of what is left stands last.
	slices.SortStableFunc(groups, func(a, b flagGroup) int {
		return cmp.Compare(btoi(a.heading == "More"), btoi(b.heading == "More"))
	})
	return groups
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// usages are the flags of a group with what each is for.
func (g flagGroup) usages() string {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	fs.SortFlags = false
	for _, f := range g.flags {
		fs.AddFlag(f)
	}
	return fs.FlagUsagesWrapped(helpWidth)
}

// printHelp prints the help of a command.
func printHelp(c *cobra.Command, _ []string) {
	w := c.OutOrStdout()
	if c.Example != "" {
		fmt.Fprintf(w, "Examples:\n%s\n\n", c.Example)
	}
	fmt.Fprintf(w, "%s\n", strings.TrimSpace(cmp.Or(c.Long, c.Short)))
	printUsage(w, c)
}

// printUsage prints how a command is called: its usage, its commands and its flags.
func printUsage(w io.Writer, c *cobra.Command) {
	if !c.Runnable() && !c.HasAvailableSubCommands() {
		return
	}
	fmt.Fprint(w, "\nUsage:\n")
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s COMMAND\n", c.CommandPath())
	} else {
		fmt.Fprintf(w, "  %s\n", c.UseLine())
	}
	printCommands(w, c)
	for _, g := range flagGroups(c) {
		if len(g.flags) > 0 {
			fmt.Fprintf(w, "\n%s:\n%s", g.heading, g.usages())
		}
	}
}

// printCommands prints the commands of a command in their groups, and for muster itself
// the topics.
func printCommands(w io.Writer, c *cobra.Command) {
	width := 0
	for _, sub := range c.Commands() {
		width = max(width, len(sub.Name()))
	}
	row := func(name, short string) { fmt.Fprintf(w, "  %-*s  %s\n", width, name, short) }
	listed := func(heading string, in func(*cobra.Command) bool) {
		began := false
		for _, sub := range c.Commands() {
			if !sub.IsAvailableCommand() && sub.Name() != "help" || !in(sub) {
				continue
			}
			if !began {
				fmt.Fprintf(w, "\n%s\n", heading)
				began = true
			}
			row(sub.Name(), sub.Short)
		}
	}
	for _, g := range c.Groups() {
		listed(g.Title, func(sub *cobra.Command) bool { return sub.GroupID == g.ID })
	}
	listed("Commands:", func(sub *cobra.Command) bool { return sub.GroupID == "" })
	if c.HasParent() {
		return
	}
	fmt.Fprintf(w, "\nTopics, for muster help TOPIC:\n")
	width = 0
	all := topics()
	for _, t := range all {
		width = max(width, len(t.name))
	}
	for _, t := range all {
		row(t.name, t.short)
	}
}

// A topic is a page of help about something that several commands share.
type topic struct{ name, short, text string }

//go:embed topics/*.txt
var topicFiles embed.FS

// topics are all pages of help that are no commands, by name.
func topics() []topic {
	list := []topic{
		{"exit-status", "what the exit status of muster says", exitStatusHelp + "\n"},
		{"nix-in-cue", "how Nix is written in an inventory", schema.NixInCUE},
	}
	entries, err := topicFiles.ReadDir("topics")
	if err != nil {
		panic(err) // it is embedded
	}
	for _, e := range entries {
		text, err := topicFiles.ReadFile(path.Join("topics", e.Name()))
		if err != nil {
			panic(err)
		}
		short, rest, _ := strings.Cut(string(text), "\n")
		list = append(list, topic{strings.TrimSuffix(e.Name(), ".txt"), short, strings.TrimLeft(rest, "\n")})
	}
	for _, t := range formerTools {
		list = append(list, topic{"coming-from " + strings.ToLower(t.name), "the commands of " + t.name + ", and ours", t.page()})
	}
	slices.SortFunc(list, func(a, b topic) int { return cmp.Compare(a.name, b.name) })
	return list
}

// newHelp is the command help: of a topic, of a command, or of both where a command has
// the name of a topic.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND or TOPIC]",
		Short:   "say how a command is used, or about a topic",
		GroupID: "more",
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return helpWords(root, args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			w := c.OutOrStdout()
			found := false
			for _, t := range topics() {
				if name := strings.Join(args, " "); t.name == name || name == "coming-from" && strings.HasPrefix(t.name, name) {
					fmt.Fprintf(w, "%s\n", strings.TrimRight(t.text, "\n")+map[bool]string{true: "\n"}[t.name != name])
					found = true
				}
			}
			about, rest, err := root.Find(args)
			switch isCommand := err == nil && len(rest) == 0 && about != root; {
			case isCommand && found:
				fmt.Fprintf(w, "\n%s --help says how the command is used.\n", about.CommandPath())
			case isCommand || len(args) == 0:
				about.InitDefaultHelpFlag()
				return about.Help()
			case !found && args[0] == "coming-from":
				return usageError{fmt.Errorf("no commands of %s are known; muster help coming-from has those of %s", strings.Join(args[1:], " "), formerNames())}
			case !found:
				return unknownWord(root, args[0], "unknown command or topic %q", strings.Join(args, " "))
			}
			return nil
		},
	}
}

// formerNames are the names of the tools of muster help coming-from.
func formerNames() string {
	var names []string
	for _, t := range formerTools {
		names = append(names, t.name)
	}
	return strings.Join(names, ", ")
}

// helpWords are the words that can follow muster help and some words.
func helpWords(root *cobra.Command, args []string) []string {
	var words []string
	add := func(w string) {
		if w != "" && !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	if about, rest, err := root.Find(args); err == nil && len(rest) == 0 {
		for _, sub := range about.Commands() {
			if sub.IsAvailableCommand() {
				add(sub.Name())
			}
		}
	}
	for _, t := range topics() {
		if rest, ok := strings.CutPrefix(t.name, strings.Join(append(args, ""), " ")); ok {
			first, _, _ := strings.Cut(rest, " ")
			add(first)
		}
	}
	return words
}

// text writes the examples as the help shows them.
func (e exampleLines) text() string {
	width := 0
	for _, x := range e {
		width = max(width, len(x.line))
	}
	var lines []string
	for _, x := range e {
		if line := fmt.Sprintf("  %-*s  # %s", width, x.line, x.what); len(line) <= helpWidth+10 {
			lines = append(lines, line)
		} else {
			lines = append(lines, "  # "+x.what, "  "+x.line)
		}
	}
	return strings.Join(lines, "\n")
}
