// Package ondemand has values that cost nothing until they are used.
package ondemand

import (
	"regexp"
	"sync"
)

// Regexp returns a function that returns a regular expression in the syntax of
// https://github.com/google/re2/wiki/Syntax. It is compiled when it is first asked for, and
// must be valid:
//
//	var digits = ondemand.Regexp(`^[0-9]+$`)
//
//	if digits().MatchString(s) { … }
//
// Each start of the program would otherwise compile more than a hundred, and use two or three.
func Regexp(expression string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}
