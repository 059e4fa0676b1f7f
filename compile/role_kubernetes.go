package compile

import (
	"net/netip"

	"muster/schema"
)

// The let-bound modules of the built-in roles.
const (
	masterModule = "kubernetesMaster"
	nodeModule   = "kubernetesNode"
)

// apiPort is the port of the API server. It is that of https, so that
// https://master reaches it.
const apiPort = 443

// defaultDomain is the default of NixOS, which is not written.
const defaultDomain = "cluster.local"

// kubernetes returns the options of a member of the cluster, following the chapter
// on Kubernetes in the NixOS manual. A master may have the role of a node too.
func (w *writer) kubernetes(master bool) *schema.Attrs {
	k := w.fleet.Kluster
	head := w.fleet.Host(k.Master)
	set := &schema.Attrs{At: k.At}
	text := func(s string) schema.String { return schema.String{At: k.At, V: s} }

	// Members reach the master by its name, which networking.extraHosts resolves.
	// If the address is itself a name, it resolves already.
	address := head.Name
	if _, err := netip.ParseAddr(head.Address); err == nil {
		put(set, text(head.Address+" "+head.Name), "networking", "extraHosts")
	} else if head.Address != "" {
		address = head.Address
	}
	api := "https://" + address + ":443"

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
		at(schema.Int{At: k.At, V: apiPort}, "apiserver", "securePort")
		if _, err := netip.ParseAddr(head.Address); err == nil {
			at(text(head.Address), "apiserver", "advertiseAddress")
		}
		if k.ServiceCIDR.IsValid() {
			at(text(k.ServiceCIDR.String()), "apiserver", "serviceClusterIpRange")
		}
	} else {
		at(text(api), "apiserverAddress")
		at(text(api), "kubelet", "kubeconfig", "server")
	}
	if k.PodCIDR.IsValid() {
		at(text(k.PodCIDR.String()), "clusterCidr")
	}
	at(schema.Bool{At: k.At, V: true}, "addons", "dns", "enable")
	if k.Domain != "" && k.Domain != defaultDomain {
		at(text(k.Domain), "addons", "dns", "clusterDomain")
	}
	return set
}
