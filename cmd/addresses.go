package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/human"
	"muster/schema"
)

// readAddresses reads the addresses that are options of the hosts' own configurations. A
// host whose address cannot be read fails before anything is done to it. The addresses
// are set after all systems are evaluated, and no configuration depends on them.
func (s *session) readAddresses(ctx context.Context, how *evaluateFlags) error {
	s.unaddressed = map[string]error{}
	groups, options, seen := map[string][]*schema.Host{}, []string{}, map[*schema.Host]bool{}
	for _, h := range append(slices.Clone(s.hosts), s.buildHosts()...) {
		if h.AddressOption == nil || seen[h] {
			continue
		}
		seen[h] = true
		option := h.AddressOption.Option
		if groups[option] == nil {
			options = append(options, option)
		}
		groups[option] = append(groups[option], h)
	}
	values := map[*schema.Host]string{}
	for _, option := range options {
		s.note("reading config.%s of %s for the address", option, human.Count(len(groups[option]), "host"))
		if err := s.readOption(ctx, how, option, groups[option], values); err != nil {
			return err
		}
	}
	for h, err := range s.fleet.SetAddresses(values) {
		s.unaddressed[h.Name] = addressError(h, err)
	}
	for _, part := range s.parts {
		if part.AddressOption == nil {
			continue
		}
		if machine := s.fleet.Host(part.Machine); machine != nil {
			part.Address, part.Port, part.User = machine.Address, machine.Port, machine.User
			s.unaddressed[part.Name] = s.unaddressed[machine.Name]
		}
	}
	return nil
}

// readAddress reads the address of one host, as readAddresses does.
func readAddress(ctx context.Context, std streams, fleet *schema.Fleet, h *schema.Host) error {
	s := &session{std: std, fleet: fleet, hosts: []*schema.Host{h}}
	if err := s.readAddresses(ctx, defaultEvaluation()); err != nil {
		return err
	}
	return s.unaddressed[h.Name]
}

// readOption evaluates one option of hosts together, and adds its values to values. A
// variant has the address of its machine.
func (s *session) readOption(ctx context.Context, how *evaluateFlags, option string, hosts []*schema.Host, values map[*schema.Host]string) error {
	attr, ok := splitAttribute("config." + option)
	if !ok {
		return inventoryError{fmt.Errorf("%s: got the option %q, want one such as networking.fqdn", hosts[0].AddressOption.At, option)}
	}
	asked := make([]*schema.Host, len(hosts))
	for i, h := range hosts {
		asked[i] = h
		if m := s.fleet.Machine(h); m.AddressOption == h.AddressOption {
			asked[i] = m
		}
	}
	found, err := how.query(ctx, s.fleet, asked, attr, s.std.err)
	if err != nil {
		return err
	}
	for i, v := range found {
		h := hosts[i]
		if v.Err != nil {
			s.unaddressed[h.Name] = addressError(h, v.Err)
			continue
		}
		var value string
		if err := json.Unmarshal(v.JSON, &value); err != nil {
			s.unaddressed[h.Name] = addressError(h, fmt.Errorf("got %s, want text", ui.Clip(string(v.JSON), 60)))
			continue
		}
		values[h] = value
	}
	return nil
}

// failUnaddressed gives the steps of hosts whose addresses could not be read their errors.
func (s *session) failUnaddressed(steps []exec.Step) {
	for i := range steps {
		if err := s.unaddressed[steps[i].Host.Name]; steps[i].Err == nil {
			steps[i].Err = err
		}
	}
}

// addressError says that an address could not be read, with its place in the inventory.
func addressError(h *schema.Host, err error) error {
	return fmt.Errorf("%s: read the address from config.%s: %w", h.AddressOption.At, h.AddressOption.Option, err)
}

// defaultEvaluation is how the verbs that evaluate nothing else read addresses.
func defaultEvaluation() *evaluateFlags {
	return &evaluateFlags{evaluator: byEmbedded, maxTime: evaluationLimit}
}

// evaluationLimit is how long the evaluation of a host may take, unless a flag says.
const evaluationLimit = time.Hour
