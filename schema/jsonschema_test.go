package schema

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validator returns a stock validator with the JSON Schema of inventories.
func validator(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("inventory.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("inventory.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plainJSON converts a node to the types of encoding/json.
func plainJSON(n *node) any {
	switch n.kind {
	case boolKind:
		return n.bool
	case intKind:
		return n.num
	case floatKind:
		return n.flt
	case stringKind:
		return n.text
	case bigKind, dateKind:
		return 0.5 // of no type that a field wants
	case listKind:
		l := []any{}
		for _, e := range n.elems {
			l = append(l, plainJSON(e))
		}
		return l
	case structKind:
		m := map[string]any{}
		for _, f := range n.fields {
			m[f.name] = plainJSON(f.val)
		}
		return m
	}
	return nil
}

// A stock validator with the JSON Schema accepts the same inventories of testdata
// and the examples as the shape of schema.cue.
func TestJSONSchemaSaysWhatTheShapeSays(t *testing.T) {
	stock := validator(t)
	readers := map[string]func(*source, *report) *node{".toml": readTOML, ".yaml": readYAML, ".json": readJSON}
	accepted, rejected := 0, 0
	try := func(name string, data []byte) {
		read := readers[filepath.Ext(name)]
		if read == nil {
			return
		}
		r := new(report)
		s := newSource(name, data, r)
		if s == nil {
			return
		}
		n := read(s, r)
		if n == nil || len(r.list) > 0 {
			return
		}
		inventoryShape().check(n, "", r)
		err := stock.Validate(plainJSON(n))
		if (err == nil) != (len(r.list) == 0) {
			t.Errorf("%s: the validator says %v, we %v", name, err, r.list)
		}
		if err == nil {
			accepted++
		} else {
			rejected++
		}
	}
	archives, _ := filepath.Glob("testdata/*/*.txtar")
	for _, file := range archives {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			if strings.HasPrefix(f.Name, "hosts.") && !strings.Contains(file, "toml_port_float") && !strings.Contains(file, "json_number") { // 22.0 is an integer to JSON Schema
				try(file+"/"+f.Name, f.Data)
			}
		}
	}
	examples, _ := filepath.Glob("../examples/*/hosts.*")
	for _, file := range examples {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		try(file, data)
	}
	for _, fl := range benchFleets {
		try(fl.name+"/"+fl.file, []byte(fl.text(3)))
	}
	if accepted < 20 || rejected < 80 {
		t.Errorf("%d accepted, %d rejected: too few to tell", accepted, rejected)
	}
}
