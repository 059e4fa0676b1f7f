package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/ondemand"
)

// This file has the verbs that look up what earlier runs did: history, show, logs and events.
// They read journals, and no inventory.

func historyVerb() entry {
	return entry{group: "fleet", use: "history [INVENTORY]", examples: exampleLines{{"muster history", "list the runs of this directory's fleet"}, {"muster history --limit 100 --output json", "list more of them, for a program"}}, verb: &historyOptions{}, short: "list the runs of the fleet", long: `
List the runs of the fleet that this machine has recorded, the newest first: when and
by whom each was begun, and what became of its hosts.

` + inventoryHelp}
}

func showVerb() entry {
	return entry{group: "fleet", use: "show [RUN] [INVENTORY]", examples: exampleLines{{"muster show", "show what the last run did"}, {"muster show 20260131-142233-k3qz", "show another run"}}, verb: &showOptions{}, short: "show what a run did", long: `
Show a run of the fleet, the last one by default: when and by whom it was begun, why
hosts failed, and what became of each. RUN is a name that "muster history" lists.

` + inventoryHelp}
}

func logsVerb() entry {
	return entry{group: "fleet", use: "logs HOST [INVENTORY]", examples: exampleLines{{"muster logs web1", "show what the last run did on a host"}, {"muster logs web1 --run 20260131-142233-k3qz", "and another run"}}, verb: &logsOptions{}, short: "show what happened on a host", long: `
Show what the last run that had HOST did there, line by line with times: its stages,
what builds and activations printed, health checks, and how it ended. --run names
another run.

` + inventoryHelp}
}

func eventsVerb() entry {
	return entry{group: "fleet", use: "events [RUN] [INVENTORY]", examples: exampleLines{{"muster events", "print what happened in the last run, for a program"}, {"muster events --schema", "print what a line may be"}}, verb: &eventsOptions{}, short: "print the events of a run as JSON", long: `
Print the events of a run, the last one by default, as --output json printed them: one
a line, with time, run and version. --schema prints the JSON Schema of a line.

` + inventoryHelp}
}

// runWord matches the name of a run, which no inventory has.
var runWord = ondemand.Regexp(`^[0-9]{8}-[0-9]{6}-[a-z0-9]+$`)

// splitRun splits [RUN] [INVENTORY].
func splitRun(args []string) (run string, inventory []string, err error) {
	if len(args) > 0 && runWord().MatchString(args[0]) {
		return args[0], args[1:], nil
	}
	if len(args) > 1 {
		return "", nil, usageError{fmt.Errorf("RUN %s: want %s", args[0], runName.Want)}
	}
	return "", args, nil
}

// recorded are the names of the journals of a fleet, the oldest first.
func recorded(inventory []string) ([]string, error) {
	dir, err := fleetDir(inventory)
	if err != nil {
		return nil, err
	}
	journals := stateDir(dir, "runs")
	if journals == "" {
		return nil, errNoState
	}
	names, err := exec.Journals(journals)
	if err == nil && len(names) == 0 && len(inventory) > 0 {
		return nil, noFleet(inventory[0])
	}
	return names, err
}

// noFleet is an error about an inventory without a run that is not there: the name of a run, or
// a misspelt one; nil where it is there.
func noFleet(where string) error {
	_, err := os.Stat(where)
	if !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return usageError{hinted{fmt.Errorf("no inventory %s, and no run of that name", where), "muster history lists the runs, as 20260131-142233-k3qz"}}
}

// errNoRuns says that there is nothing to look up.
var errNoRuns = hinted{errors.New("no run of this fleet is known here"), "runs are recorded on the machine that muster deploy ran on, for the directory of the inventory"}

// journalOf is the journal of a run of a fleet, or of the last one.
func journalOf(inventory []string, run string) (string, error) {
	names, err := recorded(inventory)
	switch {
	case err != nil:
		return "", err
	case len(names) == 0:
		return "", errNoRuns
	case run == "":
		return names[len(names)-1], nil
	}
	for _, name := range names {
		if exec.RunOf(name) == run {
			return name, nil
		}
	}
	return "", noRun(run)
}

// noRun is an error about the name of a run.
func noRun(run string) error {
	return hinted{fmt.Errorf("no run %s of this fleet is known here", run), "muster history lists the runs"}
}

// historyOptions are those of history.
type historyOptions struct {
	noRules
	color  colorFlag
	format string
	limit  int
}

func (o *historyOptions) groups() []group { return []group{&o.color} }

func (o *historyOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&o.format, outputText, outputJSON), "output", "report as `format`: %s")
	fs.Var(flags.Number(&o.limit, 20, 1, 10_000), "limit", "list the last `n` runs")
}

