package cmd

import (
	"errors"
	"fmt"

	"muster/schema"
)

// takePart leaves the hosts that take part in a deployment: guests are replaced by the host
// that they are deployed with, and hosts left out that are never deployed, or only where a
// selector chooses them. It tells which those are.
func (s *session) takePart(on string) error {
	var take []*schema.Host
	taken := map[*schema.Host]bool{}
	var never, notChosen, with []string
	for _, h := range s.hosts {
		if d := s.fleet.DeployedWith(h); d != h {
			with = append(with, fmt.Sprintf("%s with %s", h.Name, d.Name))
			h = d
		}
		switch {
		case taken[h]:
		case h.Care.NeverDeployed:
			never = append(never, h.Name)
		case h.Care.OnlyChosen && on == "":
			notChosen = append(notChosen, h.Name)
		default:
			take, taken[h] = append(take, h), true
		}
	}
	for _, left := range []struct {
		hosts []string
		why   string
	}{{with, "deployed: "}, {notChosen, "left out, because only --on chooses them: "}, {never, "left out, because they are never deployed: "}} {
		if len(left.hosts) > 0 {
			fmt.Fprintf(s.std.err, "note: %s%s\n", left.why, someOf(left.hosts))
		}
	}
	if missing := withoutMachine(take); len(missing) > 0 {
		fmt.Fprintf(s.std.err, "note: no machine is made yet: muster provision apply makes it: %s\n", someOf(missing))
	}
	s.hosts = take
	if len(take) == 0 && len(never)+len(notChosen) > 0 {
		return usageError{errors.New("no host to deploy: choose one with --on that takes part; muster build builds those that are never deployed")}
	}
	return oneSystem(s.fleet, take)
}

// oneSystem fails where a machine would get two systems.
func oneSystem(fleet *schema.Fleet, hosts []*schema.Host) error {
	of := map[*schema.Host]*schema.Host{}
	for _, h := range hosts {
		m := fleet.Machine(h)
		if other := of[m]; other != nil {
			return usageError{fmt.Errorf("%s and %s are systems of one machine: choose one of them with --on", other.Name, h.Name)}
		}
		of[m] = h
	}
	return nil
}

// withoutMachine are the hosts whose machines are still to be made.
func withoutMachine(hosts []*schema.Host) (names []string) {
	for _, h := range hosts {
		if h.Provision != nil && h.Unconnected {
			names = append(names, h.Name)
		}
	}
	return names
}
