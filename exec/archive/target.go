package archive

import (
	"io"
	"os"
	"strings"

	"muster/exec/nixserve"
)

// A target is what an archive is written to.
type target interface {
	has(nixserve.PathInfo) bool                     // whether an earlier attempt has written both files of a path
	temp() (*os.File, error)                        // a temporary file on the same file system
	put(name string, size int64, r io.Reader) error // adds a file
	finish(closure []nixserve.PathInfo) error       // adds the checksums
	close()
}

func newTarget(to string) (target, error) {
	info, err := os.Stat(to)
	if strings.HasSuffix(to, "/") || err == nil && info.IsDir() {
		return newDirTarget(to)
	}
	return newTarTarget(to)
}
