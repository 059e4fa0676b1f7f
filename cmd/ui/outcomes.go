package ui

import (
	"fmt"
	"io"
	"strings"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/human"
)

// printEnd prints the outcomes of a run in the way that suits what it did.
func printEnd(w io.Writer, outcomes []exec.Outcome) {
	switch {
	case len(outcomes) == 0:
		fmt.Fprintln(w, "no hosts")
	case len(outcomes[0].Generations) > 0 || outcomes[0].Status == exec.Listed:
		printGenerations(w, outcomes)
	case anyOf(outcomes, func(o *exec.Outcome) bool { return o.Diff != nil || o.Status == exec.Previewed && len(o.Secrets) > 0 }):
		printPlan(w, outcomes)
	case anyOf(outcomes, func(o *exec.Outcome) bool { return o.Freed != "" || len(o.Removed) > 0 }):
		printCollected(w, outcomes)
	default:
		printOutcomes(w, outcomes)
	}
}

func anyOf(outcomes []exec.Outcome, is func(*exec.Outcome) bool) bool {
	for i := range outcomes {
		if is(&outcomes[i]) {
			return true
		}
	}
	return false
}

// printOutcomes prints a line for each host, and a last one that counts.
func printOutcomes(w io.Writer, outcomes []exec.Outcome) {
	table := NewReport(w, "host", "outcome", "generation", "detail")
	counts := map[exec.Status]int{}
	for i := range outcomes {
		counts[outcomes[i].Status]++
	}
	rowsOf(outcomes, func(host string, o *exec.Outcome) {
		table.Row(host, string(o.Status), generationChange(o), detail(o))
	})
	table.Flush()
	var parts []string
	for _, s := range exec.Statuses {
		if counts[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[s], s))
		}
	}
	fmt.Fprintf(w, "%s: %s\n", human.Count(len(outcomes), "host"), strings.Join(parts, ", "))
	done := func(o *exec.Outcome) bool { return o.Reason != "" || o.Rebooted }
	if counts[exec.Unchanged] == len(outcomes) && !anyOf(outcomes, done) {
		fmt.Fprintln(w, "nothing to do: every host already is what the inventory says")
	}
}

// generationChange is the generation before and after.
func generationChange(o *exec.Outcome) string {
	before, after := o.Before.Generation.Number, o.After.Number
	switch {
	case after == 0 && before == 0:
		return ""
	case after == 0 || after == before:
		return fmt.Sprint(before)
	case before == 0:
		return fmt.Sprint(after)
	}
	return fmt.Sprintf("%d → %d", before, after)
}

// detail is the cause of a failure, why the host was left alone, or the system, for
// one cell.
func detail(o *exec.Outcome) string {
	if o.Err != nil {
		line := firstLine(o.Err.Error())
		if o.Stage == "" {
			return line
		}
		return fmt.Sprintf("%s: %s", o.Stage, line)
	}
	if o.Reason != "" {
		return o.Reason
	}
	if o.Rebooted {
		return rebooted(o)
	}
	if o.Status == exec.Activated && len(o.Secrets) > 0 && o.After.Number == o.Before.Generation.Number {
		return "secrets: " + secretChanges(o)
	}
	if o.System == "" {
		return ""
	}
	return short(o.System) + "-" + o.System.Name()
}

// rebooted names the kernels before and after a restart.
func rebooted(o *exec.Outcome) string {
	switch {
	case o.KernelAfter == "":
		return "rebooted"
	case o.KernelBefore == o.KernelAfter:
		return "rebooted: kernel " + o.KernelAfter
	}
	return fmt.Sprintf("rebooted: kernel %s → %s", o.KernelBefore, o.KernelAfter)
}

// short is the beginning of a store path's digest, enough to tell two apart.
func short(p store.Path) string {
	d := p.Digest()
	return d[:min(8, len(d))] + "…"
}

// printGenerations prints a line for each generation of each host.
func printGenerations(w io.Writer, outcomes []exec.Outcome) {
	table := NewReport(w, "host", "generation", "created", "version", "system", "")
	for i := range outcomes {
		o := &outcomes[i]
		if o.Err != nil || o.Status == exec.NoAddress {
			table.Row(o.Host, string(o.Status), Clip(detail(o), 60), "", "", "")
			continue
		}
		for _, g := range o.Generations {
			var marks []string
			if g.Current {
				marks = append(marks, "current")
			}
			if g.Number == o.Generations[len(o.Generations)-1].Number {
				marks = append(marks, "newest")
			}
			table.Row(o.Host, fmt.Sprint(g.Number), g.Created.Local().Format("2006-01-02 15:04:05"),
				Clip(g.Version, 16), short(g.System), strings.Join(marks, ", "))
		}
		if len(o.Generations) == 0 {
			table.Row(o.Host, "none", "", "", "", "")
		}
	}
	table.Flush()
}

// printCollected prints what gc removed, a line for each host.
func printCollected(w io.Writer, outcomes []exec.Outcome) {
	table := NewReport(w, "host", "outcome", "generations removed", "detail")
	for i := range outcomes {
		o := &outcomes[i]
		var removed []string
		for _, n := range o.Removed {
			removed = append(removed, fmt.Sprint(n))
		}
		what := Printable(o.Freed)
		if o.Err != nil {
			what = detail(o)
		}
		table.Row(o.Host, string(o.Status), strings.Join(removed, " "), what)
	}
	table.Flush()
}
