package cmd

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/schema"
)

// simulateOptions are those of simulate, which plays a rollout on hosts that are not there.
type simulateOptions struct {
	noRules
	reading      loadFlags
	jobs         jobsFlag
	activateJobs int
	failFast     bool
	hosts        int
	from         string
	latencies    []stageLatency
	failures     []stageShare
	unchanged    float64
	lost         float64
	seed         int64
	runs         int
	format       string
}

// simulateVerb is simulate's place in the help.
func simulateVerb() entry {
	return entry{group: "inventory", use: "simulate [INVENTORY]", verb: &simulateOptions{}, short: "play a rollout on simulated hosts",
		examples: exampleLines{{"muster simulate --fail health=2% --runs 100", "how far a system would come that fails on two hosts in a hundred"},
			{"muster simulate --hosts 10000 --from 20260131-142233-k3qz", "a fleet of 10,000 whose hosts are as they were in a run"}},
		long: `
Play a rollout with the waves and limits of the inventory, on simulated hosts and in
simulated time, and print how long it takes and how many hosts it changes before it
stops. No host is connected to. The scheduling is that of "muster deploy".

The time of each stage is spread around a median, which --latency sets; --fail sets on
how many hosts a stage fails. The medians that are not set are assumed, for small servers
that get some hundred megabytes. --from calibrates the simulation: it takes times and
failures from a run that "muster history" lists. Hosts of that run behave as they did in
it, and others as one of them did, at random.
Hooks are not run, and every confirmation between waves is given at once.

` + inventoryHelp}
}

func (o *simulateOptions) groups() []group { return []group{&o.reading, &o.jobs} }

func (o *simulateOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Number(&o.hosts, 0, 1, mostSimulated), "hosts", "simulate `n` hosts: those of the inventory, and copies of them (default those of the inventory)")
	fs.Var(flags.Of(&o.from, "", runName), "from", "take times and failures from the `run` of this name")
	fs.Var(flags.ListOf(&o.latencies, stageLatencyKind), "latency", "have a stage take so long in the median, `STAGE=DURATION`; may be repeated")
	fs.Var(flags.ListOf(&o.failures, stageShareKind), "fail", "have a stage fail on a share of the hosts, `STAGE=SHARE`; may be repeated")
	fs.Var(flags.Of(&o.unchanged, "", share), "unchanged", "have this `share` of the hosts be up to date")
	fs.Var(flags.Of(&o.lost, "", share), "lost", "have this `share` of the hosts whose activation fails stay away, instead of returning to the earlier system")
	fs.Var(flags.Number(&o.activateJobs, 0, 1, mostJobs), "activate-jobs", "activate at most `n` hosts at once (default as --jobs)")
	fs.Var(flags.Bool(&o.failFast, false), "fail-fast", "begin no other host after one has failed")
	fs.Var(flags.Number(&o.seed, 1, 0, math.MaxInt64), "seed", "the number that all that is random depends on")
	fs.Var(flags.Number(&o.runs, 1, 1, mostSimulated), "runs", "play it `n` times, each with the next seed")
	fs.Var(flags.OneOf(&o.format, outputText, outputJSON), "output", "report as `format`: %s")
}

// mostSimulated limits hosts and runs.
const mostSimulated = 1_000_000

func (o *simulateOptions) run(ctx context.Context, std streams, args []string) error {
	fleet, err := o.reading.load(ctx, args)
	if err != nil {
		return err
	}
	plan, err := o.plan(fleet)
	if err != nil {
		return err
	}
	model, err := o.model(args)
	if err != nil {
		return err
	}
	options := exec.Options{Jobs: o.jobs.jobs, ActivateJobs: o.activateJobs, FailFast: o.failFast}
	var runs []*exec.Simulation
	for i := range o.runs {
		s, err := exec.Simulate(ctx, plan, options, model, uint64(o.seed)+uint64(i))
		if err != nil {
			return err
		}
		runs = append(runs, s)
	}
	if o.format == outputJSON {
		return ui.JSON(std.out, runs)
	}
	ui.PrintSimulation(std.out, runs)
	return nil
}

