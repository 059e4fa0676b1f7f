package compile

import (
	_ "embed"

	"muster/compile/syntax"
)

// lustrateModule is the let-bound module by which NixOS takes the place of another Linux
// at its first boot.
const lustrateModule = "musterLustrate"

//go:embed lustrate.nix
var lustrateNix string

//go:embed lustrate.sh
var lustrateScript string

// lustrateText is the module that moves the old Linux aside, with its script.
func lustrateText() syntax.Expr {
	return embedded("lustrate.nix", lustrateNix, map[string]string{"lustrateScript": withoutComments(lustrateScript)})
}
