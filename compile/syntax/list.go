package syntax

// StringList returns the Nix list of some strings, such as [ "il" "ee" ].
func StringList(texts []string) *List {
	l := &List{}
	for _, text := range texts {
		s := &String{}
		if text != "" {
			s.Parts = []Part{{Text: text}}
		}
		l.Elems = append(l.Elems, s)
	}
	return l
}
