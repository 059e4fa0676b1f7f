package schema

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// What people mean by what they write of a cluster.

// taintEffects are the effects of taints.
var taintEffects = []string{"NoSchedule", "PreferNoSchedule", "NoExecute"}

// taintPath matches the path of one taint, and labelPath that of one label.
var (
	taintPath = ondemand.Regexp(`\.node\.taints\[\d+\]$`)
	labelPath = ondemand.Regexp(`\.node\.labels\.[^.]+$`)
)

// klusterMend is valueMend for the fields of a cluster and its nodes.
func klusterMend(n *node, path string, s *shape, l language) string {
	list := path == "kluster.masters" || path == "kluster.etcd" || path == "kluster.load_balancers"
	cidr, isCIDR := strings.CutSuffix(path, "_cidr")
	switch {
	case taintPath().MatchString(path):
		return taintMend(n, s)
	case strings.HasSuffix(path, ".node.taints") && n.kind == structKind:
		return taintsMend(n)
	case strings.HasPrefix(path, "kluster.etcd[") && strings.Contains(n.text, "://"):
		return "etcd has hosts of the inventory; for k3s with another datastore, set etcd: [] and --datastore-endpoint in services.k3s.extraFlags"
	case strings.HasPrefix(path, "mesh."):
		return meshMend(n, path, s, l)
	case strings.HasSuffix(path, ".node.labels"):
		return labelMend(n, l)
	case labelPath().MatchString(path) && n.kind == boolKind:
		return "write " + doubleQuoted(n.String())
	case list && n.kind == stringKind && strings.Contains(n.text, ","):
		return "write " + quotedList(strings.Split(n.text, ","))
	case isCIDR && strings.HasPrefix(cidr, "kluster.") && n.kind == listKind && len(n.elems) == 2:
		return "the network of IPv6 stands in " + path + "6"
	case isCIDR && strings.HasPrefix(cidr, "kluster.") && n.kind == stringKind:
		return cidrMend(n.text, path)
	case strings.HasSuffix(path, ".version") && n.kind == floatKind && !trailingDigits().MatchString(n.String()):
		return `write it in quotes: as a number, 1.30 is 1.3`
	case path == "kluster" && n.kind == listKind:
		return oneCluster
	case path == "kluster.manifests" && n.kind == listKind:
		return "give each object a name: " + l.pair("NAME", "{…}")
	case path == "kluster.manifests" && n.kind == stringKind:
		return "an object stands in the inventory; a file of manifests is given in config, to services.k3s.manifests or services.rke2.manifests"
	}
	return ""
}

// oneCluster says where a second cluster stands.
const oneCluster = "an inventory has one cluster: another one stands in an inventory of its own"

// trailingDigits matches a version whose number has two digits, which as a number has not
// lost a zero.
var trailingDigits = ondemand.Regexp(`\.\d\d+$`)

