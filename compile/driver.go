package compile

import _ "embed"

// Driver is a Nix function from { network, hosts ? null, attr ? null, … } to one
// attribute a host: { drv, out, warnings }, the derivation of its system, what
// that builds, and what NixOS warns of; summary is all three as JSON. network is
// the file that [Network] makes; hosts, a list of names, leaves the others out.
// With attr, a list of names such as [ "config" "time" "timeZone" ], it is that
// value of each host. What else there is the embedded evaluator gives.
//
//go:embed driver.nix
var Driver string
