package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"muster/exec"
)

// planOptions are those of plan, which says what deploy would do.
type planOptions struct {
	selection  selectFlags
	ssh        sshFlags
	output     outputFlag
	how        evaluation
	rollout    rolloutFlags
	building   buildFlags
	activation string
	out        string
}

func (o *planOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.ssh.addFlags(fs)
	o.output.addFlags(fs)
	o.how.addFlags(fs)
	o.rollout.addFlags(fs)
	o.building.addFlags(fs)
	fs.StringVar(&o.activation, "action", string(exec.Switch), "`what` is planned to be done: switch, boot or test")
	fs.StringVarP(&o.out, "out", "o", "", "save the plan to this `file`, for muster apply")
}

func (o *planOptions) run(ctx context.Context, std streams, args []string) error {
	action := exec.Action(o.activation)
	if action != exec.Switch && action != exec.Boot && action != exec.Test {
		return usageError{fmt.Errorf("--action %s: there is switch, boot and test", o.activation)}
	}
	if err := o.rollout.check(); err != nil {
		return err
	}
	ui, err := o.output.reporter(std)
	if err != nil {
		return err
	}
	defer ui.close()
	fleet, err := loadFleet(ctx, std, args)
	if err != nil {
		return err
	}
	hosts, err := o.selection.hosts(fleet)
	if err != nil {
		return err
	}
	nix, err := wireNix()
	if err != nil {
		return err
	}
	ui.note("evaluating %s", plural(len(hosts), "host"))
	began := time.Now()
	results, err := o.how.systems(ctx, nix, fleet, hosts, std.err)
	if err != nil {
		return err
	}
	ui.note("evaluated %s in %s", plural(len(hosts), "host"), seconds(time.Since(began)))
	plan := exec.NewPlan(exec.Preview, steps(results))
	plan.Dir, plan.Builders, plan.Cache = fleet.Dir, fleet.Builders, fleet.Cache
	if err := plan.RollOut(fleet); err != nil {
		return err
	}
	opts, done := wireRun(nix, fleet.Dir, o.ssh)
	defer done()
	o.rollout.apply(&opts, ui, std, fleet.Dir)
	o.building.apply(&opts, nix, plan)
	opts.Sink = ui.event
	outcomes := exec.Run(ctx, plan, opts)
	if o.out != "" {
		if err := savePlan(o.out, plan, action, outcomes); err != nil {
			return err
		}
	}
	return ui.end(ctx, outcomes)
}