// quotedList writes a list of texts.
func quotedList(all []string) string {
	var quoted []string
	for _, s := range all {
		quoted = append(quoted, doubleQuoted(clip(strings.TrimSpace(s))))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// taintMend is klusterMend for one taint.
func taintMend(n *node, s *shape) string {
	write := func(taint string) string {
		if !s.fits(taint) {
			return ""
		}
		return "write " + doubleQuoted(clip(taint))
	}
	if n.kind == structKind {
		key, effect := text(n.get("key")), text(n.get("effect"))
		if key == "" || effect == "" {
			return ""
		}
		if value := text(n.get("value")); value != "" {
			key += "=" + value
		}
		return write(key + ":" + effect)
	}
	if n.kind != stringKind {
		return ""
	}
	plain, removed := strings.CutSuffix(n.text, "-")
	taint, effect, has := cutLast(plain, ":")
	for _, e := range taintEffects {
		switch {
		case has && removed && strings.EqualFold(effect, e), !has && removed && !strings.ContainsAny(plain, ":="):
			return "the - is of kubectl taint, which takes a taint away: leave the taint out"
		case has && strings.EqualFold(strings.NewReplacer("-", "", "_", "").Replace(effect), e) && taint != "":
			return write(taint + ":" + e)
		}
	}
	if without := n.text + ":" + taintEffects[0]; !strings.Contains(n.text, ":") && s.fits(without) {
		return write(without) + ", or with another effect"
	}
	return ""
}

// taintsMend is klusterMend for taints as a mapping of names and effects, such as {gpu: NoSchedule}.
func taintsMend(n *node) string {
	var all []string
	for _, f := range n.fields {
		if !slices.Contains(taintEffects, text(f.val)) {
			return ""
		}
		all = append(all, f.name+":"+f.val.text)
	}
	if len(all) == 0 {
		return ""
	}
	return "write " + quotedList(all)
}

// cutLast cuts a text at the last place of another one.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// labelMend is klusterMend for the labels of a node, which kubectl has as key=value.
func labelMend(n *node, l language) string {
	var texts []string
	switch n.kind {
	case stringKind:
		texts = strings.Split(n.text, ",")
	case listKind:
		for _, e := range n.elems {
			texts = append(texts, text(e))
		}
	}
	var fields []string
	for _, t := range texts {
		name, value, ok := strings.Cut(strings.TrimSpace(t), "=")
		if !ok {
			return ""
		}
		if l == langCUE && !isIdent(name) {
			name = doubleQuoted(name)
		}
		fields = append(fields, l.pair(clip(name), doubleQuoted(clip(value))))
	}
	if len(fields) == 0 {
		return ""
	}
	return "write {" + strings.Join(fields, ", ") + "}"
}

// cidrMend is klusterMend for a network: two of them, or an address.
func cidrMend(given, path string) string {
	if four, six, ok := strings.Cut(given, ","); ok {
		a, errA := netip.ParsePrefix(strings.TrimSpace(four))
		b, errB := netip.ParsePrefix(strings.TrimSpace(six))
		if errA == nil && errB == nil && a.Addr().Is4() != b.Addr().Is4() {
			if b.Addr().Is4() {
				a, b = b, a
			}
			return fmt.Sprintf("write %q, and %q in %s6", a, b, path)
		}
	}
	if a, err := netip.ParseAddr(given); err == nil && a.Is4() {
		return fmt.Sprintf("write how long the network's prefix is, too: %q", netip.PrefixFrom(a, 16))
	}
	return ""
}

// klusterOptions are options of the modules of k3s and RKE2 that people look for in kluster.
var klusterOptions = []string{
	"agenttoken", "agenttokenfile", "autodeploycharts", "charts", "cishardening", "cni", "configpath", "containerdconfigtemplate", "datadir", "debug", "disable",
	"disableagent", "environmentfile", "environmentvars", "extraflags", "extrakubeletconfig", "extrakubeproxyconfig", "gracefulnodeshutdown", "images", "nodeexternalip",
	"nodeip", "nodename", "package", "selinux",
}

// kubernetesOptions are options of the module services.kubernetes that people look for in kluster.
var kubernetesOptions = []string{
	"addonmanager", "addons", "apiserver", "cafile", "controllermanager", "datadir", "featuregates", "kubeconfig", "kubelet", "path", "proxy", "scheduler",
}

// klusterElsewhere says what takes the place of a field that a cluster, or a host of one,
// does not have; "" if there is none.
func klusterElsewhere(f field, at string) string {
	name := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(f.name))
	host := strings.Count(at, ".") == 1 && strings.HasPrefix(at, "hosts.")
	switch {
	case host && name == "distribution":
		return "all hosts of a cluster have one: kluster.distribution"
	case host && (name == "labels" || name == "taints"):
		return "what the cluster knows of a host stands in node: node." + name
	case at == "kluster.rollout.drain":
		return kubectlDrain[name]
	case at != "kluster":
	case f.val.get("master") != nil || f.val.get("masters") != nil:
		return oneCluster
	case strings.HasPrefix(name, "datastore"):
		return "an empty list as etcd says that config names another datastore"
	case name == "serveraddr" || name == "server" || name == "clusterinit" || name == "role":
		return "it follows from masters: the first begins the cluster, the others join it"
	case name == "tokenfile":
		return "token is the name of a secret"
	case name == "tlssan":
		return "the certificates are for api.address; for more names, set services.k3s.extraFlags or services.rke2.extraFlags in config"
	case name == "nodes" || name == "agents" || name == "workers":
		return "hosts that are no masters are nodes, unless their roles say otherwise"
	case strings.HasPrefix(name, "flannel") || strings.HasPrefix(name, "writekubeconfig") || slices.Contains(klusterOptions, name):
		return "options of services.k3s and services.rke2 stand in config, of all hosts or of a role"
	case slices.Contains(kubernetesOptions, name):
		return "options of services.kubernetes stand in config, of all hosts or of a role"
	case name == "easycerts":
		return "NixOS makes the certificates where pki is left out, for one master"
	case name == "masteraddress" || name == "masterhostname":
		return "it is the address of the host that master names"
	}
	return ""
}

// kubectlDrain are the options of kubectl drain that have another name here, or none.
var kubectlDrain = map[string]string{
	"ignoredaemonsets": "pods of daemon sets always stay", "deleteemptydirdata": `did you mean "delete_local_data"?`,
	"deletelocaldata": `did you mean "delete_local_data"?`, "force": `did you mean "delete_unmanaged"?`,
}

// klusterRoles are words for the roles of clusters, without separators and plurals.
var klusterRoles = map[string][]string{
	RoleMaster:   {"master", "controlplane", "controller", "server", "maestro", "maitre", "maître", "cp"},
	RoleNode:     {"node", "worker", "agent", "nodo", "nœud", "noeud", "knoten", "minion", "arbeiter"},
	RoleBalancer: {"loadbalancer", "balancer", "lb", "haproxy", "lastverteiler"},
}

// klusterRole is the role of the fleet's cluster that people mean by another name of it, such
// as k3s-agent; "" if nothing tells.
func (c *checker) klusterRole(name string) string {
	if c.fleet.Kluster == nil {
		return ""
	}
	word := strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))
	for _, prefix := range []string{"kubernetes", "kube", "k8s", "k3s", "rke2", "cluster", "kluster"} {
		word = strings.TrimPrefix(word, prefix)
	}
	for role, words := range klusterRoles {
		if slices.Contains(words, word) || slices.Contains(words, strings.TrimRight(word, "sx")) {
			return role
		}
	}
	return ""
}
