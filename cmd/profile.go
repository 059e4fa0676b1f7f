package cmd

import (
	"context"
	"fmt"
	"io"
	"slices"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/nixcmd"
	"muster/schema"
)

// profileFlag chooses among the system and the profiles of hosts. It is a flag of the
// verbs that deploy.
type profileFlag struct {
	noRules
	names []string // none: all
}

// systemPart names the system of a host among its profiles.
const systemPart = "system"

func (f *profileFlag) addFlags(fs *flags.Set) {
	fs.Var(flags.ListOf(&f.names, profileName), "profile", "of the hosts, only the profile of this `name`, or system for their systems; may be repeated")
}

// of returns the hosts whose systems are chosen, and the profiles that are.
func (f *profileFlag) of(hosts []*schema.Host) (systems, parts []*schema.Host, err error) {
	unknown := map[string]bool{}
	for _, name := range f.names {
		unknown[name] = true
	}
	chosen := func(name string) bool {
		delete(unknown, name)
		return len(f.names) == 0 || slices.Contains(f.names, name)
	}
	for _, h := range hosts {
		if !h.NoSystem && chosen(systemPart) {
			systems = append(systems, h)
		}
		for _, p := range h.Profiles {
			if chosen(p.Name) {
				parts = append(parts, h.Part(p))
			}
		}
	}
	for _, name := range f.names {
		if unknown[name] {
			return nil, nil, usageError{fmt.Errorf("--profile %s: none of the chosen hosts has it", name)}
		}
	}
	return systems, parts, nil
}

// profiles finds what profiles are. Their derivations are in the store of nix
// afterwards.
func (o *evaluateFlags) profiles(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, parts []*schema.Host, warn io.Writer) ([]evaluate.Result, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	e, err := o.embedded(fleet, warn)
	if err != nil {
		return nil, err
	}
	defer holdCollector().release()
	e.Store = nix
	return e.Profiles(ctx, parts)
}

// inOrder puts steps in the order of the inventory: each host's system, then its
// profiles.
func inOrder(fleet *schema.Fleet, steps []exec.Step) []exec.Step {
	place := map[string]int{}
	for i, h := range fleet.Hosts {
		place[h.Name] = i
	}
	slices.SortStableFunc(steps, func(a, b exec.Step) int { return place[a.Host.MachineName()] - place[b.Host.MachineName()] })
	return steps
}
