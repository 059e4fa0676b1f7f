package exec

import (
	"context"
	"errors"
	"time"
)

// workLimit is for how long a host may work on what has no limit of its own: a
// command of the user, a build.
const workLimit = 24 * time.Hour

var errWorkLimit = errors.New("not done after 24 hours")

// runCommand runs the plan's command on the host, as root.
func runCommand(ctx context.Context, j *job) error {
	ctx, cancel := context.WithTimeoutCause(ctx, workLimit, errWorkLimit)
	defer cancel()
	lines := &lineWriter{line: j.said(RunCommand)}
	defer lines.close()
	j.out.changed = true
	j.out.Status = Ran
	return j.conn.machine().Run(ctx, j.run.plan.Command, lines, lines)
}

// report keeps what was found out about the host.
func report(_ context.Context, j *job) error {
	j.out.Status = Seen
	j.out.Facts = &j.seen.Facts
	j.out.NeedsReboot = j.seen.Facts.Needs
	return nil
}
