package schema

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Distribution is what makes a Kubernetes cluster.
type Distribution string

// The distributions, by the names of their NixOS modules.
const (
	Kubernetes Distribution = "kubernetes"
	K3s        Distribution = "k3s"
	RKE2       Distribution = "rke2"
)

// Kluster is the fleet's Kubernetes cluster.
type Kluster struct {
	At            Pos
	Distribution  Distribution
	Masters       []string // names of the hosts with the control plane; the first begins the cluster
	Etcd          []string
	LoadBalancers []string
	API           KlusterAPI
	Token         string // k3s, rke2: name of the secret with which members join
	PKI           string // kubernetes: folder of the certificates that muster makes; "" for those of NixOS
	Domain        string
	PodCIDR       netip.Prefix
	ServiceCIDR   netip.Prefix
	PodCIDR6      netip.Prefix // not valid for a cluster with one family of addresses
	ServiceCIDR6  netip.Prefix
	MeshCIDR      netip.Prefix // the private network between the hosts, if any
	Version       string       // of Kubernetes; "" where it is not pinned
	Rollout       *KlusterRollout
	NoDNS         bool // it has no DNS of its own
	Manifests     []Manifest
	Mesh          string // the mesh whose addresses the members use; "" for none
	pos           map[string]Pos
}

// KlusterAPI is where a cluster's API is reached. Address is "" for the first master's.
type KlusterAPI struct {
	Address   string
	Port      int    // 0 means 6443
	Interface string // on which several load balancers share the address
}

// A KlusterNode is what the cluster knows of a host.
type KlusterNode struct {
	At     Pos
	Labels []Label
	Taints []string // key=value:Effect

	Version   string // of Kubernetes; "" for the cluster's
	versionAt Pos

	labelsAt, taintsAt []Pos
}

// A Label is one of a node.
type Label struct{ Name, Value string }

// PosOf returns the position of a field such as "master", or that of the cluster
// if the inventory does not have the field.
func (k *Kluster) PosOf(field string) Pos {
	if p, ok := k.pos[field]; ok {
		return p
	}
	return k.At
}

// First is the master that begins the cluster; "" where the inventory has none.
func (k *Kluster) First() string {
	if len(k.Masters) == 0 {
		return ""
	}
	return k.Masters[0]
}

// IsMaster reports whether a host has the control plane.
func (k *Kluster) IsMaster(host string) bool { return slices.Contains(k.Masters, host) }

// HasDatastore reports whether k3s keeps the cluster's state elsewhere than on its masters:
// in the etcd of kluster.etcd, or, where that is empty, in what the configuration of the
// masters says.
func (k *Kluster) HasDatastore() bool {
	_, given := k.pos["etcd"]
	return k.Distribution == K3s && given
}

// mastersField is the field that names the masters.
func (k *Kluster) mastersField() string {
	if _, ok := k.pos["masters"]; ok {
		return "masters"
	}
	return "master"
}

