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
		return strings.Join(hosts, ", "), ""
	case !again:
		t.mistakes[mistake] = o.Host
		return o.Host, ""
	case len(hosts) > 1:
		return "", ""
	}
	return o.Host, first
}

// fewHosts have a row each in a table, also if they failed for the same mistake.
const fewHosts = 4

// rowsOf calls row for each outcome that has a row in a table, with the name of its host.
// Many hosts that failed for the same mistake share a row.
func rowsOf(outcomes []exec.Outcome, row func(host string, o *exec.Outcome)) {
	hosts := map[string]int{}
	key := func(o *exec.Outcome) string {
		mistake, _ := mistakeOf(o)
		if mistake == "" {
			return ""
		}
		return fmt.Sprintf("%s %s %s %s", o.Status, o.Stage, generationChange(o), mistake)
	}
	for i := range outcomes {
		hosts[key(&outcomes[i])]++
	}
	for i := range outcomes {
		o := &outcomes[i]
		switch k := key(o); {
		case k == "" || 0 < hosts[k] && hosts[k] <= fewHosts:
			row(o.Host, o)
		case hosts[k] > 0:
			row(fmt.Sprintf("%s and %d more", o.Host, hosts[k]-1), o)
			hosts[k] = 0 // the others have no row
		}
	}
}
