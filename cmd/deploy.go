package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"muster/exec"
)

// deployOptions are those of build, push and deploy, which go the same way
// and stop at different places.
type deployOptions struct {
	action    exec.Action
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	copy      copyFlags

	activation string
	dry        bool
	how        evaluation
	building   buildFlags
	rolloutFlags
}

func (o *deployOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.output.addFlags(fs)
	o.rolloutFlags.addFlags(fs)
	o.how.addFlags(fs)
	o.building.addFlags(fs)
	if o.action != exec.BuildOnly {
		o.ssh.addFlags(fs)
		o.copy.addFlags(fs)
	}
	if o.action == exec.Switch {
		fs.StringVar(&o.activation, "action", string(exec.Switch), "`what` to do with the system: switch, boot, test or dry-activate")
		fs.BoolVarP(&o.dry, "dry-run", "n", false, "change nothing, say what would change, as muster plan does")
		o.addActivationFlags(fs)
	}
}

func (o *deployOptions) run(ctx context.Context, std streams, args []string) error {
	action := o.action
	if o.activation != "" {
		action = exec.Action(o.activation)
		if !slices.Contains(exec.Activations, action) {
			return usageError{fmt.Errorf("--action %s: there is switch, boot, test and dry-activate", o.activation)}
		}
	}
	if o.dry {
		plan := planOptions{selection: o.selection, ssh: o.ssh, output: o.output, how: o.how, rollout: o.rolloutFlags, building: o.building, activation: o.activation}
		return plan.run(ctx, std, args)
	}
	if err := o.check(); err != nil {
		return err
	}
	if err := o.copy.check(); err != nil {
		return err
	}
	ui, err := o.output.reporter(std)
	if err != nil {
		return err
	}
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
	defer ui.close()
	ui.note("evaluating %s", plural(len(hosts), "host"))
	began := time.Now()
	results, err := o.how.systems(ctx, nix, fleet, hosts, std.err)
	if err != nil {
		return err
	}
	ui.note("evaluated %s in %s", plural(len(hosts), "host"), seconds(time.Since(began)))

	opts, done := wireRun(nix, fleet.Dir, o.ssh)
	defer done()
	o.apply(&opts, ui, std, fleet.Dir)
	plan := exec.NewPlan(action, steps(results))
	plan.Dir, plan.Builders, plan.Cache = fleet.Dir, fleet.Builders, fleet.Cache
	o.building.apply(&opts, nix, plan)
	o.copy.apply(&opts, nix, plan)
	if action != exec.Switch && action != exec.Boot && action != exec.Test {
		return carryOut(ctx, ui, plan, opts, nil)
	}
	if err := plan.RollOut(fleet); err != nil {
		return err
	}
	return carryOut(ctx, ui, plan, opts, begin(ui, plan))
}

// seconds writes a duration as people time things: 0.3 s, 12.0 s.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return strings.TrimSuffix(d.Round(time.Second).String(), "0s")
}
