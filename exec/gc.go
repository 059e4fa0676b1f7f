package exec

import (
	"context"
	"fmt"
	"time"

	"muster/exec/host"
)

// Keep says which generations of a host stay. The current one, the one that
// runs and the one that was booted always do.
type Keep struct {
	Last  int           // so many of the newest
	Newer time.Duration // and all that are younger
	Dry   bool          // remove nothing, only say what would be
}

// old are the generations that need not stay, by number.
func (k Keep) old(gens []host.Generation, s host.State, now time.Time) []int {
	var old []int
	for i, g := range gens {
		switch {
		case g.Current, g.System == s.Current, g.System == s.Booted:
		case i >= len(gens)-k.Last:
		case k.Newer > 0 && now.Sub(g.Created) < k.Newer:
		default:
			old = append(old, g.Number)
		}
	}
	return old
}

// collect removes old generations of the host and what nothing needs any more.
func collect(ctx context.Context, j *job) error {
	gens, err := generations(ctx, j)
	if err != nil {
		return err
	}
	keep := j.run.plan.Keep
	// Creation times are the host's, and so is now.
	j.out.Removed = keep.old(gens, j.out.Before, time.Now().Add(j.seen.Facts.Skew))
	j.out.Status = Cleaned
	if keep.Dry {
		j.out.Status = Previewed
		return nil
	}
	j.out.changed = true
	limit := j.activateTimeout()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	if p := j.step.Host.Profile; p != nil {
		j.out.Freed, err = j.conn.ask().CollectProfile(ctx, host.ProfileName{User: p.User, Path: p.Path}, j.out.Removed)
		return err
	}
	j.out.Freed, err = j.conn.ask().Collect(ctx, j.out.Removed)
	return err
}
