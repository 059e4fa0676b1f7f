package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"muster/compile"
	"muster/compile/syntax"
	"muster/exec"
	"muster/exec/nixcmd"
	"muster/schema"
)

// evaluate finds the systems of some of the fleet's hosts, and says to warn
// what NixOS warns of. errs holds the hosts that have no system.
func evaluate(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, trace bool, warn io.Writer) (systems map[string]exec.System, errs map[string]error, err error) {
	net, err := network(fleet, hosts, trace)
	if err != nil {
		return nil, nil, err
	}
	found, errs, err := nix.Evaluate(ctx, net)
	if err != nil {
		return nil, nil, fmt.Errorf("evaluate the fleet: %w", err)
	}
	systems = map[string]exec.System{}
	warnings := map[string][]string{}
	for _, h := range hosts {
		s, ok := found[h.Name]
		if !ok {
			continue
		}
		systems[h.Name] = exec.System{Drv: s.Drv, Out: s.Out}
		for _, w := range s.Warnings {
			warnings[w] = append(warnings[w], h.Name)
		}
	}
	printWarnings(warn, hosts, warnings)
	return systems, blamed(fleet, net, errs), nil
}

// network is what an evaluator needs to know of a fleet.
func network(fleet *schema.Fleet, hosts []*schema.Host, trace bool) (nixcmd.Network, error) {
	file, err := compile.Network(fleet, compile.Options{Absolute: true})
	if err != nil {
		return nixcmd.Network{}, err
	}
	return nixcmd.Network{File: file, Driver: compile.Driver, Hosts: names(hosts), Trace: trace}, nil
}

// printWarnings says each warning once, with the hosts it is about, in the
// order of the inventory.
func printWarnings(w io.Writer, hosts []*schema.Host, warnings map[string][]string) {
	var said []string
	for _, h := range hosts {
		for text, about := range warnings {
			if about[0] == h.Name {
				said = append(said, fmt.Sprintf("%s: warning: %s\n", few(about), strings.TrimSpace(text)))
			}
		}
		slices.Sort(said)
		io.WriteString(w, strings.Join(said, ""))
		said = nil
	}
}

// few is "a, b and 3 more".
func few(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
}

// blamed puts in front of each error of Nix's where in the inventory it comes
// from.
func blamed(fleet *schema.Fleet, net nixcmd.Network, errs map[string]error) map[string]error {
	if len(errs) == 0 {
		return errs
	}
	var text bytes.Buffer
	if err := syntax.Fprint(&text, net.File); err != nil {
		return errs
	}
	out := map[string]error{}
	for host, err := range errs {
		var exit *nixcmd.ExitError
		if !errors.As(err, &exit) {
			out[host] = err
			continue
		}
		e := &evalError{exit: exit, trace: net.Trace}
		e.blames = compile.Blames(fleet, host, exit.Message(), exit.Stderr, nixcmd.NetworkFile, text.Bytes())
		out[host] = e
	}
	return out
}

// An evalError is an error of Nix's about something in the inventory.
type evalError struct {
	exit   *nixcmd.ExitError
	blames []compile.Blame
	trace  bool
}

func (e *evalError) Error() string {
	var b strings.Builder
	if len(e.blames) > 0 {
		fmt.Fprintf(&b, "%v: ", e.blames[0].Pos)
		if e.blames[0].Option != "" {
			fmt.Fprintf(&b, "%s: ", e.blames[0].Option)
		}
	}
	b.WriteString(e.exit.Message())
	if e.trace {
		b.WriteString("\n" + strings.TrimSpace(e.exit.Stderr))
	}
	return b.String()
}

func (e *evalError) Unwrap() error { return e.exit }
