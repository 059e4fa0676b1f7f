package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"muster/compile/eval/collector"
	"muster/exec"
	"muster/schema"
)

// A verb is one command of muster: what it is asked, and what it does.
type verb interface {
	addFlags(fs *pflag.FlagSet)
	run(ctx context.Context, std streams, args []string) error
}

// streams are where a verb reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
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
a directory that holds one; the current directory where it is left out.`

func newRoot(std streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "muster",
		Short: "deploy a fleet of NixOS machines from a typed inventory",
		Long: `muster deploys a fleet of NixOS machines from a typed inventory.

Write hosts.cue or hosts.toml, check it with "muster vet", read the Nix it
means with "muster compile", and put it on the machines with "muster deploy".

` + inventoryHelp + "\n\n" + exitStatusHelp,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noVerb,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetUsageTemplate(strings.NewReplacer(
		".LocalFlags.FlagUsages", ".LocalFlags.FlagUsagesWrapped 80",
		".InheritedFlags.FlagUsages", ".InheritedFlags.FlagUsagesWrapped 80",
	).Replace(root.UsageTemplate()))
	root.SetVersionTemplate("muster {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true

	root.AddGroup(
		&cobra.Group{ID: "inventory", Title: "The inventory:"},
		&cobra.Group{ID: "fleet", Title: "The fleet:"},
		&cobra.Group{ID: "more", Title: "More:"},
	)
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")

	addVerbs(func(group, use, short, long string, v verb) {
		names, args := splitUse(use)
		c := &cobra.Command{
			Use:   strings.TrimPrefix(use, strings.Join(names[:len(names)-1], " ")+" "),
			Short: short,
			Long:  long,
			Args: func(c *cobra.Command, given []string) error {
				given, _ = beforeDash(c, given)
				if err := args(c, given); err != nil {
					return usageError{err}
				}
				return nil
			},
			RunE: func(c *cobra.Command, given []string) error {
				if taker, ok := v.(interface{ takeCommand([]string) }); ok {
					var command []string
					given, command = beforeDash(c, given)
					taker.takeCommand(command)
				}
				return v.run(c.Context(), std, given)
			},
		}
		v.addFlags(c.Flags())
		parent := root
		if len(names) > 1 {
			parent = family(root, group, names[0])
		} else {
			c.GroupID = group
		}
		parent.AddCommand(c)
	})
	// A page to read: a command that does nothing.
	root.AddCommand(&cobra.Command{Use: "nix-in-cue", Short: "how Nix is written in an inventory", Long: schema.NixInCUE})
	return root
}

// noVerb refuses what is no command, and says what may have been meant.
func noVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	meant := ""
	c.SuggestionsMinimumDistance = 2
	if like := c.SuggestionsFor(args[0]); len(like) > 0 {
		meant = fmt.Sprintf("; did you mean %s?", strings.Join(like, " or "))
	}
	return usageError{fmt.Errorf("unknown command %q for %q%s", args[0], c.CommandPath(), meant)}
}

// splitUse splits "inventory get PATH [INVENTORY]" into the command's names and
// what arguments it takes: those in brackets may be left out, and after ... or
// -- any number follows.
func splitUse(use string) (names []string, args cobra.PositionalArgs) {
	least, most := 0, 0
	for _, word := range strings.Fields(use) {
		switch {
		case word == "--" || strings.HasSuffix(word, "...") || strings.HasSuffix(word, "...]"):
			return names, cobra.MinimumNArgs(least)
		case strings.HasPrefix(word, "["):
			most++
		case strings.ToLower(word) == word:
			names = append(names, word)
		default:
			least++
			most++
		}
	}
	return names, cobra.RangeArgs(least, most)
}

// families are the commands that only hold others.
var families = map[string]string{
	"inventory": "look at the resolved inventory",
}

// family returns the command of that name that holds others, making it where
// it is not there yet.
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

// addVerbs is the list of all verbs, in the order of the help.
func addVerbs(add func(group, use, short, long string, v verb)) {
	add("inventory", "vet [INVENTORY]", "check the inventory",
		"Check the whole inventory and say everything that is wrong with it, each problem\nwith its file, line and column.\n\n"+inventoryHelp, &vetOptions{})
	add("inventory", "compile [INVENTORY]", "print the inventory as a Nix network expression",
		"Print the Nix network expression that the inventory means.\n\n"+inventoryHelp, &compileOptions{})
	add("inventory", "eval [INVENTORY]", "print each host's system derivation",
		"Evaluate the fleet and print each host's system derivation.\n\n"+inventoryHelp, &evalOptions{})

	add("inventory", "inventory list [INVENTORY]", "list the hosts", "List the hosts, with where each comes from.\n\n"+inventoryHelp, &inventoryOptions{verb: "list"})
	add("inventory", "inventory show [INVENTORY]", "print every value and where it comes from", "Print every value of the resolved inventory and the place it comes from.\n\n"+inventoryHelp, &inventoryOptions{verb: "show"})
	add("inventory", "inventory get PATH [INVENTORY]", "print one value", "Print the value at PATH, such as hosts.web1.host.\n\n"+inventoryHelp, &inventoryOptions{verb: "get"})
	add("inventory", "fmt [FILE]", "format the inventory",
		"Format the CUE files of an inventory in place. FILE is a file, a directory, or - for\nstandard input; the current directory where it is left out.", &fmtOptions{})
	add("inventory", "init [DIR]", "begin an inventory",
		"Write hosts.cue to start from, and a CUE module with the schema, so that cue vet and\nthe CUE language server know it offline. Nothing that exists is overwritten but the\nschema.", &initOptions{})
	add("inventory", "schema", "print the schema of inventories",
		"Print the schema of inventories, as CUE or as JSON Schema. Editors check and complete\nTOML, YAML and JSON by the latter. Save it beside the inventory:\n\n  muster schema --json-schema > inventory.schema.json\n\nand name it in the first line:\n\n  #:schema ./inventory.schema.json                       hosts.toml (taplo)\n  # yaml-language-server: $schema=inventory.schema.json  hosts.yaml\n  {\"$schema\": \"inventory.schema.json\",                  hosts.json", &schemaOptions{})

	add("fleet", "build [INVENTORY]", "build the systems here",
		"Build the hosts' systems in the local store.\n\n"+inventoryHelp, &deployOptions{action: exec.BuildOnly})
	add("fleet", "push [INVENTORY]", "build the systems and copy them to the hosts",
		"Build the hosts' systems and copy to each host what it lacks of its own. Nothing is\nactivated. With --path, copy store paths and all they refer to instead.\n\n"+inventoryHelp, &pushOptions{deployOptions: deployOptions{action: exec.Push}})
	add("fleet", "deploy [INVENTORY]", "build, copy and activate",
		"Build the hosts' systems, copy to each host what it lacks, and activate. A host whose\nactivation fails goes back to the generation it had.\n\n"+inventoryHelp+"\n\n"+exitStatusHelp, &deployOptions{action: exec.Switch})
	add("fleet", "export [INVENTORY]", "write the systems to an archive, for machines without SSH",
		"Build the hosts' systems and write them, with all they refer to, to an archive: a binary\ncache as a directory or as one file, with what to run inside. An export that was broken\noff goes on where it stopped. \"muster import\" brings it to the machine.\n\n"+inventoryHelp, &exportOptions{})
	add("fleet", "import ARCHIVE", "load an archive on the machine it is for, and activate",
		"Check an archive of \"muster export\", load what this machine lacks of it, set the system\nprofile and activate. A damaged or incomplete archive is refused whole, before anything\nis touched.\n\n"+exitStatusHelp, &importOptions{})
	add("fleet", "plan [INVENTORY]", "say what deploy would change, host by host",
		"Connect to the hosts, build their systems here, and say for each what deploying\nwould change: packages, what is to be copied, units, whether a restart is needed,\nand in which wave. Nothing on the hosts is changed. --out saves the plan.\n\n"+inventoryHelp, &planOptions{})
	add("fleet", "apply PLAN", "carry out a saved plan",
		"Do exactly what a plan saved by muster plan --out says. A host that is no longer\nwhat it was when the plan was made is left alone, and fails.\n\n"+exitStatusHelp, &applyOptions{})
	add("fleet", "resume [INVENTORY]", "go on with a run that was interrupted",
		"Go on with the last run of the fleet that did not come to its end, be it interrupted,\nkilled or crashed. What counts is what the hosts are on; an activation that still\nwaits on a host for its confirmation is confirmed.\n\n"+inventoryHelp+"\n\n"+exitStatusHelp, &resumeOptions{})
	add("fleet", "retry [INVENTORY]", "do the last run again for the hosts that failed",
		"Do the last run of the fleet again, with the same systems, for the hosts that failed,\nwere rolled back or were skipped.\n\n"+inventoryHelp+"\n\n"+exitStatusHelp, &resumeOptions{retry: true})
	add("fleet", "status [INVENTORY]", "compare the hosts with the inventory",
		"Say of each host whether it is what the inventory says: in sync, behind, on a\ngeneration that somebody else has made; whether it needs a restart, and which units\nhave failed. The exit status is 0 if all is well, and 3 if anything is not.\n\n"+inventoryHelp, &statusOptions{})
	add("fleet", "exec [INVENTORY] -- COMMAND...", "run a command on the hosts",
		"Run a command on hosts as root, side by side. Its words arrive as they are; for a\nshell, say: -- sh -c 'uptime; free'.\n\n"+inventoryHelp, &execOptions{})
	add("fleet", "gc [INVENTORY]", "remove old generations and collect garbage",
		"Remove old generations of the hosts' system profiles, and what nothing needs any\nmore. The current generation, the one that runs and the one that was booted stay.\n\n"+inventoryHelp, &gcOptions{})
	add("fleet", "generations [INVENTORY]", "list the generations the hosts have",
		"List the generations of the hosts' system profiles, oldest first.\n\n"+inventoryHelp, &generationsOptions{})
	add("fleet", "rollback [INVENTORY]", "return hosts to an earlier generation",
		"Return hosts to the generation before the current one, or to the one given.\n\n"+inventoryHelp+"\n\n"+exitStatusHelp, &rollbackOptions{})

	add("more", "demo", "deploy three throw-away machines on this computer",
		"Start three machines on this computer, each a network namespace with its own store\nand sshd, and take them through vet, compile, eval, build, deploy, a change, a second\ndeploy and a rollback, for real. Needs Linux, root, and the Debian packages nix-bin,\nopenssh-server and iproute2 or their like.", &demoOptions{})
}

// Main runs muster with the words of the command line and returns its exit
// status. The first interrupt lets what is activating finish; the second ends
// the process at once.
func Main() int {
	clearEnvironment()
	collector.AllowDeepStacks()
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop(errInterrupted)
		<-signals
		os.Exit(exec.ExitInterrupted)
	}()
	return Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

var errInterrupted = errors.New("interrupted")

// Run runs muster with args and returns its exit status.
func Run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	checked := &checkedWriter{w: out}
	std := streams{in: in, out: checked, err: errs}
	root := newRoot(std)
	root.SetArgs(joinArgs(args))
	err := root.ExecuteContext(ctx)
	if err == nil && checked.err != nil {
		err = fmt.Errorf("write the output: %w", checked.err)
	}
	return report(ctx, errs, err)
}

// A checkedWriter remembers that something could not be written.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil && c.err == nil {
		c.err = err
	}
	return n, err
}

// version is what the build knows of itself.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
