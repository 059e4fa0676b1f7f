package compile

import _ "embed"

// Driver is a Nix function from { network, nixpkgs ? …, hosts ? null } to one
// attribute a host, { drv, out }: the derivation of its system and what that
// builds. network is the file
// that [Network] makes; hosts, a list of names, leaves the others out.
//
//go:embed driver.nix
var Driver string
