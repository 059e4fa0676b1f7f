package cmd

import (
	"context"
	"fmt"
	"os"
	"time"

	"muster/exec/archive"
	"muster/exec/objectstore"
	"muster/exec/release"
)

// open lets a wave of the current release begin.
func (o *publishOptions) open(ctx context.Context, std streams, to objectstore.Store) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	keys, err := o.keys(dir)
	if err != nil {
		return err
	}
	h, err := release.Current(ctx, to, archive.PublicHalves(keys))
	if err != nil {
		return err
	}
	if err := release.OpenGate(ctx, to, h, o.openGate-1, operator(), time.Now(), keys); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "%s: wave %d of release %d may begin\n", to, o.openGate, h.Number)
	return nil
}