// savePlan writes the plan as one for an action, from the states that the hosts
// were found in. A host that could not be looked at cannot be planned for.
func savePlan(name string, p *exec.Plan, action exec.Action, outcomes []exec.Outcome) error {
	saved := *p
	saved.Action = action
	saved.Steps = slices.Clone(p.Steps)
	for i := range saved.Steps {
		s, o := &saved.Steps[i], &outcomes[i]
		if o.System != "" {
			s.System.Out = o.System
		}
		s.Expect = &o.Before
		if !o.OK() {
			s.Expect, s.Err = nil, fmt.Errorf("it was not planned for: %s", o.Error)
		}
	}
	text, err := json.MarshalIndent(&saved, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(name, append(text, '\n')); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// printPlan prints a line a host, then what changes on each.
func printPlan(w io.Writer, outcomes []exec.Outcome) {
	table := newReport(w, "host", "wave", "generation", "packages", "to copy", "units", "reboot")
	compared := false
	for i := range outcomes {
		o := &outcomes[i]
		wave := fmt.Sprint(o.Wave + 1)
		d := o.Diff
		if d == nil {
			what := string(o.Status)
			if o.Err != nil {
				what = detail(o)
			}
			table.row(o.Host, wave, generationChange(o), what)
			continue
		}
		generation := fmt.Sprintf("%d → new", o.Before.Generation.Number)
		if o.Before.Generation.Number == 0 {
			generation = "new"
		}
		reboot := ""
		if len(d.Reboot) > 0 {
			reboot = "needed"
		}
		changed := len(d.Restart) + len(d.Reload) + len(d.Stay)
		compared = compared || !d.Asked && len(d.Start)+len(d.Stop)+changed > 0
		table.row(o.Host, wave, generation,
			fmt.Sprintf("+%d −%d ~%d", len(d.Added), len(d.Removed), len(d.Changed)+d.Rebuilt),
			fmt.Sprintf("%s, %s", plural(d.CopyPaths, "path"), size(d.CopyBytes)),
			fmt.Sprintf("+%d −%d ~%d", len(d.Start), len(d.Stop), changed), reboot)
	}
	table.flush()
	for i := range outcomes {
		if o := &outcomes[i]; o.Diff != nil {
			printDiff(w, o)
		}
	}
	if compared {
		fmt.Fprint(w, "\nUnits are compared by their files. A host that has its new system already, after\nmuster push, is asked what it would do.\n")
	}
}

// mostLines is how many packages of a kind are listed for a host.
const mostLines = 12

func printDiff(w io.Writer, o *exec.Outcome) {
	d := o.Diff
	fmt.Fprintf(w, "\n%s\n", o.Host)
	if o.Before.Current != "" {
		fmt.Fprintf(w, "  from     %s\n", o.Before.Current)
	}
	fmt.Fprintf(w, "  to       %s\n", o.System)
	packages := func(mark string, list []exec.Package) {
		for i, p := range list {
			if i == mostLines {
				fmt.Fprintf(w, "  %s … and %d more\n", mark, len(list)-i)
				return
			}
			versions := strings.Join(append(p.Before, p.After...), ", ")
			if len(p.Before) > 0 && len(p.After) > 0 {
				versions = strings.Join(p.Before, ", ") + " → " + strings.Join(p.After, ", ")
			}
			fmt.Fprintf(w, "  %s %s %s\n", mark, p.Name, versions)
		}
	}
	packages("+", d.Added)
	packages("−", d.Removed)
	packages("~", d.Changed)
	if d.Rebuilt > 0 {
		fmt.Fprintf(w, "  ~ %s in the same version\n", plural(d.Rebuilt, "package"))
	}
	for _, u := range []struct {
		what string
		list []string
	}{{"stop", d.Stop}, {"start", d.Start}, {"restart", d.Restart}, {"reload", d.Reload}, {"leave", d.Stay}, {"reboot", d.Reboot}} {
		if len(u.list) > 0 {
			fmt.Fprintf(w, "  %-8s %s\n", u.what, printable(strings.Join(u.list, ", ")))
		}
	}
}

// applyOptions are those of apply, which carries a saved plan out.
type applyOptions struct {
	ssh      sshFlags
	output   outputFlag
	rollout  rolloutFlags
	building buildFlags
	copy     copyFlags
}

func (o *applyOptions) addFlags(fs *pflag.FlagSet) {
	o.ssh.addFlags(fs)
	o.output.addFlags(fs)
	o.rollout.addFlags(fs)
	o.rollout.addActivationFlags(fs)
	o.building.addFlags(fs)
	o.copy.addFlags(fs)
}

func (o *applyOptions) run(ctx context.Context, std streams, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("apply takes the file of a plan, made by muster plan --out")}
	}
	if err := o.rollout.check(); err != nil {
		return err
	}
	if err := o.copy.check(); err != nil {
		return err
	}
	ui, err := o.output.reporter(std)
	if err != nil {
		return err
	}
	defer ui.close()
	text, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	plan := new(exec.Plan)
	if err := json.Unmarshal(text, plan); err != nil {
		return usageError{fmt.Errorf("%s: %w", args[0], err)}
	}
	nix, err := wireNix()
	if err != nil {
		return err
	}
	opts, done := wireRun(nix, plan.Dir, o.ssh)
	defer done()
	o.building.apply(&opts, nix, plan)
	o.copy.apply(&opts, nix, plan)
	o.rollout.apply(&opts, ui, std, plan.Dir)
	return carryOut(ctx, ui, plan, opts, begin(ui, plan))
}
