package cmd

import (
	"context"
	"fmt"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/nixcmd"
	"muster/schema"
)

// rolloutFlags say in what order and how fast a run goes through its hosts.
type rolloutFlags struct {
	noRules
	activates bool // the verb activates, and has the flags that matter there

	jobs            int
	buildJobs       int // 0 is as jobs, and so for the others
	copyJobs        int
	activateJobs    int
	failFast        bool
	reboot          bool
	bootLoader      bool
	replaceForeign  bool
	failedUnits     schema.FailedUnits // "" is as the inventory says
	yes             bool
	activateTimeout time.Duration
	confirmTimeout  time.Duration
	rebootTimeout   time.Duration
	lockTimeout     time.Duration
	ignoreCluster   bool
}

func (f *rolloutFlags) addFlags(fs *flags.Set) {
	addJobs(fs, &f.jobs)
	fs.Var(flags.Number(&f.buildJobs, 0, 1, mostJobs), "build-jobs", "have at most `n` hosts build at once, where build_on names hosts (default as --jobs)")
	fs.Var(flags.Number(&f.copyJobs, 0, 1, mostJobs), "copy-jobs", "copy to at most `n` hosts at once (default as --jobs)")
	fs.Var(flags.Bool(&f.failFast, false), "fail-fast", "begin no other host after one has failed")
	if !f.activates {
		return
	}
	fs.Var(flags.Number(&f.activateJobs, 0, 1, mostJobs), "activate-jobs", "activate at most `n` hosts at once (default as --jobs)")
	addActivateTimeout(fs, &f.activateTimeout)
	addIgnoreCluster(fs, &f.ignoreCluster)
	fs.Var(flags.Positive(&f.confirmTimeout, time.Minute), "confirm-timeout", "return a host to its earlier system if it accepts no new connection within this `duration` after activation")
	fs.Var(flags.Positive(&f.lockTimeout, time.Minute), "lock-timeout", "release the lock on a host this `duration` after its holder was last active")
	fs.Var(flags.Bool(&f.reboot, false), "reboot", "restart hosts whose new kernel, initrd, modules or systemd need it")
	fs.Var(flags.Bool(&f.bootLoader, false), "install-bootloader", "install the boot loader itself anew, also on hosts that are up to date")
	fs.Var(flags.Of(&f.failedUnits, "", flags.Words(schema.NewFailures, schema.AnyFailures, schema.NoFailures)), "failed-units",
		"`which` failed units fail an activation: %s (default as the inventory says)")
	fs.Var(flags.Bool(&f.replaceForeign, false), "replace-foreign", "replace systems that muster has not deployed, also where the inventory says replace_foreign: false")
	fs.Var(flags.Positive(&f.rebootTimeout, 10*time.Minute), "reboot-timeout", "fail a host that is not back after this `duration`")
	fs.VarP(flags.Bool(&f.yes, false), "yes", "y", "do not ask: before all hosts of a fleet are deployed, between waves, where the rollout says so, and before continuing a run that a newer one has overtaken")
}

func addActivateTimeout(fs *flags.Set, timeout *time.Duration) {
	fs.Var(flags.Positive(timeout, 10*time.Minute), "activate-timeout", "fail an activation that takes longer than this `duration`")
}

func (f *rolloutFlags) apply(s *session, plan *exec.Plan, o *exec.Options) {
	o.Jobs, o.BuildJobs, o.CopyJobs, o.ActivateJobs = f.jobs, f.buildJobs, f.copyJobs, f.activateJobs
	o.FailFast, o.Reboot, o.FailedUnits, o.InstallBootLoader = f.failFast, f.reboot, f.failedUnits, f.bootLoader
	o.ReplaceForeign = f.replaceForeign
	o.ActivateTimeout, o.ConfirmTimeout, o.RebootTimeout, o.LockTimeout = f.activateTimeout, f.confirmTimeout, f.rebootTimeout, f.lockTimeout
	o.Local = func(ctx context.Context, argv, env []string, line func(string)) error {
		return nixcmd.RunHook(ctx, plan.Dir, argv, env, line)
	}
	o.Confirm = func(ctx context.Context, wave int) error {
		if f.yes {
			return nil
		}
		return s.ui.Asking(func() error {
			return ui.Ask(ctx, s.std.in, s.std.err, fmt.Sprintf("continue with wave %d? [y/N] ", wave))
		})
	}
}
