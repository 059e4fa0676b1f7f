package compile

import (
	"fmt"
	"net/netip"
	"slices"

	"muster/schema"
)

// certified returns the options of a member of a cluster of services.kubernetes whose
// certificates muster makes: any number of masters, and of members of etcd, on them or
// elsewhere. It sets what services.kubernetes.pki sets for one master
// (nixos/modules/services/cluster/kubernetes/pki.nix).
func (w *writer) certified(master bool) *schema.Attrs {
	k := w.fleet.Kluster
	set := &schema.Attrs{At: k.At}
	text := func(s string) schema.String { return schema.String{At: k.At, V: s} }
	at := func(v schema.Value, path ...string) {
		put(set, v, append([]string{"services", "kubernetes"}, path...)...)
	}
	pair := func(secret, cert, key string, path ...string) {
		file := schema.SecretPath{At: k.PosOf("pki"), Name: secret}
		at(file, append(slices.Clone(path), cert)...)
		at(file, append(slices.Clone(path), key)...)
	}
	client := func(secret string, path ...string) {
		at(text(w.apiURL()), append(slices.Clone(path), "server")...)
		pair(secret, "certFile", "keyFile", path...)
	}
	ca := schema.Path{At: k.PosOf("pki"), Name: schema.CertificateFile(k.Authority())}

	put(set, schema.List{At: k.At, Elems: []schema.Value{
		schema.Pkg{At: k.At, Name: "kubernetes"},
		schema.Pkg{At: k.At, Name: "kubectl"},
	}}, "environment", "systemPackages")
	open := []int{kubeletPort} // for logs and exec, which the API servers pass on
	if master {
		open = append(open, schema.APIPort)
	}
	if k.Mesh != "" {
		put(set, text(k.Mesh), "services", "flannel", "iface")
	}
	put(set, ports(k.At, open...), "networking", "firewall", "allowedTCPPorts")
	at(text(w.apiAddress()), "masterAddress")
	at(text(w.apiURL()), "apiserverAddress")
	at(schema.Bool{At: k.PosOf("pki"), V: false}, "easyCerts") // which roles switch on
	at(ca, "caFile")
	w.podNetworks(set)
	w.addons(set, master)
	if k.Domain != defaultDomain {
		at(text(k.Domain), "addons", "dns", "clusterDomain")
	}
	if master {
		w.serviceNetworks(set)
		w.controlPlane(at, pair, client, ca)
		w.addonManager(set)
	}
	at(ca, "kubelet", "clientCaFile")
	pair(schema.CertKubelet, "tlsCertFile", "tlsKeyFile", "kubelet")
	client(schema.CertKubelet, "kubelet", "kubeconfig")
	client(schema.CertProxy, "proxy", "kubeconfig")
	put(set, w.kubeconfig("flannel", schema.CertFlannel), "services", "flannel", "kubeconfig")
	return set
}

// controlPlane puts the options of what only masters run.
func (w *writer) controlPlane(at func(schema.Value, ...string), pair func(secret, cert, key string, path ...string), client func(string, ...string), ca schema.Path) {
	k := w.fleet.Kluster
	var etcd []string
	for _, m := range k.Etcd {
		etcd = append(etcd, https(w.klusterAddress(m), etcdClientPort))
	}
	at(schema.Int{At: k.At, V: schema.APIPort}, "apiserver", "securePort")
	// Names of nodes need not be known to masters.
	at(schema.String{At: k.At, V: "InternalIP,Hostname"}, "apiserver", "preferredAddressTypes")
	at(ca, "apiserver", "clientCaFile")
	pair(schema.CertAPIServer, "tlsCertFile", "tlsKeyFile", "apiserver")
	at(texts(k.PosOf("etcd"), etcd), "apiserver", "etcd", "servers")
	at(schema.Path{At: ca.At, Name: schema.CertificateFile(k.EtcdAuthority())}, "apiserver", "etcd", "caFile")
	pair(schema.CertAPIServerEtcd, "certFile", "keyFile", "apiserver", "etcd")
	at(ca, "apiserver", "kubeletClientCaFile")
	pair(schema.CertAPIServerKubelet, "kubeletClientCertFile", "kubeletClientKeyFile", "apiserver")
	pair(schema.CertAPIServerProxy, "proxyClientCertFile", "proxyClientKeyFile", "apiserver")
	pair(schema.CertServiceAccount, "serviceAccountKeyFile", "serviceAccountSigningKeyFile", "apiserver")
	at(ca, "controllerManager", "rootCaFile")
	at(schema.SecretPath{At: k.PosOf("pki"), Name: schema.CertServiceAccount}, "controllerManager", "serviceAccountKeyFile")
	client(schema.CertControllerManager, "controllerManager", "kubeconfig")
	client(schema.CertScheduler, "scheduler", "kubeconfig")
}

