// Package minios has the tests of the small NixOS in this directory, which is
// written in Nix, and no other Go. See README.md.
package minios
