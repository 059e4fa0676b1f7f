// Package cmd is muster's command line.
//
// Each verb is a file with an options struct. verb.go makes a command of it:
//
//	words → flags parsed and checked → groups checked → run
//
// A flag carries the check of its own value (package flags, kinds.go); a group of
// flags checks what holds between them. [begin] in session.go is the set-up that
// verbs on hosts share: fleet, hosts, Nix, reporter, systems. wire.go chooses the
// implementations that do the work, package ui shows it, and errors.go turns an
// error into text, a hint and an exit status. process.go sets what holds for the
// whole process.
//
//	func main() { os.Exit(cmd.Main()) }
package cmd
