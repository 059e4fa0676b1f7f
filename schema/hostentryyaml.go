package schema

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// setYAML sets a field in YAML.
func (f *hostFile) setYAML(path []string, field *setField) (*splice, error) {
	if f.yaml == nil {
		f.yaml = new(yaml.Node)
		if err := yaml.Unmarshal(f.text, f.yaml); err != nil {
			*f.yaml = yaml.Node{}
		}
	}
	if len(f.yaml.Content) == 0 {
		return nil, errNoPlace
	}
	at := f.yaml.Content[0]
	for _, name := range path {
		if _, at = yamlMember(at, name); at == nil {
			return nil, errNoPlace
		}
	}
	if at.Kind != yaml.MappingNode || len(at.Content) == 0 {
		return nil, errNoPlace
	}
	lines := f.lineStarts()
	offset := func(n *yaml.Node) int { return lines[n.Line-1] + n.Column - 1 }
	flow := at.Style&yaml.FlowStyle != 0
	if key, list := yamlMember(at, field.name); list != nil {
		return f.yamlReplace(key, list, field, flow)
	}
	member := field.name + ": " + field.text
	if flow {
		start := offset(at) + 1
		return &splice{from: start, to: start, text: member + ", "}, nil
	}
	first := at.Content[0]
	indent := strings.Repeat(" ", first.Column-1)
	if key, value := yamlMember(at, "host"); value != nil && value.Kind == yaml.ScalarNode && value.Line == key.Line && value.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 && key.Line < len(lines) {
		next := lines[key.Line]
		text := field.yaml(indent)
		if next == len(f.text) && f.text[len(f.text)-1] != '\n' {
			text = "\n" + text
		}
		return &splice{from: next, to: next, text: text}, nil
	}
	start := lines[first.Line-1]
	if strings.TrimSpace(string(f.text[start:offset(first)])) != "" {
		return nil, errNoPlace
	}
	return &splice{from: start, to: start, text: field.yaml(indent)}, nil
}

// yamlMember finds a member of a mapping.
func yamlMember(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// yamlReplace puts other keys in place of a list.
func (f *hostFile) yamlReplace(key, list *yaml.Node, field *setField, flow bool) (*splice, error) {
	if list.Kind != yaml.SequenceNode {
		return nil, errNoPlace
	}
	lines := f.lineStarts()
	from := lines[list.Line-1] + list.Column - 1
	if flow || list.Style&yaml.FlowStyle != 0 {
		to := endOfBracket(f.text, from)
		if to < 0 {
			return nil, errNoPlace
		}
		return &splice{from: from, to: to, text: field.text}, nil
	}
	if len(list.Content) == 0 || list.Line == key.Line {
		return nil, errNoPlace
	}
	last := list.Content[len(list.Content)-1]
	if last.Kind != yaml.ScalarNode || last.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return nil, errNoPlace
	}
	return &splice{from: lines[list.Line-1], to: lines[last.Line], text: yamlItems(strings.Repeat(" ", list.Column-1), field.lines)}, nil
}

// yaml is the field on lines of its own.
func (f *setField) yaml(indent string) string {
	if f.lines == nil {
		return indent + f.name + ": " + f.text + "\n"
	}
	return indent + f.name + ":\n" + yamlItems(indent+"  ", f.lines)
}

func yamlItems(indent string, texts []string) string {
	var b strings.Builder
	for _, k := range texts {
		b.WriteString(indent + "- " + jsonText(k, "", false) + "\n")
	}
	return b.String()
}
