package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/schema"
)

// This file has the ways of choosing hosts besides a selector.

// fromInput is the value of --on that has the names read from standard input.
const fromInput = "-"

// maxNames is how many bytes of names are read from standard input.
const maxNames = 16 << 20

// readNames reads names of hosts from standard input, with space or ends of lines
// between them, and returns the hosts in the inventory's order. What follows a # in a
// line is a comment.
func readNames(std streams, fleet *schema.Fleet) ([]*schema.Host, error) {
	text, err := foreign.ReadAll(std.in, "standard input", maxNames)
	if err != nil {
		return nil, fmt.Errorf("--on -: %w", err)
	}
	wanted := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		for _, name := range strings.Fields(line) {
			wanted[name] = true
		}
	}
	if len(wanted) == 0 {
		return nil, usageError{errors.New("--on -: standard input has no name of a host")}
	}
	var hosts []*schema.Host
	for _, h := range fleet.Hosts {
		if wanted[h.Name] {
			hosts = append(hosts, h)
			delete(wanted, h.Name)
		}
	}
	if len(wanted) == 0 {
		return hosts, nil
	}
	var unknown []string
	for name := range wanted {
		unknown = append(unknown, fmt.Sprintf("%.60q", name))
	}
	slices.Sort(unknown)
	return nil, usageError{fmt.Errorf("--on -: no host is named %s", someOf(unknown))}
}

// mostNamed is how many names of a list are written out.
const mostNamed = 10

// someOf joins names, and counts those beyond the first.
func someOf(names []string) string {
	if more := len(names) - mostNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}

// agreeToAll asks on a terminal before all hosts of a fleet are activated because no
// --on was given.
func (o *deployOptions) agreeToAll(ctx context.Context, s *session) error {
	activates := !o.dry && (o.action == exec.Switch || o.action == exec.Boot || o.action == exec.Test)
	if !activates || o.selection.on != "" || len(s.hosts) < 2 || o.rollout.yes || !ui.CanAnswer(s.std.in) {
		return nil
	}
	question := fmt.Sprintf("deploy all %s: %s? [y/N] ", human.Count(len(s.hosts), "host"), someOf(names(s.hosts)))
	if err := ui.Ask(ctx, s.std.in, s.std.err, question); err != nil {
		return fmt.Errorf("deploy %s: %w; --on chooses hosts, --yes asks nothing", human.Count(len(s.hosts), "host"), err)
	}
	return nil
}
