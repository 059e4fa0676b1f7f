package archive

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"muster/exec/nixserve"
)

// A target is what an archive is written to. It may be in a directory that others write to as well: no link is followed.
type target interface {
	// kept returns what an earlier attempt has written of a path, nil if that is not whole or not what info says.
	kept(info nixserve.PathInfo) *scan
	temp() (f *os.File, name string, err error)     // a new temporary file on the same file system
	remove(temp string)                             // removes it
	put(name string, size int64, r io.Reader) error // adds a member
	finish(closure []nixserve.PathInfo) error       // adds the checksums
	close()
}

// newTarget opens a target for a closure. It keeps what an earlier attempt has written of that, and nothing else.
func newTarget(to string, closure []nixserve.PathInfo, c *narChecker) (target, error) {
	info, err := os.Lstat(to)
	switch {
	case strings.HasSuffix(to, "/") || err == nil && info.IsDir():
		return newDirTarget(to, c)
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("%s is a symbolic link: name what it leads to", to)
	}
	return newTarTarget(to, closure, c)
}
