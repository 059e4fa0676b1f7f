package cmd

import (
	"context"
	"errors"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
)

// execOptions are those of exec, which runs a command on hosts.
type execOptions struct {
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	jobs      jobsFlag
	ordered   bool
	grouped   bool
	command   []string
}

func (o *execOptions) groups() []group { return []group{&o.selection, &o.ssh, &o.output, &o.jobs} }

func (o *execOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.ordered, false), "ordered", "print the lines of each host together, in the inventory's order, instead of each line as it comes")
	fs.Var(flags.Bool(&o.grouped, false), "grouped", "when all hosts have ended, print what they printed once for all that printed the same")
}

// takeCommand takes the words behind --, for newCommand.
func (o *execOptions) takeCommand(words []string) { o.command = words }

func (o *execOptions) check() error {
	if len(o.command) == 0 {
		return errors.New("exec needs a command: muster exec --on @web -- uptime")
	}
	if o.ordered && o.grouped {
		return errors.New("--ordered and --grouped are mutually exclusive")
	}
	return nil
}

func (o *execOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, ui: o.reporter, connects: true})
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.planWithoutSystems(exec.Command)
	plan.Command = o.command
	return s.run(ctx, plan, &o.ssh, &o.jobs)
}

// reporter shows what the command prints.
func (o *execOptions) reporter(s *session) ui.Reporter {
	how := ui.AsTheyCome
	switch {
	case o.output.format != outputText:
		return o.output.reporter(s)
	case o.ordered:
		how = ui.HostByHost
	case o.grouped:
		how = ui.Grouped
	}
	return ui.NewLines(s.std.out, s.std.err, hint, names(s.hosts), how)
}
