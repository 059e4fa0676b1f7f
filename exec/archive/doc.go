// Package archive carries closures to machines that cannot be reached by SSH.
//
//	Source ─ Export ─▶ directory or file ─ Open ─▶ Archive, a Source for transfer.Link.Copy
//
// An archive is a binary cache, as Nix itself can read it, with a manifest, instructions and checksums:
//
//	nix-cache-info  DIGEST.narinfo  nar/HASH.nar.zst  muster.json  muster.json.sig  README  SHA256SUMS
//
// It is a directory, or one file: a tar archive of that directory, with its checksum after the end that tar sees. Archives
// come from other hands. Open reads all of one and believes nothing that it has not checked, so that nothing is imported
// from an archive that is damaged, not complete, or at odds with itself.
//
//	stats, err := archive.Export(ctx, local, archive.Manifest{Hosts: hosts}, "fleet.tar", archive.ExportOptions{})
//	a, err := archive.Open(ctx, "fleet.tar", archive.OpenOptions{Required: keys})
//	defer a.Close()
//	session, stats, err := link.Copy(ctx, a, []store.Path{a.Manifest.Host("web1").System}, transfer.Options{})
package archive

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"muster/compile/store"
)

const cacheText = "StoreDir: " + store.Dir + "\nWantMassQuery: 1\nPriority: 40\n"

// ErrDamaged says that an archive is damaged or not complete.
var ErrDamaged = errors.New("damaged archive")

// maxMessage is the length at which a message about foreign text is cut.
const maxMessage = 1000

// damaged is an ErrDamaged. Much of what it says comes from the archive: it is kept short and away from the terminal's
// controls.
func damaged(format string, args ...any) error {
	why := fmt.Sprintf(format, args...)
	if len(why) > maxMessage {
		why = strings.ToValidUTF8(why[:maxMessage], "") + "…"
	}
	why = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, why)
	return fmt.Errorf("%w: %s", ErrDamaged, why)
}
