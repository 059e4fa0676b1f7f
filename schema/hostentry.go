package schema

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"cuelang.org/go/cue/format"
)

// errNoPlace says that a file has no place where a field of a host is clear.
var errNoPlace = errors.New("add host_keys by hand")

// HostKeys are the keys that a host is to have.
type HostKeys struct {
	Host string
	Keys []string
}

// SetHostKeys returns the text of a file of the inventory in which hosts have these
// host_keys. What was there stays as it is, with its comments. The name of the file says
// its language; main says that it is the inventory itself, and no file of hosts alone, or
// of one host. The caller loads the result to see that it means what was meant: another
// file can say something else of a host.
func SetHostKeys(name string, src []byte, main bool, hosts []HostKeys) ([]byte, error) {
	f := newHostFile(name, src)
	var atEnd []string
	for _, h := range hosts {
		for _, k := range h.Keys {
			if strings.ContainsFunc(k, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return nil, fmt.Errorf("%s: %q is no public key", h.Host, k)
			}
		}
		field := &setField{name: "host_keys", text: jsonText(h.Keys, "", false), lines: h.Keys}
		err := f.set(h.Host, field, main)
		switch {
		case errors.Is(err, errNoEntry):
			atEnd = append(atEnd, fmt.Sprintf("hosts: %s: %s: %s\n", cueLabel(h.Host), field.name, field.text))
		case err != nil:
			return nil, fmt.Errorf("%s: %w", h.Host, err)
		}
	}
	out := f.edited()
	if f.kind == ".cue" {
		out = formattedLike(src, out)
	}
	if len(atEnd) > 0 {
		out = endWith(out, []byte(strings.Join(atEnd, "\n")))
	}
	return out, nil
}

// formattedLike is a text of CUE in the layout of cue fmt, where the one that it was made
// of has this layout.
func formattedLike(src, out []byte) []byte {
	if was, err := format.Source(src); err != nil || !bytes.Equal(was, src) {
		return out
	}
	if formatted, err := format.Source(out); err == nil {
		return formatted
	}
	return out
}

// A setField is a field that the entry of a host is given.
type setField struct {
	name  string
	text  string   // its value on one line
	lines []string // the texts of a list, for YAML; nil where the value is another
}

// set gives a field to a host. In a file that is not the main one of an inventory, the entry
// of the host may also be below its name alone, or the whole file.
func (f *hostFile) set(host string, field *setField, main bool) error {
	paths := [][]string{{"hosts", host}, {host}, nil}
	if main {
		paths = paths[:1]
	}
	setAt := func(set func(path []string, field *setField) (*splice, error)) (s *splice, err error) {
		for _, path := range paths {
			if s, err = set(path, field); err == nil {
				break
			}
		}
		return s, err
	}
	var s *splice
	err := errNoPlace
	switch f.kind {
	case ".cue":
		s, err = f.setCUE(host, field)
	case ".toml":
		s, err = setAt(f.setTOML)
	case ".yaml":
		s, err = setAt(f.setYAML)
	case ".json":
		s, err = setAt(f.setJSON)
	}
	if err == nil {
		f.edits = append(f.edits, *s)
	}
	return err
}

// after is the edit that adds a member behind another one that ends at an offset: on a
// line of its own, where the other is alone on its line, and else beside it. member is
// the new one; prefix stands before both, such as "web1." in TOML.
func (f *hostFile) after(start, end int, prefix, member, comma, lineComma string) *splice {
	src := f.text
	begin := bytes.LastIndexByte(src[:start], '\n') + 1
	indent := string(src[begin:start])
	eol := len(src)
	if i := bytes.IndexByte(src[end:], '\n'); i >= 0 {
		eol = end + i
	}
	rest := strings.TrimLeft(strings.TrimLeft(string(src[end:eol]), " \t\r"), ",")
	rest = strings.TrimSpace(rest)
	alone := strings.TrimSpace(indent) == "" && (rest == "" || strings.HasPrefix(rest, "#") || strings.HasPrefix(rest, "//"))
	if !alone {
		return &splice{from: end, to: end, text: comma + prefix + member}
	}
	if lineComma != "" { // between members, as in JSON
		return &splice{from: end, to: end, text: lineComma + "\n" + indent + prefix + member}
	}
	return &splice{from: eol, to: eol, text: "\n" + indent + prefix + member}
}
