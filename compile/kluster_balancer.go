package compile

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"muster/schema"
)

// balancer puts the options of a host that hands requests to the API servers of all
// masters. Several of them share the API's address (VRRP): one whose HAProxy does not run
// gives it up.
func (w *writer) balancer(own *schema.Attrs, h *schema.Host) {
	k := w.fleet.Kluster
	at := k.PosOf("load_balancers")
	forward := [][2]int{{cmp.Or(k.API.Port, schema.APIPort), schema.APIPort}}
	if k.Distribution == schema.RKE2 {
		forward = append(forward, [2]int{schema.RKE2Port, schema.RKE2Port})
	}
	var open []int
	for _, f := range forward {
		open = append(open, f[0])
	}
	put(own, ports(at, open...), "networking", "firewall", "allowedTCPPorts")
	put(own, schema.Bool{At: at, V: true}, "services", "haproxy", "enable")
	put(own, schema.String{At: at, V: w.haproxyConfig(forward)}, "services", "haproxy", "config")
	if len(k.LoadBalancers) < 2 {
		return
	}
	keepalived := func(v schema.Value, path ...string) {
		put(own, v, append([]string{"services", "keepalived"}, path...)...)
	}
	instance := []string{"vrrpInstances", "kubernetes"}
	in := func(v schema.Value, option string) { keepalived(v, append(slices.Clone(instance), option)...) }
	keepalived(schema.Bool{At: at, V: true}, "enable")
	keepalived(schema.Bool{At: at, V: true}, "openFirewall")
	keepalived(schema.Template{At: at, Text: "${pkgs.systemd}/bin/systemctl is-active --quiet haproxy.service"}, "vrrpScripts", "haproxy", "script")
	keepalived(schema.Int{At: at, V: 2}, "vrrpScripts", "haproxy", "interval")
	keepalived(schema.Int{At: at, V: -2 * int64(len(k.LoadBalancers))}, "vrrpScripts", "haproxy", "weight")
	in(schema.String{At: k.PosOf("api"), V: k.API.Interface}, "interface")
	in(schema.Int{At: at, V: virtualRouter}, "virtualRouterId")
	in(schema.Int{At: at, V: int64(100 - slices.Index(k.LoadBalancers, h.Name))}, "priority")
	in(texts(at, []string{"haproxy"}), "trackScripts")
	ip := &schema.Attrs{At: k.PosOf("api")}
	put(ip, schema.String{At: k.PosOf("api"), V: onlyHost(k.API.Address)}, "addr")
	in(schema.List{At: at, Elems: []schema.Value{ip}}, "virtualIps")
}

// virtualRouter is the VRRP router of the API's address, 1 to 255 and unique in a network.
const virtualRouter = 64

// onlyHost is an address as a network of one.
func onlyHost(address string) string {
	if a, err := netip.ParseAddr(address); err == nil {
		return netip.PrefixFrom(a, a.BitLen()).String()
	}
	return address
}

// haproxyConfig forwards ports to all masters, by TCP: clients and servers prove
// themselves to each other.
func (w *writer) haproxyConfig(forward [][2]int) string {
	var b strings.Builder
	b.WriteString("defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n")
	for _, f := range forward {
		fmt.Fprintf(&b, "\nlisten kubernetes-%d\n  bind :::%d v4v6\n  option tcp-check\n", f[0], f[0])
		for _, m := range w.fleet.Kluster.Masters {
			fmt.Fprintf(&b, "  server %s %s check\n", m, net.JoinHostPort(w.klusterAddress(m), strconv.Itoa(f[1])))
		}
	}
	return b.String()
}
