package ui

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"muster/exec"
	"muster/exec/human"
)

// printPlan prints a line for each host, then what changes: once for all hosts on which the
// same changes.
func printPlan(p page, outcomes []exec.Outcome) {
	table := newReport(p, "host", "wave", "generation", "packages", "to copy", "units", "reboot")
	changes := changesOf(outcomes)
	crowded := p.crowded(len(outcomes))
	entry := map[*exec.Outcome]string{}
	for i, c := range changes {
		for _, o := range c {
			if entry[o] = fmt.Sprintf("%d %d", i, o.Wave); !crowded {
				entry[o] += " " + generationChange(o)
			}
		}
	}
	like := func(o *exec.Outcome) string {
		switch {
		case o.Diff != nil:
			return entry[o]
		case o.Err == nil && crowded:
			return fmt.Sprintf("%s %d %s", o.Status, o.Wave, secretChanges(o))
		case crowded:
			return sameCause(o)
		}
		return sameFailure(o)
	}
	rowsOf(outcomes, like, func(host string, o *exec.Outcome) {
		row := planRow(host, o)
		if crowded && host != o.Host {
			row[2] = "" // it is not the same on all
		}
		table.row(styleOf(o.Status), row...)
	})
	table.Flush()
	byRules := false
	for _, c := range changes {
		p.print(nil)
		printDiff(p, c)
		d := c[0].Diff
		byRules = byRules || !d.Asked && len(d.Unknown) > 0
	}
	if byRules {
		p.print(nil)
		p.print(say("What becomes of units is foretold by the rules of NixOS. A host that already"))
		p.print(say("has its new system, after muster push, is asked what it would do."))
	}
}

// changesOf are the hosts of a plan on which something changes, those together on which the
// same does.
func changesOf(outcomes []exec.Outcome) [][]*exec.Outcome {
	var all [][]*exec.Outcome
	known := map[string]int{}
	for i := range outcomes {
		o := &outcomes[i]
		if o.Diff == nil {
			continue
		}
		d := *o.Diff
		d.CopyBytes = 0 // a longer name of a host takes more
		text, _ := json.Marshal(struct {
			Diff    exec.Diff
			Secrets []exec.SecretChange
		}{d, o.Secrets})
		key := nameWithin(o.Host).ReplaceAllString(string(text), "${1}HOST$2")
		n, again := known[key]
		if !again {
			n = len(all)
			known[key], all = n, append(all, nil)
		}
		all[n] = append(all[n], o)
	}
	return all
}

// nameWithin matches the name of a host also as a part of another name, as in
// nixos-system-web1-25.11.
func nameWithin(host string) *regexp.Regexp {
	return regexp.MustCompile(`(^|[^A-Za-z0-9])` + regexp.QuoteMeta(host) + `($|[^A-Za-z0-9])`)
}

// planRow is what changes on a host, in one line.
func planRow(host string, o *exec.Outcome) []string {
	wave := fmt.Sprint(max(1, o.Wave))
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

// ofHosts says how many hosts are named before it.
func ofHosts(names []string) string { return fmt.Sprintf(" (%s)", human.Count(len(names), "host")) }

// printDiff prints what changes on hosts, on all of them the same.
func printDiff(p page, hosts []*exec.Outcome) {
	o := hosts[0]
	d := o.Diff
	names, such := []string{}, ""
	for _, h := range hosts {
		names = append(names, h.Host)
	}
	title := line{}.and(strong, abbreviate(names, mostNamed))
	if len(hosts) > 1 {
		title = title.and(ordinary, ofHosts(names))
		such = fmt.Sprintf(" (%s)", o.Host)
	}
	p.print(title)
	say := func(what, text string) { p.wrapped(ordinary, fmt.Sprintf("  %-8s ", what), text) }
	if o.Before.Current != "" {
		say("from", string(o.Before.Current)+such)
	}
	say("to", string(o.System)+such)
	packages := func(s style, mark string, list []*exec.Package) {
		for i, k := range list {
			if i == mostLines {
				p.print(line{}.and(s, fmt.Sprintf("  %s … and %d more", mark, len(list)-i)))
				return
			}
			versions := strings.Join(append(k.Before, k.After...), ", ")
			if len(k.Before) > 0 && len(k.After) > 0 {
				versions = strings.Join(k.Before, ", ") + " → " + strings.Join(k.After, ", ")
			}
			p.print(line{}.and(s, fmt.Sprintf("  %s %s %s", mark, k.Name, versions)))
		}
	}
	printDefinitions(p, d.Options)
	say("copy", fmt.Sprintf("%s, %s", human.Count(d.CopyPaths, "path"), human.Bytes(d.CopyBytes)))
	packages(good, "+", d.Added)
	packages(bad, "−", d.Removed)
	packages(odd, "~", d.Changed)
	if d.Rebuilt > 0 {
		p.print(line{}.and(odd, fmt.Sprintf("  ~ %s in the same version", human.Count(d.Rebuilt, "package"))))
	}
	files := func(s style, mark string, names []string) {
		if len(names) > 0 {
			p.wrapped(s, fmt.Sprintf("  %s /etc/ ", mark), abbreviate(names, mostLines))
		}
	}
	files(good, "+", d.Etc.Added)
	files(bad, "−", d.Etc.Removed)
	files(odd, "~", d.Etc.Changed)
	for _, u := range []struct {
		what string
		list []string
	}{{"stop", d.Stop}, {"start", d.Start}, {"restart", d.Restart}, {"reload", d.Reload}, {"again", d.Again}, {"leave", d.Stay}, {"reboot", d.Reboot}} {
		if len(u.list) > 0 {
			say(u.what, strings.Join(u.list, ", "))
		}
	}
	if len(o.Secrets) > 0 {
		say("secrets", secretChanges(o))
	}
	// A note about a unit begins with its name.
	for _, n := range d.Unknown {
		say("unknown", strings.TrimPrefix(n.Unit+": "+n.Text, ": "))
	}
	for _, n := range d.Undone {
		say("undone", strings.TrimPrefix(n.Unit+": "+n.Text, ": "))
	}
}
