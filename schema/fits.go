package schema

import (
	"regexp"
	"sync"

	"cuelang.org/go/cue/literal"

	"muster/exec/ondemand"
)

// Fits reports whether a text fits a definition of schema.cue that is one pattern, such as
// "HostName".
func Fits(definition, text string) bool {
	pattern := patterns()[definition]
	if pattern == nil {
		panic("schema: no pattern #" + definition)
	}
	return pattern.MatchString(text)
}

// definitionPattern matches a definition that is one pattern.
var definitionPattern = ondemand.Regexp(`(?m)^#([A-Za-z0-9]+): =~("(?:[^"\\]|\\.)*")$`)

// patterns are the definitions that are one pattern, by their names.
var patterns = sync.OnceValue(func() map[string]*regexp.Regexp {
	all := map[string]*regexp.Regexp{}
	for _, m := range definitionPattern().FindAllStringSubmatch(schemaText, -1) {
		text, err := literal.Unquote(m[2])
		if err != nil {
			panic("schema: pattern #" + m[1] + ": " + err.Error())
		}
		all[m[1]] = regexp.MustCompile(text)
	}
	return all
})
