package exec

import (
	"context"
	"fmt"
	"time"

	"muster/exec/backoff"
	"muster/exec/host"
)

// A guard is this run's view of the guard on one host: the script that activates
// a system there, detached from any connection, and returns the host to what it
// had unless it is told to keep the new system over a new connection. What it
// does while nobody listens is in host/scripts/guard.sh.
type guard struct {
	conn  *connection
	watch host.Watch
	said  func(Stage) func(string) // takes the lines that the guard prints

	waiting bool // it waits for confirmation
	resumed bool // it did so when an earlier attempt had left it
}

// start arms the guard. Where the connection is lost while it is told, only a
// new connection shows whether it has begun.
func (g *guard) start(ctx context.Context, o host.Order) error {
	err := g.conn.ask().Arm(ctx, o)
	if err == nil || ctx.Err() != nil || !g.conn.lost(ctx) {
		return err
	}
	if again := g.conn.renew(ctx); again != nil {
		return err
	}
	if v, err := g.follow(ctx, Activate, false); err == nil && v.Phase != host.NoGuard {
		return nil
	}
	return g.conn.ask().Arm(ctx, o)
}

// follow watches the guard over the connection in use until nothing more happens
// by itself; past says that confirmation is given or out of the question.
func (g *guard) follow(ctx context.Context, s Stage, past bool) (host.Verdict, error) {
	lines := &lineWriter{line: g.said(s)}
	defer lines.close()
	return g.conn.ask().Follow(ctx, &g.watch, past, lines)
}

// await follows the guard to its verdict over the connection in use and, when
// that is lost, over new ones, until ctx ends.
func (g *guard) await(ctx context.Context, s Stage, past bool) (host.Verdict, error) {
	wait := backoff.Backoff{First: 100 * time.Millisecond, Max: 2 * time.Second}
	for {
		v, err := g.follow(ctx, s, past)
		if err == nil {
			return v, nil
		}
		if ctx.Err() != nil {
			return host.Verdict{}, context.Cause(ctx)
		}
		if again := g.conn.renew(ctx); again == nil {
			wait.Reset()
			continue
		} else {
			err = again
		}
		if cause := wait.Wait(ctx); cause != nil {
			return host.Verdict{}, fmt.Errorf("%w; last: %w", cause, err)
		}
	}
}

// tell leaves a word for the guard. It reports whether there is one.
func (g *guard) tell(ctx context.Context, word host.Word, text string) (bool, error) {
	return g.conn.ask().Tell(ctx, g.watch.Run, word, text)
}
