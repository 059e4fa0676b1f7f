package schema

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// A Way is where the SSH server of a host is: an address, with port and user where it
// names them, as in ssh://root@web1:2222.
type Way struct {
	Address string
	Port    int    // 0 means that of the SSH configuration
	User    string // "" means that of the SSH configuration
}

// String returns a way as an inventory has it: root@[2001:db8::1]:22.
func (w Way) String() string {
	s := w.Address
	switch {
	case w.Port != 0:
		s = net.JoinHostPort(w.Address, strconv.Itoa(w.Port))
	case w.User != "" && strings.Contains(w.Address, ":"):
		s = "[" + w.Address + "]"
	}
	if w.User != "" {
		s = w.User + "@" + s
	}
	return s
}

// Ways are all ways to a host, in the order in which they are tried.
func (h *Host) Ways() []Way {
	return append([]Way{{Address: h.Address, Port: h.Port, User: h.User}}, h.Others...)
}

// addresses are the addresses of all ways to a host.
func (h *Host) addresses() []string {
	if h.Address == "" {
		return nil
	}
	list := []string{h.Address}
	for _, w := range h.Others {
		list = append(list, w.Address)
	}
	return list
}

// posOfAddress returns the position and the path of an address of a host.
func (h *Host) posOfAddress(i int) (at Pos, path string) {
	path = "host"
	if _, listed := h.pos.find("host[0]"); !listed { // one address, as most hosts have
		return h.PosOf(path), join("hosts", h.Name) + ".host"
	}
	if elem := fmt.Sprintf("host[%d]", i); h.PosOf(elem) != h.At {
		path = elem
	}
	return h.PosOf(path), join("hosts", h.Name) + "." + path
}

// wants is what an address is to be, in messages.
const wantsAddress = "an IPv4 or IPv6 address or a domain name"

// way reads an address of a host. It checks what the pattern of schema.cue cannot
// express.
func (d *decoder) way(n *node, path string) (w Way) {
	text := text(n)
	if text == "" || !hostShape().leaf.accepts(n) {
		return Way{}
	}
	rest, isURL := strings.CutPrefix(text, "ssh://")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		w.User, rest = rest[:at], rest[at+1:]
	}
	w.Address = rest
	host, port, err := net.SplitHostPort(rest)
	_, isAddress := netip.ParseAddr(rest)
	switch {
	case isAddress == nil:
	case err == nil:
		w.Address = host
		if w.Port, err = strconv.Atoi(port); err != nil || w.Port < 1 || w.Port > 65535 {
			d.report.add(n.at, path, "type", "got the port %s, want a port number, 1 to 65535", quote(port))
		}
	default:
		w.Address = strings.Trim(rest, "[]")
	}
	if isURL { // where a zone begins with %25
		w.Address = strings.Replace(w.Address, "%25", "%", 1)
	}
	if w.Address == "" { // as in :22, which the pattern takes for an IPv6 address
		d.report.add(n.at, path, "type", "got %s, want %s before the port", n, wantsAddress)
	} else if strings.Contains(w.Address, ":") {
		if _, err := netip.ParseAddr(w.Address); err != nil || isURL && w.Address == rest {
			d.report.add(n.at, path, "type", "got %s, want %s", n, wantsAddress)
		}
	} else if len(w.Address) > 253 {
		d.report.add(n.at, path, "type", "got a domain name of %d bytes, want at most 253", len(w.Address))
	}
	return w
}

// hostShape is the shape of a host's address.
func hostShape() *shape { return inventoryShape().fields["hosts"].entry.fields["host"] }

// connection decodes how a host is reached. What an address says goes before the fields
// port and user of the host, those before the fields of ssh, and those before the
// defaults'. field finds a field of the host or of the defaults, and keeps its position in
// pos.
func (d *decoder) connection(h *Host, n, defaults *node, path string, pos map[string]Pos, field func(string) *node) {
	h.SSH = d.ssh(h, n, defaults, path, pos)
	given := func(name string) *node {
		if at, ok := pos["ssh."+name]; ok && n.get(name) == nil {
			pos[name] = at
			return nil
		}
		return field(name)
	}
	h.Port = cmp.Or(number32(given("port")), h.SSH.Port)
	h.User = cmp.Or(text(given("user")), h.SSH.User)
	ways := d.ways(n, path)
	h.AddressOption = addressOption(n)
	if len(ways) == 0 && h.SSH.Alias && !h.Local && h.AddressOption == nil {
		ways = []Way{{Address: h.Name}}
	}
	h.Unconnected = len(ways) == 0 && n.get("host") == nil && !h.Local
	if len(ways) == 0 {
		return
	}
	if ways[0].Port != 0 {
		pos["port"] = n.get("host").at
	}
	if ways[0].User != "" {
		pos["user"] = n.get("host").at
	}
	for i := range ways {
		ways[i].Port, ways[i].User = cmp.Or(ways[i].Port, h.Port), cmp.Or(ways[i].User, h.User)
	}
	h.Address, h.Port, h.User, h.Others = ways[0].Address, ways[0].Port, ways[0].User, ways[1:]
}

// ways decodes the addresses of a host.
func (d *decoder) ways(n *node, path string) []Way {
	at := n.get("host")
	if at == nil {
		return nil
	}
	list, one := at.elems, at.kind != listKind
	if one {
		list = []*node{at}
	}
	path += ".host"
	var ways []Way
	for i, e := range list {
		below := path
		if !one {
			below = fmt.Sprintf("%s[%d]", path, i)
		}
		w := d.way(e, below)
		if w.Address == "" {
			continue
		}
		if own := n.get("port"); one && own != nil && w.Port != 0 && number32(own) != 0 && number32(own) != w.Port {
			d.report.add(e.at, below, "conflict", "the address has port %d, and the field port says %d", w.Port, own.num).Hint = "see " + own.at.String()
		}
		if own := n.get("user"); one && own != nil && w.User != "" && text(own) != "" && text(own) != w.User {
			d.report.add(e.at, below, "conflict", "the address has user %s, and the field user says %s", quote(w.User), quote(own.text)).Hint = "see " + own.at.String()
		}
		ways = append(ways, w)
	}
	return ways
}

// ways adds the addresses of a host: one with the fields port and user, several as a list.
func (r *resolver) ways(h *Host, at func(string) Pos) {
	if len(h.Others) == 0 {
		if o := h.AddressOption; o != nil {
			r.add("host", at("host"), r.set(at("host"), func() { r.text("$config", o.Option, o.At) }))
		} else {
			r.text("host", h.Address, at("host"))
		}
		r.number("port", h.Port, at("port"))
		r.text("user", h.User, at("user"))
		return
	}
	l := List{At: at("host")}
	for i, w := range h.Ways() {
		where := at(fmt.Sprintf("host[%d]", i))
		l.Elems = append(l.Elems, String{where, w.String()})
	}
	r.add("host", l.At, l)
}
