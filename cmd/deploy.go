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

	activation      string
	how             evaluation
	jobs            int
	failFast        bool
	activateTimeout time.Duration
}

func (o *deployOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.output.addFlags(fs)
	fs.IntVarP(&o.jobs, "jobs", "j", 10, "work on at most `n` hosts at once")
	fs.BoolVar(&o.failFast, "fail-fast", false, "begin no other host after one has failed")
	o.how.addFlags(fs)
	if o.action != exec.BuildOnly {
		o.ssh.addFlags(fs)
		o.copy.addFlags(fs)
	}
	if o.action == exec.Switch {
		fs.StringVar(&o.activation, "action", string(exec.Switch), "`what` to do with the system: switch, boot, test or dry-activate")
		fs.DurationVar(&o.activateTimeout, "activate-timeout", 10*time.Minute, "an activation that takes longer than this `duration` has failed")
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
	if o.jobs < 1 {
		return usageError{fmt.Errorf("--jobs %d: at least one host at a time", o.jobs)}
	}
	copying, err := o.copy.options()
	if err != nil {
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
	nix, err := wireNix(ctx)
	if err != nil {
		return err
	}
	defer ui.close()
	ui.note("evaluating %s", plural(len(hosts), "host"))
	began := time.Now()
	systems, errs, err := o.how.systems(ctx, nix, fleet, hosts, std.err)
	if err != nil {
		return err
	}
	ui.note("evaluated %s in %s", plural(len(hosts), "host"), seconds(time.Since(began)))

	opts, done := wireRun(nix, fleet, o.ssh)
	defer done()
	opts.Jobs, opts.FailFast, opts.ActivateTimeout, opts.Sink = o.jobs, o.failFast, o.activateTimeout, ui.event
	opts.Copy = copying
	outcomes := exec.Run(ctx, exec.NewPlan(action, hosts, systems, errs), opts)
	return ui.end(ctx, outcomes)
}

// seconds writes a duration as people time things: 0.3 s, 12.0 s.
func seconds(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return strings.TrimSuffix(d.Round(time.Second).String(), "0s")
}
