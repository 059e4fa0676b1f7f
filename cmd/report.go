package cmd

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"muster/cmd/flags"
	htmlreport "muster/cmd/ui/report"
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
needs no network. "muster history" lists the names of runs.

` + inventoryHelp}
}

func (o *reportOptions) groups() []group { return nil }

func (o *reportOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Of(&o.out, "", orStandardOutput(flags.NewFile())), "out", "o", "write the page to this `file` (default beside the run's journal)")
}

func (o *reportOptions) run(_ context.Context, std streams, args []string) error {
	run, where, err := splitRun(args)
	if err != nil {
		return err
	}
	journal, err := journalOf(where, run)
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
