// Package examples holds fleets to read, to start from, and to test with. Each
// is a directory with a README of its own.
//
// muster demo deploys kluster-cue onto minios, a NixOS small enough to build
// anywhere; both are embedded, so that it needs no checkout.
package examples

import "embed"

// Demo is what muster demo works with: the directories kluster-cue and minios.
//
//go:embed kluster-cue minios
var Demo embed.FS
