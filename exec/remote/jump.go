package remote

import (
	"context"
	"fmt"
	"strings"
)

// A jump is a connection to a jump host, shared by all machines behind it: with one connection each, a fleet would
// exceed the server's limit of unauthenticated connections.
type jump struct {
	key   string
	users int
	ready chan struct{} // closed when conn or err is set
	conn  *conn
	err   error
}

// A JumpError is about the connection to a jump host.
type JumpError struct {
	Name string // host:port
	Err  error
}

func (e *JumpError) Error() string { return fmt.Sprintf("jump host %s: %v", e.Name, e.Err) }
func (e *JumpError) Unwrap() error { return e.Err }

// jump connects to the last hop of a route, or shares the connection that others have made.
func (d *Dialer) jump(ctx context.Context, route []hop) (*jump, error) {
	var names []string
	for _, h := range route {
		names = append(names, h.User+"@"+h.addr())
	}
	key := strings.Join(names, ",")
	name := route[len(route)-1].addr()

	d.mu.Lock()
	j := d.jumps[key]
	if j == nil || j.isLost() {
		j = &jump{key: key, ready: make(chan struct{})}
		d.jumps[key] = j
		// Without the first caller's deadline, or all that share the connection would fail with that caller.
		go d.connectJump(context.WithoutCancel(ctx), j, route, name)
	}
	j.users++
	d.mu.Unlock()

	select {
	case <-j.ready:
	case <-ctx.Done():
		d.leave(j)
		return nil, fmt.Errorf("jump host %s: %w", name, context.Cause(ctx))
	}
	if j.err != nil {
		d.leave(j)
		return nil, j.err
	}
	return j, nil
}

func (d *Dialer) connectJump(ctx context.Context, j *jump, route []hop, name string) {
	c, err := d.connect(ctx, route)
	d.mu.Lock()
	if err != nil {
		j.err = &JumpError{Name: name, Err: err}
		if d.jumps[j.key] == j {
			delete(d.jumps, j.key)
		}
	}
	j.conn = c
	close(j.ready)
	unused := j.users == 0
	d.mu.Unlock()
	if unused && c != nil {
		c.close()
	}
}

// isLost reports whether the connection was made and has ended. The caller holds the Dialer's lock.
func (j *jump) isLost() bool { return j.conn != nil && j.conn.up.Err() != nil }

// leave gives up one use of a jump. The last one closes the connection.
func (d *Dialer) leave(j *jump) {
	d.mu.Lock()
	j.users--
	last := j.users == 0
	if last && d.jumps[j.key] == j {
		delete(d.jumps, j.key)
	}
	c := j.conn
	d.mu.Unlock()
	if last && c != nil {
		c.end(errClosed) // without waiting, for the caller may be one of its goroutines
	}
}
