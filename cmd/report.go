package cmd

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"muster/cmd/flags"
	htmlreport "muster/cmd/ui/report"
	"muster/exec"
)

// reportOptions are those of report, which writes what a run was like as a page.
type reportOptions struct {
	noRules
	out string
}

// reportVerb is report's place in the help.
func reportVerb() entry {
	return entry{group: "fleet", use: "report [RUN] [INVENTORY]", verb: &reportOptions{}, short: "write what a run was like as one HTML page",
		examples: exampleLines{{"muster report", "write the page about the last run beside its journal"}, {"muster report 20260131-142233-k3qz --out run.html", "of a run that is named, to a file"}},
		long: `
Write an HTML page about RUN, by default the last run of the fleet: its hosts by wave
and role, a time line of their stages, failures with their logs, the packages that
changed, and what was found that is not as it should be. The page is one file, which
needs no network. Runs are named by deploy's journals, such as 20260131-142233-k3qz.
A last argument with a "/" or a "." in it is the INVENTORY.

` + inventoryHelp}
}

func (o *reportOptions) groups() []group { return nil }

func (o *reportOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Of(&o.out, "", orStandardOutput(flags.NewFile())), "out", "o", "write the page to this `file` (default beside the run's journal)")
}

func (o *reportOptions) run(_ context.Context, std streams, args []string) error {
	runs, where := namesAndInventory(args)
	run := ""
	if len(runs) > 0 {
		parsed, err := runName.Parse(runs[0])
		if err != nil {
			return usageError{fmt.Errorf("run %q: want %s", runs[0], runName.Want)}
		}
		run = parsed
	}
	if len(runs) > 1 {
		return usageError{fmt.Errorf("%s: want an inventory, such as ./%[1]s, behind the name of a run", runs[1])}
	}
	journal, err := journalOf(run, where)
	if err != nil {
		return err
	}
	page, err := htmlreport.Read(journal)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := page.Write(&text, htmlreport.Options{Version: version()}); err != nil {
		return err
	}
	switch o.out {
	case "-":
		_, err := std.doc.Write(text.Bytes())
		return err
	case "":
		o.out = strings.TrimSuffix(journal, filepath.Ext(journal)) + ".html"
	}
	if err := writeFile(o.out, text.Bytes()); err != nil {
		return err
	}
	fmt.Fprintln(std.out, o.out)
	return nil
}

// journalOf is the journal of a run of a fleet, that of the last one where the run is "".
func journalOf(run string, args []string) (string, error) {
	dir, err := fleetDir(args)
	if err != nil {
		return "", err
	}
	runs := stateDir(dir, "runs")
	if runs == "" {
		return "", errNoState
	}
	journals, err := exec.Journals(runs)
	if err != nil {
		return "", err
	}
	if len(journals) == 0 {
		return "", fmt.Errorf("no run of the fleet in %s is known here: muster deploy leaves a journal, also of what fails", dir)
	}
	if run == "" {
		return journals[len(journals)-1], nil
	}
	for _, name := range journals {
		if exec.RunOf(name) == run {
			return name, nil
		}
	}
	return "", fmt.Errorf("no run %s of the fleet in %s is known here; the last one is %s", run, dir, exec.RunOf(journals[len(journals)-1]))
}
