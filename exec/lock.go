package exec

import (
	"context"
	"time"

	"muster/exec/host"
)

// lock takes the host for this run, until the job ends.
func lock(ctx context.Context, j *job) error {
	if j.upToDate() && !j.needsRestart() || j.action() == Clean && j.run.plan.Keep.Dry {
		return nil
	}
	o := &j.run.opts
	request := host.LockRequest{Run: o.Run, Who: o.Who, Lapse: o.LockTimeout}
	if err := j.conn.ask().Lock(ctx, request); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	renewing := make(chan struct{})
	go func() {
		defer close(renewing)
		renewLock(ctx, j.conn, request)
	}()
	j.held.stop = func() { stop(); <-renewing }
	j.conn.onClose(func() {
		j.held.stop()
		if j.held.released {
			return
		}
		// Where this does not get through, the lock lapses.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = j.conn.ask().Unlock(ctx, o.Run)
	})
	return nil
}

// renewLock gives signs of life until ctx ends. A lock that is lost meanwhile
// shows when it is needed.
func renewLock(ctx context.Context, c *connection, r host.LockRequest) {
	ticker := time.NewTicker(r.Lapse / 6)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			limited, cancel := context.WithTimeout(ctx, r.Lapse/2)
			_ = c.ask().Lock(limited, r)
			cancel()
		}
	}
}
