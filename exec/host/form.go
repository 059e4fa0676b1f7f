package host

import (
	"regexp"

	"muster/exec/ondemand"
)

// A form is a regular expression that is compiled when a text is first matched: most runs
// read no hardware, and compiling all forms takes a tenth of the start of the program.
type form func() *regexp.Regexp

func newForm(expr string) form {
	return ondemand.Regexp(expr)
}

func (f form) MatchString(s string) bool            { return f().MatchString(s) }
func (f form) FindString(s string) string           { return f().FindString(s) }
func (f form) FindStringSubmatch(s string) []string { return f().FindStringSubmatch(s) }
