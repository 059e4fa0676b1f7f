package cmd

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"muster/compile/store"
	"muster/exec"
)

// pushOptions are those of push, which copies the hosts' systems or any store
// paths.
type pushOptions struct {
	deployOptions
	paths []string
}

func (o *pushOptions) addFlags(fs *pflag.FlagSet) {
	o.deployOptions.addFlags(fs)
	fs.StringArrayVar(&o.paths, "path", nil, "copy this store `path` and all it refers to, and build nothing; may be repeated")
}

func (o *pushOptions) run(ctx context.Context, std streams, args []string) error {
	if len(o.paths) == 0 {
		return o.deployOptions.run(ctx, std, args)
	}
	if err := o.check(); err != nil {
		return err
	}
	paths, err := storePaths(o.paths)
	if err != nil {
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
	opts, done := wireRun(nix, fleet.Dir, o.ssh)
	defer done()
	opts.Jobs, opts.FailFast, opts.Sink = o.jobs, o.failFast, ui.event
	// Every host will ask for it: find it out while they are being connected to.
	go opts.Source.Closure(ctx, paths)
	var steps []exec.Step
	for _, h := range hosts {
		steps = append(steps, exec.Step{Host: h, Paths: paths})
	}
	plan := exec.NewPlan(exec.CopyPaths, steps)
	plan.Cache = fleet.Cache
	o.copy.apply(&opts, nix, plan)
	return ui.end(ctx, exec.Run(ctx, plan, opts))
}

// storePaths reads store paths from the command line.
func storePaths(words []string) ([]store.Path, error) {
	var paths []store.Path
	for _, word := range words {
		p, err := store.ParsePath(word)
		if err != nil {
			return nil, usageError{fmt.Errorf("--path: %w", err)}
		}
		paths = append(paths, p)
	}
	return paths, nil
}