// kubeconfig is a kubeconfig file with a client's certificate, which the NixOS module
// writes.
func (w *writer) kubeconfig(name, secret string) schema.Expr {
	file := schema.SecretsDir + "/" + secret
	return schema.Expr{At: w.fleet.Kluster.PosOf("pki"), Text: fmt.Sprintf(`config.services.kubernetes.lib.mkKubeConfig %q { server = %q; certFile = %q; keyFile = %q; }`, name, w.apiURL(), file, file)}
}

// addonManager puts the options by which the addon manager reaches the API, and sets up
// what it needs there as the cluster's administrator.
func (w *writer) addonManager(set *schema.Attrs) {
	at := w.fleet.Kluster.PosOf("pki")
	unit := []string{"systemd", "services", "kube-addon-manager"}
	put(set, w.kubeconfig("addon-manager", schema.CertAddonManager), append(slices.Clone(unit), "environment", "KUBECONFIG")...)
	put(set, w.kubeconfig("cluster-admin", schema.CertAdmin), "environment", "etc", "kubernetes/cluster-admin.kubeconfig", "source")
	put(set, schema.Expr{At: at, Text: bootstrapAddons}, append(slices.Clone(unit), "preStart")...)
}

const bootstrapAddons = `lib.mkIf (config.services.kubernetes.addonManager.bootstrapAddons != { }) ''
  export KUBECONFIG=/etc/kubernetes/cluster-admin.kubeconfig
  ${pkgs.kubectl}/bin/kubectl apply ${lib.concatMapStringsSep " " (addon: "-f ${addon}") (lib.mapAttrsToList (n: addon: pkgs.writeText "${n}.json" (builtins.toJSON addon)) config.services.kubernetes.addonManager.bootstrapAddons)}
''`

// The ports of etcd.
const (
	etcdClientPort = 2379
	etcdPeerPort   = 2380
)

// certifiedMember puts what differs between members.
func (w *writer) certifiedMember(own *schema.Attrs, h *schema.Host) {
	k := w.fleet.Kluster
	at := func(v schema.Value, path ...string) {
		put(own, v, append([]string{"services", "kubernetes"}, path...)...)
	}
	master, node := h.HasRole(schema.RoleMaster), h.HasRole(schema.RoleNode)
	var roles []string
	if master {
		roles = append(roles, "master")
	}
	if node {
		roles = append(roles, "node")
	}
	if len(roles) > 0 {
		at(texts(h.PosOf("roles"), roles), "roles")
		if addresses := w.nodeAddresses(h); addresses != "" {
			at(schema.String{At: h.PosOf("host"), V: addresses}, "kubelet", "nodeIp")
			if master {
				at(schema.String{At: h.PosOf("host"), V: h.ClusterAddress()}, "apiserver", "advertiseAddress")
			}
		}
	}
	if slices.Contains(k.Etcd, h.Name) {
		w.etcdMember(own, h)
	} else if master {
		// The role of a master switches it on.
		put(own, schema.Mark{At: k.PosOf("etcd"), Kind: schema.Force, Values: []schema.Value{schema.Bool{At: k.PosOf("etcd"), V: false}}}, "services", "etcd", "enable")
	}
}

// etcdMember puts the options of a member of etcd.
func (w *writer) etcdMember(own *schema.Attrs, h *schema.Host) {
	k := w.fleet.Kluster
	pos := k.PosOf("etcd")
	at := func(v schema.Value, option string) { put(own, v, "services", "etcd", option) }
	url := func(address string, port int) schema.List {
		return texts(pos, []string{https(address, port)})
	}
	address := h.ClusterAddress()
	every := "0.0.0.0"
	if a, err := netip.ParseAddr(address); err == nil && a.Is6() {
		every = "::"
	}
	var members []string
	for _, m := range k.Etcd {
		members = append(members, m+"="+https(w.klusterAddress(m), etcdPeerPort))
	}
	at(schema.Bool{At: pos, V: true}, "enable")
	at(schema.Bool{At: pos, V: true}, "openFirewall")
	at(schema.String{At: pos, V: h.Name}, "name")
	at(url(every, etcdClientPort), "listenClientUrls")
	at(url(every, etcdPeerPort), "listenPeerUrls")
	at(url(address, etcdClientPort), "advertiseClientUrls")
	at(url(address, etcdPeerPort), "initialAdvertisePeerUrls")
	at(texts(pos, members), "initialCluster")
	at(schema.Bool{At: pos, V: true}, "clientCertAuth")
	at(schema.Bool{At: pos, V: true}, "peerClientCertAuth")
	at(schema.Path{At: pos, Name: schema.CertificateFile(k.EtcdAuthority())}, "trustedCaFile")
	for _, option := range []string{"certFile", "keyFile"} {
		at(schema.SecretPath{At: pos, Name: schema.CertEtcd}, option)
	}
}
