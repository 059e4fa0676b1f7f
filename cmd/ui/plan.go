package ui

import (
	"fmt"
	"io"
	"strings"

	"muster/exec"
	"muster/exec/human"
)

// printPlan prints a line for each host, then what changes on each.
func printPlan(w io.Writer, outcomes []exec.Outcome) {
	table := NewReport(w, "host", "wave", "generation", "packages", "to copy", "units", "reboot")
	rowsOf(outcomes, func(host string, o *exec.Outcome) { table.Row(planRow(host, o)...) })
	table.Flush()
	byRules := false
	for i := range outcomes {
		if d := outcomes[i].Diff; d != nil {
			printDiff(w, &outcomes[i])
			byRules = byRules || !d.Asked && len(d.Unknown) > 0
		}
	}
	if byRules {
		fmt.Fprint(w, "\nWhat becomes of units is foretold by the rules of NixOS. A host that already has its\nnew system, after muster push, is asked what it would do.\n")
	}
}

// planRow is what changes on a host, in one line.
func planRow(host string, o *exec.Outcome) []string {
	wave := fmt.Sprint(o.Wave + 1)
	d := o.Diff
	switch {
	case d == nil && o.Err != nil:
		return []string{host, wave, generationChange(o), detail(o)}
	case d == nil && len(o.Secrets) > 0:
		return []string{host, wave, generationChange(o), "secrets: " + secretChanges(o)}
	case d == nil:
		return []string{host, wave, generationChange(o), string(o.Status)}
	}
	generation, reboot := "new", ""
	if n := o.Before.Generation.Number; n > 0 {
		generation = fmt.Sprintf("%d → new", n)
	}
	if len(d.Reboot) > 0 {
		reboot = "needed"
	}
	return []string{host, wave, generation,
		fmt.Sprintf("+%d −%d ~%d", len(d.Added), len(d.Removed), len(d.Changed)+d.Rebuilt),
		fmt.Sprintf("%s, %s", human.Count(d.CopyPaths, "path"), human.Bytes(d.CopyBytes)),
		fmt.Sprintf("+%d −%d ~%d", len(d.Start), len(d.Stop), changedUnits(d)), reboot}
}

// secretChanges names the secrets of a host that change: "new a, b; removed c".
func secretChanges(o *exec.Outcome) string {
	var kinds []string
	names := map[string][]string{}
	for _, c := range o.Secrets {
		if names[c.Change] == nil {
			kinds = append(kinds, c.Change)
		}
		names[c.Change] = append(names[c.Change], c.Name)
	}
	for i, kind := range kinds {
		kinds[i] = kind + " " + strings.Join(names[kind], ", ")
	}
	return Printable(strings.Join(kinds, "; "))
}

// changedUnits is how many units stay and change.
func changedUnits(d *exec.Diff) int { return len(d.Restart) + len(d.Reload) + len(d.Stay) }

// mostLines is how many packages of a kind are listed for a host.
const mostLines = 12

// printDiff prints what changes on a host.
func printDiff(w io.Writer, o *exec.Outcome) {
	d := o.Diff
	fmt.Fprintf(w, "\n%s\n", o.Host)
	if o.Before.Current != "" {
		fmt.Fprintf(w, "  from     %s\n", o.Before.Current)
	}
	fmt.Fprintf(w, "  to       %s\n", o.System)
	packages := func(mark string, list []exec.Package) {
		for i, p := range list {
			if i == mostLines {
				fmt.Fprintf(w, "  %s … and %d more\n", mark, len(list)-i)
				return
			}
			versions := strings.Join(append(p.Before, p.After...), ", ")
			if len(p.Before) > 0 && len(p.After) > 0 {
				versions = strings.Join(p.Before, ", ") + " → " + strings.Join(p.After, ", ")
			}
			fmt.Fprintf(w, "  %s %s %s\n", mark, p.Name, versions)
		}
	}
	packages("+", d.Added)
	packages("−", d.Removed)
	packages("~", d.Changed)
	if d.Rebuilt > 0 {
		fmt.Fprintf(w, "  ~ %s in the same version\n", human.Count(d.Rebuilt, "package"))
	}
	for _, u := range []struct {
		what string
		list []string
	}{{"stop", d.Stop}, {"start", d.Start}, {"restart", d.Restart}, {"reload", d.Reload}, {"again", d.Again}, {"leave", d.Stay}, {"reboot", d.Reboot}} {
		if len(u.list) > 0 {
			fmt.Fprintf(w, "  %-8s %s\n", u.what, Printable(strings.Join(u.list, ", ")))
		}
	}
	if len(o.Secrets) > 0 {
		fmt.Fprintf(w, "  %-8s %s\n", "secrets", secretChanges(o))
	}
	// A note about a unit begins with its name.
	for _, n := range d.Unknown {
		fmt.Fprintf(w, "  %-8s %s\n", "unknown", Printable(strings.TrimPrefix(n.Unit+": "+n.Text, ": ")))
	}
	for _, n := range d.Undone {
		fmt.Fprintf(w, "  %-8s %s\n", "undone", Printable(strings.TrimPrefix(n.Unit+": "+n.Text, ": ")))
	}
}
