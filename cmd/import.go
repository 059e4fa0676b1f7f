package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/schema"
)

// importOptions are those of import, which brings an archive of export to the
// machine it runs on.
type importOptions struct {
	output          outputFlag
	host            string
	activation      string
	activateTimeout time.Duration
	signedBy        []string
	repair          bool
}

func (o *importOptions) addFlags(fs *pflag.FlagSet) {
	o.output.addFlags(fs)
	fs.StringVar(&o.host, "host", "", "this machine is the `host` of that name (default its own host name)")
	fs.StringVar(&o.activation, "action", string(exec.Switch), "`what` to do with the system: switch, boot, test, dry-activate, or none to only load it")
	fs.DurationVar(&o.activateTimeout, "activate-timeout", 10*time.Minute, "an activation that takes longer than this `duration` has failed")
	fs.StringArrayVar(&o.signedBy, "require-signature", nil, "take only an archive that is signed by this `public-key`, NAME:BASE64; may be repeated: by one of them")
	fs.BoolVar(&o.repair, "repair", false, "mend store paths whose files have changed since they were registered")
}

func (o *importOptions) run(ctx context.Context, std streams, args []string) error {
	action := exec.Action(o.activation)
	if o.activation == "none" {
		action = exec.CopyPaths
	} else if !slices.Contains(exec.Activations, action) {
		return usageError{fmt.Errorf("--action %s: there is switch, boot, test, dry-activate and none", o.activation)}
	}
	ui, err := o.output.reporter(std)
	if err != nil {
		return err
	}
	nix, err := wireNix()
	if err != nil {
		return err
	}
	required, err := publicKeys(o.signedBy)
	if err != nil {
		return err
	}
	began := time.Now()
	load := &importing{nix: nix, options: o}
	opened, err := archive.Open(ctx, args[0], archive.OpenOptions{Required: required, Trusted: trustedKeys(ctx, nix), Admit: load.admit})
	if err != nil {
		return err
	}
	defer opened.Close()
	defer ui.close()
	ui.note("checked %s in %s: it is whole", args[0], seconds(time.Since(began)))
	if err := load.mend(ctx, opened, ui); err != nil {
		return err
	}

	step := load.step
	if step.System.Out == "" {
		action = exec.CopyPaths
	} else if action == exec.CopyPaths {
		step.Paths = append(step.Paths, step.System.Out)
	}
	outcomes := exec.Run(ctx, &exec.Plan{Action: action, Steps: []exec.Step{step}}, exec.Options{
		Who:             operator(),
		ActivateTimeout: o.activateTimeout,
		Connect:         func(context.Context, *schema.Host) (exec.Machine, error) { return thisMachine{nix}, nil },
		Builder:         builtBefore(step.System),
		Source:          opened,
		Sink:            ui.event,
	})
	return ui.end(ctx, outcomes)
}

// step is what the archive has for this machine.
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
			names = append(names, human.Plain(h.Name))
		}
		return step, usageError{fmt.Errorf("the archive is for %s, not for %s: say which this machine is with --host", strings.Join(names, ", "), human.Plain(step.Host.Name))}
	}
	step.System = exec.System{Drv: h.Drv, Out: h.System}
	return step, nil
}

// thisMachine is where muster runs, as a machine to deploy to.
type thisMachine struct{ nix *nixcmd.Nix }

func (m thisMachine) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	return m.nix.Run(ctx, argv, stdout, stderr)
}

func (m thisMachine) Serve(ctx context.Context) (nixserve.Stream, error) {
	return m.nix.Serve(ctx, true)
}

func (m thisMachine) Close() error { return nil }

// builtBefore is a builder of what was built elsewhere.
type builtBefore exec.System

func (b builtBefore) Realise(context.Context, store.Path, string, func(string)) (store.Path, error) {
	return b.Out, nil
}
