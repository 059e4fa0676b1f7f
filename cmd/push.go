package cmd

import (
	"context"

	"muster/cmd/flags"
	"muster/compile/store"
	"muster/exec"
)

// pushOptions are those of push, which copies the hosts' systems or any store
// paths.
type pushOptions struct {
	deployOptions
	paths []store.Path
}

func (o *pushOptions) groups() []group { return append(o.deployOptions.groups(), &o.deployOptions) }

func (o *pushOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.ListOf(&o.paths, storePath), "path", "copy this store `path` and all it refers to, and build nothing; may be repeated")
}

func (o *pushOptions) check() error { return nil }

func (o *pushOptions) run(ctx context.Context, std streams, args []string) error {
	if len(o.paths) == 0 {
		return o.deployOptions.run(ctx, std, args)
	}
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, nix: true, ui: o.output.reporter, connects: true})
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.planWithoutSystems(exec.CopyPaths)
	plan.Cache = s.fleet.Cache
	for i := range plan.Steps {
		plan.Steps[i].Paths = o.paths
	}
	opts := s.options(plan, &o.ssh, &o.copy)
	opts.Jobs, opts.CopyJobs, opts.FailFast = o.rollout.jobs, o.rollout.copyJobs, o.rollout.failFast
	fitDescriptors(&opts, std.err)
	// Every host needs the closure: find it while muster connects to them.
	go opts.Source.Closure(ctx, o.paths)
	return s.end(ctx, s.carryOut(ctx, plan, opts, nil))
}
