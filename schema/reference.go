package schema

import (
	"fmt"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// What a message of CUE about a reference or an operation means: the text in the place
// of the reference tells what its author had in mind.

// explain says in the user's words what is wrong with the expression at a position that
// CUE could not evaluate, and the mend. It returns "" for a message that it does not know.
func (c *cueReader) explain(pos Pos, msg string) (what, mend string) {
	s := c.texts[pos.File]
	if s == nil || pos.Line > len(s.lines) {
		return "", ""
	}
	at := s.lines[pos.Line-1] + pos.Col - 1
	if m := notFound().FindStringSubmatch(msg); m != nil {
		return s.unknownName(at, m[1])
	}
	switch {
	case strings.HasPrefix(msg, "undefined field: "):
		name := strings.TrimPrefix(msg, "undefined field: ")
		if strings.HasPrefix(strings.TrimPrefix(s.beforeOnLine(at), " "), "config.") || strings.HasPrefix(s.word(s.wordStart(at)), "config.") {
			return "config here is what the inventory says, not what NixOS makes of it", "for that, write {$expr: " + doubleQuoted(clip(s.word(s.wordStart(at)))) + "}"
		}
		return "there is no field " + name, didYouMean(similar(name, s.names()))
	case strings.Contains(msg, "(+ list)"), strings.HasPrefix(msg, "Addition of lists"), strings.Contains(msg, "type list and list"):
		return "CUE does not add lists", `import "list", and write list.Concat([a, b])`
	case strings.HasPrefix(msg, "conflicting values {") && strings.Contains(msg, "mismatched types struct and"):
		return "a value without a name stands beside fields", "write name: value, or [ ] around several values"
	case strings.HasPrefix(msg, "Multiplication of lists"):
		return "CUE does not repeat lists", `import "list", and write list.Repeat(a, 3)`
	case strings.Contains(msg, "type string and int"), strings.Contains(msg, "type int and string"), strings.Contains(msg, "type string and float"), strings.Contains(msg, "type float and string"):
		return "a text and a number are added", `write "…\(number)"`
	case strings.HasPrefix(msg, "import failed") && strings.Contains(msg, "relative import"):
		return "import failed: CUE has no relative imports", `write the name of the module in cue.mod/module.cue and the directory, such as "fleet.example/fleet/roles"`
	case hasNoFields().MatchString(msg):
		m := hasNoFields().FindStringSubmatch(msg)
		return fmt.Sprintf("%s has no fields: it is a %s", m[1], m[2]), "write " + m[1] + " alone"
	case strings.HasPrefix(msg, "unreferenced alias or let clause "):
		name := strings.TrimPrefix(msg, "unreferenced alias or let clause ")
		return name + " is used nowhere", fmt.Sprintf("delete it, or write %s, or \"\\(%s)\" in a text, where its value is meant", name, name)
	case strings.HasPrefix(msg, "imported and not used"):
		return oneLine(msg), "delete the import, or use it"
	}
	return "", ""
}

var notFound = ondemand.Regexp(`^reference "(.*)" not found$`)

var hasNoFields = ondemand.Regexp(`^invalid operand (\S+) \(found (\w+), want list or struct\)`)

// unknownName says what is meant by a name that the inventory does not have.
func (s *source) unknownName(at int, name string) (what, mend string) {
	line := s.restOfLine(at)
	what = fmt.Sprintf("there is no field %s to refer to", name)
	if m := s.nixValue(at, langCUE); m != nil && nixNames[name] {
		return m.what, m.mend
	}
	if m := otherWord(at, name, langCUE); m != nil {
		return m.what, m.mend
	}
	if strings.HasPrefix(strings.TrimSpace(s.line(s.pos(at).Line)), "- ") {
		m := yamlList(at)
		return m.what, m.mend
	}
	switch {
	case slices.Contains(cuePackages, name) && strings.HasPrefix(line, name+"."):
		return "the package " + name + " is not imported", fmt.Sprintf("write import %q at the beginning of the file", name)
	case name == "range":
		return "CUE has no range", rangeMend
	case name[0] == '$':
		return name + " is a variable of a shell", "the inventory has none: write the value, in quotes"
	case nixNames[name]:
		return name + " is Nix", "write {$expr: \"…\"}, or name a NixOS module in imports"
	}
	names := s.names()
	text := s.word(s.wordStart(at))
	if !strings.Contains(text, name) || strings.ContainsAny(text, `\`) {
		text = name
	}
	if strings.Contains(text, "-") {
		return text + " without quotes", "write " + doubleQuoted(clip(text))
	}
	_, rest, dots := strings.Cut(text, ".")
	second, _, _ := strings.Cut(rest, ".")
	if near := similar(name, names); near != "" && (!dots || slices.Contains(names, second)) {
		return what, didYouMean(near)
	}
	return what, "a text needs quotes: " + doubleQuoted(clip(text))
}

// nixNames are names that NixOS modules have in scope.
var nixNames = map[string]bool{
	"pkgs": true, "lib": true, "config": true, "builtins": true, "options": true, "modulesPath": true, "inputs": true, "self": true, "nodes": true,
	"mkForce": true, "mkDefault": true, "mkIf": true, "mkMerge": true, "mkBefore": true, "mkAfter": true, "mkOverride": true, "mkOrder": true,
}

// cuePackages are packages of CUE's library.
var cuePackages = []string{"list", "strings", "strconv", "net", "path", "regexp", "math", "struct", "time", "json", "yaml", "base64", "hex"}

// names are the names that a CUE text declares, and the definitions of the schema.
func (s *source) names() []string {
	var names []string
	for _, m := range declared().FindAllSubmatch(s.data, -1) {
		names = append(names, string(m[1])+string(m[2]))
	}
	for line := range strings.Lines(schemaText) {
		if name, _, ok := strings.Cut(line, ":"); ok && name[0] == '#' {
			names = append(names, name)
		}
	}
	return names
}

// similar returns the name most similar to another, which is not that name itself.
func similar(name string, names []string) string {
	return nearest(name, slices.DeleteFunc(names, func(n string) bool { return n == name || (n[0] == '#') != (name[0] == '#') }))
}

var declared = ondemand.Regexp(`([\pL_#$][\pL\pN_$]*)"?[?!]?\s*:|\blet\s+([\pL_#$][\pL\pN_$]*)`)

func didYouMean(name string) string {
	if name == "" {
		return "an inventory refers to a field by its path, such as hosts.web1.host"
	}
	return fmt.Sprintf("did you mean %s?", name)
}
