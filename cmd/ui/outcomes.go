package ui

import (
	"fmt"
	"strings"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/human"
)

// printEnd prints the outcomes of a run in the way that suits what it did.
func printEnd(p page, outcomes []exec.Outcome) {
	switch {
	case len(outcomes) == 0:
		p.print(say("no hosts"))
	case len(outcomes[0].Generations) > 0 || outcomes[0].Status == exec.Listed:
		printGenerations(p, outcomes)
	case anyOf(outcomes, func(o *exec.Outcome) bool { return o.Diff != nil || o.Status == exec.Previewed && len(o.Secrets) > 0 }):
		printPlan(p, outcomes)
	case anyOf(outcomes, func(o *exec.Outcome) bool { return o.Freed != "" || len(o.Removed) > 0 }):
		printCollected(p, outcomes)
	default:
		printOutcomes(p, outcomes)
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

// printOutcomes prints a line for each host, and a last one that counts. On a terminal that
// would not show them all, hosts that ended alike share a line.
func printOutcomes(p page, outcomes []exec.Outcome) {
	table := newReport(p, "host", "outcome", "generation", "detail")
	like, alike := sameFailure, map[string][]string{}
	crowded := p.crowded(len(outcomes) + len(causesOf(outcomes)))
	if crowded {
		like = sameEnd
		for i := range outcomes {
			if outcomes[i].Err == nil {
				alike[sameEnd(&outcomes[i])] = append(alike[sameEnd(&outcomes[i])], outcomes[i].Host)
			}
		}
	}
	rowsOf(outcomes, like, func(host string, o *exec.Outcome) {
		if hosts := alike[sameEnd(o)]; len(hosts) > fewHosts {
			table.row(styleOf(o.Status), abbreviate(hosts, 2), string(o.Status), "", human.Count(len(hosts), "host"))
			return
		}
		generation := generationChange(o)
		if host != o.Host && crowded {
			generation = "" // it is not the same on all
		}
		table.row(styleOf(o.Status), host, string(o.Status), generation, detail(o))
	})
	table.Flush()
	p.print(countLine(outcomes))
	done := func(o *exec.Outcome) bool { return o.Reason != "" || o.Rebooted }
	unchanged := func(o *exec.Outcome) bool { return o.Status != exec.Unchanged }
	if !anyOf(outcomes, unchanged) && !anyOf(outcomes, done) {
		p.print(say("nothing to do: every host already is what the inventory says"))
	}
}

// sameEnd is what a host has in common with others that ended as it did.
func sameEnd(o *exec.Outcome) string {
	if o.Err != nil {
		return sameCause(o)
	}
	return string(o.Status)
}

// countLine counts the hosts by what became of them, and names those that failed.
func countLine(outcomes []exec.Outcome) line {
	return append(say(human.Count(len(outcomes), "host")+": "), counts(outcomes, len(outcomes))...)
}

// counts counts hosts, out of so many, by what became of them.
func counts(outcomes []exec.Outcome, of int) line {
	var l line
	for _, s := range exec.Statuses {
		hosts := hostsWith(outcomes, s)
		if len(hosts) == 0 {
			continue
		}
		if len(l) > 0 {
			l = l.and(ordinary, ", ")
		}
		text := fmt.Sprintf("%d %s", len(hosts), s)
		if (s == exec.Failed || s == exec.RolledBack) && of > 1 {
			text += fmt.Sprintf(" (%s)", abbreviate(hosts, 4))
		}
		l = l.and(styleOf(s), text)
	}
	return l
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
		if o.Stage == "" {
			return reasonOf(o)
		}
		return fmt.Sprintf("%s: %s", o.Stage, reasonOf(o))
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
func printGenerations(p page, outcomes []exec.Outcome) {
	table := newReport(p, "host", "generation", "created", "version", "system", "")
	for i := range outcomes {
		o := &outcomes[i]
		if o.Err != nil || o.Status == exec.NoAddress {
			table.Row(o.Host, string(o.Status), table.clip(detail(o), 60), "", "", "")
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
				table.clip(g.Version, 16), short(g.System), strings.Join(marks, ", "))
		}
		if len(o.Generations) == 0 {
			table.Row(o.Host, "none", "", "", "", "")
		}
	}
	table.Flush()
}

// printCollected prints what gc removed, a line for each host.
func printCollected(p page, outcomes []exec.Outcome) {
	table := newReport(p, "host", "outcome", "generations removed", "detail")
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