func (d *decoder) kluster(n *node) {
	if n == nil || n.kind != structKind {
		return
	}
	k := &Kluster{At: n.at, pos: make(map[string]Pos)}
	for _, f := range n.fields {
		k.pos[f.name] = f.val.at
	}
	k.Distribution = Kubernetes
	if name := text(n.get("distribution")); name != "" {
		k.Distribution = Distribution(name)
	}
	if k.Masters = texts(n.get("masters")); text(n.get("master")) != "" {
		k.Masters = []string{n.get("master").text}
	}
	d.oneOf(n, "kluster", "master", "masters")
	if k.Etcd = texts(n.get("etcd")); n.get("etcd") == nil {
		k.Etcd = k.Masters
	}
	k.LoadBalancers = texts(n.get("load_balancers"))
	if a := n.get("api"); a != nil && a.kind == structKind {
		k.API = KlusterAPI{Address: text(a.get("address")), Port: number32(a.get("port")), Interface: text(a.get("interface"))}
	}
	k.Token = text(n.get("token"))
	if p := n.get("pki"); text(p) != "" {
		k.PKI = d.resolve(p.text, p.at)
	}
	k.Domain = text(n.get("domain"))
	k.PodCIDR = d.prefix(n.get("pod_cidr"), "kluster.pod_cidr")
	k.ServiceCIDR = d.prefix(n.get("service_cidr"), "kluster.service_cidr")
	k.PodCIDR6 = d.prefix(n.get("pod_cidr6"), "kluster.pod_cidr6")
	k.ServiceCIDR6 = d.prefix(n.get("service_cidr6"), "kluster.service_cidr6")
	k.NoDNS = n.get("dns") != nil && !truth(n.get("dns"))
	k.Manifests = d.manifests(n.get("manifests"))
	k.Mesh = text(n.get("mesh"))
	k.MeshCIDR = d.prefix(n.get("mesh_cidr"), "kluster.mesh_cidr")
	if k.Domain == "" {
		k.Domain = "cluster.local"
	}
	k.Version = text(n.get("version"))
	k.Rollout = d.klusterRollout(n.get("rollout"))
	d.fleet.Kluster = k
}

// klusterNode decodes what the cluster knows of a host.
func klusterNode(n *node) *KlusterNode {
	if n == nil || n.kind != structKind {
		return nil
	}
	node := &KlusterNode{At: n.at, Taints: texts(n.get("taints")), Version: text(n.get("version"))}
	if v := n.get("version"); v != nil {
		node.versionAt = v.at
	}
	if taints := n.get("taints"); taints != nil {
		for _, e := range taints.elems {
			if e.kind == stringKind { // as in Taints
				node.taintsAt = append(node.taintsAt, e.at)
			}
		}
	}
	if labels := n.get("labels"); labels != nil {
		for _, f := range labels.fields {
			node.Labels = append(node.Labels, Label{f.name, text(f.val)})
			node.labelsAt = append(node.labelsAt, f.at)
		}
	}
	return node
}

// memberRoles are the roles of a host that the inventory gives none: what the cluster has
// it for.
func (k *Kluster) memberRoles(host string) []string {
	switch {
	case k.IsMaster(host):
		return []string{RoleMaster, RoleNode}
	case slices.Contains(k.LoadBalancers, host):
		return []string{RoleBalancer}
	}
	return []string{RoleNode}
}

// A member's certificates are secrets, by these names, each of a file of the folder pki.
const (
	CertAPIServer         = "kubernetes-apiserver"
	CertAPIServerEtcd     = "kubernetes-apiserver-etcd-client"
	CertAPIServerKubelet  = "kubernetes-apiserver-kubelet-client"
	CertAPIServerProxy    = "kubernetes-apiserver-proxy-client"
	CertServiceAccount    = "kubernetes-service-account"
	CertControllerManager = "kubernetes-controller-manager"
	CertScheduler         = "kubernetes-scheduler"
	CertAddonManager      = "kubernetes-addon-manager"
	CertAdmin             = "kubernetes-cluster-admin"
	CertKubelet           = "kubernetes-kubelet"
	CertProxy             = "kubernetes-proxy"
	CertFlannel           = "kubernetes-flannel"
	CertEtcd              = "kubernetes-etcd"
)

// Authority is the file of the authority that signs the cluster's certificates, and
// EtcdAuthority that of etcd: who may be a client of the API is none of etcd.
func (k *Kluster) Authority() string     { return k.pkiFile("ca") }
func (k *Kluster) EtcdAuthority() string { return k.pkiFile("etcd-ca") }

func (k *Kluster) pkiFile(name string) string {
	return k.PKI + "/" + name + ".age"
}

