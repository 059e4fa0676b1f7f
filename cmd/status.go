package cmd

import (
	"context"
	"fmt"
	"strings"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/human"
	"muster/schema"
)

// statusOptions are those of status, which compares hosts with the inventory.
type statusOptions struct {
	noRules
	selection selectFlags
	ssh       sshFlags
	how       evaluateFlags
	jobs      jobsFlag
	format    string
}

func (o *statusOptions) groups() []group { return []group{&o.selection, &o.ssh, &o.how, &o.jobs} }

func (o *statusOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&o.format, outputText, outputJSON), "output", "report as `format`: %s")
}

// A hostStatus is how a host stands to the inventory.
type hostStatus struct {
	Host        string        `json:"host"`
	State       string        `json:"state"`
	Generation  int           `json:"generation,omitempty"`
	Running     string        `json:"running,omitempty"`
	Wanted      string        `json:"wanted,omitempty"`
	NeedsReboot []string      `json:"needs_reboot,omitempty"`
	FailedUnits []string      `json:"failed_units,omitempty"`
	Findings    []string      `json:"findings,omitempty"`
	Error       string        `json:"error,omitempty"`
	Policy      schema.Policy `json:"policy"`
}

// The states of a host.
const (
	stateInSync      = "in sync"
	stateBehind      = "behind"             // on a system that muster has deployed, but not this one
	stateForeign     = "foreign generation" // on one that somebody else has
	stateUndeployed  = "not deployed"
	stateNotBooted   = "not the boot default" // runs the right one, and would boot another
	stateNotRunning  = "not running"          // would boot the right one, and runs another
	stateUnreachable = "unknown"
	stateAway        = "away"
	stateBroken      = "does not evaluate"
)

func (o *statusOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, nix: true, systems: &o.how})
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.plan(exec.Look)
	outcomes := exec.Run(ctx, plan, s.options(plan, &o.ssh, &o.jobs))
	all := make([]hostStatus, len(outcomes))
	drift := false
	for i := range outcomes {
		all[i] = stateOf(&outcomes[i], s.errs[outcomes[i].Host])
		drift = drift || all[i].drifted()
	}
	if o.format == outputJSON {
		err = printJSON(std, all)
	} else {
		printStatus(std, all)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil && drift:
		return exitError(exec.ExitPartly)
	}
	return err
}

// drifted reports whether the host is not as the inventory says.
func (s *hostStatus) drifted() bool {
	return s.State != stateInSync && s.State != stateAway || len(s.FailedUnits) > 0 || len(s.NeedsReboot) > 0
}

// stateOf compares what a host is on with what the inventory wants.
func stateOf(o *exec.Outcome, broken error) hostStatus {
	s := hostStatus{
		Host: o.Host, Generation: o.Before.Generation.Number, Running: string(o.Before.Current), Wanted: string(o.System),
		NeedsReboot: o.NeedsReboot, Policy: o.Policy,
	}
	for _, f := range o.Findings {
		if f.Check != "units" {
			s.Findings = append(s.Findings, f.Text)
		}
	}
	if o.Facts != nil {
		s.FailedUnits = o.Facts.FailedUnits
	}
	profile := o.Before.Generation.System
	switch {
	case o.Status == exec.Away:
		s.State = stateAway
	case o.Err != nil:
		s.State, s.Error = stateUnreachable, o.Err.Error()
	case broken != nil:
		s.State, s.Error = stateBroken, broken.Error()
	case profile == "" && o.Before.Current == "":
		s.State = stateUndeployed
	case profile == o.System && o.Before.Current == o.System:
		s.State = stateInSync
	case o.Before.Current == o.System:
		s.State = stateNotBooted
	case profile == o.System:
		s.State = stateNotRunning
	case o.Facts.Ours:
		s.State = stateBehind
	default:
		s.State = stateForeign
	}
	return s
}

func printStatus(std streams, all []hostStatus) {
	table := newReport(std.out, "host", "state", "generation", "detail")
	counts := map[string]int{}
	var order []string
	for _, s := range all {
		if counts[s.State]++; counts[s.State] == 1 {
			order = append(order, s.State)
		}
		generation := ""
		if s.Generation > 0 {
			generation = fmt.Sprint(s.Generation)
		}
		var details []string
		if s.Error != "" {
			line, _, _ := strings.Cut(s.Error, "\n")
			details = append(details, printable(line))
		}
		if len(s.NeedsReboot) > 0 {
			details = append(details, "reboot needed: "+strings.Join(s.NeedsReboot, ", "))
		}
		if len(s.FailedUnits) > 0 {
			details = append(details, "failed: "+printable(strings.Join(s.FailedUnits, ", ")))
		}
		for _, f := range s.Findings {
			details = append(details, printable(f))
		}
		table.row(s.Host, s.State, generation, strings.Join(details, "; "))
	}
	table.flush()
	var parts []string
	for _, state := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
	}
	fmt.Fprintf(std.out, "%s: %s\n", human.Count(len(all), "host"), strings.Join(parts, ", "))
}
