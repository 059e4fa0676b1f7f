package schema

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
)

// readJSON reads a JSON file. Duplicate keys in an object are an error, although
// JSON readers usually take the last one.
func readJSON(s *source, r *report) *node {
	j := &jsonReader{source: s, report: r, dec: json.NewDecoder(bytes.NewReader(s.data))}
	j.dec.UseNumber()
	return s.read(r, func() *node {
		tok, at := j.next()
		n := j.value(tok, at, "", 0)
		if _, err := j.dec.Token(); err != io.EOF {
			r.mistake(s, s.jsonMistake())
		}
		return n
	})
}

type jsonReader struct {
	*source
	report *report
	dec    *json.Decoder
	count  int
}

// skip returns the offset of the token at or after offset i.
func (j *jsonReader) skip(i int) int {
	for i < len(j.data) && bytes.IndexByte([]byte(" \t\r\n,:"), j.data[i]) >= 0 {
		i++
	}
	return min(i, max(0, len(j.data)-1))
}

// next returns the next token and its offset.
func (j *jsonReader) next() (json.Token, int) {
	at := j.skip(int(j.dec.InputOffset()))
	tok, err := j.dec.Token()
	if err == nil {
		return tok, at
	}
	j.report.mistake(j.source, j.jsonMistake())
	panic(stop{})
}

func (j *jsonReader) value(tok json.Token, at int, path string, depth int) *node {
	if j.count++; depth > maxDepth {
		j.report.add(j.pos(at), "", "too-deep", "nested deeper than %d levels", maxDepth)
		panic(stop{})
	}
	n := &node{at: j.pos(at)}
	switch v := tok.(type) {
	case nil:
		n.kind = nullKind
	case bool:
		n.kind, n.bool = boolKind, v
	case string:
		n.kind, n.text = stringKind, v
	case json.Number:
		number(n, string(v))
	case json.Delim:
		if v == '[' {
			n.kind = listKind
			for j.dec.More() {
				tok, at := j.next()
				n.elems = append(n.elems, j.value(tok, at, path, depth+1))
			}
		} else {
			n.kind = structKind
			for j.dec.More() {
				tok, at := j.next()
				name, _ := tok.(string)
				pos, below := j.pos(at), join(path, name)
				tok, at = j.next()
				val := j.value(tok, at, below, depth+1)
				if i := n.index(name); i >= 0 {
					j.report.add(pos, below, "duplicate-key", "duplicate key").Hint = "first at " + n.fields[i].at.String()
					continue
				}
				n.set(name, pos, val)
			}
		}
		j.next() // the closing bracket
	}
	return n
}

// number sets n to the number that a text spells in decimal.
func number(n *node, text string) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		n.kind, n.num = intKind, i
		return
	}
	if bytes.ContainsAny([]byte(text), ".eE") {
		if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
			n.kind, n.flt = floatKind, f
			return
		}
	}
	n.kind, n.text = bigKind, text
}
