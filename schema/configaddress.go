package schema

import (
	"fmt"
	"net/netip"
)

// An AddressOption is the option of a host's configuration that has the host's address:
//
//	host: {$config: "networking.fqdn"}
//
// Vet does not evaluate. What connects to the host evaluates the option, and hands its
// value to [Fleet.SetAddresses].
type AddressOption struct {
	At     Pos
	Option string // networking.fqdn
}

// String returns the option as an inventory has it.
func (o *AddressOption) String() string { return fmt.Sprintf("{$config: %q}", o.Option) }

// addressOption decodes the option that has the address of a host; nil where the
// inventory has the address itself.
func addressOption(n *node) *AddressOption {
	option := n.get("host").get("$config")
	if text(option) == "" {
		return nil
	}
	return &AddressOption{At: option.at, Option: option.text}
}

// configured reports the address of a host that has no configuration to read it from.
func (c *checker) configured(h *Host, path string) {
	if h.AddressOption != nil && h.NoSystem {
		c.report.add(h.AddressOption.At, path+".host", "address", "the host has no NixOS, so there is no option to read").Hint = "write its address"
	}
}

// SetAddresses gives hosts the addresses that their [AddressOption] has. It returns why a
// host cannot have its own: it is none, or that of another machine.
func (f *Fleet) SetAddresses(values map[*Host]string) map[*Host]error {
	failed := map[*Host]error{}
	d := &decoder{report: new(report)}
	for h, value := range values {
		d.report.list = nil
		n := &node{kind: stringKind, text: value, at: h.AddressOption.At}
		w := d.way(n, "")
		a, err := netip.ParseAddr(w.Address)
		switch {
		case w.Address == "" || len(d.report.list) > 0:
			failed[h] = fmt.Errorf("got %s, want %s", n, wantsAddress)
		case err == nil && (a.IsUnspecified() || a.IsMulticast()):
			failed[h] = fmt.Errorf("%s is not the address of one machine", quote(w.Address))
		default:
			h.Address = w.Address
			if w.Port != 0 {
				h.Port = w.Port
			}
			if w.User != "" {
				h.User = w.User
			}
		}
	}
	f.refuseShared(values, failed)
	return failed
}

// refuseShared takes addresses from the hosts that share them with another machine.
func (f *Fleet) refuseShared(values map[*Host]string, failed map[*Host]error) {
	owners := map[string][]*Host{}
	for _, h := range f.Hosts {
		for _, w := range h.Ways() {
			if w.Address != "" {
				key := addressKey(w, h.Jump)
				owners[key] = append(owners[key], h)
			}
		}
	}
	for _, sharing := range owners {
		for _, h := range sharing {
			for _, other := range sharing {
				if _, read := values[h]; read && failed[h] == nil && f.Machine(h) != f.Machine(other) {
					failed[h] = fmt.Errorf("host %s has the address %s too", quote(other.Name), quote(h.Address))
				}
			}
		}
	}
	for h := range failed {
		h.Address = ""
	}
}
