package compile

import (
	_ "embed"

	"muster/compile/syntax"
)

// colmenaHiveText is the output of a flake that colmena 0.5 reads. It takes nothing of
// colmena's own, whose makeHive would be one more input.
//
//go:embed colmenahive.nix
var colmenaHiveText string

// evaluatedHive is the output colmenaHive, of the variables self, nixpkgs, hosts and
// hive of a flake.
func evaluatedHive() *syntax.Attr {
	e, err := syntax.ParseExpr(colmenaHiveText)
	if err != nil {
		panic("compile: the hive of colmena: " + err.Error())
	}
	a := spaced(attr("colmenaHive", e))
	a.Note.Before = []string{"What colmena 0.5 reads: the hosts as they are, and how they are reached."}
	return a
}
