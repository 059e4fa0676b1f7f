package schema

// A Manifest is an object that the cluster has from the beginning.
type Manifest struct {
	At     Pos
	Name   string // in the inventory
	Object *Attrs
}

// manifests decodes the objects of a cluster.
func (d *decoder) manifests(n *node) []Manifest {
	if n == nil || n.kind != structKind {
		return nil
	}
	var all []Manifest
	for _, f := range n.fields {
		path := join("kluster.manifests", f.name)
		if object := d.options(f.val, path); object != nil {
			all = append(all, Manifest{At: f.at, Name: f.name, Object: object})
		}
	}
	return all
}

// addonNamespace is the only namespace in which the addon manager of NixOS may change
// anything.
const addonNamespace = "kube-system"

// manifests checks that objects are objects of Kubernetes, by the fields that all have.
func (c *checker) manifests() {
	k := c.fleet.Kluster
	seen := map[string]Manifest{}
	for _, m := range k.Manifests {
		path := join("kluster.manifests", m.Name)
		missing := false
		for _, field := range []string{"apiVersion", "kind", "metadata.name"} {
			if m.text(field) == "" {
				c.report.add(m.At, path, "missing-field", "missing field: want %s, a text, as every object of Kubernetes has it", field)
				missing = true
			}
		}
		if missing {
			continue
		}
		namespace := m.text("metadata.namespace")
		if namespace != "" && namespace != addonNamespace && k.Distribution == Kubernetes {
			c.report.warn(m.At, path, "manifest", "the addon manager of NixOS may change objects in %s only, not in %s", addonNamespace, quote(namespace)).Hint = "give it the rights in services.kubernetes.addonManager.bootstrapAddons of the masters' configuration"
		}
		id := m.text("apiVersion") + " " + m.text("kind") + " " + namespace + "/" + m.text("metadata.name")
		if other, ok := seen[id]; ok {
			c.report.add(m.At, path, "repeated", "it is the same object as %s, %s %s", quote(other.Name), m.text("kind"), quote(m.text("metadata.name"))).Hint = "see " + other.At.String()
		}
		seen[id] = m
	}
}

// text is a text in an object; "" where it has none there.
func (m *Manifest) text(path string) string {
	if s, ok := option(m.Object, path).(String); ok {
		return s.V
	}
	return ""
}
