package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/schema"
)

// planOptions are those of plan, which shows what deploy would do.
type planOptions struct {
	systemFlags
	action  exec.Action
	out     string
	from    string // a revision
	noHosts bool
}

func (o *planOptions) groups() []group { return append(o.systemFlags.groups(), &o.secrets) }

func (o *planOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&o.action, exec.Switch, exec.Boot, exec.Test), "action", "`what` to plan: %s")
	fs.Var(flags.Of(&o.from, "", revision), "from", "plan for the fleet as it is in this `revision` of its git repository")
	fs.Var(flags.Bool(&o.noHosts, false), "no-hosts", "with --from: connect to no host, and compare with the systems of the inventory as it is here")
	fs.VarP(flags.Of(&o.out, "", flags.NewFile()), "out", "o", "save the plan to this `file`, for muster apply")
}

func (o *planOptions) check() error {
	switch {
	case o.noHosts && o.from == "":
		return errors.New("--no-hosts needs --from")
	case o.noHosts && o.out != "":
		return errors.New("--no-hosts and --out are mutually exclusive: the plan is for hosts as they were found")
	}
	return nil
}

func (o *planOptions) run(ctx context.Context, std streams, args []string) error {
	if o.out != "" { // hours may pass until it is written
		if err := checkPrivate(o.out); err != nil {
			return fmt.Errorf("save the plan: %w", err)
		}
	}
	if o.from != "" {
		past, err := at(ctx, inventory(args), o.from, std.err)
		if err != nil {
			return err
		}
		if o.noHosts {
			return o.compare(ctx, std, args, past)
		}
		o.selection.reading.past = past
	}
	o.changes = true
	s, err := o.begin(ctx, std, args, nil)
	if err != nil {
		return err
	}
	defer s.close()
	return preview(ctx, s, &o.systemFlags, o.action, o.out)
}

// compare shows which systems the fleet of another revision has otherwise than the
// inventory as it is here.
func (o *planOptions) compare(ctx context.Context, std streams, args []string, past *pastFleet) error {
	systems := func() (*session, error) {
		s, err := begin(ctx, std, args, needs{selection: &o.selection})
		if err == nil {
			s.results, err = o.how.systems(ctx, nil, s.fleet, s.systems, std.err)
		}
		return s, err
	}
	here, err := systems()
	if err != nil {
		return err
	}
	defer here.close()
	o.selection.reading.past = past
	there, err := systems()
	if err != nil {
		return err
	}
	defer there.close()
	errs := compareSystems(std, here.results, there.results)
	compareFleets(std, here, there)
	report := &evalOptions{how: o.how}
	return report.end(std, there.systems, errs, len(there.systems)-len(errs))
}