// secrets are a host's certificates, where muster makes the cluster's. The names and
// groups are those that Kubernetes and the NixOS module expect:
// https://kubernetes.io/docs/setup/best-practices/certificates and
// nixos/modules/services/cluster/kubernetes/pki.nix.
func (k *Kluster) secrets(h *Host) []*Secret {
	if k == nil || k.PKI == "" || k.Distribution == RKE2 {
		return nil
	}
	var all []*Secret
	add := func(secret, file, owner string, g Generate, units ...string) {
		g.Kind = "x509"
		if g.Authority == "" {
			g.Authority = k.Authority()
		}
		all = append(all, &Secret{
			Name: secret, At: k.PosOf("pki"), Age: k.pkiFile(file), Generate: g,
			Owner: owner, Group: "root", Mode: 0o400, Restart: units, derived: true,
		})
	}
	own := func(name string) string { return h.Name + "/" + name }
	names := []string{h.Name}
	for _, a := range h.clusterAddresses {
		names = append(names, a.String())
	}
	names = append(names, h.plainAddresses()...)
	member := func() {
		if slices.Contains(k.Etcd, h.Name) {
			add(CertEtcd, own("etcd"), "etcd", Generate{CommonName: h.Name, Names: append(slices.Clone(names), "localhost", "127.0.0.1"), Authority: k.EtcdAuthority()}, "etcd.service")
		}
	}
	master := k.IsMaster(h.Name)
	if k.Distribution == K3s {
		if master {
			add(CertAPIServerEtcd, own("apiserver-etcd-client"), "root", Generate{CommonName: "etcd-client", Authority: k.EtcdAuthority()}, "k3s.service")
		}
		member()
		return all
	}
	if master {
		add(CertAPIServer, own("apiserver"), "kubernetes", Generate{CommonName: "kubernetes", Names: k.apiNames(names)}, "kube-apiserver.service")
		add(CertAPIServerEtcd, own("apiserver-etcd-client"), "kubernetes", Generate{CommonName: "etcd-client", Authority: k.EtcdAuthority()}, "kube-apiserver.service")
		add(CertAPIServerKubelet, own("apiserver-kubelet-client"), "kubernetes", Generate{CommonName: "system:kube-apiserver"}, "kube-apiserver.service")
		add(CertAPIServerProxy, own("apiserver-proxy-client"), "kubernetes", Generate{CommonName: "front-proxy-client"}, "kube-apiserver.service")
		// All masters sign and check the tokens of service accounts with one key.
		add(CertServiceAccount, "service-account", "kubernetes", Generate{CommonName: "system:service-account-signer"}, "kube-apiserver.service", "kube-controller-manager.service")
		add(CertControllerManager, own("controller-manager"), "kubernetes", Generate{CommonName: "system:kube-controller-manager"}, "kube-controller-manager.service")
		add(CertScheduler, own("scheduler"), "kubernetes", Generate{CommonName: "system:kube-scheduler"}, "kube-scheduler.service")
		add(CertAddonManager, own("addon-manager"), "kubernetes", Generate{CommonName: "system:kube-addon-manager"}, "kube-addon-manager.service")
		add(CertAdmin, own("cluster-admin"), "kubernetes", Generate{CommonName: "cluster-admin", Organization: "system:masters"})
	}
	if master || h.HasRole(RoleNode) {
		add(CertKubelet, own("kubelet"), "root", Generate{CommonName: "system:node:" + strings.ToLower(h.Name), Organization: "system:nodes", Names: names}, "kubelet.service")
		add(CertProxy, own("kube-proxy"), "root", Generate{CommonName: "system:kube-proxy"}, "kube-proxy.service")
		add(CertFlannel, own("flannel"), "root", Generate{CommonName: "flannel-client"}, "flannel.service")
	}
	member()
	return all
}

