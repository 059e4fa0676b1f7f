// Package minios holds no Go of its own: it is the home of the tests of the
// small NixOS beside it, which is written in Nix. See README.md.
package minios