// preview shows what an action would do, and saves the plan to a file unless out
// is "".
func preview(ctx context.Context, s *session, f *systemFlags, action exec.Action, out string) error {
	plan := s.plan(exec.Preview)
	if past := f.selection.reading.past; past != nil {
		plan.Dir = past.dir
	}
	if err := plan.RollOut(s.fleet); err != nil {
		return err
	}
	if err := s.checkCluster(ctx, plan, &f.ssh); err != nil {
		return err
	}
	o := s.options(plan, &f.ssh, &f.rollout, &f.building, &f.secrets)
	o.Definitions = s.compareDefinitions(plan.Dir)
	outcomes := s.carryOut(ctx, plan, o, nil)
	if out != "" {
		s.keepDefinitions(plan)
		if err := savePlan(out, plan, action, outcomes); err != nil {
			return err
		}
	}
	err := s.end(ctx, outcomes)
	switch failed := slices.ContainsFunc(outcomes, func(o exec.Outcome) bool { return !o.OK() }); {
	case out == "":
	case failed && !slices.ContainsFunc(outcomes, func(o exec.Outcome) bool { return o.OK() }):
		fmt.Fprintf(s.std.err, "saved, with no host to change: mend what failed, and plan again\n")
	case failed:
		fmt.Fprintf(s.std.err, "saved, without the hosts that failed; now: muster apply %s\n", out)
	default:
		fmt.Fprintf(s.std.err, "saved; now: muster apply %s\n", out)
	}
	return err
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
	text, err := planText(&saved, exec.MaxPlan)
	if err != nil {
		return err
	}
	if len(text) > exec.MaxPlan {
		return fmt.Errorf("save the plan: it takes %s: want at most %s; plan for fewer hosts with --on", human.Bytes(int64(len(text))), human.Bytes(exec.MaxPlan))
	}
	if err := writePrivate(name, text); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// planText is the text of a plan, for people to read unless it is longer than most.
func planText(p *exec.Plan, most int) ([]byte, error) {
	text, err := json.MarshalIndent(p, "", "  ")
	if err == nil && len(text) >= most {
		text, err = json.Marshal(p)
	}
	return append(text, '\n'), err
}

// writePrivate writes a file that only this user can read and write, which
// replaces one of the same name. No link is followed. What is no regular file,
// such as /dev/stdout, is written to as it is.
func writePrivate(name string, text []byte) error {
	whole, err := replaces(name)
	if err != nil {
		return err
	}
	if !whole {
		return writeFile(name, text)
	}
	return inDirectoryOf(name, func(root *os.Root) error {
		return foreign.ReplaceText(root, filepath.Base(name), text)
	})
}

// checkPrivate finds out whether writePrivate could write a file.
func checkPrivate(name string) error {
	whole, err := replaces(name)
	if err != nil || !whole {
		return err
	}
	return inDirectoryOf(name, func(root *os.Root) error {
		f, temp, err := foreign.CreateTemp(root)
		if err != nil {
			return err
		}
		f.Close()
		return root.Remove(temp)
	})
}

// replaces reports whether a file is written whole in place of what has its name, and not
// into what is there.
func replaces(name string) (whole bool, err error) {
	info, err := os.Lstat(name)
	switch {
	case err == nil && info.Mode()&os.ModeSymlink != 0:
		target, err := os.Stat(name)
		if err != nil || target.Mode().IsRegular() {
			return false, fmt.Errorf("write %q: it is a symbolic link, which muster apply would not read", name)
		}
		return false, nil
	}
	return err != nil || info.Mode().IsRegular(), nil
}

// inDirectoryOf does something in the directory that a file is to be in.
func inDirectoryOf(name string, do func(*os.Root) error) error {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return plainError("write", name, err)
	}
	defer root.Close()
	if err := do(root); err != nil {
		return plainError("write", name, err)
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
	plan, err := exec.ReadPlan(args[0])
	var wrong *exec.PlanError
	switch {
	case errors.As(err, &wrong), errors.Is(err, fs.ErrNotExist), isDirectory(args[0]):
		return usageError{hinted{err, "muster plan --out FILE saves a plan; muster deploy takes an inventory"}}
	case err != nil:
		return err
	}
	s, err := o.begin(ctx, std, plan)
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
	tell     tellFlags
}

func (f *continueFlags) groups() []group {
	f.rollout.activates = true
	return []group{&f.ssh, &f.output, &f.rollout, &f.building, &f.copy, &f.secrets, &f.tell}
}

// begin reads no inventory: the plan says what there is to do.
// What its hosts' cluster became since is asked again.
func (f *continueFlags) begin(ctx context.Context, std streams, plan *exec.Plan) (*session, error) {
	var hosts []*schema.Host
	for _, step := range plan.Steps {
		hosts = append(hosts, step.Host)
	}
	protectSecrets(hosts)
	s, err := begin(ctx, std, nil, needs{nix: true, ui: f.output.reporter})
	if err != nil {
		return nil, err
	}
	s.ignoreCluster = f.rollout.ignoreCluster
	if err := s.checkCluster(ctx, plan, &f.ssh); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (f *continueFlags) carryOut(ctx context.Context, s *session, plan *exec.Plan, journal *exec.Journal) error {
	return s.runWithJournal(ctx, plan, journal, &f.ssh, &f.building, &f.copy, &f.rollout, &f.secrets, &f.tell, installing{yes: f.rollout.yes})
}
