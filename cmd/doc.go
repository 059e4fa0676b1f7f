// Package cmd is muster's command line: words in, words out.
//
// Each verb is a file with an options struct that has addFlags and run;
// verb.go turns them into commands, fleet.go reads the inventory and the
// selector they share, wire.go chooses who does the work, render.go shows it,
// and errors.go turns an error into text, a hint and an exit status.
//
//	func main() { os.Exit(cmd.Main()) }
package cmd
