package exec

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"muster/exec/host"
	"muster/exec/nixserve"
	"muster/schema"
)

// A Machine is a host, connected. Its methods may be called side by side.
type Machine interface {
	// Run runs a command as root to its end. The words of the command arrive
	// as they are.
	Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error
	// Serve starts nix-store --serve --write.
	Serve(ctx context.Context) (nixserve.Stream, error)
	Close() error
}

// ErrUnreachable says that nothing answers where a host should be.
var ErrUnreachable = errors.New("unreachable")

// Connect reaches a host. Its error is an [ErrUnreachable] where nothing
// answers there.
type Connect func(ctx context.Context, host *schema.Host) (Machine, error)

// A connection is the way to one host for as long as a run works on it. The
// machine behind it is replaced when it is lost.
type connection struct {
	host   *schema.Host
	dial   Connect
	answer time.Duration // limit for an answer

	mu      sync.Mutex
	current Machine // nil before the first

	closers []func() // what must end before the connection does
}

// open makes the first connection.
func (c *connection) open(ctx context.Context) error {
	m, err := c.dial(ctx, c.host)
	if err != nil {
		return err
	}
	if m == nil {
		return errors.New("no connection")
	}
	c.use(m)
	return nil
}

// renew replaces the connection by a new one. What runs over the old one is cut
// with it.
func (c *connection) renew(ctx context.Context) error {
	m, err := c.dial(ctx, c.host)
	if err != nil {
		return err
	}
	c.use(m)
	return nil
}

// become has m, which is the connection in use in another form, take its place.
func (c *connection) become(m Machine) {
	c.mu.Lock()
	c.current = m
	c.mu.Unlock()
}

// use makes m the connection in use, and closes the one before.
func (c *connection) use(m Machine) {
	c.mu.Lock()
	old := c.current
	c.current = m
	c.mu.Unlock()
	if old != nil && old != m {
		old.Close()
	}
}

// drop closes the connection in use, and reports whether there was one; renew makes
// another. Its memory is freed at once: of 10,000 hosts, buffers alone would take 400 MB.
func (c *connection) drop() bool {
	c.mu.Lock()
	m := c.current
	if m != nil {
		c.current = closedMachine{}
	}
	c.mu.Unlock()
	if m == nil {
		return false
	}
	m.Close()
	return true
}

// A closedMachine stands for one whose connection is closed.
type closedMachine struct{}

var errClosed = errors.New("the connection is closed")

func (closedMachine) Run(context.Context, []string, io.Writer, io.Writer) error { return errClosed }
func (closedMachine) Serve(context.Context) (nixserve.Stream, error)            { return nil, errClosed }
func (closedMachine) Close() error                                              { return nil }

// address is where the connection in use leads: what the SSH configuration makes of the
// host's address.
func (c *connection) address() string {
	if m, ok := c.machine().(interface{ Address() string }); ok {
		return m.Address()
	}
	return c.host.Address
}

// machine is the connection in use, nil where there is none.
func (c *connection) machine() Machine {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// ask is the host behind the connection in use.
func (c *connection) ask() *host.Host { return c.over(c.machine()) }

// over is the host behind a machine.
func (c *connection) over(m Machine) *host.Host { return host.New(m, c.answer) }

// lost reports whether the connection no longer answers.
func (c *connection) lost(ctx context.Context) bool { return !c.ask().Reachable(ctx, 5*time.Second) }

// onClose has f done before the connection is closed, the last first.
func (c *connection) onClose(f func()) { c.closers = append(c.closers, f) }

// finish ends what was begun over the connection, which stays open.
func (c *connection) finish() {
	for _, f := range slices.Backward(c.closers) {
		f()
	}
	c.closers = nil
}

// close ends what was begun over the connection, and the connection.
func (c *connection) close() {
	c.finish()
	c.drop()
}
