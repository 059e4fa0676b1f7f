package host

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// net reads an attribute of a network interface.
func (r *hardwareReader) net(name, rest string) {
	if !ifaceForm.MatchString(name) {
		r.unclear("name of a network interface")
		return
	}
	i := r.network(name)
	attr, value, _ := strings.Cut(rest, " ")
	switch attr {
	case "mac":
		if value != "00:00:00:00:00:00" {
			r.take(&i.MAC, macForm, value, "hardware address of "+name)
		}
	case "state":
		i.Up = value == "up"
	case "physical":
		i.Physical = true
	case "kind":
		r.take(&i.Kind, typeForm, value, "kind of "+name)
	case "mode":
		mode, _, _ := strings.Cut(value, " ")
		r.take(&i.Mode, typeForm, mode, "mode of "+name)
	case "vlan":
		if n, err := strconv.ParseUint(value, 10, 12); err == nil {
			i.VLAN = int(n)
		}
	case "over":
		r.take(&i.Over, ifaceForm, value, "interface below "+name)
	case "master":
		r.take(&i.Master, ifaceForm, path.Base(value), "master of "+name)
	case "module":
		r.take(&i.Module, typeForm, value, "kernel module of "+name)
	}
}

// network returns the interface of a name, which it adds.
func (r *hardwareReader) network(name string) *Interface {
	i := slices.IndexFunc(r.Interfaces, func(i Interface) bool { return i.Name == name })
	if i < 0 {
		i = len(r.Interfaces)
		r.Interfaces = append(r.Interfaces, Interface{Name: name})
	}
	return &r.Interfaces[i]
}

// address reads a line of ip -o addr: 2: eth0 inet 10.0.0.1/24 … scope global dynamic …
func (r *hardwareReader) address(f []string) {
	if len(f) < 4 || f[2] != "inet" && f[2] != "inet6" || !slices.Contains(f, "global") || slices.Contains(f, "temporary") {
		return
	}
	name, _, _ := strings.Cut(strings.TrimSuffix(f[1], ":"), "@")
	i := slices.IndexFunc(r.Interfaces, func(i Interface) bool { return i.Name == name })
	text, _, _ := strings.Cut(f[3], "/")
	prefix, err := netip.ParsePrefix(f[3])
	if err != nil && text == f[3] { // a point to point address has none
		if a, e := netip.ParseAddr(text); e == nil {
			prefix, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
	}
	if i < 0 || err != nil {
		return
	}
	r.Interfaces[i].Addresses = append(r.Interfaces[i].Addresses, Address{Prefix: prefix, Dynamic: slices.Contains(f, "dynamic")})
}

// route reads a line of /proc/net/route.
func (r *hardwareReader) route(f []string) {
	if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" || !ifaceForm.MatchString(f[0]) {
		return
	}
	n, err := strconv.ParseUint(f[2], 16, 32)
	if err != nil || n == 0 {
		return
	}
	r.gateway(netip.AddrFrom4([4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}), f[0])
}

// route6 reads a line of /proc/net/ipv6_route.
func (r *hardwareReader) route6(f []string) {
	if len(f) < 10 || f[9] == "lo" || !ifaceForm.MatchString(f[9]) || len(f[4]) != 32 {
		return
	}
	var a [16]byte
	for i := range a {
		n, err := strconv.ParseUint(f[4][2*i:2*i+2], 16, 8)
		if err != nil {
			return
		}
		a[i] = byte(n)
	}
	if a != [16]byte{} {
		r.gateway(netip.AddrFrom16(a), f[9])
	}
}

func (r *hardwareReader) gateway(a netip.Addr, iface string) {
	if g := (Gateway{Address: a, Interface: iface}); !slices.Contains(r.Gateways, g) {
		r.Gateways = append(r.Gateways, g)
	}
}

// resolver reads a line of resolv.conf.
func (r *hardwareReader) resolver(which int, f []string) {
	if len(f) < 2 {
		return
	}
	switch f[0] {
	case "nameserver":
		if a, err := netip.ParseAddr(f[1]); err == nil && !a.IsLoopback() && !slices.Contains(r.resolv[which], a) {
			r.resolv[which] = append(r.resolv[which], a)
		}
	case "search", "domain":
		for _, name := range f[1:] {
			if nameForm.MatchString(name) {
				r.Search = appendNew(r.Search, name)
			}
		}
	}
}
