package sshconfig

import (
	"fmt"
	"slices"
	"strings"
)

// ChooseAlgorithms applies the value of a keyword such as HostKeyAlgorithms to the default algorithms. The value is a
// list of patterns, or a change to the defaults: + (these too), - (without these) or ^ (these first). An algorithm
// that is not among the possible ones is passed over.
func ChooseAlgorithms(defaults, possible []string, list string) ([]string, error) {
	if list == "" {
		return defaults, nil
	}
	op, patterns := list[0], list
	if strings.IndexByte("+-^", op) >= 0 {
		patterns = list[1:]
	}
	var named []string
	for pattern := range strings.SplitSeq(patterns, ",") {
		for _, a := range possible {
			if MatchPattern(a, strings.TrimSpace(pattern)) && !slices.Contains(named, a) {
				named = append(named, a)
			}
		}
	}
	others := without(defaults, named)
	chosen := named
	switch op {
	case '+':
		chosen = append(slices.Clone(defaults), without(named, defaults)...)
	case '-':
		chosen = others
	case '^':
		chosen = append(named, others...)
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("%s leaves no algorithm that is supported here", list)
	}
	return chosen, nil
}

// without is the list but for what remove holds.
func without(list, remove []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(a string) bool { return slices.Contains(remove, a) })
}
