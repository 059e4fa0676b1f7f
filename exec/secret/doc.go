// Package secret reads the secrets of an inventory and encrypts them to hosts.
//
//	secret of the inventory ─ Reader.Value ─▶ content ─ Seal ─▶ file that only the host can read
//
// Content is only in memory. It is never part of an error, an event or an argument.
// What a host keeps is encrypted to its SSH host key with age (https://age-encryption.org/v1,
// https://github.com/C2SP/C2SP/blob/main/age.md), so that it survives a restart, and a copy of
// the disk without that key is of no use.
//
// Whether a host has a secret already is told by a MAC whose key only that host keeps:
// nothing is kept where muster runs.
package secret
