package exec

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A schemaMaker makes a JSON Schema of Go types.
type schemaMaker struct {
	docs   map[string]string // of types, and of their fields as Type.Field
	defs   map[string]any
	strict bool // objects have no other fields than those that are described
}

// lineSchema is the JSON Schema of a [Line].
func lineSchema(t testing.TB, strict bool) map[string]any {
	t.Helper()
	m := &schemaMaker{docs: docsOf(t, ".", "host", "units"), defs: map[string]any{}, strict: strict}
	var each []any
	for _, name := range slices.Sorted(maps.Keys(codecs)) {
		each = append(each, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"event": map[string]any{"const": name}}},
			"then": map[string]any{"properties": map[string]any{"data": m.of(codecs[name].of)}},
		})
	}
	line := m.object(reflect.TypeFor[Line]())
	properties := line["properties"].(map[string]any)
	properties["version"] = map[string]any{"const": LineVersion, "description": m.docs["Line.Version"]}
	properties["event"] = map[string]any{"enum": slices.Sorted(maps.Keys(codecs)), "description": m.docs["Line.Event"]}
	properties["data"] = map[string]any{"type": "object", "description": "what the event says"}
	maps.Copy(line, map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "An event of muster --output json",
		"description": "Each line is one event. New events and new fields do not change the version: " +
			"pass over those that are unknown. Times are RFC 3339, in UTC; fields that end in _ns are nanoseconds.",
		"allOf": each,
		"$defs": m.defs,
	})
	return line
}

// of is the schema of a type.
func (m *schemaMaker) of(t reflect.Type) map[string]any {
	if words := wordsOf(t); words != nil {
		return map[string]any{"enum": words}
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		return m.of(t.Elem())
	case t.Kind() == reflect.Struct:
		if _, known := m.defs[t.Name()]; !known {
			m.defs[t.Name()] = nil // for types that have themselves as a part
			m.defs[t.Name()] = m.object(t)
		}
		return map[string]any{"$ref": "#/$defs/" + t.Name()}
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": m.of(t.Elem())}
	case t.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return map[string]any{"type": "integer"}
	}
	panic(fmt.Sprintf("no schema for %v", t))
}

// wordsOf are the values of a type that has few.
func wordsOf(t reflect.Type) []string {
	var words []string
	switch t {
	case reflect.TypeFor[Stage]():
		for _, s := range knownStages() {
			words = append(words, string(s))
		}
	case reflect.TypeFor[Status]():
		for _, s := range Statuses {
			words = append(words, string(s))
		}
	}
	return words
}

// object is the schema of a struct.
func (m *schemaMaker) object(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || name == "" || name == "-" {
			continue
		}
		var field map[string]any
		if f.Type.Kind() == reflect.Interface { // Line.Data
			field = map[string]any{}
		} else {
			field = m.of(f.Type)
		}
		owner := t
		if len(f.Index) > 1 {
			owner = t.FieldByIndex(f.Index[:len(f.Index)-1]).Type
		}
		if doc := m.docs[owner.Name()+"."+f.Name]; doc != "" {
			field["description"] = doc
		}
		properties[name] = field
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	o := map[string]any{"type": "object", "properties": properties}
	if doc := m.docs[t.Name()]; doc != "" {
		o["description"] = doc
	}
	if len(required) > 0 {
		o["required"] = required
	}
	if m.strict {
		o["additionalProperties"] = false
	}
	return o
}

// docsOf are the comments on the types of some packages and on their fields.
func docsOf(t testing.TB, dirs ...string) map[string]string {
	t.Helper()
	docs := map[string]string{}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
					addDocs(docs, g)
				}
			}
		}
	}
	return docs
}

func addDocs(docs map[string]string, g *ast.GenDecl) {
	words := func(c *ast.CommentGroup) string {
		return strings.NewReplacer("[", "", "]", "").Replace(strings.Join(strings.Fields(c.Text()), " "))
	}
	for _, spec := range g.Specs {
		s := spec.(*ast.TypeSpec)
		docs[s.Name.Name] = words(g.Doc)
		of, ok := s.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range of.Fields.List {
			text := words(f.Doc)
			if text == "" {
				text = words(f.Comment)
			}
			for _, n := range f.Names {
				docs[s.Name.Name+"."+n.Name] = text
			}
		}
	}
}

// The JSON Schema that muster prints is that of the types.
func TestEventSchemaIsCurrent(t *testing.T) {
	text, err := json.MarshalIndent(lineSchema(t, false), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile("events.schema.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(EventSchema, string(text)); diff != "" {
		t.Errorf("just update makes it current (-is +want):\n%s", diff)
	}
}

// compiledSchema is a stock validator for a schema.
func compiledSchema(schema map[string]any) (*jsonschema.Schema, error) {
	text, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("events.schema.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("events.schema.json")
}

// checkLine checks a line as --output json prints it.
func checkLine(schema *jsonschema.Schema, l Line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}

// Lines that are not as described are refused.
func TestEventSchemaRefuses(t *testing.T) {
	schema, err := compiledSchema(lineSchema(t, true))
	if err != nil {
		t.Fatal(err)
	}
	good := NewLine(time.Now(), NewRunID(), StageStarted{Host: "web1", Stage: Copy})
	if err := checkLine(schema, good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Line){
		"version": func(l *Line) { l.Version++ },
		"event":   func(l *Line) { l.Event = "Nothing" },
		"data":    func(l *Line) { l.Event = "StageEnded" },
		"stage":   func(l *Line) { l.Data = StageStarted{Host: "web1", Stage: "bogus"} },
	} {
		l := good
		change(&l)
		if err := checkLine(schema, l); err == nil {
			t.Errorf("%s: a wrong line is taken", name)
		}
	}
}

// ObserveLines checks the lines of the events of all runs from now on, as far as they are not
// very many of a kind. The function it returns says what was wrong.
func ObserveLines() (wrong func() error) {
	var mu sync.Mutex
	var errs []error
	seen := map[string]int{}
	var schema *jsonschema.Schema
	const most = 2000
	observe = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if schema == nil {
			var err error
			if schema, err = compiledSchema(lineSchema(new(testing.B), true)); err != nil {
				panic(err)
			}
		}
		if seen[e.Name()]++; seen[e.Name()] > most {
			return
		}
		if err := checkLine(schema, NewLine(time.Now(), NewRunID(), e)); err != nil && len(errs) < 10 {
			errs = append(errs, err)
		}
	}
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		return errors.Join(errs...)
	}
}
