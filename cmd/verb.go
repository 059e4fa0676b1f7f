package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/human"
)

// A verb is one command of muster. Its flags come in groups, and the verb is
// itself the group of the flags that no other verb has. newCommand makes a command
// of it, which checks every value and every group before the verb runs.
type verb interface {
	group
	groups() []group
	run(ctx context.Context, std streams, args []string) error
}

// A group is flags that belong together. One that has others as its parts names them in
// a method parts.
type group interface {
	// addFlags adds the flags. Each carries the check of its own value.
	addFlags(fs *flags.Set)
	// check checks what holds between flags. It is done before any work.
	check() error
}

// noRules is part of a group whose flags are independent of each other.
type noRules struct{}

func (noRules) check() error { return nil }

// streams are where a verb reads and writes. What goes to out and err comes out as
// [human.Plain] has it, wherever it is from.
type streams struct {
	in       io.Reader
	out, err io.Writer
	// doc is standard output for documents that programs read, such as Nix: as
	// they are, unless a terminal shows them.
	doc io.Writer
	// warn is standard error for warnings: they are printed behind the errors.
	warn *warningWriter
	// ended is told what became of each host of a run, for a verb that runs others; may be nil.
	ended func(exec.Outcome)
}

const exitStatusHelp = `Exit status:
  0    done
  1    failed before anything changed
  2    wrong usage or invalid inventory
  3    some hosts failed, others are done
  4    some hosts were rolled back
  130  interrupted`

// inventoryHelp is what [INVENTORY] means, for every verb's help.
const inventoryHelp = `INVENTORY is hosts.cue, hosts.toml, another .cue, .toml, .yaml or .json file, or
a directory that holds one. The default is the current directory.`

func newRoot(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "muster",
		Short: "deploy a fleet of NixOS machines from a typed inventory",
		Long: `muster deploys a fleet of NixOS machines from a typed inventory.

Begin a fleet with "muster init", check it with "muster vet", see what would change with
"muster plan", and put it on the machines with "muster deploy". "muster demo" shows all
of that on this computer. INVENTORY is a file or directory; see muster help inventory.`,
		Example: exampleLines{
			{"muster init", "begin a fleet"},
			{"muster deploy --on web1", "bring one of its hosts to what the inventory says"},
		}.text(),
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noVerb,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetHelpFunc(printHelp)
	root.SetUsageFunc(func(c *cobra.Command) error {
		printUsage(c.OutOrStderr(), c)
		return nil
	})
	root.SetVersionTemplate("muster {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		// The flags of a command that is not there are unknown as well.
		if words := c.Flags().Args(); c.HasSubCommands() && len(words) > 0 {
			return noVerb(c, words)
		}
		return usageError{foreignFlag(c, flags.Explain(err))}
	})
	root.CompletionOptions.HiddenDefaultCmd = true

	root.AddGroup(
		&cobra.Group{ID: "inventory", Title: "The inventory:"},
		&cobra.Group{ID: "fleet", Title: "The fleet:"},
		&cobra.Group{ID: "more", Title: "More:"},
	)
	root.SetCompletionCommandGroupID("more")

	for _, e := range verbs() {
		names, c := newCommand(std, e.use, e.verb)
		c.Short, c.Long, c.Example = e.short, strings.TrimPrefix(e.long, "\n"), e.examples.text()
		parent := root
		if len(names) > 1 {
			parent = family(root, e.group, names[0])
		} else {
			c.GroupID = e.group
		}
		parent.AddCommand(c)
	}
	root.SetHelpCommand(newHelp(root))
	return root
}

