package transfer

import (
	"context"
	"fmt"
	"io"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A Remote is a Source: the store of another machine. What is copied from there passes through this machine, and stays
// nowhere on it. One nix-store --serve process answers all questions about it, as for a [Local].
type Remote struct {
	infos *Local
	dump  func(ctx context.Context, p store.Path, w io.Writer) error
}

// NewRemote makes a Source of a store. open starts `nix-store --serve` for it, and dump writes the archive of a path, as
// `nix-store --dump` does.
func NewRemote(open func(context.Context) (*nixserve.Client, error), dump func(ctx context.Context, p store.Path, w io.Writer) error) *Remote {
	return &Remote{infos: NewLocal("", open), dump: dump}
}

// Close ends the serve process.
func (r *Remote) Close() error { return r.infos.Close() }

// Closure implements [Source].
func (r *Remote) Closure(ctx context.Context, paths []store.Path) ([]nixserve.PathInfo, error) {
	return r.infos.Closure(ctx, paths)
}

// NAR implements [Source]. It fails if the archive is not what the database there says.
func (r *Remote) NAR(ctx context.Context, info nixserve.PathInfo, w io.Writer) error {
	hashed := store.NewHashWriter(store.SHA256, w)
	if err := r.dump(ctx, info.Path, hashed); err != nil {
		return err
	}
	if hashed.Size() != info.NARSize || hashed.Sum() != info.NARHash {
		return fmt.Errorf("%w: its archive has hash %s, recorded where it was built is %s", nixserve.ErrCorrupt, hashed.Sum(), info.NARHash)
	}
	return nil
}
