package compile

import (
	"fmt"

	"muster/schema"
)

// addons puts the addons of a cluster of services.kubernetes: its DNS, and on masters the
// objects of the inventory, which the addon manager knows by a label.
func (w *writer) addons(set *schema.Attrs, master bool) {
	k := w.fleet.Kluster
	put(set, schema.Bool{At: k.PosOf("dns"), V: !k.NoDNS}, "services", "kubernetes", "addons", "dns", "enable")
	if !master {
		return
	}
	for _, m := range k.Manifests {
		put(set, reconciled(m.Object), "services", "kubernetes", "addonManager", "addons", m.Name)
	}
}

// addonMode is the label of objects that the addon manager looks after.
const addonMode = "addonmanager.kubernetes.io/mode"

// reconciled is an object with the label of the addon manager, where it has none.
func reconciled(object *schema.Attrs) *schema.Attrs {
	all := *object
	all.Fields = append([]schema.Field(nil), object.Fields...)
	for i, f := range all.Fields {
		if metadata, ok := f.Value.(*schema.Attrs); ok && f.Name == "metadata" {
			labelled := *metadata
			labelled.Fields = append([]schema.Field(nil), metadata.Fields...)
			all.Fields[i].Value = &labelled
			label(&labelled)
		}
	}
	return &all
}

// label adds the label of the addon manager to the metadata of an object.
func label(metadata *schema.Attrs) {
	for i, f := range metadata.Fields {
		labels, ok := f.Value.(*schema.Attrs)
		if !ok || f.Name != "labels" {
			continue
		}
		for _, l := range labels.Fields {
			if l.Name == addonMode {
				return
			}
		}
		own := *labels
		own.Fields = append([]schema.Field(nil), labels.Fields...)
		metadata.Fields[i].Value = &own
	}
	put(metadata, schema.String{At: metadata.At, V: "Reconcile"}, "labels", addonMode)
}

// rancherManifests puts the objects that servers of k3s and RKE2 give the cluster: those of
// the inventory, and the interface of the mesh for the Canal of RKE2, which no option names
// (https://docs.rke2.io/networking/basic_network_options).
func (w *writer) rancherManifests(set *schema.Attrs) {
	k := w.fleet.Kluster
	manifest := func(name string, object schema.Value) {
		put(set, object, "services", string(k.Distribution), "manifests", name, "content")
	}
	for _, m := range k.Manifests {
		manifest(m.Name, m.Object)
	}
	if k.Mesh == "" || k.Distribution != schema.RKE2 {
		return
	}
	at := k.PosOf("mesh")
	canal := &schema.Attrs{At: at}
	text := func(s string, path ...string) { put(canal, schema.String{At: at, V: s}, path...) }
	text("helm.cattle.io/v1", "apiVersion")
	text("HelmChartConfig", "kind")
	text("rke2-canal", "metadata", "name")
	text("kube-system", "metadata", "namespace")
	text(fmt.Sprintf("flannel:\n  iface: %q\n", k.Mesh), "spec", "valuesContent")
	manifest("muster-canal", canal)
}

// pinnedVersion puts an assertion that a host gets the version of Kubernetes that the
// inventory pins, so that another one is an error before anything is built.
func (w *writer) pinnedVersion(own *schema.Attrs, h *schema.Host) {
	k := w.fleet.Kluster
	version := k.NodeVersion(h)
	v, ok := schema.ParseKubernetesVersion(version)
	if !ok {
		return
	}
	at, field := k.VersionAt(h)
	is := "lib.versions.majorMinor has"
	if v.Patch >= 0 {
		is = "has"
	}
	pkg := "config.services." + string(k.Distribution) + ".package"
	// The version of k3s is such as 1.34.1+k3s1.
	text := fmt.Sprintf(`let
  has = lib.head (lib.splitString "+" (lib.getVersion %s));
in
{
  assertion = %s == %q;
  message = "%s is %s, and %s is Kubernetes ${has}: pin a nixpkgs that has it, or set services.%s.package.";
}`, pkg, is, version, field, version, pkg, k.Distribution)
	put(own, schema.List{At: at, Elems: []schema.Value{schema.Expr{At: at, Text: text}}}, "assertions")
}
