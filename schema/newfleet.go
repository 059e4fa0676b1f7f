package schema

import (
	"fmt"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/format"
	"cuelang.org/go/cue/literal"
)

// A NewFleet is a whole inventory to write.
type NewFleet struct {
	Package string
	Comment []string // above it, line by line
	// Fields are those before hosts. Their values are those of [NewField], and
	// [][]NewField for lists of structs.
	Fields []NewField
	Each   *EachHost // nil for none
	Hosts  []NewHost
}

// An EachHost is a field that every host has, whose value is a prefix and the host's name.
type EachHost struct{ Field, Prefix string }

// Add adds fields.
func (f *NewFleet) Add(fields ...NewField) { f.Fields = append(f.Fields, fields...) }

// CUE is the text of the inventory.
func (f *NewFleet) CUE() ([]byte, error) {
	var b strings.Builder
	for _, line := range f.Comment {
		b.WriteString(strings.TrimRight("// "+strings.Map(inComment, line), " ") + "\n")
	}
	fmt.Fprintf(&b, "package %s\n", f.Package)
	for _, field := range f.Fields {
		b.WriteString("\n" + cueText(field, true) + "\n")
	}
	if f.Each != nil {
		quoted := literal.String.Quote(f.Each.Prefix)
		fmt.Fprintf(&b, "\n// Where the system of each host is.\nhosts: [Name=string]: %s: %s\\(Name)\"\n", f.Each.Field, strings.TrimSuffix(quoted, `"`))
	}
	b.WriteString("\nhosts: {\n")
	for i := range f.Hosts {
		b.WriteString(cueText(NewField{Name: f.Hosts[i].Name, Value: f.Hosts[i].Fields}, false) + "\n")
	}
	b.WriteString("}\n")
	text, err := format.Source([]byte(b.String()))
	if err != nil {
		return nil, fmt.Errorf("write the inventory: %v", err)
	}
	return text, nil
}

// inComment replaces characters that end a comment.
func inComment(r rune) rune {
	if r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 {
		return ' '
	}
	return r
}

// maxLine is how long a struct in one line may be.
const maxLine = 100

// cueText is the text of a field: in one line if it is short. The only field of a struct
// follows its name without braces, if chain is set.
func cueText(f NewField, chain bool) string {
	name := f.Name
	if !ast.IsValidIdent(name) || strings.HasPrefix(name, "_") || strings.HasPrefix(name, "#") {
		name = literal.String.Quote(name)
	}
	if fields, ok := f.Value.([]NewField); ok && chain && len(fields) == 1 {
		return name + ": " + cueText(fields[0], true)
	}
	return name + ": " + cueValue(f.Value)
}

func cueValue(value any) string {
	switch v := value.(type) {
	case string:
		return literal.String.Quote(v)
	case int:
		return strconv.Itoa(v)
	case bool:
		return strconv.FormatBool(v)
	case []string:
		var list []string
		for _, e := range v {
			list = append(list, literal.String.Quote(e))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case []NewField:
		var list []string
		for _, f := range v {
			list = append(list, cueText(f, true))
		}
		return "{" + inLines(list, ", ", "\n") + "}"
	case [][]NewField:
		var list []string
		for _, e := range v {
			list = append(list, cueValue(e))
		}
		return "[" + inLines(list, ", ", ",\n") + "]"
	}
	panic(fmt.Sprintf("schema: new field %T", value))
}

// inLines joins texts to one line, or to lines if that would be long.
func inLines(list []string, short, long string) string {
	line := strings.Join(list, short)
	if len(line) <= maxLine && !strings.Contains(line, "\n") {
		return line
	}
	return "\n" + strings.Join(list, long) + strings.TrimSuffix(long, "\n") + "\n"
}
