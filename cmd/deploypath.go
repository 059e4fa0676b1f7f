package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"

	"muster/cmd/flags"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/foreign"
	"muster/exec/human"
)

// This file has what build and deploy do beside deploying what the inventory says.

// keepFlag has what is built kept where the user says.
type keepFlag struct {
	noRules
	dir string // "" is a directory of muster's own
}

func (f *keepFlag) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&f.dir, "", flags.NewDirectory()), "keep", "link what is built as `directory`/HOST, which keeps it from garbage collection")
}

func (f *keepFlag) apply(_ *session, _ *exec.Plan, o *exec.Options) {
	if f.dir != "" {
		o.Roots = f.dir
	}
}

// beginWithPath reads the fleet, and takes the system that --path names for its one
// host.
func (o *deployOptions) beginWithPath(ctx context.Context, std streams, args []string, _ func(context.Context, *session) error) (*session, error) {
	if err := checkSystem(o.path); err != nil {
		return nil, err
	}
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, nix: true, ui: o.output.reporter, connects: true})
	if err != nil {
		return nil, err
	}
	if len(s.hosts) != 1 {
		s.close()
		return nil, usageError{fmt.Errorf("--path %s: --on %s chooses %s: want one", o.path, o.selection.on, human.Count(len(s.hosts), "host"))}
	}
	s.profiles = nil
	s.results = []evaluate.Result{{Host: s.hosts[0], System: evaluate.System{Out: o.path}}}
	return s, nil
}

// checkSystem returns why a path of the local store is no NixOS system.
func checkSystem(path store.Path) error {
	_, err := os.Stat(string(path))
	if foreign.IsMissing(err) {
		return usageError{fmt.Errorf("--path %s: it is not in the store of this machine", path)}
	}
	if err == nil {
		_, err = os.Stat(string(path) + "/bin/switch-to-configuration")
	}
	if foreign.IsMissing(err) {
		return usageError{fmt.Errorf("--path %s: it is no NixOS system: it has no bin/switch-to-configuration; muster push --path copies any path", path)}
	}
	return plainError("read", string(path), err)
}

// build builds the systems and, with --push-to, copies those that were built to a
// store.
func (o *deployOptions) build(ctx context.Context, s *session, plan *exec.Plan) error {
	outcomes := s.carryOut(ctx, plan, s.options(plan, &o.rollout, &o.building, &o.keep), nil)
	var built []store.Path
	for _, out := range outcomes {
		if out.OK() && out.System != "" {
			built = append(built, out.System)
		}
	}
	if o.image.out != "" {
		if err := o.image.place(s, outcomes); err != nil {
			return errors.Join(s.end(ctx, outcomes), err)
		}
	}
	if o.pushTo == "" || len(built) == 0 {
		return s.end(ctx, outcomes)
	}
	pushed := s.nix.NewPusher(o.pushTo).Push(ctx, built, func(line string) { s.note("%s", line) })
	if pushed == nil {
		s.note("copied %s and what they refer to to %s", human.Count(len(built), "system"), o.pushTo)
	}
	if err := s.end(ctx, outcomes); err != nil || pushed == nil {
		return err
	}
	return fmt.Errorf("copy to %s: %w", o.pushTo, pushed)
}
