package compile

import _ "embed"

// Driver is a Nix function from { network, hosts ? null, attr ? null, … } to a set
// with one attribute per host: { drv, out, warnings, summary }. These are the
// derivation of its system, the store path that it builds, the warnings of NixOS,
// and all three as JSON. network is the file that [Network] writes. hosts is the
// list of names to evaluate, null for all. With attr, a list of names such as
// [ "config" "time" "timeZone" ], the set has that value of each host instead. The
// other arguments are for the embedded evaluator.
//
//go:embed driver.nix
var Driver string
