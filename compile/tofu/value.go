package tofu

import (
	"fmt"
	"maps"
	"slices"

	"muster/schema"
)

// over is an object with the fields of the inventory in place of its own.
func over(o object, a *schema.Attrs) object {
	merged := maps.Clone(o)
	if merged == nil {
		merged = object{}
	}
	if a == nil {
		return merged
	}
	for _, f := range a.Fields {
		merged[f.Name] = plain(f.Value)
	}
	return merged
}

// plain is a value of the inventory without markers, for JSON.
func plain(v schema.Value) any {
	switch v := v.(type) {
	case schema.Null:
		return nil
	case schema.Bool:
		return v.V
	case schema.Int:
		return v.V
	case schema.Float:
		return v.V
	case schema.String:
		return v.V
	case schema.List:
		list := make([]any, 0, len(v.Elems))
		for _, e := range v.Elems {
			list = append(list, plain(e))
		}
		return list
	case *schema.Attrs:
		return over(nil, v)
	}
	panic(fmt.Sprintf("plain data has a %T", v))
}

func sortedKeys(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
