package exec

import (
	"context"
	"fmt"
	"io"
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

	doing    Action // what it was told to do
	restarts bool   // the system takes a restart, whatever its parts say
	waiting  bool   // it waits for confirmation
	resumed  bool   // it did so when an earlier attempt had left it
	untried  bool   // nothing has run yet over the new connection

	inspected *host.Inspection // the host after the guard's last word; nil where not seen
}

// start arms the guard and follows it until nothing more happens by itself. Where
// the connection is lost meanwhile, new ones show whether it has begun; bootID is
// that of the host's boot when it was inspected.
func (g *guard) start(ctx context.Context, o host.Order, bootID string) (host.Verdict, error) {
	v, err := g.arm(ctx, o)
	if err == nil && v.Phase != host.Died || err != nil && (ctx.Err() != nil || !g.conn.lost(ctx)) {
		return v, err
	}
	if v, err = g.await(ctx, Activate, false); err != nil {
		return v, fmt.Errorf("%w; the host returns to what it had unless it is confirmed", err)
	}
	if v.Phase == host.NoGuard {
		if b, err := g.conn.ask().Boot(ctx); err == nil && b.ID == bootID {
			return g.arm(ctx, o) // it has not begun
		}
	}
	return v, nil
}

func (g *guard) arm(ctx context.Context, o host.Order) (v host.Verdict, err error) {
	g.watch.Seen = 0 // it begins a log of its own
	g.printing(Activate, func(log io.Writer) { v, err = g.conn.ask().Arm(ctx, o, &g.watch, log) })
	return v, err
}

// printing hands the lines that the guard prints meanwhile to the sink.
func (g *guard) printing(s Stage, follow func(log io.Writer)) {
	lines := &lineWriter{line: g.said(s)}
	defer lines.close()
	follow(lines)
}

// recoveries is how often a guard that was killed is started again.
const recoveries = 3

// await follows the guard to its verdict over the connection in use and, when
// that is lost, over new ones, until ctx ends. A guard that was killed is started
// again; past says that confirmation is given or out of the question.
func (g *guard) await(ctx context.Context, s Stage, past bool) (v host.Verdict, err error) {
	wait := backoff.Backoff{First: 100 * time.Millisecond, Max: 2 * time.Second}
	killed := 0
	for {
		began := time.Now()
		g.printing(s, func(log io.Writer) {
			if v.Phase == host.Died {
				v, err = g.conn.ask().Recover(ctx, &g.watch, past, log)
			} else {
				v, err = g.conn.ask().Follow(ctx, &g.watch, past, log)
			}
		})
		switch {
		case err == nil && v.Phase == host.Died && killed < recoveries:
			killed++
			g.said(s)("muster: the guard was killed " + v.Reason + ": starting it again")
			continue
		case err == nil:
			return v, nil
		case ctx.Err() != nil:
			return host.Verdict{}, context.Cause(ctx)
		}
		// A host that answers nonsense at once is asked no faster than one that is away.
		if time.Since(began) > time.Second {
			wait.Reset()
		}
		again := g.conn.renew(ctx)
		if again == nil {
			again = err
		}
		if cause := wait.Wait(ctx); cause != nil {
			return host.Verdict{}, fmt.Errorf("%w; last: %w", cause, again)
		}
	}
}

// confirm tells the guard to keep the new system and follows it to its verdict. It is
// told again over new connections until ctx ends. The inspection, which may be nil, is
// that of the host after the guard's last word, as r says.
func (g *guard) confirm(ctx context.Context, r host.InspectRequest) (v host.Verdict, in *host.Inspection, err error) {
	wait := backoff.Backoff{First: 200 * time.Millisecond, Max: 200 * time.Millisecond}
	var last error
	for {
		g.printing(Confirm, func(log io.Writer) { v, in, err = g.conn.ask().Confirm(ctx, &g.watch, log, r) })
		switch {
		case err == nil && v.Phase == host.Died:
			v, err = g.await(ctx, Confirm, true)
			return v, nil, err
		case err == nil:
			return v, in, nil
		case last == nil || ctx.Err() == nil:
			last = err
		}
		// Whether it got through shows in what becomes of the host.
		_ = g.conn.renew(ctx)
		if wait.Wait(ctx) != nil {
			return v, nil, last
		}
	}
}

// tell leaves a word for the guard. It reports whether there is one.
func (g *guard) tell(ctx context.Context, word host.Word, text string) (bool, error) {
	return g.conn.ask().Tell(ctx, g.watch.Run, word, text)
}
