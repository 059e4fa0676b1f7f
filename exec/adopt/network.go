package adopt

import (
	"net/netip"
	"slices"

	"muster/compile/syntax"
	"muster/exec/host"
	"muster/exec/ondemand"
)

// network sets the addresses. Those that DHCP gave are left to it.
func (m *module) network() {
	var static, dynamic []host.Interface
	for _, i := range m.hw.Interfaces {
		switch {
		case len(fixed(i)) > 0:
			static = append(static, i)
		case len(i.Addresses) > 0:
			dynamic = append(dynamic, i)
		}
	}
	if m.kernelNames() {
		m.add("networking.usePredictableInterfaceNames", boolean(false), "its interfaces have the kernel's own names")
	}
	layered := slices.ContainsFunc(dynamic, func(i host.Interface) bool { return isMade(i) })
	if len(static) == 0 && !layered {
		why := "no address was found that is set by hand"
		if len(dynamic) > 0 {
			why = dynamic[0].Name + " has its address by DHCP"
		}
		m.add("networking.useDHCP", m.byDefault(boolean(true)), why)
		return
	}
	why := "addresses that are set by hand"
	if len(static) == 0 {
		why = "only some of its interfaces have addresses"
	}
	m.add("networking.useDHCP", boolean(false), why)
	for _, i := range dynamic {
		m.made(i)
		m.set(interfacePath(i.Name, "useDHCP"), boolean(true), "its address is by DHCP")
	}
	for _, i := range static {
		m.made(i)
		for _, family := range []string{"ipv4", "ipv6"} {
			list := &syntax.List{}
			for _, p := range fixed(i) {
				if p.Addr().Is4() == (family == "ipv4") {
					list.Elems = append(list.Elems, &syntax.Attrs{Bindings: []syntax.Binding{
						bind("address", str(p.Addr().WithZone("").String())), bind("prefixLength", &syntax.Int{Value: int64(p.Bits())}),
					}})
				}
			}
			if len(list.Elems) > 0 {
				m.set(interfacePath(i.Name, family, "addresses"), list, i.MAC)
			}
		}
	}
	if len(static) == 0 {
		return // DHCP brings the rest
	}
	m.gateways()
	if len(m.hw.Nameservers) > 0 {
		list := &syntax.List{}
		for _, a := range m.hw.Nameservers {
			list.Elems = append(list.Elems, str(a.String()))
		}
		m.add("networking.nameservers", list, "resolv.conf")
	}
}

// fixed are the addresses of an interface that do not lapse.
func fixed(i host.Interface) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range i.Addresses {
		if !a.Dynamic {
			list = append(list, a.Prefix)
		}
	}
	return list
}

func interfacePath(name string, rest ...string) syntax.AttrPath {
	p := syntax.AttrPath{{Name: "networking"}, {Name: "interfaces"}, {Name: name}}
	for _, r := range rest {
		p = append(p, syntax.AttrName{Name: r})
	}
	return p
}

var kernelName = ondemand.Regexp(`^(eth|wlan)[0-9]+$`)

// kernelNames reports whether the interfaces of a machine have names that udev did not
// choose. A container gets its names from its host.
func (m *module) kernelNames() bool {
	physical := 0
	for _, i := range m.hw.Interfaces {
		if i.Physical {
			if physical++; !kernelName().MatchString(i.Name) {
				return false
			}
		}
	}
	return physical > 0 && m.hw.Virtual.Container == ""
}

// isMade reports whether an interface is made of others.
func isMade(i host.Interface) bool {
	return i.Kind == "bridge" || i.Kind == "bonding" || i.Kind == "vlan" && i.VLAN > 0 && i.Over != ""
}

// made sets how an interface is made of others, and how those are.
func (m *module) made(i host.Interface) {
	if m.wired[i.Name] {
		return
	}
	if m.wired == nil {
		m.wired = map[string]bool{}
	}
	m.wired[i.Name] = true
	var members []string
	for _, o := range m.hw.Interfaces {
		if o.Master == i.Name {
			members = append(members, o.Name)
		}
	}
	switch i.Kind {
	case "bridge":
		m.set(syntax.AttrPath{{Name: "networking"}, {Name: "bridges"}, {Name: i.Name}, {Name: "interfaces"}}, texts(members...), "a bridge")
	case "bonding":
		set := &syntax.Attrs{Bindings: []syntax.Binding{bind("interfaces", texts(members...))}}
		if i.Mode != "" {
			set.Bindings = append(set.Bindings, bind("driverOptions.mode", str(i.Mode)))
		}
		m.set(syntax.AttrPath{{Name: "networking"}, {Name: "bonds"}, {Name: i.Name}}, set, "several interfaces as one")
	case "", "wireless":
		return
	case "vlan":
		if !isMade(i) {
			m.note("the network interface %s is a VLAN, and its ID was not found: set it in networking.vlans", i.Name)
			return
		}
		set := &syntax.Attrs{Bindings: []syntax.Binding{bind("id", &syntax.Int{Value: int64(i.VLAN)}), bind("interface", str(i.Over))}}
		m.set(syntax.AttrPath{{Name: "networking"}, {Name: "vlans"}, {Name: i.Name}}, set, "/proc/net/vlan")
		members = append(members, i.Over)
	default:
		m.note("the network interface %s (%s) has an address, and how it is made is left out: set it in the inventory", i.Name, i.Kind)
		return
	}
	for _, name := range members {
		if at := slices.IndexFunc(m.hw.Interfaces, func(o host.Interface) bool { return o.Name == name }); at >= 0 {
			m.made(m.hw.Interfaces[at])
		}
	}
}

// gateways sets the default routes, the first of each family.
func (m *module) gateways() {
	for _, family := range []struct {
		option string
		is4    bool
	}{{"networking.defaultGateway", true}, {"networking.defaultGateway6", false}} {
		for _, g := range m.hw.Gateways {
			if g.Address.Is4() == family.is4 {
				m.add(family.option, &syntax.Attrs{Bindings: []syntax.Binding{bind("address", str(g.Address.String())), bind("interface", str(g.Interface))}}, "the default route")
				break
			}
		}
	}
}
