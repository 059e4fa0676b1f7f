package cmd

import (
	"context"
	"errors"
	"slices"
	"time"

	"muster/cmd/flags"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/human"
)

// exportOptions are those of export, which writes the closures of systems, or
// of any store paths, for machines that SSH does not reach.
type exportOptions struct {
	selection selectFlags
	output    outputFlag
	how       evaluateFlags
	building  buildFlags
	jobs      jobsFlag
	to        string
	paths     []store.Path
	keys      []*archive.SecretKey
}

func (o *exportOptions) groups() []group {
	return []group{&o.selection, &o.output, &o.how, &o.building, &o.jobs}
}

func (o *exportOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.to, "", archiveName()), "to", "write to this `file`, or directory where it is one or ends in /")
	fs.Var(flags.ListOf(&o.paths, storePath), "path", "export this store `path` and all it refers to, and build nothing; may be repeated")
	fs.Var(flags.ListOf(&o.keys, secretKey), "sign", "sign with the secret key in this `file`, as nix-store --generate-binary-cache-key makes it; may be repeated")
}

func (o *exportOptions) check() error {
	if o.to == "" {
		return errors.New("export needs --to: the file or directory to write")
	}
	return nil
}

func (o *exportOptions) run(ctx context.Context, std streams, args []string) error {
	n := needs{nix: true, ui: o.output.reporter}
	if len(o.paths) == 0 {
		n.selection, n.warnings, n.systems = &o.selection, true, &o.how
	}
	s, err := begin(ctx, std, args, n)
	if err != nil {
		return err
	}
	defer s.close()
	manifest := archive.Manifest{Paths: o.paths}
	if len(o.paths) == 0 {
		if manifest, err = o.build(ctx, s); err != nil {
			return err
		}
	}
	return o.write(ctx, s, manifest)
}

// build builds the hosts' systems and profiles. An archive must have all of them.
func (o *exportOptions) build(ctx context.Context, s *session) (m archive.Manifest, err error) {
	plan := s.plan(exec.BuildOnly)
	s.keepDefinitions(plan)
	outcomes := s.carryOut(ctx, plan, s.options(plan, &o.jobs, &o.building), nil)
	if exec.ExitStatus(ctx, outcomes) != exec.ExitOK {
		return m, s.end(ctx, outcomes)
	}
	for i, out := range outcomes {
		if h := plan.Steps[i].Host; h.Profile != nil {
			if !slices.Contains(m.Paths, out.System) { // hosts may share it
				m.Paths = append(m.Paths, out.System)
			}
			continue
		}
		m.Hosts = append(m.Hosts, archive.Host{Name: out.Host, Drv: plan.Steps[i].System.Drv, System: out.System})
	}
	return m, nil
}

// write writes the archive and reports what was written.
func (o *exportOptions) write(ctx context.Context, s *session, manifest archive.Manifest) error {
	local, closeLocal := wireLocal(s.nix)
	defer closeLocal()
	began, noted := time.Now(), time.Now()
	stats, err := archive.Export(ctx, local, manifest, o.to, archive.ExportOptions{Keys: o.keys, Report: func(p archive.Progress) {
		if time.Since(noted) > 10*time.Second {
			noted = time.Now()
			s.note("%s of %s written", human.Bytes(p.Bytes), human.Bytes(p.TotalBytes))
		}
	}})
	if err != nil {
		return err
	}
	s.note("%s: %s (%s) in %s", o.to, human.Count(stats.Closure, "path"), human.Bytes(stats.ClosureBytes), human.Duration(time.Since(began)))
	if done := stats.Closure - stats.Written; done > 0 {
		s.note("%s of them were there already", human.Count(done, "path"))
	}
	s.note("on the machine, as root: muster import %s", o.to)
	return nil
}
