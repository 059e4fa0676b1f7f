package schema

import (
	"bytes"
	"encoding/json"
)

// setJSON sets a field in JSON.
func (f *hostFile) setJSON(path []string, field *setField) (*splice, error) {
	from, to := 0, len(f.text)
	for _, name := range path {
		m, ok := f.jsonMembers(from, to)[name]
		if !ok {
			return nil, errNoPlace
		}
		from, to = m.value, m.end
	}
	members := f.jsonMembers(from, to)
	if members == nil {
		return nil, errNoPlace
	}
	if m, ok := members[field.name]; ok {
		return &splice{from: m.value, to: m.end, text: field.text}, nil
	}
	member := jsonText(field.name, "", false) + ": " + field.text
	if m, ok := members["host"]; ok {
		return f.after(m.name, m.end, "", member, ", ", ","), nil
	}
	at := from + 1 + bytes.IndexByte(f.text[from:to], '{')
	if len(members) == 0 {
		return &splice{from: at, to: at, text: member, only: true}, nil
	}
	return &splice{from: at, to: at, text: member + ", "}, nil
}

// A jsonPlace is where a member of an object is.
type jsonPlace struct{ name, value, end int }

// jsonMembers are the members of the object between two offsets, by name; nil where there
// is no object. Of two of one name, the first counts.
func (f *hostFile) jsonMembers(from, to int) map[string]jsonPlace {
	if members, known := f.json[from]; known {
		return members
	}
	if f.json == nil {
		f.json = map[int]map[string]jsonPlace{}
	}
	f.json[from] = jsonMembers(f.text, from, to)
	return f.json[from]
}

func jsonMembers(src []byte, from, to int) map[string]jsonPlace {
	dec := json.NewDecoder(bytes.NewReader(src[from:to]))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil
	}
	members := map[string]jsonPlace{}
	for dec.More() {
		before := from + int(dec.InputOffset())
		tok, err := dec.Token()
		if err != nil {
			return nil
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil
		}
		name := tok.(string) // as all names of members are
		if _, twice := members[name]; !twice {
			end := from + int(dec.InputOffset())
			members[name] = jsonPlace{before + bytes.IndexByte(src[before:], '"'), end - len(value), end}
		}
	}
	return members
}