func (o *historyOptions) run(_ context.Context, std streams, args []string) error {
	names, err := recorded(args)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return errNoRuns
	}
	names = names[max(0, len(names)-o.limit):]
	var runs []ui.PastRun
	var errs []error
	for _, name := range slices.Backward(names) {
		r, err := exec.ReadJournal(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // another run has just removed it, as an old one
		case err != nil:
			errs = append(errs, err)
			continue
		}
		runs = append(runs, pastRun(r))
	}
	if o.format == outputJSON {
		err = ui.JSON(std.out, runs)
	} else {
		ui.PrintHistory(std.out, o.color.color, runs)
	}
	return errors.Join(append(errs, err)...)
}

// pastRun is what a journal says of a run.
func pastRun(r *exec.Record) ui.PastRun {
	p := ui.PastRun{Run: r.Plan.Run, Dir: r.Plan.Dir, Action: r.Plan.Action, Who: r.Plan.Who, Began: r.Began, Ended: r.Ended, Status: r.Status, Outcomes: []exec.Outcome{}}
	for _, s := range r.Plan.Steps {
		o, ok := r.Outcomes[s.Host.Name]
		if !ok {
			p.Open = append(p.Open, s.Host.Name)
			continue
		}
		if o.Error != "" {
			o.Err = errors.New(o.Error)
		}
		p.Outcomes = append(p.Outcomes, o)
	}
	return p
}

// showOptions are those of show.
type showOptions struct {
	noRules
	color  colorFlag
	format string
}

func (o *showOptions) groups() []group { return []group{&o.color} }

func (o *showOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&o.format, outputText, outputJSON), "output", "report as `format`: %s")
}

func (o *showOptions) run(_ context.Context, std streams, args []string) error {
	run, inventory, err := splitRun(args)
	if err != nil {
		return err
	}
	name, err := journalOf(inventory, run)
	if err != nil {
		return err
	}
	var last time.Time
	logs := map[string][]string{}
	r, err := exec.ReplayJournal(name, func(at time.Time, e exec.Event) {
		last = at
		ui.KeepLast(logs, e)
	})
	if err != nil {
		return err
	}
	p := pastRun(r)
	p.Last = last
	if o.format == outputJSON {
		return ui.JSON(std.out, p)
	}
	ui.PrintRun(std.out, o.color.color, p, logs, hint)
	return nil
}

// logsOptions are those of logs.
type logsOptions struct {
	noRules
	color   colorFlag
	runName string
}

func (o *logsOptions) groups() []group { return []group{&o.color} }

func (o *logsOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.runName, "", runName), "run", "what the run of this `name` did (default the last one that had the host)")
}

func (o *logsOptions) run(_ context.Context, std streams, args []string) error {
	host, inventory := args[0], args[1:]
	if o.runName != "" {
		name, err := journalOf(inventory, o.runName)
		if err != nil {
			return err
		}
		return o.print(std, name, host)
	}
	names, err := recorded(inventory)
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(names) {
		if err := o.print(std, name, host); !errors.Is(err, errNotInRun) {
			return err
		}
	}
	if len(names) == 0 {
		return errNoRuns
	}
	return hinted{fmt.Errorf("no run of this fleet that is known here had the host %s", host), "muster inventory list has the hosts, muster history the runs"}
}

// errNotInRun says that a run did not have a host.
var errNotInRun = errors.New("the run did not have this host")

// print prints what a run did on a host.
func (o *logsOptions) print(std streams, journal, host string) error {
	r, err := exec.ReadJournal(journal)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(r.Plan.Steps, func(s exec.Step) bool { return s.Host.Name == host }) {
		return fmt.Errorf("run %s: %s: %w", r.Plan.Run, host, errNotInRun)
	}
	log := ui.NewLog(std.out, o.color.color, host)
	log.Begin(pastRun(r))
	_, err = exec.ReplayJournal(journal, log.Event)
	return err
}

// eventsOptions are those of events.
type eventsOptions struct{ schema bool }

func (o *eventsOptions) groups() []group { return nil }

func (o *eventsOptions) check() error { return nil }

func (o *eventsOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.schema, false), "schema", "print the JSON Schema of a line of --output json")
}

func (o *eventsOptions) run(_ context.Context, std streams, args []string) error {
	if o.schema {
		_, err := io.WriteString(std.doc, exec.EventSchema)
		return err
	}
	run, inventory, err := splitRun(args)
	if err != nil {
		return err
	}
	name, err := journalOf(inventory, run)
	if err != nil {
		return err
	}
	var failed error
	lines := json.NewEncoder(ui.JSONWriter(std.out))
	_, err = exec.ReplayJournal(name, func(at time.Time, e exec.Event) {
		if err := lines.Encode(exec.NewLine(at, exec.RunOf(name), e)); failed == nil {
			failed = err
		}
	})
	return errors.Join(err, failed)
}