// apiNames are the names of an API server: its host's, the shared ones, and those by which
// pods know it.
func (k *Kluster) apiNames(host []string) []string {
	names := slices.Clone(host)
	if k.API.Address != "" && !slices.Contains(names, k.API.Address) {
		names = append(names, k.API.Address)
	}
	for _, services := range []netip.Prefix{k.Services(), k.ServiceCIDR6} {
		if services.IsValid() {
			names = append(names, services.Masked().Addr().Next().String())
		}
	}
	return append(names, "127.0.0.1", "localhost",
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc."+k.Domain)
}

// APIHost is the address at which the cluster is reached, and APIAddress that with its port.
func (f *Fleet) APIHost() string {
	k := f.Kluster
	if k.API.Address != "" {
		return k.API.Address
	}
	if h := f.Host(k.First()); h != nil {
		return h.ClusterAddress()
	}
	return k.First()
}

func (f *Fleet) APIAddress() string {
	return net.JoinHostPort(f.APIHost(), strconv.Itoa(cmp.Or(f.Kluster.API.Port, f.Kluster.ServerPort())))
}

// ClusterAddress is the address by which the members of the cluster know a host: that of
// the cluster's mesh, the first of its addresses that others can use, or its name.
func (h *Host) ClusterAddress() string {
	if h.clusterAddress.IsValid() {
		return h.clusterAddress.String()
	}
	all := h.plainAddresses()
	for _, a := range all {
		if specialAddress(a) == "" {
			return a
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return h.Name
}

// plainAddresses are the addresses of a host that others can use: no zones, no names that
// only this machine's SSH configuration knows.
func (h *Host) plainAddresses() []string {
	var all []string
	for _, way := range h.Ways() {
		name := way.Address
		if a, err := netip.ParseAddr(name); err == nil {
			if name = a.String(); a.Zone() != "" {
				continue
			}
		} else if !strings.Contains(name, ".") {
			continue
		}
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// kluster checks the members of the cluster and what its distribution needs.
func (c *checker) kluster() {
	c.memberPlaces()
	k := c.fleet.Kluster
	if k == nil {
		return
	}
	c.members(k.mastersField(), k.Masters)
	c.members("load_balancers", k.LoadBalancers)
	c.memberRole(k.Masters, RoleMaster, "kluster."+k.mastersField())
	c.memberRole(k.LoadBalancers, RoleBalancer, "kluster.load_balancers")
	c.etcd()
	c.api()
	c.klusterRollout()
	c.versionSkew()
	c.stack()
	c.specialNetworks()
	c.apiPlace()
	c.ownCertificates()
	c.balancerPort()
	c.klusterWords()
	c.otherOptions()
	c.manifests()
	switch k.Distribution {
	case Kubernetes:
		c.certificates()
	case K3s, RKE2:
		c.joining()
		c.datastore()
	}
	for _, field := range []struct {
		name string
		of   []Distribution
		hint string
	}{
		{"token", []Distribution{K3s, RKE2}, "its members prove themselves with certificates"},
		{"pki", []Distribution{Kubernetes, K3s}, "its members join with kluster.token, and make their certificates"},
		{"etcd", []Distribution{Kubernetes, K3s}, "its masters are the members of etcd"},
	} {
		if at := k.PosOf(field.name); at != k.At && !c.report.refused(k.PosOf("distribution")) && !slices.Contains(field.of, k.Distribution) {
			c.report.add(at, "kluster."+field.name, "conflict", "%s has no %s", k.Distribution, field.name).Hint = field.hint
		}
	}
}

// members reports hosts of a list of the cluster that are not there, or there twice.
func (c *checker) members(field string, names []string) {
	list := c.tree.get("kluster").get(field)
	seen := make(map[string]bool)
	for i, name := range names {
		at, path := list.at, "kluster."+field
		if list.kind == listKind && len(list.elems) == len(names) {
			at, path = list.elems[i].at, fmt.Sprintf("%s[%d]", path, i)
		}
		switch {
		case c.report.refused(at):
		case c.hosts[name] == nil:
			c.noHost(at, path, name)
		case seen[name]:
			c.report.add(at, path, "repeated", "host %s is listed twice", quote(name))
		}
		seen[name] = true
	}
}

// memberRole reports members that have roles, and lack the one that goes with the list.
func (c *checker) memberRole(names []string, role, field string) {
	for _, name := range names {
		if h := c.hosts[name]; h != nil && !h.HasRole(role) && !(role == RoleBalancer && c.fleet.Kluster.IsMaster(name)) {
			e := c.report.add(h.PosOf("roles"), join("hosts", name)+".roles", "master", "the host is in %s but lacks the role %s", field, role)
			e.Hint = "add the role, or leave out roles"
		}
	}
}

// etcd checks the members of etcd.
func (c *checker) etcd() {
	k := c.fleet.Kluster
	if k.Distribution == Kubernetes && k.PKI == "" && len(k.Masters) == 1 && slices.ContainsFunc(k.Etcd, func(m string) bool { return m != k.First() && !c.maySet(c.hosts[m], "services.etcd") }) {
		c.report.warn(k.PosOf("etcd"), "kluster.etcd", "etcd", "muster sets up etcd only on the master").Hint = "set pki, so that muster makes the certificates that members need, or services.etcd in the config of the other members"
	}
	field := "etcd"
	list := c.tree.get("kluster").get("etcd")
	if list != nil && list.kind == listKind {
		c.members("etcd", k.Etcd)
	} else if field, list = k.mastersField(), c.tree.get("kluster").get("masters"); list == nil {
		return
	}
	what := "members"
	if field == "masters" {
		what = "masters, which are the members of etcd"
	}
	switch n := len(list.elems); {
	case list.kind != listKind:
	case n == 0 && k.HasDatastore():
	case n == 0 && !c.report.refused(list.at):
		c.report.add(list.at, "kluster."+field, "etcd", "no members, want an odd number of hosts")
	case n > mostEtcd && n%2 == 1:
		c.report.warn(list.at, "kluster."+field, "etcd", "%d %s, want at most %d: each write waits for more than half of them", n, what, mostEtcd).Hint = "five tolerate two failures"
	case n > 0 && n%2 == 0:
		c.report.add(list.at, "kluster."+field, "etcd", "%d %s, want an odd number: %d tolerate no more failures than %d", n, what, n, n-1)
	}
}

// mostEtcd is how many members etcd is made for (https://etcd.io/docs/v3.6/faq).
const mostEtcd = 7

// api checks the address that members reach the API at.
func (c *checker) api() {
	k := c.fleet.Kluster
	switch n := len(k.LoadBalancers); {
	case n > 0 && k.API.Address == "":
		c.report.add(k.PosOf("load_balancers"), "kluster.load_balancers", "missing-field", "missing field: want kluster.api.address, where they are reached")
	case n > 1 && k.API.Interface == "":
		c.report.add(k.PosOf("api"), "kluster.api", "missing-field", "missing field: want interface, on which %d load balancers share %s", n, k.API.Address)
	case n == 0 && k.API.Interface != "":
		c.report.add(k.PosOf("api"), "kluster.api.interface", "conflict", "no load_balancers are there to share the address")
	}
	if addr, err := netip.ParseAddr(k.API.Address); k.API.Address != "" && err == nil && len(k.LoadBalancers) > 1 {
		for _, h := range c.fleet.Hosts {
			if i := slices.Index(h.addresses(), addr.String()); i >= 0 {
				at, path := h.posOfAddress(i)
				c.report.add(at, path, "repeated-address", "%s is kluster.api.address, which the load balancers share", addr).Hint = "see " + k.PosOf("api").String()
			}
		}
	}
	for _, name := range k.LoadBalancers {
		if k.IsMaster(name) && (k.API.Port == 0 || k.API.Port == APIPort) {
			c.report.add(k.PosOf("load_balancers"), "kluster.load_balancers", "conflict", "%s is a master: its API server has the port %d already", quote(name), APIPort).Hint = "set kluster.api.port to another"
			return
		}
	}
	if len(k.Masters) > 1 && k.API.Address == "" {
		c.report.warn(k.PosOf("masters"), "kluster.masters", "api", "members reach the API at %s: when it is down, the cluster is not reached", quote(k.First())).Hint = "set kluster.api.address to an address that the masters, or load_balancers, share"
	}
}

// ownCertificates checks that the API is not looked for where the certificates that NixOS
// makes by itself are not for it.
func (c *checker) ownCertificates() {
	k := c.fleet.Kluster
	if !k.EasyCerts() || len(k.Masters) != 1 || c.report.refused(k.PosOf("distribution")) {
		return
	}
	const hint = `set pki: "./pki", a folder in which muster secrets generate makes them`
	if len(k.LoadBalancers) > 0 {
		c.report.add(k.PosOf("load_balancers"), "kluster.load_balancers", "missing-field", "the certificates that NixOS makes by itself are for the master's own address, not for that of load balancers").Hint = hint
		return
	}
	master := c.hosts[k.First()]
	if k.API.Address == "" || master == nil || slices.Contains(master.addresses(), k.API.Address) || c.maySet(master, "services.kubernetes.apiserver.extraSANs") {
		return
	}
	at := c.apiField("address")
	if slices.ContainsFunc(c.report.list, func(e *Error) bool { return strings.HasPrefix(e.Path, "kluster.api") }) {
		return
	}
	c.report.warn(at, "kluster.api.address", "api", "members reach the API at %s: the certificates that NixOS makes by itself are for the master's own address, not for %s", master.ClusterAddress(), k.API.Address).Hint = hint
}

// apiField is where the inventory has a field of the API's place.
func (c *checker) apiField(name string) Pos {
	if n := c.tree.get("kluster").get("api").get(name); n != nil {
		return n.at
	}
	return c.fleet.Kluster.PosOf("api")
}

// APIPort is the port of an API server, and easyAPIPort that of one whose certificates NixOS
// makes by itself: that of https, as in the chapter of its manual.
const (
	APIPort     = 6443
	easyAPIPort = 443
)

// EasyCerts reports whether NixOS makes the certificates of the cluster by itself
// (services.kubernetes.easyCerts): they are for one master, at its own address.
func (k *Kluster) EasyCerts() bool { return k.Distribution == Kubernetes && k.PKI == "" }

// ServerPort is the port of the API servers themselves.
func (k *Kluster) ServerPort() int { return ServerPort(k.EasyCerts()) }

// ServerPort is the port of an API server, by whether NixOS makes its certificates by itself.
func ServerPort(easyCerts bool) int {
	if easyCerts {
		return easyAPIPort
	}
	return APIPort
}

// joining checks the secret with which members of k3s and rke2 join.
func (c *checker) joining() {
	k := c.fleet.Kluster
	if k.Token == "" {
		members := 0
		for _, h := range c.fleet.Hosts {
			if h.HasRole(RoleMaster) || h.HasRole(RoleNode) {
				members++
			}
		}
		if members > 1 {
			c.report.add(k.At, "kluster", "missing-field", "missing field: want token, the name of the secret with which %d members join", members).Hint = `as in token: "kluster-token", with defaults: secrets: "kluster-token": {age: "./kluster-token.age", generate: kind: "password"}`
		}
		return
	}
	if c.report.refused(k.PosOf("token")) {
		return
	}
	made := map[string]*Host{} // by the files of tokens that muster makes
	for _, h := range c.fleet.Hosts {
		if !h.HasRole(RoleMaster) && !h.HasRole(RoleNode) {
			continue
		}
		s := h.Secret(k.Token)
		if s == nil {
			c.report.add(k.PosOf("token"), "kluster.token", "undefined", "host %s has no secret %s", h.Name, quote(k.Token)).Hint = "give it to all members under defaults.secrets"
			return
		}
		if s.Generate.Kind == "" {
			continue
		}
		for file, other := range made {
			if file != c.absolute(s.Age) {
				c.report.add(s.PosOf("age"), "hosts."+h.Name+".secrets."+s.Name+".age", "repeated", "host %s has the token in another file: each is made by itself, and members join with one token", quote(other.Name)).Hint = "give it to all members under defaults.secrets"
				return
			}
		}
		made[c.absolute(s.Age)] = h
	}
}

// datastore checks where k3s keeps the state of the cluster, if that is not its masters.
func (c *checker) datastore() {
	k := c.fleet.Kluster
	switch external := k.HasDatastore() && len(k.Etcd) > 0; {
	case external && k.PKI == "" && slices.ContainsFunc(c.tree.get("kluster").get("etcd").elems, func(e *node) bool { return c.report.refused(e.at) }):
	case external && k.PKI == "":
		c.report.add(k.PosOf("etcd"), "kluster.etcd", "missing-field", "missing field: want kluster.pki, a folder with the certificates of etcd").Hint = `set pki: "./pki", in which muster secrets generate makes them; or leave out etcd: several masters of k3s are its members by themselves`
	case external:
		c.certificateFiles()
	case k.PKI != "" && k.Distribution == K3s:
		c.report.add(k.PosOf("pki"), "kluster.pki", "conflict", "k3s has no pki where its masters are the members of etcd").Hint = "its members join with kluster.token, and make their certificates"
	}
}

// certificates checks what the members of a cluster of services.kubernetes prove
// themselves with.
func (c *checker) certificates() {
	k := c.fleet.Kluster
	if k.PKI == "" {
		if len(k.Masters) > 1 {
			c.report.add(k.PosOf("masters"), "kluster.masters", "missing-field", "the certificates that NixOS makes by itself are for one master, not %d", len(k.Masters)).Hint = `set pki: "./pki", a folder in which muster secrets generate makes them, or distribution: "k3s"`
		}
		return
	}
	c.certificateFiles()
}

// certificateFiles checks the certificates in the cluster's folder.
func (c *checker) certificateFiles() {
	k := c.fleet.Kluster
	if info := c.lookFor(k.PKI); info != nil && !info.IsDir() {
		c.report.add(k.PosOf("pki"), "kluster.pki", "missing-file", "not a folder: %s", quote(k.PKI))
		return
	}
	missing := map[string]bool{}
	seen := map[string]bool{}
	for _, h := range c.fleet.Hosts {
		for _, s := range h.AllSecrets {
			if !s.derived || s.Mesh != "" || seen[s.Age] {
				continue
			}
			seen[s.Age] = true
			if c.lookFor(s.Age) == nil {
				missing[s.Age] = true
				continue
			}
			c.ageFile(s, "kluster.pki")
			c.certificate(s, "kluster.pki", time.Now())
		}
	}
	if len(missing) > 0 {
		c.report.warn(k.PosOf("pki"), "kluster.pki", "missing-file", "%d of %d certificates are not in %s yet", len(missing), len(seen), quote(filepath.Clean(k.PKI))).Hint = "muster secrets generate makes them"
	}
}

// strayMember reports a host that has the role of a list of the cluster and is not in it.
func (c *checker) strayMember(e *node, path, role string) {
	k := c.fleet.Kluster
	list, field := k.Masters, k.mastersField()
	if role == RoleBalancer {
		list, field = k.LoadBalancers, "load_balancers"
	}
	host, ok := strings.CutPrefix(path, "hosts.")
	if !ok || role == RoleMaster && len(list) == 0 {
		return
	}
	host = host[:strings.LastIndex(host, ".roles[")]
	for _, name := range list {
		if join("hosts", name) == "hosts."+host {
			return
		}
	}
	if field == "master" {
		c.report.add(e.at, path, "master", "hosts.%s is not the cluster's master: %s is", host, quote(k.First())).Hint = "see " + k.PosOf("master").String()
		return
	}
	c.report.add(e.at, path, "master", "hosts.%s is not in kluster.%s", host, field).Hint = "see " + k.PosOf(field).String()
}
