package transfer

import (
	"context"
	"io"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A Source is where paths are copied from.
type Source interface {
	// Closure returns the infos of paths and of all they refer to, references first. The slice is the caller's.
	Closure(ctx context.Context, paths []store.Path) ([]nixserve.PathInfo, error)
	// NAR is a nixserve.NARFunc: it writes the archive of a path of the closure, or fails with nixserve.ErrCorrupt if it is not what info says.
	NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error
}
