package compile

import (
	"fmt"
	"net/netip"
	"strings"

	"muster/schema"
)

// nodeAddresses are the addresses with which a host is a node, as --node-ip has them; "" for
// none.
func (w *writer) nodeAddresses(h *schema.Host) string {
	var all []string
	for _, a := range w.fleet.Kluster.NodeAddresses(h) {
		all = append(all, a.String())
	}
	return strings.Join(all, ",")
}

// both is a network as an option has it: that of the inventory, "" for the default, or with
// that of IPv6 the one that there is.
func both(given, is, six netip.Prefix) string {
	switch {
	case six.IsValid():
		return is.String() + "," + six.String()
	case given.IsValid():
		return given.String()
	}
	return ""
}

// podNetworks puts the networks of the pods. The module hands services.kubernetes.clusterCidr
// on to flannel, which takes that of IPv6 in fields of its own, without an option for them
// (https://github.com/flannel-io/flannel/blob/master/Documentation/configuration.md).
func (w *writer) podNetworks(set *schema.Attrs) {
	k := w.fleet.Kluster
	cidr := both(k.PodCIDR, k.Pods(), k.PodCIDR6)
	if cidr == "" {
		return
	}
	at := k.PosOf("pod_cidr")
	if k.DualStack() {
		at = k.PosOf("pod_cidr6")
	}
	put(set, schema.String{At: at, V: cidr}, "services", "kubernetes", "clusterCidr")
	if !k.DualStack() {
		return
	}
	put(set, schema.String{At: at, V: k.Pods().String()}, "services", "flannel", "network")
	config := fmt.Sprintf(`pkgs.writeText "net-conf.json" (builtins.toJSON {
  Network = config.services.flannel.network;
  SubnetLen = config.services.flannel.subnetLen;
  Backend = config.services.flannel.backend;
  EnableIPv6 = true;
  IPv6Network = %q;
})`, k.PodCIDR6)
	put(set, schema.Mark{At: at, Kind: schema.Force, Values: []schema.Value{schema.Expr{At: at, Text: config}}}, "environment", "etc", "kube-flannel/net-conf.json", "source")
	put(set, schema.Int{At: at, V: 1}, "boot", "kernel", "sysctl", "net.ipv6.conf.all.forwarding")
}

// serviceNetworks puts the networks of the services, on masters.
func (w *writer) serviceNetworks(set *schema.Attrs) {
	k := w.fleet.Kluster
	cidr := both(k.ServiceCIDR, k.Services(), k.ServiceCIDR6)
	if cidr == "" {
		return
	}
	put(set, schema.String{At: k.At, V: cidr}, "services", "kubernetes", "apiserver", "serviceClusterIpRange")
	if k.DualStack() {
		put(set, schema.String{At: k.PosOf("service_cidr6"), V: "--service-cluster-ip-range=" + cidr}, "services", "kubernetes", "controllerManager", "extraOpts")
	}
}
