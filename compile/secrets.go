package compile

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// secretsModule is the let-bound module that brings a host's secrets into memory.
const secretsModule = "musterSecrets"

//go:embed secrets.nix
var secretsNix string

//go:embed secrets.sh
var secretsScript string

// secrets are the options that name a host's secrets, or nil. Contents are no part
// of the configuration.
func (w *writer) secrets(h *schema.Host) *schema.Attrs {
	if len(h.AllSecrets) == 0 {
		return nil
	}
	all := &schema.Attrs{At: h.At}
	for _, s := range h.AllSecrets {
		if s.HostKey() != "" {
			continue // muster places it (exec/hostkey.go)
		}
		one := &schema.Attrs{At: s.At}
		text := func(name, value, byDefault string) {
			if value != byDefault {
				put(one, schema.String{At: s.At, V: value}, name)
			}
		}
		text("owner", s.Owner, "root")
		text("group", s.Group, "root")
		text("mode", fmt.Sprintf("%04o", s.Mode), "0400")
		text("path", s.Path, "")
		if len(s.Restart) > 0 {
			put(one, texts(s.At, s.Restart), "restart")
		}
		if len(s.Reload) > 0 {
			put(one, texts(s.At, s.Reload), "reload")
		}
		put(all, one, s.Name)
	}
	return all
}

// secretsText is the module of secrets with its script.
func secretsText() syntax.Expr {
	return embedded("secrets.nix", secretsNix, map[string]string{"installScript": withoutComments(secretsScript)})
}

// embedded is a module of muster's own, with texts that it refers to.
func embedded(name, text string, texts map[string]string) syntax.Expr {
	f, err := syntax.ParseFile(name, []byte(text), syntax.Options{})
	if err != nil {
		panic(name + ": " + err.Error())
	}
	let := &syntax.Let{Body: f.Expr}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		let.Bindings = append(let.Bindings, attr(name, &syntax.String{Parts: []syntax.Part{{Text: texts[name]}}, Indented: true}))
	}
	return let
}

// withoutComments is a script without lines that are only a comment, and empty ones.
func withoutComments(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		if word := strings.TrimSpace(line); word != "" && !strings.HasPrefix(word, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
