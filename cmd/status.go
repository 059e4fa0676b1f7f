package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"muster/exec"
	"muster/schema"
)

// statusOptions are those of status, which compares hosts with the inventory.
type statusOptions struct {
	selection selectFlags
	ssh       sshFlags
	how       evaluation
	format    string
	jobs      int
}

func (o *statusOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.ssh.addFlags(fs)
	o.how.addFlags(fs)
	fs.StringVar(&o.format, "output", "text", "report as `format`: text or json")
	fs.IntVarP(&o.jobs, "jobs", "j", 10, "ask at most `n` hosts at once")
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
	if o.format != "text" && o.format != "json" {
		return usageError{fmt.Errorf("--output %s: there is text and json", o.format)}
	}
	if o.jobs < 1 {
		return usageError{fmt.Errorf("--jobs %d: at least one host at a time", o.jobs)}
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
	results, err := o.how.systems(ctx, nix, fleet, hosts, std.err)
	if err != nil {
		return err
	}
	opts, done := wireRun(nil, fleet.Dir, o.ssh)
	defer done()
	opts.Jobs = o.jobs
	plan := exec.NewPlan(exec.Look, steps(results))
	for i := range plan.Steps {
		plan.Steps[i].Err = nil // a host is looked at even if it does not evaluate
	}
	outcomes := exec.Run(ctx, plan, opts)
	all := make([]hostStatus, len(outcomes))
	drift := false
	for i := range outcomes {
		all[i] = stateOf(&outcomes[i], results[i].Err)
		s := &all[i]
		drift = drift || s.State != stateInSync && s.State != stateAway || len(s.FailedUnits) > 0 || len(s.NeedsReboot) > 0
	}
	if o.format == "json" {
		enc := json.NewEncoder(std.out)
		enc.SetIndent("", "  ")
		enc.Encode(all)
	} else {
		printStatus(std, all)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if drift {
		return exitError(exec.ExitPartly)
	}
	return nil
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
	fmt.Fprintf(std.out, "%s: %s\n", plural(len(all), "host"), strings.Join(parts, ", "))
}
