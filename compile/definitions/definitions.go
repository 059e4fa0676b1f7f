// Package definitions says what a NixOS configuration defines, as its modules are written: which options,
// with which text. Nothing is evaluated, so that it takes milliseconds, and what it says is what stands in
// the modules: not the value that the module system makes of several definitions.
//
//	r := definitions.Reader{Read: os.ReadFile}
//	changes := definitions.Compare(before, r.System("/fleet", module))
//	// services.nginx.enable: false → true
package definitions

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"muster/compile/syntax"
)

// A System is what the modules of one system define.
type System struct {
	Modules []*Module
	// Pins are the versions of nixpkgs and of inputs, by name.
	Pins map[string]string
}

// A Module is what one module defines: a file, or a module in the inventory.
type Module struct {
	// Source is the name of the file; "" for a module in the inventory.
	Source string `json:"source,omitempty"`
	// Sum is that of the module's text, without its comments and spaces.
	Sum     string   `json:"sum"`
	Options []Option `json:"options,omitempty"`
}

// An Option is one definition of an option, or of an attribute below one.
type Option struct {
	Name string `json:"name"` // services.nginx.enable
	Text string `json:"text"` // the definition in Nix; of one that may be confidential, a checksum
	// Hidden says that the text is a checksum.
	Hidden bool `json:"hidden,omitempty"`
}

// maxText is how many bytes of a definition are kept.
const maxText = 2000

// add adds the definition of an option.
func (m *Module) add(path syntax.AttrPath, text string) {
	name := ""
	confidential := false
	for i, n := range path {
		if i > 0 {
			name += "."
		}
		name += attrName(n)
		confidential = isConfidential(n.Name)
	}
	o := Option{Name: name, Text: text, Hidden: confidential || len(text) > maxText}
	if o.Hidden {
		o.Text = sum(text)
	}
	m.Options = append(m.Options, o)
}

// attrName is a name of an attribute path as it is written.
func attrName(n syntax.AttrName) string {
	switch {
	case n.Expr != nil:
		return "${" + formatted(n.Expr) + "}"
	case plainName(n.Name):
		return n.Name
	}
	return fmt.Sprintf("%q", n.Name)
}

func plainName(name string) bool {
	for i, r := range name {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789-'", r)) {
			return false
		}
	}
	return name != ""
}

// isConfidential reports whether what an option of this name holds may be for nobody to read. The names of
// files, which NixOS's modules read such values from, are not.
func isConfidential(name string) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, "file") || strings.HasSuffix(name, "path") {
		return false
	}
	return slices.ContainsFunc([]string{"password", "passphrase", "secret", "token", "privatekey", "presharedkey", "credential", "apikey"},
		func(word string) bool { return strings.Contains(name, word) })
}

// formatted is the text of an expression.
func formatted(e syntax.Expr) string { return strings.TrimSpace(string(syntax.FormatExpr(e))) }

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%x", s[:12])
}
