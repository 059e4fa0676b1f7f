package ui

import (
	"errors"
	"fmt"
	"strings"

	"muster/exec"
)

// A mistake in the configuration that many hosts share is said once, with the names of all
// of them.

// mistakeOf returns the mistake that a host failed for, if that is one of its
// configuration, and the hosts that are known to have it.
func mistakeOf(o *exec.Outcome) (mistake string, hosts []string) {
	var one interface{ Mistake() string }
	if o.Err == nil || !errors.As(o.Err, &one) {
		return "", nil
	}
	var shared interface{ Hosts() []string }
	if errors.As(o.Err, &shared) {
		hosts = shared.Hosts()
	}
	return one.Mistake(), hosts
}

// mostInOneLine is how many names are written out in a line.
const mostInOneLine = 40

// who names the hosts that a failure is printed for, "" if it has been printed. As is the
// first host with the same mistake, if only that is known.
func (t *text) who(o *exec.Outcome) (names, as string) {
	mistake, hosts := mistakeOf(o)
	if mistake == "" {
		return o.Host, ""
	}
	first, again := t.mistakes[mistake]
	switch {
	case !again && len(hosts) > 1:
		t.mistakes[mistake] = o.Host
		if len(hosts) > mostInOneLine {
			return abbreviate(hosts, mostNamed), ""
		}
		return strings.Join(hosts, ", "), ""
	case !again:
		t.mistakes[mistake] = o.Host
		return o.Host, ""
	case len(hosts) > 1:
		return "", ""
	}
	return o.Host, first
}

// fewHosts have a row each in a table, also where they would share one.
const fewHosts = 4

// rowsOf calls row for each outcome that has a row in a table, with the name of its host:
// failures first. Many hosts whose rows are alike share one; like is "" for a host that
// shares none.
func rowsOf(outcomes []exec.Outcome, like func(o *exec.Outcome) string, row func(host string, o *exec.Outcome)) {
	hosts := map[string]int{}
	alike := make([]string, len(outcomes))
	for i := range outcomes {
		alike[i] = like(&outcomes[i])
		hosts[alike[i]]++
	}
	for _, failures := range []bool{true, false} {
		for i := range outcomes {
			o := &outcomes[i]
			if (o.Err != nil) != failures {
				continue
			}
			switch k := alike[i]; {
			case k == "" || 0 < hosts[k] && hosts[k] <= fewHosts:
				row(o.Host, o)
			case hosts[k] > 0:
				row(fmt.Sprintf("%s and %d more", o.Host, hosts[k]-1), o)
				hosts[k] = 0 // the others have no row
			}
		}
	}
}

// sameFailure is what a failed host has in common with others of the same cause.
func sameFailure(o *exec.Outcome) string {
	if o.Err == nil {
		return ""
	}
	return generationChange(o) + " " + sameCause(o)
}

// sameCause is what a failed host has in common with others of the same cause, whatever their
// generations.
func sameCause(o *exec.Outcome) string {
	return fmt.Sprintf("%s %s %s", o.Status, o.Stage, likeness(o, reasonOf(o)))
}
