package kube

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
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
// replaced; all else stays, comments too.
func (k *Kubeconfig) Merge(former []byte) ([]byte, error) {
	var document yaml.Node
	var fields map[string]any // a key that is there twice is an error of these alone
	if err := errors.Join(yaml.Unmarshal(former, &document), yaml.Unmarshal(former, &fields)); err != nil {
		return nil, fmt.Errorf("read the kubeconfig: %w", err)
	}
	if len(document.Content) == 0 || document.Content[0].Tag == "!!null" {
		document = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	file := document.Content[0]
	if file.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("read the kubeconfig: line %d: want fields such as clusters and users", file.Line)
	}
	if at := aliasIn(&document); at != nil {
		return nil, fmt.Errorf("read the kubeconfig: line %d: *%s is an alias, which is not edited: write out what it stands for", at.Line, at.Value)
	}
	if kind := member(file, "kind"); kind != nil && kind.Value != "Config" {
		return nil, fmt.Errorf("read the kubeconfig: its kind is %q, not Config", kind.Value)
	}
	setMember(file, "apiVersion", text("v1"))
	setMember(file, "kind", text("Config"))
	user := k.User + "@" + k.Name
	encode := func(pem []byte) *yaml.Node { return text(base64.StdEncoding.EncodeToString(pem)) }
	for _, entry := range []struct {
		list, name, field string
		value             *yaml.Node
	}{
		{"clusters", k.Name, "cluster", mapping("server", text(k.Server), "certificate-authority-data", encode(k.CA))},
		{"users", user, "user", mapping("client-certificate-data", encode(k.Cert), "client-key-data", encode(k.Key))},
		{"contexts", k.Name, "context", mapping("cluster", text(k.Name), "user", text(user))},
	} {
		list := member(file, entry.list)
		switch {
		case list == nil || list.Tag == "!!null":
			list = &yaml.Node{Kind: yaml.SequenceNode}
			setMember(file, entry.list, list)
		case list.Kind != yaml.SequenceNode:
			return nil, fmt.Errorf("read the kubeconfig: line %d: %s is not a list", list.Line, entry.list)
		}
		replaceNamed(list, entry.name, mapping("name", text(entry.name), entry.field, entry.value))
	}
	setMember(file, "current-context", text(k.Name))
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(&document); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// aliasIn is an alias in a document; nil where there is none.
func aliasIn(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n
	}
	for _, below := range n.Content {
		if at := aliasIn(below); at != nil {
			return at
		}
	}
	return nil
}

// replaceNamed puts an entry in the place of the one of its name, or at the end.
func replaceNamed(list *yaml.Node, name string, entry *yaml.Node) {
	list.Style = 0 // a list in brackets becomes one of lines
	for i, old := range list.Content {
		if n := member(old, "name"); n != nil && n.Value == name {
			list.Content[i] = entry
			return
		}
	}
	list.Content = append(list.Content, entry)
}

// text is a string in YAML.
func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

// mapping is a mapping of YAML of names and values in turns.
func mapping(members ...any) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for i := 0; i < len(members); i += 2 {
		setMember(m, members[i].(string), members[i+1].(*yaml.Node))
	}
	return m
}

// member is the value of a name in a mapping; nil where it has none, or is no mapping.
func member(m *yaml.Node, name string) *yaml.Node {
	if i := memberIndex(m, name); i >= 0 {
		return m.Content[i]
	}
	return nil
}

// memberIndex is where the value of a name in a mapping is, or -1.
func memberIndex(m *yaml.Node, name string) int {
	if m.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(m.Content); i += 2 {
			if m.Content[i].Value == name {
				return i + 1
			}
		}
	}
	return -1
}

// setMember gives a name in a mapping a value.
func setMember(m *yaml.Node, name string, value *yaml.Node) {
	if i := memberIndex(m, name); i >= 0 {
		m.Content[i] = value
		return
	}
	m.Style = 0
	m.Content = append(m.Content, text(name), value)
}
