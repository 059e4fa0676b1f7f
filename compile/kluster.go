package compile

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"muster/schema"
)

// The let-bound modules of the built-in roles.
const (
	masterModule = "kubernetesMaster"
	nodeModule   = "kubernetesNode"
)

// defaultDomain is the default of NixOS, which is not written.
const defaultDomain = "cluster.local"

// kluster returns the options that the cluster's masters share, or its nodes.
func (w *writer) kluster(master bool) *schema.Attrs {
	switch k := w.fleet.Kluster; {
	case k.Distribution != schema.Kubernetes:
		return w.rancher(master)
	case k.PKI != "":
		return w.certified(master)
	}
	return w.kubernetes(master)
}

// member puts the options that the cluster needs of one host.
func (w *writer) member(own *schema.Attrs, h *schema.Host) {
	k := w.fleet.Kluster
	if k == nil {
		return
	}
	if slices.Contains(k.LoadBalancers, h.Name) {
		w.balancer(own, h)
	}
	in := h.HasRole(schema.RoleMaster) || h.HasRole(schema.RoleNode)
	if k.HasDatastore() && slices.Contains(k.Etcd, h.Name) {
		w.etcdMember(own, h)
	}
	switch {
	case k.Distribution != schema.Kubernetes && in:
		w.rancherMember(own, h)
	case k.Distribution == schema.Kubernetes && k.PKI != "":
		w.certifiedMember(own, h)
	}
	if k.Distribution == schema.Kubernetes && in && h.Node != nil {
		kubeletNode(own, h.Node)
	}
	if in {
		w.pinnedVersion(own, h)
	}
}

// kubeletNode puts the labels and taints with which a kubelet registers its node.
func kubeletNode(own *schema.Attrs, n *schema.KlusterNode) {
	if len(n.Labels) > 0 {
		put(own, schema.String{At: n.At, V: "--node-labels=" + labels(n)}, "services", "kubernetes", "kubelet", "extraOpts")
	}
	for i, taint := range n.Taints {
		key, effect, _ := strings.Cut(taint, ":")
		key, value, _ := strings.Cut(key, "=")
		one := &schema.Attrs{At: n.At}
		for _, f := range [][2]string{{"key", key}, {"value", value}, {"effect", effect}} {
			put(one, schema.String{At: n.At, V: f[1]}, f[0])
		}
		put(own, one, "services", "kubernetes", "kubelet", "taints", fmt.Sprintf("taint%d", i+1))
	}
}

// labels are a node's as the kubelet's option has them.
func labels(n *schema.KlusterNode) string {
	var all []string
	for _, l := range n.Labels {
		all = append(all, l.Name+"="+l.Value)
	}
	return strings.Join(all, ",")
}

// klusterAddress is the address by which the cluster's members know a host.
func (w *writer) klusterAddress(name string) string {
	if h := w.fleet.Host(name); h != nil {
		return h.ClusterAddress()
	}
	return name
}

// apiAddress is the address at which the cluster is reached.
func (w *writer) apiAddress() string {
	return w.fleet.APIHost()
}

// apiURL is the URL of the cluster's API.
func (w *writer) apiURL() string {
	return "https://" + w.fleet.APIAddress()
}

func https(address string, port int) string {
	return "https://" + net.JoinHostPort(address, strconv.Itoa(port))
}

// ports is a list of ports, for the firewall.
func ports(at schema.Pos, numbers ...int) schema.List {
	l := schema.List{At: at}
	for _, n := range numbers {
		l.Elems = append(l.Elems, schema.Int{At: at, V: int64(n)})
	}
	return l
}

// kubernetes returns the options of a member of a cluster with one master whose
// certificates NixOS makes, following the chapter on Kubernetes in the NixOS manual. A
// master may have the role of a node too.
func (w *writer) kubernetes(master bool) *schema.Attrs {
	k := w.fleet.Kluster
	head := w.fleet.Host(k.First())
	set := &schema.Attrs{At: k.At}
	text := func(s string) schema.String { return schema.String{At: k.At, V: s} }

	// Members reach the master by its name, which networking.extraHosts resolves.
	// If the address is itself a name, it resolves already.
	address, where := head.Name, head.Address
	if k.Mesh != "" {
		where = head.ClusterAddress()
		put(set, text(k.Mesh), "services", "flannel", "iface")
	}
	_, err := netip.ParseAddr(where)
	isIP := err == nil
	if isIP {
		put(set, text(where+" "+head.Name), "networking", "extraHosts")
	} else if where != "" {
		address = where
	}
	api := https(address, k.ServerPort())

	put(set, schema.List{At: k.At, Elems: []schema.Value{
		schema.Pkg{At: k.At, Name: "kubernetes"},
		schema.Pkg{At: k.At, Name: "kubectl"},
	}}, "environment", "systemPackages")

	roles := []string{"node"}
	if master {
		roles = []string{"master"}
		if head.HasRole(schema.RoleNode) {
			roles = append(roles, "node")
		}
	}
	at := func(v schema.Value, path ...string) {
		put(set, v, append([]string{"services", "kubernetes"}, path...)...)
	}
	at(texts(k.At, roles), "roles")
	at(text(address), "masterAddress")
	at(schema.Bool{At: k.At, V: true}, "easyCerts")
	if master {
		at(schema.Int{At: k.At, V: int64(k.ServerPort())}, "apiserver", "securePort")
		if isIP {
			at(text(where), "apiserver", "advertiseAddress")
		}
		w.serviceNetworks(set)
	} else {
		at(text(api), "apiserverAddress")
		at(text(api), "kubelet", "kubeconfig", "server")
	}
	w.podNetworks(set)
	w.addons(set, master)
	if k.Domain != "" && k.Domain != defaultDomain {
		at(text(k.Domain), "addons", "dns", "clusterDomain")
	}
	return set
}
