// Package examples has fleets to read, to start from, and to test with. Each is a
// directory with a README.
//
// muster demo deploys kluster-cue with minios, a NixOS small enough to build
// anywhere. Both are embedded, so that the demo needs no checkout.
package examples

import "embed"

// Demo has the directories kluster-cue and minios for muster demo.
//
//go:embed kluster-cue minios
var Demo embed.FS
