package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"muster/exec"
	"muster/exec/archive"
	"muster/exec/foreign"
)

// exportOptions are those of export, which writes the closures of systems, or
// of any store paths, for machines that are not reached by SSH.
type exportOptions struct {
	selection selectFlags
	output    outputFlag
	how       evaluation
	building  buildFlags
	to        string
	paths     []string
	sign      []string
	jobs      int
}

func (o *exportOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.output.addFlags(fs)
	o.how.addFlags(fs)
	o.building.addFlags(fs)
	fs.StringVar(&o.to, "to", "", "write to this `file`, or directory where it is one or ends in /")
	fs.StringArrayVar(&o.paths, "path", nil, "export this store `path` and all it refers to, and build nothing; may be repeated")
	fs.StringArrayVar(&o.sign, "sign", nil, "sign with the secret key in this `file`, as nix-store --generate-binary-cache-key makes it; may be repeated")
	fs.IntVarP(&o.jobs, "jobs", "j", 10, "build for at most `n` hosts at once")
}

func (o *exportOptions) run(ctx context.Context, std streams, args []string) error {
	if o.to == "" {
		return usageError{fmt.Errorf("--to: where shall the archive go?")}
	}
	paths, err := storePaths(o.paths)
	if err != nil {
		return err
	}
	keys, err := secretKeys(o.sign)
	if err != nil {
		return err
	}
	ui, err := o.output.reporter(std)
	if err != nil {
		return err
	}
	nix, err := wireNix()
	if err != nil {
		return err
	}
	defer ui.close()
	manifest := archive.Manifest{Paths: paths}
	if len(paths) == 0 {
		if manifest.Hosts, err = o.build(ctx, std, ui, args); err != nil {
			return err
		}
	}
	local, closeLocal := wireLocal(nix)
	defer closeLocal()
	began, said := time.Now(), time.Now()
	stats, err := archive.Export(ctx, local, manifest, o.to, archive.ExportOptions{Keys: keys, Report: func(p archive.Progress) {
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			ui.note("%s of %s written", size(p.Bytes), size(p.TotalBytes))
		}
	}})
	if err != nil {
		return err
	}
	ui.note("%s: %s (%s) in %s", o.to, plural(stats.Closure, "path"), size(stats.ClosureBytes), seconds(time.Since(began)))
	if done := stats.Closure - stats.Written; done > 0 {
		ui.note("%s of them were there already", plural(done, "path"))
	}
	ui.note("on the machine, as root: muster import %s", o.to)
	return nil
}

// secretKeys reads the files of secret keys. Only their owner may be able to write them.
func secretKeys(files []string) ([]*archive.SecretKey, error) {
	var keys []*archive.SecretKey
	for _, name := range files {
		text, err := foreign.ReadFile(name, foreign.Limits{Size: 4096, Trusted: true, Links: true})
		if err != nil {
			return nil, fmt.Errorf("--sign: %w", err)
		}
		key, err := archive.ParseSecretKey(text)
		if err != nil {
			return nil, fmt.Errorf("--sign: %s: %w", name, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// build builds the hosts' systems. An archive that lacks a host is none.
func (o *exportOptions) build(ctx context.Context, std streams, ui reporter, args []string) ([]archive.Host, error) {
	fleet, err := loadFleet(ctx, std, args)
	if err != nil {
		return nil, err
	}
	hosts, err := o.selection.hosts(fleet)
	if err != nil {
		return nil, err
	}
	nix, err := wireNix()
	if err != nil {
		return nil, err
	}
	results, err := o.how.systems(ctx, nix, fleet, hosts, std.err)
	if err != nil {
		return nil, err
	}
	opts, done := wireRun(nix, fleet.Dir, sshFlags{})
	defer done()
	opts.Jobs, opts.Sink = o.jobs, ui.event
	plan := exec.NewPlan(exec.BuildOnly, steps(results))
	plan.Builders = fleet.Builders
	o.building.apply(&opts, nix, plan)
	outcomes := exec.Run(ctx, plan, opts)
	if exec.ExitStatus(ctx, outcomes) != exec.ExitOK {
		return nil, ui.end(ctx, outcomes)
	}
	var list []archive.Host
	for i, out := range outcomes {
		list = append(list, archive.Host{Name: out.Host, Drv: results[i].System.Drv, System: out.System})
	}
	return list, nil
}
