package exec

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Keep says which generations of a host stay. The current one, the one that
// runs and the one that was booted always do.
type Keep struct {
	Last  int           // so many of the newest
	Newer time.Duration // and all that are younger
	Dry   bool          // remove nothing, only say what would be
}

// old are the generations that need not stay, by number.
func (k Keep) old(gens []Generation, s State, now time.Time) []int {
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

// collectScript removes generations of the profile $1 and collects garbage. The
// last line says how much that freed.
const collectScript = `
PATH=$PATH:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/bin:/bin
profile=$1
shift
[ $# = 0 ] || nix-env --profile "$profile" --delete-generations "$@" >&2 || exit 1
# What it says goes to either stream, by version.
nix-store --gc 2>&1 | tail -n 1
`

// collect removes old generations of the host and what nothing needs any more.
func (j *job) collect(ctx context.Context) error {
	gens, err := j.generations(ctx)
	if err != nil {
		return err
	}
	// Creation times are the host's, and so is now.
	j.out.Removed = j.keep.old(gens, j.out.Before, time.Now().Add(j.facts.Skew))
	j.out.Status = Cleaned
	if j.keep.Dry {
		j.out.Status = Previewed
		return nil
	}
	args := []string{"/bin/sh", "-c", collectScript, "sh", profile}
	for _, n := range j.out.Removed {
		args = append(args, strconv.Itoa(n))
	}
	j.out.changed = true
	var said strings.Builder
	ctx, cancel := context.WithTimeoutCause(ctx, j.opts.ActivateTimeout, fmt.Errorf("not done after %v", j.opts.ActivateTimeout))
	defer cancel()
	if err := j.current().Run(ctx, args, &said, nil); err != nil {
		return fmt.Errorf("collect garbage: %w", err)
	}
	j.out.Freed = lastLine(said.String())
	return nil
}
