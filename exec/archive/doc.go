// Package archive carries closures to machines that cannot be reached by SSH.
//
//	Source ─ Export ─▶ directory or file ─ Open ─▶ Archive, a Source for transfer.Link.Copy
//
// An archive is a binary cache, as Nix itself can read it, with a manifest, instructions and checksums:
//
//	nix-cache-info  DIGEST.narinfo  nar/HASH.nar.zst  muster.json  README  SHA256SUMS
//
// It is a directory, or one file: a tar archive of that directory, with its checksum after the end that tar sees. Open reads
// all of an archive, so that nothing is imported from one that is damaged or not complete.
//
//	stats, err := archive.Export(ctx, local, archive.Manifest{Hosts: hosts}, "fleet.tar", nil)
//	a, err := archive.Open(ctx, "fleet.tar")
//	defer a.Close()
//	session, stats, err := link.Copy(ctx, a, []store.Path{a.Manifest.Host("web1").System}, transfer.Options{})
package archive

import (
	"errors"
	"fmt"

	"muster/compile/store"
)

const (
	cacheName = "nix-cache-info"
	cacheText = "StoreDir: " + store.Dir + "\nWantMassQuery: 1\nPriority: 40\n"
)

// ErrDamaged says that an archive is damaged or not complete.
var ErrDamaged = errors.New("damaged archive")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}
