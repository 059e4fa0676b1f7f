package compile

import (
	_ "embed"

	"muster/compile/syntax"
	"muster/schema"
)

// upgradeModule is the let-bound module by which hosts upgrade themselves.
const upgradeModule = "musterUpgrade"

//go:embed upgrade.nix
var upgradeNix string

//go:embed upgrade.sh
var upgradeScript string

// upgrade are the options that say when a host upgrades itself, and to what.
func upgrade(h *schema.Host) *schema.Attrs {
	u := h.Upgrades
	set := &schema.Attrs{At: u.At}
	text := func(name, value string) {
		if value != "" {
			put(set, schema.String{At: u.At, V: value}, name)
		}
	}
	text("host", h.Name)
	text("every", u.Every)
	text("delay", u.Delay)
	text("git", u.Git)
	text("ref", u.Ref)
	text("file", u.File)
	text("flake", u.Flake)
	return set
}

// upgradeText is the module of upgrades with its script, and what evaluates a fleet.
func upgradeText() syntax.Expr {
	return embedded("upgrade.nix", upgradeNix, map[string]string{"upgradeScript": withoutComments(upgradeScript), "driverText": Driver})
}
