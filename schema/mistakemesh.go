package schema

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// What people mean by what they write of a mesh.

// meshFields are the fields of a mesh that people write without a name of the mesh around them.
var meshFields = []string{"network", "ipv6", "on", "hub", "port", "keep_alive", "backend", "names", "keys", "deploy", "hosts"}

// meshMend is valueMend for the fields of meshes.
func meshMend(n *node, path string, s *shape, l language) string {
	words := strings.Split(path, ".")
	field := words[len(words)-1]
	switch {
	case len(words) == 2 && n.kind != structKind && slices.Contains(meshFields, field):
		return "name the mesh, and write " + field + " in it: " + meshIn[l]
	case len(words) == 3 && field == "network" && n.kind == listKind:
		return "a second network, of IPv6, is the field ipv6"
	case n.kind != stringKind:
		return ""
	case field == "address", field == "ipv6" && len(words) > 3:
		if p, err := netip.ParsePrefix(n.text); err == nil && s.fits(p.Addr().String()) {
			return "write " + doubleQuoted(p.Addr().String()) + ": how long the prefix is, the network says"
		}
	case field == "endpoint":
		if to := endpointMeant(n.text); to != "" && s.fits(to) {
			return "write " + doubleQuoted(to)
		}
	}
	return ""
}

// meshIn is a mesh with a name.
var meshIn = map[language]string{
	langCUE: "mesh: wg0: {…}", langTOML: "[mesh.wg0]", langJSON: `"mesh": {"wg0": {…}}`, langYAML: "mesh: {wg0: {…}}",
}

// endpointMeant is the endpoint that is meant by a URL, by an IPv6 address whose brackets are
// not where they belong, or by one with an empty port; "" where nothing tells.
func endpointMeant(text string) string {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		return strings.TrimSuffix(rest, "/")
	}
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		return strings.TrimSuffix(inner, "]")
	}
	host, port, ok := cutLast(text, ":")
	if !ok {
		return ""
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return net.JoinHostPort(host, port)
	}
	if port == "" {
		return host
	}
	return ""
}

// meshElsewhere says what takes the place of a field of WireGuard, which a mesh, or a member
// of one, does not have; "" if there is none.
func meshElsewhere(name, at string) string {
	words := strings.Split(at, ".")
	if words[0] != "mesh" || len(words) == 1 {
		return ""
	}
	switch strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name)) {
	case "privatekey", "privatekeyfile", "generateprivatekeyfile", "publickey", "key":
		return "muster secrets generate makes the keys, in the folder that keys of the mesh names"
	case "presharedkey", "presharedkeyfile":
		return "peers have no preshared keys; what the interface has besides stands in config, in networking.wireguard.interfaces or systemd.network"
	case "allowedips", "routes":
		return "a member has its own addresses, and the hub those of the whole mesh; routes to other networks stand in config"
	case "mtu", "table", "fwmark", "postup", "postdown", "preup", "predown", "postsetup", "postshutdown", "dns":
		return "what the interface has besides stands in config, in networking.wireguard.interfaces or systemd.network"
	}
	return ""
}
