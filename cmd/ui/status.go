package ui

import (
	"fmt"
	"io"
	"strings"

	"muster/exec/human"
	"muster/schema"
)

// A HostState is how a host compares with the inventory.
type HostState struct {
	Host         string      `json:"host"`
	State        State       `json:"state"`
	Generation   int         `json:"generation,omitempty"`
	Running      string      `json:"running,omitempty"`
	Wanted       string      `json:"wanted,omitempty"`
	Behind       *Behindness `json:"behind,omitempty"` // of a host that is behind
	NeedsReboot  []string    `json:"needs_reboot,omitempty"`
	FailedUnits  []string    `json:"failed_units,omitempty"`
	FailedChecks []string    `json:"failed_checks,omitempty"` // health checks, each with why
	Secrets      []string    `json:"secrets,omitempty"`       // that are not as the inventory says, each with how
	Findings     []string    `json:"findings,omitempty"`
	// Activation says what a guard does on the host: it waits for confirmation,
	// say, and when it goes back.
	Activation string        `json:"activation,omitempty"`
	Meshes     []MeshState   `json:"meshes,omitempty"`
	Error      string        `json:"error,omitempty"`
	Policy     schema.Policy `json:"policy"`
}

// A State says in a word or two how a host compares with the inventory.
type State string

// The states of a host.
const (
	InSync      State = "in sync"
	Behind      State = "behind"             // on another system that muster deployed
	Foreign     State = "foreign generation" // on a system that muster did not deploy
	Undeployed  State = "not deployed"
	NotBooted   State = "not the boot default" // runs the right system, and would boot another
	NotRunning  State = "not running"          // would boot the right system, and runs another
	Unreachable State = "unknown"
	Away        State = "away"
	NoAddress   State = "no address"
	Broken      State = "does not evaluate"
)

// Drifted reports whether the host is not as the inventory says.
func (s *HostState) Drifted() bool {
	known := s.State == InSync || s.State == Away || s.State == NoAddress
	return !known || len(s.FailedUnits) > 0 || len(s.FailedChecks) > 0 || len(s.Secrets) > 0 || len(s.NeedsReboot) > 0 || s.Activation != "" || s.meshBroken()
}

// likeness is what the host has in common with others that share its line, whatever their
// generations if that is asked for.
func (s *HostState) likeness(anyGeneration bool) string {
	o := *s
	if anyGeneration {
		o.Generation, o.Behind = 0, nil
	}
	return fmt.Sprintf("%s %d %s", o.State, o.Generation, human.Impersonal(o.Host, o.details()))
}

// details is everything about the host that its state does not say.
func (s *HostState) details() string {
	var details []string
	if s.Error != "" {
		details = append(details, human.Reason(s.Error))
	}
	if behind := s.Behind.detail(s.Generation); behind != "" {
		details = append(details, behind)
	}
	if s.Activation != "" {
		details = append(details, s.Activation)
	}
	if len(s.NeedsReboot) > 0 {
		details = append(details, "reboot needed: "+strings.Join(s.NeedsReboot, ", "))
	}
	if len(s.FailedUnits) > 0 {
		details = append(details, "failed: "+strings.Join(s.FailedUnits, ", "))
	}
	for _, c := range s.FailedChecks {
		details = append(details, "check "+c)
	}
	for _, m := range s.Meshes {
		if m.broken() {
			details = append(details, fmt.Sprintf("mesh %s: the interface is not as the configuration says (%s)", m.Mesh, m.State))
		}
	}
	for _, secret := range s.Secrets {
		details = append(details, "secret "+secret)
	}
	return strings.Join(append(details, s.Findings...), "; ")
}

// PrintStates prints a line for each host, and a last one that counts. Many hosts that could
// not be looked at for one cause share a line. On a terminal that would not show them all, so
// do others that are alike but for their generations.
func PrintStates(w io.Writer, all []HostState) { printStates(newPage(w, ColorNever), all) }

func printStates(p page, all []HostState) {
	table := newReport(p, "host", "state", "generation", "detail")
	crowded := p.crowded(len(all))
	counts := map[State]int{}
	var order []State
	hosts, like := map[string][]string{}, make([]string, len(all))
	for i := range all {
		like[i] = all[i].likeness(crowded)
		hosts[like[i]] = append(hosts[like[i]], all[i].Host)
	}
	for i := range all {
		s := &all[i]
		if counts[s.State]++; counts[s.State] == 1 {
			order = append(order, s.State)
		}
		name, generation, detail := s.Host, "", s.details()
		if s.Generation > 0 {
			generation = fmt.Sprint(s.Generation)
		}
		if alike := hosts[like[i]]; (s.Error != "" || crowded) && len(alike) > fewHosts {
			if s.Host != alike[0] {
				continue
			}
			if name = fmt.Sprintf("%s and %d more", name, len(alike)-1); crowded {
				common := *s
				common.Behind = nil
				name, generation = abbreviate(alike, 2), ""
				detail = strings.TrimSuffix(human.Count(len(alike), "host")+": "+common.details(), ": ")
			}
		}
		table.Row(name, string(s.State), generation, detail)
	}
	table.Flush()
	printMeshes(p.w, all)
	var parts []string
	for _, state := range order {
		parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
	}
	fmt.Fprintf(p.w, "%s: %s\n", human.Count(len(all), "host"), strings.Join(parts, ", "))
}
