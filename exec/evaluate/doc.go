// Package evaluate finds the system of each host of a fleet: the derivation that
// the host's configuration evaluates to, and what it will build.
//
//	schema.Fleet ─ compile.Network ─▶ *syntax.File
//	    ├─ Embedded: compile/eval, in this process; Cache skips unchanged hosts
//	    │      └─ fetching and building are delegated to Nix, if it is installed
//	    └─ Nix: nix-instantiate
//	hosts ─ Evaluator.Systems ─▶ []Result{Host, System, Warnings, Err}
//
// An [Evaluator] is made of smaller ones:
//
//	embedded := evaluate.Embedded{Options: options, Environment: environment}
//	nix := evaluate.Nix{Options: options, Command: command}
//	evaluate.Fallback{First: embedded, Second: nix, Log: log} // Nix evaluates what embedded cannot
//	evaluate.Both{Embedded: embedded, Nix: nix, Log: log}     // both have to agree
//
// Errors of a host say where in the inventory they come from (blame.go).
// Warnings of NixOS are collected and written once, with the names of their
// hosts (warnings.go). The package writes only to the writers it is given, and
// changes nothing of the process: its caller tunes the garbage collector.
package evaluate
