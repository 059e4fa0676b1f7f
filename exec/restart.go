package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// rebootPoll is how often a host that restarts is tried.
const rebootPoll = 300 * time.Millisecond

// restart restarts the host where that was asked for and what it booted is not
// what it will boot. It is back when it has another boot ID and runs the system
// that is its boot default.
func restart(ctx context.Context, j *job) error {
	if !j.run.opts.Reboot {
		return nil
	}
	if len(j.seen.Facts.Needs) == 0 && j.action() != Boot && !j.restarts {
		return nil
	}
	if here, ok := j.conn.machine().(interface{ Here() bool }); ok && here.Here() {
		j.note(Finding{Check: "reboot", Text: "muster runs on this machine and does not restart it"})
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("not restarted: %w", context.Cause(ctx))
	}
	limit := j.run.opts.RebootTimeout
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), limit, fmt.Errorf("not back after %v", limit))
	defer cancel()
	before, _, err := j.conn.ask().BootID(ctx)
	if err != nil {
		return fmt.Errorf("not restarted: %w", err)
	}
	if err := j.conn.ask().Reboot(ctx); err != nil {
		return fmt.Errorf("restart the host: %w", err)
	}
	j.out.changed = true
	return awaitBoot(ctx, j, before)
}

// awaitBoot waits until the host is back with another boot ID than before, and
// runs the system it was to boot.
func awaitBoot(ctx context.Context, j *job, before string) error {
	last := errors.New("it has not gone down")
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("restart: %w; last: %w", context.Cause(ctx), last)
		case <-time.After(rebootPoll):
		}
		m, err := j.run.opts.Connect(ctx, j.step.Host)
		if err != nil {
			last = err
			continue
		}
		id, booted, err := j.conn.over(m).BootID(ctx)
		if err != nil || id == before {
			last = cmp.Or(err, errors.New("it has not gone down"))
			m.Close()
			continue
		}
		j.conn.use(m)
		j.out.Rebooted = true
		if err := look(ctx, j); err != nil {
			return err
		}
		if want := j.step.System.Out; booted != want {
			return fmt.Errorf("restart: it has booted %s, not %s", cmp.Or(string(booted), "no system"), want)
		}
		return nil
	}
}
