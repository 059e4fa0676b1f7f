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
	// NAR is a [nixserve.NARFunc]. An archive that is not what info says is a [nixserve.ErrCorrupt].
	NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error
}
