package compile

import (
	"strings"

	"muster/schema"
)

// The ports of k3s and RKE2, besides that of the API: https://docs.k3s.io/installation/requirements
// and https://docs.rke2.io/install/requirements.
const (
	kubeletPort = 10250
	vxlanPort   = 8472 // UDP
)

// controlPlaneTaint keeps pods away from masters that are no nodes.
const controlPlaneTaint = "node-role.kubernetes.io/control-plane=true:NoSchedule"

// rancher returns the options of a server or an agent of k3s or RKE2, following the guides
// of their NixOS modules (pkgs/applications/networking/cluster/k3s/docs).
func (w *writer) rancher(master bool) *schema.Attrs {
	k := w.fleet.Kluster
	set := &schema.Attrs{At: k.At}
	at := func(v schema.Value, option string) { put(set, v, "services", string(k.Distribution), option) }
	open := []int{kubeletPort}
	role := "agent"
	var flags []string
	if master {
		role = "server"
		open = append(open, schema.APIPort)
		if k.Distribution == schema.RKE2 {
			open = append(open, schema.RKE2Port)
		}
		if len(k.Masters) > 1 && !k.HasDatastore() {
			open = append(open, etcdClientPort, etcdPeerPort)
		}
		flags = w.serverFlags()
		w.rancherManifests(set)
	}
	put(set, ports(k.At, open...), "networking", "firewall", "allowedTCPPorts")
	put(set, ports(k.At, vxlanPort), "networking", "firewall", "allowedUDPPorts")
	at(schema.Bool{At: k.At, V: true}, "enable")
	at(schema.String{At: k.At, V: role}, "role")
	if k.Token != "" {
		at(schema.SecretPath{At: k.PosOf("token"), Name: k.Token}, "tokenFile")
	}
	if !master {
		at(schema.String{At: k.At, V: w.joinURL()}, "serverAddr")
	}
	if len(flags) > 0 {
		at(texts(k.At, flags), "extraFlags")
	}
	return set
}

// serverFlags are the options that all servers have alike, as they must.
func (w *writer) serverFlags() []string {
	k := w.fleet.Kluster
	var flags []string
	add := func(name, value string) {
		if value != "" {
			flags = append(flags, "--"+name+"="+value)
		}
	}
	add("cluster-cidr", both(k.PodCIDR, k.Pods(), k.PodCIDR6))
	add("service-cidr", both(k.ServiceCIDR, k.Services(), k.ServiceCIDR6))
	if k.DualStack() && k.Distribution == schema.K3s && k.PodCIDR6.Addr().IsPrivate() {
		flags = append(flags, "--flannel-ipv6-masq") // nobody else routes to such addresses
	}
	if k.Domain != defaultDomain {
		add("cluster-domain", k.Domain)
	}
	add("tls-san", k.API.Address)
	if k.NoDNS {
		add("disable", map[schema.Distribution]string{schema.K3s: "coredns", schema.RKE2: "rke2-coredns"}[k.Distribution])
	}
	if k.HasDatastore() && len(k.Etcd) > 0 {
		flags = append(flags, w.datastoreFlags()...)
	}
	return flags
}

// datastoreFlags are the options by which servers of k3s reach the members of etcd
// (https://docs.k3s.io/datastore).
func (w *writer) datastoreFlags() []string {
	k := w.fleet.Kluster
	var members []string
	for _, m := range k.Etcd {
		members = append(members, https(w.klusterAddress(m), etcdClientPort))
	}
	file := schema.SecretsDir + "/" + schema.CertAPIServerEtcd
	return []string{
		"--datastore-endpoint=" + strings.Join(members, ","),
		"--datastore-cafile=/etc/" + etcdAuthorityFile,
		"--datastore-certfile=" + file,
		"--datastore-keyfile=" + file,
	}
}

// datastoreAuthority is the option with the authority of etcd, whose file is beside the
// inventory.
func (w *writer) datastoreAuthority(own *schema.Attrs) {
	k := w.fleet.Kluster
	at := k.PosOf("etcd")
	put(own, schema.Path{At: at, Name: schema.CertificateFile(k.EtcdAuthority())}, "environment", "etc", etcdAuthorityFile, "source")
}

// etcdAuthorityFile is the name below /etc of the certificate of etcd's authority.
const etcdAuthorityFile = "rancher/k3s/etcd-ca.crt"

// joinURL is where new members join.
func (w *writer) joinURL() string {
	if w.fleet.Kluster.Distribution == schema.RKE2 {
		return https(w.apiAddress(), schema.RKE2Port)
	}
	return w.apiURL()
}

// rancherMember puts what differs between members.
func (w *writer) rancherMember(own *schema.Attrs, h *schema.Host) {
	k := w.fleet.Kluster
	at := func(v schema.Value, option string) { put(own, v, "services", string(k.Distribution), option) }
	master := h.HasRole(schema.RoleMaster)
	switch {
	case !master:
	case k.HasDatastore(): // in which servers find each other
		if len(k.Etcd) > 0 {
			w.datastoreAuthority(own)
		}
	case h.Name != k.First():
		at(schema.String{At: k.PosOf("masters"), V: w.joinURL()}, "serverAddr")
	case k.Distribution == schema.K3s && len(k.Masters) > 1:
		at(schema.Bool{At: k.PosOf("masters"), V: true}, "clusterInit")
	}
	var flags []string
	if addresses := w.nodeAddresses(h); addresses != "" {
		flags = append(flags, "--node-ip="+addresses)
	}
	if k.Mesh != "" && k.Distribution == schema.K3s {
		flags = append(flags, "--flannel-iface="+k.Mesh)
	}
	if master && !h.HasRole(schema.RoleNode) {
		flags = append(flags, "--node-taint="+controlPlaneTaint)
	}
	if h.Node != nil {
		for _, l := range h.Node.Labels {
			flags = append(flags, "--node-label="+l.Name+"="+l.Value)
		}
		for _, t := range h.Node.Taints {
			flags = append(flags, "--node-taint="+t)
		}
	}
	if len(flags) > 0 {
		at(texts(h.At, flags), "extraFlags")
	}
}
