// Package adopt turns what a running machine is made of into its part of a fleet: an
// entry of the inventory, and a NixOS module for its hardware. It reads and writes
// nothing itself.
//
//	host.Hardware ─ Module ─▶ *syntax.File     hardware/web1.nix
//	              └ Entry ──▶ schema.NewHost   hosts.web1 of the inventory
//
//	the module that is there, the host of the fleet, host.Hardware ─ Compare ─▶ []Difference
//
// What the machine says is foreign. It becomes strings and comments of syntax trees,
// whose printers quote them, and never text that is put together here.
package adopt
