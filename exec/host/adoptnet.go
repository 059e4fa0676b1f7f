package host

import (
	"cmp"
	"encoding/hex"
	"net"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// net reads an attribute of a network interface.
func (r *hardwareReader) net(name, rest string) {
	if !ifaceForm().MatchString(name) {
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

// A connected is a network that an interface is in.
type connected struct {
	iface string
	net   netip.Prefix
}

// A metricGateway is a default route with its metric: the lowest is used.
type metricGateway struct {
	Gateway
	metric uint64
}

// route reads a line of /proc/net/route: Iface Destination Gateway Flags RefCnt Use Metric Mask ….
func (r *hardwareReader) route(f []string) {
	if len(f) < 8 || !ifaceForm().MatchString(f[0]) {
		return
	}
	to, ok := littleEndian(f[1])
	by, okBy := littleEndian(f[2])
	mask, okMask := littleEndian(f[7])
	if !ok || !okBy || !okMask {
		return
	}
	switch bits, _ := net.IPMask(mask.AsSlice()).Size(); {
	case bits == 0 && to.IsUnspecified() && !by.IsUnspecified():
		metric, _ := strconv.ParseUint(f[6], 10, 32)
		r.gateway(by, f[0], metric)
	case bits > 0 && by.IsUnspecified():
		r.connected = append(r.connected, connected{f[0], netip.PrefixFrom(to, bits)})
	}
}

// littleEndian reads an address of /proc/net/route.
func littleEndian(hex string) (netip.Addr, bool) {
	n, err := strconv.ParseUint(hex, 16, 32)
	return netip.AddrFrom4([4]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}), err == nil && len(hex) == 8
}

// route6 reads a line of /proc/net/ipv6_route.
func (r *hardwareReader) route6(f []string) {
	if len(f) < 10 || f[9] == "lo" || !ifaceForm().MatchString(f[9]) {
		return
	}
	if a, ok := hexAddr(f[4]); ok && !a.IsUnspecified() {
		metric, _ := strconv.ParseUint(f[5], 16, 32)
		r.gateway(a, f[9], metric)
	}
}

// hexAddr reads an IPv6 address of 32 hexadecimal digits.
func hexAddr(text string) (netip.Addr, bool) {
	b, err := hex.DecodeString(text)
	a, ok := netip.AddrFromSlice(b)
	return a, err == nil && ok && a.Is6()
}

func (r *hardwareReader) gateway(a netip.Addr, iface string, metric uint64) {
	r.gateways = append(r.gateways, metricGateway{Gateway{Address: a, Interface: iface}, metric})
}

// The flags of addresses in /proc/net/if_inet6.
const (
	temporary = 0x01
	permanent = 0x80
)

// inet6 reads a line of /proc/net/if_inet6: address, index, prefix, scope and flags in
// hexadecimal digits, and the interface.
func (r *hardwareReader) inet6(f []string) {
	if len(f) < 6 || f[3] != "00" {
		return
	}
	a, ok := hexAddr(f[0])
	bits, err := strconv.ParseUint(f[2], 16, 8)
	flags, err2 := strconv.ParseUint(f[4], 16, 32)
	if !ok || err != nil || err2 != nil || bits > 128 || flags&temporary != 0 {
		return
	}
	if i := slices.IndexFunc(r.Interfaces, func(i Interface) bool { return i.Name == f[5] }); i >= 0 {
		r.Interfaces[i].Addresses = append(r.Interfaces[i].Addresses, Address{Prefix: netip.PrefixFrom(a, int(bits)), Dynamic: flags&permanent == 0})
	}
}

// trie reads a line of /proc/net/fib_trie, which has the machine's own addresses as
//
//	|-- 192.0.2.7
//	   /32 host LOCAL
func (r *hardwareReader) trie(line string) {
	if text, ok := strings.CutPrefix(line, "|-- "); ok {
		r.trieAddr = text
		return
	}
	a, err := netip.ParseAddr(r.trieAddr)
	if line == "/32 host LOCAL" && err == nil && a.Is4() && !a.IsLoopback() && !slices.Contains(r.local, a) {
		r.local = append(r.local, a)
	}
}

// finishNetwork puts together what several lines say of the network.
func (r *hardwareReader) finishNetwork() {
	slices.SortStableFunc(r.gateways, func(a, b metricGateway) int { return cmp.Compare(a.metric, b.metric) })
	for _, g := range r.gateways {
		if !slices.Contains(r.Gateways, g.Gateway) {
			r.Gateways = append(r.Gateways, g.Gateway)
		}
	}
	for _, a := range r.local {
		r.placeLocal(a)
	}
	if r.noIP && len(r.local) > 0 {
		r.Undetected = appendNew(r.Undetected, "whether its IPv4 addresses lapse, as those by DHCP do: it has no program ip; without a DHCP client that is known they are taken as set by hand")
	}
	for i := range r.Interfaces {
		o := &r.Interfaces[i]
		if slices.ContainsFunc(r.clients, func(words []string) bool { return slices.Contains(words, o.Name) }) {
			for n := range o.Addresses {
				o.Addresses[n].Dynamic = o.Addresses[n].Dynamic || o.Addresses[n].Prefix.Addr().Is4()
			}
		}
	}
}

// placeLocal gives an address to the interface whose network it is in.
func (r *hardwareReader) placeLocal(a netip.Addr) {
	var in []connected
	for _, c := range r.connected {
		switch {
		case !c.net.Contains(a) || len(in) > 0 && c.net.Bits() < in[0].net.Bits():
			continue
		case len(in) > 0 && c.net.Bits() > in[0].net.Bits():
			in = nil
		}
		if !slices.ContainsFunc(in, func(o connected) bool { return o.iface == c.iface }) {
			in = append(in, c)
		}
	}
	if len(in) == 1 {
		if i := slices.IndexFunc(r.Interfaces, func(i Interface) bool { return i.Name == in[0].iface }); i >= 0 {
			r.Interfaces[i].Addresses = append(r.Interfaces[i].Addresses, Address{Prefix: netip.PrefixFrom(a, in[0].net.Bits())})
			return
		}
	}
	r.Undetected = appendNew(r.Undetected, "the network interface of its address "+a.String()+": it has no program ip, and not one interface alone is in that network: set networking.interfaces in the inventory")
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
			if nameForm().MatchString(name) {
				r.Search = appendNew(r.Search, name)
			}
		}
	}
}
