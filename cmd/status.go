package cmd

import (
	"context"
	"fmt"
	"slices"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/host"
	"muster/exec/human"
)

// statusOptions are those of status, which compares hosts with the inventory.
type statusOptions struct {
	noRules
	selection selectFlags
	ssh       sshFlags
	how       evaluateFlags
	jobs      jobsFlag
	secrets   secretFlags
	from      storeFlags
	format    string
}

func (o *statusOptions) groups() []group {
	return []group{&o.selection, &o.selection.profile, &o.ssh, &o.how, &o.jobs, &o.secrets}
}

func (o *statusOptions) addFlags(fs *flags.Set) {
	o.from.addFlag(fs, "from", "ask no host, and show what hosts with pull have reported to the store at this `URL`: %s")
	fs.Var(flags.OneOf(&o.format, outputText, outputJSON), "output", "report as `format`: %s")
}

func (o *statusOptions) run(ctx context.Context, std streams, args []string) error {
	if o.from.url != "" {
		return o.fromStore(ctx, std, args)
	}
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, nix: true, systems: &o.how, connects: true})
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.plan(exec.Look)
	for i := range plan.Steps {
		// A host is inspected even if it does not evaluate.
		plan.Steps[i].Err = s.unaddressed[plan.Steps[i].Host.Name]
	}
	broken := map[string]error{}
	for _, r := range slices.Concat(s.results, s.profiles) {
		broken[r.Host.Name] = r.Err
	}
	outcomes := exec.Run(ctx, plan, s.options(plan, &o.ssh, &o.jobs, &o.secrets))
	all := make([]ui.HostState, len(outcomes))
	drift := false
	for i := range outcomes {
		all[i] = stateOf(&outcomes[i], broken[outcomes[i].Host])
		drift = drift || all[i].Drifted()
	}
	if o.format == outputJSON {
		err = ui.JSONList(std.out, all)
	} else {
		ui.PrintStates(std.out, all)
		drift = !s.printClusterState(ctx, &o.ssh) || drift
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil && drift:
		return exitError(exec.ExitPartly)
	}
	return err
}

// stateOf compares what a host is on with what the inventory wants.
func stateOf(o *exec.Outcome, broken error) ui.HostState {
	s := ui.HostState{
		Host: o.Host, Generation: o.Before.Generation.Number, Running: string(o.Before.Current), Wanted: string(o.System),
		NeedsReboot: o.NeedsReboot, Policy: o.Policy,
	}
	s.FailedChecks = o.FailedChecks
	for _, f := range o.Findings {
		if f.Check != "units" {
			s.Findings = append(s.Findings, f.Text)
		}
	}
	for _, c := range o.Secrets {
		s.Secrets = append(s.Secrets, c.Name+": "+c.Change)
	}
	if o.Facts != nil {
		s.FailedUnits, s.Activation = o.Facts.FailedUnits, activation(o.Facts)
		s.Meshes = meshStates(o.Facts.Meshes)
	}
	profile := o.Before.Generation.System
	switch {
	case o.Status == exec.Away:
		s.State = ui.Away
	case o.Status == exec.NoAddress && broken == nil:
		s.State = ui.NoAddress
	case o.Err != nil:
		s.State, s.Error = ui.Unreachable, o.Err.Error()
	case broken != nil:
		s.State, s.Error = ui.Broken, broken.Error()
	case profile == "" && o.Before.Current == "":
		s.State = ui.Undeployed
	case o.Before.Has(o.System):
		s.State = ui.InSync
	case o.Before.Current == o.System:
		s.State = ui.NotBooted
	case o.Before.WouldBoot(o.System):
		s.State = ui.NotRunning
	case o.Facts.Ours:
		s.State = ui.Behind
		s.Behind = &ui.Behindness{Since: o.Facts.Since, Run: o.Facts.DeployedBy, Wanted: o.Facts.Wanted, Newest: o.Facts.Newest}
	default:
		s.State = ui.Foreign
	}
	return s
}

// activation says what a guard does on a host, "" where nothing happens there.
func activation(f *host.Facts) string {
	switch f.Activation {
	case host.Activated:
		return fmt.Sprintf("waits for the confirmation of run %s: goes back by itself in %s", f.ActivationRun, human.Duration(f.Returns))
	case host.Armed, host.Waiting, host.Activating, host.Committing, host.Reverting:
		return fmt.Sprintf("run %s is %s", f.ActivationRun, f.Activation)
	}
	return ""
}

// meshStates are the meshes of a host, for the report.
func meshStates(all []host.Mesh) []ui.MeshState {
	var states []ui.MeshState
	for _, m := range all {
		state := ui.MeshState{Mesh: m.Name, State: string(m.State)}
		for _, p := range m.Peers {
			peer := ui.MeshPeer{Name: p.Name}
			if p.Handshake >= 0 {
				peer.Handshake = &p.Handshake
			}
			state.Peers = append(state.Peers, peer)
		}
		states = append(states, state)
	}
	return states
}
