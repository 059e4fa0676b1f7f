package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/human"
)

// planOptions are those of plan, which shows what deploy would do.
type planOptions struct {
	noRules
	systemFlags
	action exec.Action
	out    string
}

func (o *planOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&o.action, exec.Switch, exec.Boot, exec.Test), "action", "`what` to plan: %s")
	fs.VarP(flags.Of(&o.out, "", flags.NewFile()), "out", "o", "save the plan to this `file`, for muster apply")
}

func (o *planOptions) run(ctx context.Context, std streams, args []string) error {
	return preview(ctx, std, args, &o.systemFlags, o.action, o.out)
}

// preview shows what an action would do, and saves the plan to a file unless out
// is "".
func preview(ctx context.Context, std streams, args []string, f *systemFlags, action exec.Action, out string) error {
	s, err := f.begin(ctx, std, args)
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.plan(exec.Preview)
	if err := plan.RollOut(s.fleet); err != nil {
		return err
	}
	outcomes := exec.Run(ctx, plan, s.options(plan, &f.ssh, &f.rollout, &f.building))
	if out != "" {
		if err := savePlan(out, plan, action, outcomes); err != nil {
			return err
		}
	}
	return s.end(ctx, outcomes)
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
			fmt.Sprintf("%s, %s", human.Count(d.CopyPaths, "path"), human.Bytes(d.CopyBytes)),
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
		fmt.Fprintf(w, "  ~ %s in the same version\n", human.Count(d.Rebuilt, "package"))
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

// applyOptions are those of apply, which carries out a saved plan.
type applyOptions struct {
	noRules
	continueFlags
}

func (o *applyOptions) addFlags(*flags.Set) {}

func (o *applyOptions) run(ctx context.Context, std streams, args []string) error {
	text, err := os.ReadFile(args[0])
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	plan := new(exec.Plan)
	if err := json.Unmarshal(text, plan); err != nil {
		return usageError{fmt.Errorf("%s: %w", args[0], err)}
	}
	s, err := o.begin(ctx, std)
	if err != nil {
		return err
	}
	defer s.close()
	return o.carryOut(ctx, s, plan, s.journal(plan))
}

// continueFlags are those of the verbs that carry out a plan that was made
// earlier: apply, resume and retry.
type continueFlags struct {
	ssh      sshFlags
	output   outputFlag
	rollout  rolloutFlags
	building buildFlags
	copy     copyFlags
}

func (f *continueFlags) groups() []group {
	f.rollout.activates = true
	return []group{&f.ssh, &f.output, &f.rollout, &f.building, &f.copy}
}

// begin reads no inventory: the plan says what there is to do.
func (f *continueFlags) begin(ctx context.Context, std streams) (*session, error) {
	return begin(ctx, std, nil, needs{nix: true, ui: f.output.reporter})
}

func (f *continueFlags) carryOut(ctx context.Context, s *session, plan *exec.Plan, journal *exec.Journal) error {
	return s.runWithJournal(ctx, plan, journal, &f.ssh, &f.building, &f.copy, &f.rollout)
}
