package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/human"
	"muster/exec/objectstore"
	"muster/exec/release"
	"muster/schema"
)

// A pulledState is what the store knows of a host.
type pulledState struct {
	Host    string          `json:"host"`
	Wave    int             `json:"wave"` // from 1
	Status  release.Status  `json:"status,omitempty"`
	Number  int64           `json:"number,omitempty"` // of the release that Status is about
	Want    int64           `json:"release"`
	Policy  schema.Policy   `json:"policy,omitempty"`
	Report  *release.Report `json:"report,omitempty"`
	Doubt   string          `json:"doubt,omitempty"` // why the report is not believed
	Behind  bool            `json:"behind"`          // it is not done with the current release
	Elapsed time.Duration   `json:"elapsed_ns,omitempty"`
}

// fromStore shows what the hosts have reported to the store of releases. Nothing is asked of the hosts.
func (o *statusOptions) fromStore(ctx context.Context, std streams, args []string) error {
	fleet, err := o.selection.reading.load(ctx, args)
	if err != nil {
		return err
	}
	chosen, err := o.selection.hosts(std, fleet)
	if err != nil {
		return err
	}
	from, done, err := o.from.open(&o.ssh, std, func() *schema.Fleet { return fleet })
	if err != nil {
		return err
	}
	defer done()
	states, err := statesIn(ctx, from, fleet, chosen)
	if err != nil {
		return err
	}
	if o.format == outputJSON {
		err = ui.JSON(std.out, states)
	} else {
		printPulled(std, states)
	}
	behind := func(s pulledState) bool {
		return s.Behind && s.Policy != schema.BestEffort && s.Policy != schema.Roaming
	}
	if err == nil && slices.ContainsFunc(states, behind) {
		return exitError(exec.ExitPartly)
	}
	return err
}

// statesIn reads the current release, and what those of its hosts that are chosen have reported.
func statesIn(ctx context.Context, from objectstore.Store, fleet *schema.Fleet, chosen []*schema.Host) ([]pulledState, error) {
	keys, err := pullKeys(fleet)
	if err != nil {
		return nil, err
	}
	h, err := release.Current(ctx, from, keys)
	if err != nil {
		return nil, err
	}
	text, _, err := objectstore.Read(ctx, from, h.MembersKey(), objectstore.ReadOptions{Limit: release.MaxHosts})
	if err != nil {
		return nil, err
	}
	members, err := release.OpenMembers(text, h, keys)
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, h := range chosen {
		wanted[h.Name] = true
	}
	hosts := slices.DeleteFunc(members.Hosts, func(m release.Member) bool { return !wanted[m.Host] })
	var names []string
	for _, m := range hosts {
		names = append(names, m.Host)
	}
	witness := &release.Witness{Store: from, Head: h, Keys: keys}
	reports, err := witness.Reports(ctx, names)
	if err != nil {
		return nil, err
	}
	var states []pulledState
	for _, m := range hosts {
		states = append(states, pulledOf(m, h, reports[m.Host]))
	}
	return states, nil
}

// pulledOf is the state of one host.
func pulledOf(m release.Member, h *release.Head, r *release.Heard) pulledState {
	s := pulledState{Host: m.Host, Wave: m.Wave + 1, Want: h.Number, Policy: m.Policy, Behind: true}
	if r != nil {
		s.Report, s.Status, s.Number = r.Report, r.Status, r.Number
		s.Behind = r.Dir != h.Dir || !r.Status.Done() || r.Problem != "" || r.Doubt != nil
		if r.Doubt != nil {
			s.Doubt = r.Doubt.Error()
		}
		s.Elapsed = max(time.Since(r.At).Truncate(time.Second), 0)
	}
	return s
}

// pullKeys are the public keys that the hosts of a fleet trust.
func pullKeys(fleet *schema.Fleet) (keys []archive.PublicKey, err error) {
	for _, h := range fleet.Hosts {
		if h.Pulls == nil {
			continue
		}
		for _, text := range h.Pulls.Keys() {
			k, err := archive.ParsePublicKey(text)
			if err != nil {
				return nil, fmt.Errorf("%s: pull.key: %w", h.Name, err)
			}
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	if len(keys) == 0 {
		return nil, usageError{errors.New("--from needs pull.key in the inventory, with which the release is checked")}
	}
	return keys, nil
}

func printPulled(std streams, states []pulledState) {
	table := ui.NewReport(std.out, "host", "wave", "release", "status", "seen", "")
	for _, s := range states {
		number, seen, why := "-", "never", ""
		if r := s.Report; r != nil {
			number, seen, why = fmt.Sprintf("%d of %d", s.Number, s.Want), human.Duration(s.Elapsed)+" ago", cmp.Or(r.Problem, r.Error)
		}
		status := string(cmp.Or(s.Status, "no report"))
		if s.Doubt != "" {
			status, why = "not believed", fmt.Sprintf("it says %s: %s", status, s.Doubt)
		}
		table.Row(s.Host, fmt.Sprint(s.Wave), number, status, seen, why)
	}
	table.Flush()
}
