package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"

	"muster/exec/ondemand"
)

// JSONSchema returns the schema of inventories as a JSON Schema, draft 2020-12,
// for editors of TOML, YAML and JSON. It expresses what schema.cue does, and not
// the rules about several fields, which only muster vet checks.
//
// CUE's own generator is no alternative: it closes #Defaults inside #Host, and so
// accepts no host.
func JSONSchema() (string, error) {
	v := cuecontext.New().CompileString(schemaText, cue.Filename("schema.cue"))
	s := jsonSchema(v.LookupPath(cue.ParsePath("#Inventory")))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "an inventory of muster"
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return "", fmt.Errorf("generate a JSON Schema: %w", err)
	}
	return b.String(), nil
}

// A jsonObject is a JSON object.
type jsonObject = map[string]any

// jsonSchema converts a value of schema.cue.
func jsonSchema(v cue.Value) jsonObject {
	k := v.IncompleteKind()
	switch {
	case k == cue.TopKind:
		return jsonObject{}
	case k&(cue.StructKind|cue.ListKind) != 0 && k&(k-1) != 0:
		_, args := cue.Dereference(v).Expr()
		var alternatives []jsonObject
		for _, a := range args {
			alternatives = append(alternatives, jsonSchema(a))
		}
		return jsonObject{"anyOf": alternatives}
	case k == cue.StructKind:
		return jsonStruct(v)
	case k == cue.ListKind:
		s := jsonObject{"type": "array", "items": jsonSchema(v.LookupPath(cue.MakePath(cue.AnyIndex)))}
		if first := v.LookupPath(cue.MakePath(cue.Index(0))); first.Exists() {
			s["minItems"] = 1 // [#Text, ...#Text]
		}
		return s
	}
	return jsonScalar(v)
}

func jsonStruct(v cue.Value) jsonObject {
	s := jsonObject{"type": "object"}
	fields, required := jsonObject{}, []string{}
	it, err := v.Fields(cue.Optional(true), cue.Patterns(true))
	if err != nil {
		panic("schema.cue: " + err.Error())
	}
	for it.Next() {
		f := jsonSchema(it.Value())
		if it.Selector().LabelType() == cue.StringLabel && it.Selector().ConstraintType() == cue.PatternConstraint {
			pattern := jsonScalar(it.Selector().Pattern())["pattern"].(string)
			s["patternProperties"] = jsonObject{pattern: f}
			s["additionalProperties"] = false
			continue
		}
		f["description"] = strings.TrimSpace(docOf(it.Value()) + "\n\nWants " + attribute(it.Value(), "want") + ".")
		fields[it.Selector().Unquoted()] = f
		if it.Selector().ConstraintType()&cue.RequiredConstraint != 0 {
			required = append(required, it.Selector().Unquoted())
		}
	}
	if len(fields) > 0 {
		s["properties"] = fields
		s["additionalProperties"] = false
	}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

// jsonScalar converts a scalar constraint. It supports the same operators as
// leafOf.
func jsonScalar(v cue.Value) jsonObject {
	v = cue.Dereference(v)
	op, args := v.Expr()
	switch op {
	case cue.NoOp:
		if v.IsConcrete() {
			var c any
			if err := v.Decode(&c); err != nil {
				panic("schema.cue: " + err.Error())
			}
			return jsonObject{"const": c}
		}
		names := map[cue.Kind]string{cue.StringKind: "string", cue.IntKind: "integer", cue.BoolKind: "boolean"}
		if name := names[v.IncompleteKind()]; name != "" {
			return jsonObject{"type": name}
		}
	case cue.RegexMatchOp:
		pattern, err := args[0].String()
		if err != nil {
			panic("schema.cue: " + err.Error())
		}
		return jsonPattern(pattern)
	case cue.GreaterThanOp, cue.GreaterThanEqualOp, cue.LessThanOp, cue.LessThanEqualOp:
		bound, err := args[0].Int64()
		if err != nil {
			panic("schema.cue: " + err.Error())
		}
		names := map[cue.Op]string{cue.GreaterThanOp: "exclusiveMinimum", cue.GreaterThanEqualOp: "minimum", cue.LessThanOp: "exclusiveMaximum", cue.LessThanEqualOp: "maximum"}
		return jsonObject{names[op]: bound}
	case cue.AndOp:
		s := jsonObject{}
		for _, a := range args {
			maps.Copy(s, jsonScalar(a)) // in schema.cue no two set the same key
		}
		return s
	case cue.OrOp:
		var alternatives []jsonObject
		var constants []any
		for _, a := range args {
			s := jsonScalar(a)
			if c, ok := s["const"]; ok {
				constants = append(constants, c)
			}
			alternatives = append(alternatives, s)
		}
		if len(constants) == len(alternatives) {
			return jsonObject{"enum": constants}
		}
		return jsonObject{"anyOf": alternatives}
	}
	panic(fmt.Sprintf("schema.cue: %v: JSON Schema cannot express %v", v.Pos(), op))
}

// countedClass matches a count of a class of Unicode characters, with one such character
// before it and one after: A(B{0,198}C)?
var countedClass = ondemand.Regexp(`^(\^\[[^\]]*\]\(\[[^\]]*\\p\{[^\]]*\])\{0,(\d+)\}(\[[^\]]*\]\)\?\$)$`)

// jsonPattern converts a regular expression. The engine of taplo, the language server of TOML,
// refuses large counts of classes of Unicode characters, and with them the whole schema: the
// length is bounded beside the pattern.
func jsonPattern(pattern string) jsonObject {
	if m := countedClass().FindStringSubmatch(pattern); m != nil {
		n, _ := strconv.Atoi(m[2])
		return jsonObject{"type": "string", "pattern": m[1] + "*" + m[3], "maxLength": n + 2}
	}
	return jsonObject{"type": "string", "pattern": pattern}
}

// attribute returns the text of an attribute such as @want("a port").
func attribute(v cue.Value, name string) string {
	a := v.Attribute(name)
	text, err := a.String(0)
	if a.Err() != nil || err != nil {
		return ""
	}
	return text
}

// docOf returns the comment of a field.
func docOf(v cue.Value) string {
	var parts []string
	for _, g := range v.Doc() {
		parts = append(parts, strings.TrimSpace(g.Text()))
	}
	return strings.Join(parts, "\n")
}
