package compile

import (
	"bytes"

	"muster/compile/syntax"
)

// FormatSnippet returns Nix text in the layout of the printer, with its comments.
// Text that is not Nix is returned unchanged; vet reports it.
func FormatSnippet(text string) string {
	f, err := syntax.ParseFile("", []byte(text), syntax.Options{Comments: true})
	if err != nil {
		return text
	}
	var out bytes.Buffer
	if err := syntax.Fprint(&out, f); err != nil {
		return text
	}
	return out.String()
}
