package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"muster/cmd/flags"
	"muster/exec"
)

// planOptions are those of plan, which shows what deploy would do.
type planOptions struct {
	noRules
	systemFlags
	action exec.Action
	out    string
}

func (o *planOptions) groups() []group { return append(o.systemFlags.groups(), &o.secrets) }

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
	outcomes := exec.Run(ctx, plan, s.options(plan, &f.ssh, &f.rollout, &f.building, &f.secrets))
	if out != "" {
		if err := savePlan(out, plan, action, outcomes); err != nil {
			return err
		}
	}
	return s.end(ctx, outcomes)
}

// savePlan writes the plan as one for an action, with the states that the hosts
// were found in. A host that could not be inspected gets no step of its own: apply
// fails it.
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
			s.Expect, s.Err = nil, fmt.Errorf("it was not inspected: %s", o.Error)
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
	secrets  secretFlags
	ssh      sshFlags
	output   outputFlag
	rollout  rolloutFlags
	building buildFlags
	copy     copyFlags
}

func (f *continueFlags) groups() []group {
	f.rollout.activates = true
	return []group{&f.ssh, &f.output, &f.rollout, &f.building, &f.copy, &f.secrets}
}

// begin reads no inventory: the plan says what there is to do.
func (f *continueFlags) begin(ctx context.Context, std streams) (*session, error) {
	return begin(ctx, std, nil, needs{nix: true, ui: f.output.reporter})
}

func (f *continueFlags) carryOut(ctx context.Context, s *session, plan *exec.Plan, journal *exec.Journal) error {
	return s.runWithJournal(ctx, plan, journal, &f.ssh, &f.building, &f.copy, &f.rollout, &f.secrets)
}
