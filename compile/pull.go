package compile

import (
	_ "embed"

	"muster/compile/syntax"
	"muster/schema"
)

// pullModule is the let-bound module by which hosts take releases.
const pullModule = "musterPull"

//go:embed pull.nix
var pullNix string

// pull are the options that say where a host takes releases from, and when.
func pull(h *schema.Host) *schema.Attrs {
	p := h.Pulls
	set := &schema.Attrs{At: p.At}
	text := func(name, value string) {
		if value != "" {
			put(set, schema.String{At: p.At, V: value}, name)
		}
	}
	text("host", h.Name)
	text("from", p.From)
	put(set, texts(p.At, p.Keys()), "keys")
	text("report", p.Report)
	text("every", p.Every)
	text("jitter", p.Jitter)
	return set
}

// pullText is the module of releases.
func pullText() syntax.Expr { return embedded("pull.nix", pullNix, nil) }
