package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/builds"
	"muster/exec/human"
	"muster/exec/local"
	"muster/schema"
)

// importOptions are those of import, which brings an archive of export to the
// machine it runs on.
type importOptions struct {
	noRules
	output          outputFlag
	host            string
	action          exec.Action
	activateTimeout time.Duration
	required        []archive.PublicKey
	repair          bool
}

// loadOnly is the action of an import that activates nothing.
const loadOnly exec.Action = "none"

func (o *importOptions) groups() []group { return []group{&o.output} }

func (o *importOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.host, "", hostName), "host", "this machine is the `host` of that name (default its own host name)")
	fs.Var(flags.OneOf(&o.action, append(slices.Clone(exec.Activations), loadOnly)...), "action", "`what` to do with the system: %s; none only loads it")
	addActivateTimeout(fs, &o.activateTimeout)
	fs.Var(flags.ListOf(&o.required, publicKey), "require-signature", "take only an archive that is signed by this public `key`; may be repeated: by one of them")
	fs.Var(flags.Bool(&o.repair, false), "repair", "mend store paths whose files have changed since they were registered")
}

func (o *importOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, nil, needs{nix: true, ui: o.output.reporter})
	if err != nil {
		return err
	}
	defer s.close()
	began := time.Now()
	required, err := o.requiredKeys()
	if err != nil {
		return err
	}
	load := &importing{session: s, options: o}
	opened, err := archive.Open(ctx, args[0], archive.OpenOptions{Required: required, Trusted: trustedKeys(ctx, s.nix), Admit: load.admit})
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{hinted{err, "muster export --to FILE writes an archive"}}
	}
	if err != nil {
		return err
	}
	defer opened.Close()
	s.note("checked %s in %s: it is complete", args[0], human.Duration(time.Since(began)))
	if err := load.mend(ctx, opened); err != nil {
		return err
	}

	step := load.step
	action := o.action
	if action == loadOnly || step.System.Out == "" {
		action = exec.CopyPaths
	}
	if action == exec.CopyPaths && step.System.Out != "" {
		step.Paths = append(step.Paths, step.System.Out)
	}
	outcomes := exec.Run(ctx, &exec.Plan{Action: action, Steps: []exec.Step{step}}, exec.Options{
		Who:             operator(),
		ActivateTimeout: o.activateTimeout,
		Connect:         func(context.Context, *schema.Host) (exec.Machine, error) { return thisMachine{new(local.Machine)}, nil },
		Builder:         builtBefore(step.System),
		Source:          opened,
		Sink:            s.ui.Event,
	})
	return s.end(ctx, outcomes)
}

// step is the part of the archive for this machine.
func (o *importOptions) step(m *archive.Manifest) (exec.Step, error) {
	step := exec.Step{Host: &schema.Host{Name: o.host, Privilege: schema.Root, Policy: schema.Required}, Paths: m.Paths}
	if len(m.Hosts) == 0 {
		if step.Host.Name == "" {
			step.Host.Name = "localhost"
		}
		return step, nil
	}
	if o.host == "" {
		name, err := os.Hostname()
		if err != nil {
			return step, fmt.Errorf("find this machine's name: %v", err)
		}
		step.Host.Name, _, _ = strings.Cut(name, ".")
	}
	h := m.Host(step.Host.Name)
	if h == nil {
		var names []string
		for _, h := range m.Hosts {
			names = append(names, h.Name)
		}
		return step, usageError{fmt.Errorf("the archive is for %s, not for %s: name this machine with --host", strings.Join(names, ", "), step.Host.Name)}
	}
	step.System = exec.System{Drv: h.Drv, Out: h.System}
	return step, nil
}

// builtBefore is a builder for a system that was built elsewhere.
type builtBefore exec.System

func (b builtBefore) Build(_ context.Context, wants []builds.Want, _ builds.Watcher) {
	for _, w := range wants {
		w.Done(b.Out, nil)
	}
}
