package compile

import (
	_ "embed"
	"fmt"
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

// secretsText is the module of secrets with its script, without the script's comments.
func secretsText() syntax.Expr {
	f, err := syntax.ParseFile("secrets.nix", []byte(secretsNix), syntax.Options{})
	if err != nil {
		panic("secrets.nix: " + err.Error())
	}
	var script strings.Builder
	for line := range strings.Lines(secretsScript) {
		if word := strings.TrimSpace(line); word != "" && !strings.HasPrefix(word, "#") {
			script.WriteString(line)
		}
	}
	bind := attr("installScript", &syntax.String{Parts: []syntax.Part{{Text: script.String()}}, Indented: true})
	return &syntax.Let{Bindings: []syntax.Binding{bind}, Body: f.Expr}
}