// plan is a plan of the inventory's hosts, or of as many as --hosts says.
func (o *simulateOptions) plan(fleet *schema.Fleet) (*exec.Plan, error) {
	var real []*schema.Host
	for _, h := range fleet.Hosts {
		if h.VariantOf == "" {
			real = append(real, h)
		}
	}
	if len(real) == 0 {
		return nil, usageError{fmt.Errorf("simulate: the inventory has no hosts")}
	}
	many := *fleet
	many.Hosts = nil
	n := o.hosts
	if n == 0 {
		n = len(real)
	}
	var steps []exec.Step
	for i := range n {
		h := *real[i%len(real)]
		if i >= len(real) {
			h.Name = fmt.Sprintf("%s-%d", h.Name, i/len(real)+1)
		}
		h.Unconnected = false // its address may be read from its configuration
		many.Hosts = append(many.Hosts, &h)
		steps = append(steps, exec.Step{Host: &h})
	}
	plan := exec.NewPlan(exec.Switch, steps)
	return plan, plan.RollOut(&many)
}

// model is the model that the flags ask for.
func (o *simulateOptions) model(args []string) (*exec.Model, error) {
	m := exec.StandardModel()
	if o.from != "" {
		journal, err := journalOf(args, o.from)
		if err != nil {
			return nil, err
		}
		if m, err = exec.ModelOf(journal); err != nil {
			return nil, fmt.Errorf("run %s: %w", o.from, err)
		}
	}
	for _, l := range o.latencies {
		m.SetLatency(l.stage, l.median)
	}
	for _, f := range o.failures {
		m.SetFailures(f.stage, f.share)
	}
	m.Unchanged, m.Lost = max(m.Unchanged, o.unchanged), max(m.Lost, o.lost)
	return m, nil
}

// A stageLatency is how long a stage takes.
type stageLatency struct {
	stage  exec.Stage
	median time.Duration
}

// A stageShare is on how many hosts something holds of a stage.
type stageShare struct {
	stage exec.Stage
	share float64
}

var simulatedStages = func() (names []string) {
	for _, s := range slices.Sorted(maps.Keys(exec.StandardModel().Stages)) {
		names = append(names, string(s))
	}
	return names
}()

// suggestStages completes the stage of STAGE=VALUE.
func suggestStages(_ []string, word string) []string {
	var words []string
	for _, stage := range simulatedStages {
		words = append(words, stage+"=")
	}
	return beginning(words, word)
}

var stageLatencyKind = flags.Kind[stageLatency]{
	Name:  "stage and duration",
	Want:  "STAGE=DURATION, such as copy=30s, with one of the stages " + strings.Join(simulatedStages, ", "),
	Lines: true,

	Suggest: suggestStages,
	Parse: func(text string) (stageLatency, error) {
		stage, value, err := ofStage(text)
		if err != nil {
			return stageLatency{}, err
		}
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return stageLatency{}, flags.ErrRefused
		}
		return stageLatency{stage, d}, nil
	},
}

var stageShareKind = flags.Kind[stageShare]{
	Name:  "stage and share",
	Want:  "STAGE=SHARE, such as health=2%, with one of the stages " + strings.Join(simulatedStages, ", "),
	Lines: true,

	Suggest: suggestStages,
	Parse: func(text string) (stageShare, error) {
		stage, value, err := ofStage(text)
		if err != nil {
			return stageShare{}, err
		}
		f, err := parseShare(value)
		return stageShare{stage, f}, err
	},
}

// share is the kind of a share of hosts.
var share = flags.Kind[float64]{Name: "share", Want: "a share from 0% to 100%, such as 2% or 0.02", Parse: parseShare}

func parseShare(text string) (float64, error) {
	number, percent := strings.CutSuffix(text, "%")
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 1) {
		return 0, flags.ErrRefused
	}
	return f, nil
}

// ofStage splits STAGE=VALUE.
func ofStage(text string) (exec.Stage, string, error) {
	name, value, ok := strings.Cut(text, "=")
	if _, known := exec.StandardModel().Stages[exec.Stage(name)]; !ok || !known {
		return "", "", flags.ErrRefused
	}
	return exec.Stage(name), value, nil
}
