// Command muster deploys a fleet of NixOS machines from a typed inventory.
package main

import (
	"os"

	"muster/cmd"
)

func main() { os.Exit(cmd.Main()) }