// newCommand makes a command of a verb, and splits its names from use.
func newCommand(std streams, use string, v verb) (names []string, _ *cobra.Command) {
	names, args := splitUse(use)
	var groups []group
	for _, g := range append(slices.Clone(v.groups()), v) {
		if whole, ok := g.(interface{ parts() []group }); ok {
			groups = append(groups, whole.parts()...)
		}
		groups = append(groups, g)
	}
	c := &cobra.Command{Use: strings.TrimPrefix(use, strings.Join(names[:len(names)-1], " ")+" ")}
	set := flags.New(c.Flags())
	for _, g := range groups {
		g.addFlags(set)
		annotate(c.Flags(), g)
	}
	set.VarP(flags.Bool(new(bool), false), "help", "h", "show this help")
	c.Args = func(c *cobra.Command, given []string) error {
		given, _ = beforeDash(c, given)
		if err := args(c, given); err != nil {
			return usageError{explainArgs(c, given, err)}
		}
		return nil
	}
	c.ValidArgsFunction = completeArgs(use)
	c.RunE = func(c *cobra.Command, given []string) error {
		if taker, ok := v.(commandTaker); ok {
			var command []string
			given, command = beforeDash(c, given)
			taker.takeCommand(command)
		}
		if err := checkFlags(set, groups); err != nil {
			return err
		}
		return v.run(c.Context(), std, given)
	}
	return names, c
}

// A commandTaker is a verb that takes a command behind --.
type commandTaker interface{ takeCommand(words []string) }

// checkFlags checks what is not checked while the command line is parsed: the
// defaults, and the rules of every group.
func checkFlags(set *flags.Set, groups []group) error {
	if err := set.Check(); err != nil {
		return usageError{err}
	}
	for _, g := range groups {
		if err := g.check(); err != nil {
			return usageError{err}
		}
	}
	return nil
}

// completeValues has the shell complete the values of the flags of all commands, and show
// what flags are for as plain text.
// Cobra keeps what it registers for ever, so only a request for completion does.
func completeValues(c *cobra.Command) {
	for _, sub := range c.Commands() {
		completeValues(sub)
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		f.Usage = strings.ReplaceAll(f.Usage, "`", "") // which mark the value's name for the help
		v, ok := f.Value.(flags.Value)
		if !ok {
			return
		}
		c.RegisterFlagCompletionFunc(f.Name, func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if found := v.Suggest(); found != nil {
				return found(args, word), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
			}
			switch v.Names() {
			case flags.AnyFile:
				return nil, cobra.ShellCompDirectiveDefault
			case flags.Directories:
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return v.Words(), cobra.ShellCompDirectiveNoFileComp
		})
	})
}

// splitUse splits "inventory get PATH [INVENTORY]" into the command's names and
// the arguments it takes: those in brackets are optional, and after ... or -- any
// number may follow.
func splitUse(use string) (names []string, args cobra.PositionalArgs) {
	least, most := 0, 0
	for _, word := range strings.Fields(use) {
		switch {
		case word == "--" || strings.HasSuffix(word, "...") || strings.HasSuffix(word, "...]"):
			return names, argsBetween(least, math.MaxInt)
		case strings.HasPrefix(word, "["):
			most++
		case strings.ToLower(word) == word:
			names = append(names, word)
		default:
			least++
			most++
		}
	}
	return names, argsBetween(least, most)
}

// argsBetween is the check that a command is given enough arguments and not too many.
func argsBetween(least, most int) cobra.PositionalArgs {
	return func(_ *cobra.Command, given []string) error {
		switch {
		case len(given) < least:
			return fmt.Errorf("want at least %s", human.Count(least, "argument"))
		case len(given) > most && most == 0:
			return errors.New("want no argument")
		case len(given) > most:
			return fmt.Errorf("want at most %s", human.Count(most, "argument"))
		}
		return nil
	}
}

// families describes the commands that only have subcommands.
var families = map[string]string{
	"agent":     "take releases, on a host",
	"cluster":   "ask the cluster how it is, and take nodes out of it",
	"inventory": "show the resolved inventory",
	"mesh":      "give the members of a mesh addresses, and change their keys",
	"provision": "make machines with OpenTofu or Terraform",
	"secrets":   "list, make, change and bring the secrets of the hosts",
}

// family returns the command of that name that has subcommands, which it makes the
// first time.
func family(root *cobra.Command, group, name string) *cobra.Command {
	for _, c := range root.Commands() {
		if c.Name() == name {
			return c
		}
	}
	c := &cobra.Command{
		Use:     name,
		Short:   families[name],
		GroupID: group,
		Args:    noVerb,
		RunE:    func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.AddCommand(c)
	return c
}

// beforeDash splits arguments at --.
func beforeDash(c *cobra.Command, args []string) (before, after []string) {
	if n := c.ArgsLenAtDash(); n >= 0 {
		return args[:n], args[n:]
	}
	return args, nil
}
