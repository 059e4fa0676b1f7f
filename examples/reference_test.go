package examples_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"muster/schema"
)

// A shape is what the JSON Schema says of a value.
type shape struct {
	Description       string            `json:"description"`
	Properties        map[string]*shape `json:"properties"`
	PatternProperties map[string]*shape `json:"patternProperties"`
	Items             *shape            `json:"items"`
	AnyOf             []*shape          `json:"anyOf"`
}

// A reference writes the fields of an inventory as Markdown: a table for each set of
// fields. Sets that are alike are written once.
type reference struct {
	strings.Builder
	seen map[string]string // the path of a set of fields, by what it is
}

// A part is a set of fields that is still to be written.
type part struct {
	path string
	shape
}

func (r *reference) write(p part) {
	text, _ := json.Marshal(p.shape.Properties)
	if same := r.seen[string(text)]; same != "" {
		fmt.Fprintf(r, "\n## %s\n\nAs [%s](#%s).\n", p.path, same, anchor(same))
		return
	}
	r.seen[string(text)] = p.path
	fmt.Fprintf(r, "\n## %s\n\n| field | what it is | value |\n| --- | --- | --- |\n", p.path)
	var below []part
	for _, name := range slices.Sorted(maps.Keys(p.Properties)) {
		field := p.Properties[name]
		what, wants, _ := strings.Cut(field.Description, "Wants ")
		fmt.Fprintf(r, "| `%s` | %s | %s |\n", name, cell(what), cell(strings.TrimSuffix(wants, ".")))
		path := name
		if p.path != "The inventory" {
			path = p.path + "." + name
		}
		below = append(below, parts(path, field)...)
	}
	// Hosts come first: the others have fields of theirs.
	slices.SortStableFunc(below, func(a, b part) int { return cmp.Compare(rank(a), rank(b)) })
	for _, b := range below {
		r.write(b)
	}
}

func rank(p part) int {
	if p.path == "hosts.NAME" {
		return 0
	}
	return 1
}

// parts are the sets of fields that a value may have in it.
func parts(path string, s *shape) []part {
	var list []part
	if len(s.Properties) > 0 {
		list = append(list, part{path, *s})
	}
	for _, pattern := range slices.Sorted(maps.Keys(s.PatternProperties)) {
		list = append(list, parts(path+".NAME", s.PatternProperties[pattern])...)
	}
	if s.Items != nil {
		list = append(list, parts(path+"[]", s.Items)...)
	}
	for _, one := range s.AnyOf {
		list = append(list, parts(path, one)...)
	}
	return list
}

// cell is a text in a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("\n", " ", "|", `\|`, "<", "&lt;").Replace(strings.TrimSpace(text))
}

// anchor is how forges link to a heading.
func anchor(heading string) string {
	return strings.NewReplacer(".", "", "[", "", "]", "", " ", "-").Replace(strings.ToLower(heading))
}

// docs/inventory.md is what the schema says; -update writes it.
func TestReferenceIsWhatTheSchemaSays(t *testing.T) {
	text, err := schema.JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	var whole shape
	if err := json.Unmarshal([]byte(text), &whole); err != nil {
		t.Fatal(err)
	}
	r := &reference{seen: map[string]string{}}
	r.WriteString("# The inventory, field by field\n\nMade from the schema, which `muster schema` prints; `go test ./examples -update` writes it.\n" +
		"`NAME` stands for a name that you choose, `[]` for each element of a list. `muster help nix-in-cue`\nsays how Nix is written in values.\n")
	r.write(part{"The inventory", whole})
	const name = "docs/inventory.md"
	if *update {
		if err := os.WriteFile(name, []byte(r.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(r.String(), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
