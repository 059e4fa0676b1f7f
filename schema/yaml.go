package schema

import (
	"bytes"
	"io"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"muster/exec/ondemand"
)

// readYAML reads a YAML file with one document. Aliases and merge keys work as in
// YAML, but may expand only to a limited number of values.
func readYAML(s *source, r *report) *node {
	y := &yamlReader{source: s, report: r, open: make(map[*yaml.Node]bool)}
	return s.read(r, y.document)
}

type yamlReader struct {
	*source
	report *report
	open   map[*yaml.Node]bool // targets of the aliases being expanded
	count  int                 // values that aliases expanded to
}

var yamlLine = ondemand.Regexp(`^yaml: (?:line (\d+): )?`)

var yamlAnchor = ondemand.Regexp(`^unknown anchor '(.*)' referenced`)

func (y *yamlReader) document() *node {
	dec := yaml.NewDecoder(bytes.NewReader(y.data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if err == io.EOF {
		return &node{kind: structKind, at: y.start()}
	}
	if err == nil {
		if e := dec.Decode(&more); e == nil {
			y.fail(&more, "more than one document; delete the line ---, and put all hosts below one hosts")
		} else if e != io.EOF {
			err = e
		}
	}
	if err != nil {
		pos, msg := y.start(), err.Error()
		if m := yamlLine().FindStringSubmatch(msg); m != nil {
			msg = msg[len(m[0]):]
			if l, _ := strconv.Atoi(m[1]); l > 0 {
				pos.Line = min(l, len(y.lines))
			}
		}
		if m := yamlAnchor().FindStringSubmatch(msg); m != nil {
			if i := bytes.Index(y.data, []byte("*"+m[1])); i >= 0 {
				pos = y.pos(i)
			}
		} else if line := y.failsAt(msg); line > 0 {
			text := y.line(line)
			pos = Pos{File: y.name, Line: line, Col: len(text) - len(strings.TrimLeft(text, " ")) + 1}
		}
		y.report.mistake(y.source, y.yamlMistake(pos, msg))
		panic(stop{})
	}
	return y.value(&doc, "", 0)
}

// failsAt returns the line of a syntax error, or 0 if it is unknown. go-yaml names
// only the line on which the innermost value began, if any, so failsAt searches
// for the shortest prefix of the text that has the error.
func (y *yamlReader) failsAt(msg string) int {
	if len(y.data) > 1<<20 {
		return 0
	}
	fails := func(lines int) bool {
		end := len(y.data)
		if lines < len(y.lines) {
			end = y.lines[lines]
		}
		dec := yaml.NewDecoder(bytes.NewReader(y.data[:end]))
		for {
			var n yaml.Node
			switch err := dec.Decode(&n); {
			case err == io.EOF:
				return false
			case err != nil:
				return yamlLine().ReplaceAllString(err.Error(), "") == msg
			}
		}
	}
	line := 1 + sort.Search(len(y.lines), func(i int) bool { return fails(i + 1) })
	if line > len(y.lines) {
		return 0
	}
	return line
}

func (y *yamlReader) at(n *yaml.Node) Pos {
	if n.Line == 0 {
		return y.start()
	}
	line := min(n.Line, len(y.lines)) // an empty value at the end is on a line after the last
	return Pos{File: y.name, Line: line, Col: y.byteCol(line, n.Column)}
}

func (y *yamlReader) fail(n *yaml.Node, msg string) {
	y.report.add(y.at(n), "", "syntax", "%s", msg)
	panic(stop{})
}

func (y *yamlReader) value(v *yaml.Node, path string, depth int) *node {
	if len(y.open) > 0 {
		if y.count++; y.count > maxAliased {
			y.fail(v, "aliases expand to more than "+strconv.Itoa(maxAliased)+" values")
		}
	}
	if depth > maxDepth {
		y.fail(v, "nested deeper than "+strconv.Itoa(maxDepth)+" levels")
	}
	n := &node{at: y.at(v)}
	switch v.Kind {
	case yaml.DocumentNode:
		if len(v.Content) == 0 {
			n.kind = structKind
			return n
		}
		return y.value(v.Content[0], path, depth)
	case yaml.AliasNode:
		if v.Alias == nil || y.open[v.Alias] {
			y.fail(v, "alias "+quote(v.Value)+" contains itself")
		}
		y.open[v.Alias] = true
		n = y.value(v.Alias, path, depth+1)
		delete(y.open, v.Alias)
	case yaml.SequenceNode:
		n.kind = listKind
		for _, e := range v.Content {
			n.elems = append(n.elems, y.value(e, path, depth+1))
		}
	case yaml.MappingNode:
		n.kind = structKind
		y.mapping(n, v, path, depth)
	case yaml.ScalarNode:
		y.scalar(n, v, path)
	}
	return n
}

func (y *yamlReader) mapping(n *node, v *yaml.Node, path string, depth int) {
	var merges []*yaml.Node
	for i := 0; i+1 < len(v.Content); i += 2 {
		k, val := v.Content[i], v.Content[i+1]
		if k.Kind == yaml.AliasNode && k.Alias != nil {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			if m := y.yamlLine(k.Line); m != nil {
				y.report.mistake(y.source, m)
				panic(stop{})
			}
			y.report.add(y.at(v.Content[i]), "", "syntax", "a key must be text").Hint = "put it in quotes"
			panic(stop{})
		}
		if k.ShortTag() == "!!merge" {
			merges = append(merges, val)
			continue
		}
		below, pos := join(path, k.Value), y.at(v.Content[i])
		child := y.value(val, below, depth+1)
		if j := n.index(k.Value); j >= 0 {
			y.report.add(pos, below, "duplicate-key", "duplicate key").Hint = "first at " + n.fields[j].at.String()
			continue
		}
		n.set(k.Value, pos, child)
	}
	for _, m := range merges {
		from := []*node{y.value(m, path, depth+1)}
		if from[0].kind == listKind {
			from = from[0].elems
		}
		for _, f := range from {
			if f.kind != structKind {
				y.fail(m, "<< takes an attribute set or a list of them")
			}
			for _, fd := range f.fields {
				if n.index(fd.name) < 0 {
					n.fields = append(n.fields, fd)
				}
			}
		}
	}
}

// yamlOctal matches a number that is octal in YAML 1.1, which go-yaml implements,
// and decimal in YAML 1.2.
var yamlOctal = ondemand.Regexp(`^[-+]?0[0-9_]+$`)

func (y *yamlReader) scalar(n *node, v *yaml.Node, path string) {
	if tag := v.ShortTag(); (tag == "!!int" || tag == "!!float") && yamlOctal().MatchString(v.Value) {
		y.report.add(n.at, path, "number", "got %s, which is octal in YAML 1.1 and decimal in YAML 1.2", shorten(v.Value)).Hint = "write it without the leading 0, or in quotes"
		return
	}
	switch v.ShortTag() {
	case "!!null":
		n.kind = nullKind
	case "!!bool":
		var b bool
		if v.Decode(&b) != nil {
			y.fail(v, quote(v.Value)+" is not true or false")
		}
		n.kind, n.bool = boolKind, b
	case "!!int":
		var i int64
		n.kind = intKind
		if v.Decode(&i) != nil {
			n.kind, n.text = bigKind, v.Value
		}
		n.num = i
	case "!!float":
		number(n, strings.ReplaceAll(v.Value, "_", ""))
	case "!!binary":
		y.fail(v, "!!binary is not supported")
	case "!!str":
		n.kind, n.text = stringKind, v.Value
	default:
		if tag := v.ShortTag(); !strings.HasPrefix(tag, "!!") {
			y.report.add(n.at, path, "syntax", "%s is a tag of YAML without a meaning here", shorten(tag)).Hint = "put a text that begins with ! in quotes"
			return
		}
		n.kind, n.text = stringKind, v.Value
	}
}
