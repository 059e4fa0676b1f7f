package kube

import (
	"encoding/base64"
	"fmt"

	"sigs.k8s.io/yaml"
)

// A Kubeconfig is a way to the API of a cluster, as kubectl and others read it from a file.
type Kubeconfig struct {
	Name   string // of the cluster and the context
	Server string // the URL of the API
	User   string
	*Credentials
}

// Merge returns a kubeconfig file with the cluster, the user and the context in it, which is
// the current one. What the former file, which may be empty, has under the same names is
// replaced; all else stays. Comments do not.
func (k *Kubeconfig) Merge(former []byte) ([]byte, error) {
	file := map[string]any{}
	if err := yaml.Unmarshal(former, &file); err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	if kind, ok := file["kind"]; ok && kind != "Config" {
		return nil, fmt.Errorf("read the kubeconfig: its kind is %q, not Config", fmt.Sprint(kind))
	}
	user := k.User + "@" + k.Name
	encode := base64.StdEncoding.EncodeToString
	for _, entry := range []struct {
		list, name, field string
		value             map[string]any
	}{
		{"clusters", k.Name, "cluster", map[string]any{"server": k.Server, "certificate-authority-data": encode(k.CA)}},
		{"users", user, "user", map[string]any{"client-certificate-data": encode(k.Cert), "client-key-data": encode(k.Key)}},
		{"contexts", k.Name, "context", map[string]any{"cluster": k.Name, "user": user}},
	} {
		list, ok := file[entry.list].([]any)
		if file[entry.list] != nil && !ok {
			return nil, fmt.Errorf("read the kubeconfig: %s is not a list", entry.list)
		}
		file[entry.list] = replaceNamed(list, entry.name, map[string]any{"name": entry.name, entry.field: entry.value})
	}
	file["apiVersion"], file["kind"], file["current-context"] = "v1", "Config", k.Name
	return yaml.Marshal(file)
}

// replaceNamed puts an entry in the place of the one of its name, or at the end.
func replaceNamed(list []any, name string, entry map[string]any) []any {
	for i := range list {
		if old, ok := list[i].(map[string]any); ok && old["name"] == name {
			list[i] = entry
			return list
		}
	}
	return append(list, entry)
}
