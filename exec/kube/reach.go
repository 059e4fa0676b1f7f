package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A Machine is a master, connected.
type Machine interface {
	// Run runs a command as root to its end.
	Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error
	// Dial connects to an address as the machine sees it.
	Dial(ctx context.Context, addr string) (net.Conn, error)
	Close() error
}

// masters are the connections to the masters of a cluster. Each is made when it is needed,
// and made again when it is lost. What one master cannot do, the next one is asked for.
type masters struct {
	names []string
	reach func(ctx context.Context, master string) (Machine, error)

	mu    sync.Mutex
	first int // the master that is asked first
	open  map[string]Machine
}

// reachLimit is the limit for one connection to a master.
const reachLimit = 10 * time.Second

// order is the masters in the order in which they are asked.
func (m *masters) order() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for i := range m.names {
		names = append(names, m.names[(m.first+i)%len(m.names)])
	}
	return names
}

// prefer has a master asked first from now on.
func (m *masters) prefer(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.names {
		if m.names[i] == name {
			m.first = i
		}
	}
}

// skip has the next master asked first, because the present one does not answer.
func (m *masters) skip() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.first = (m.first + 1) % max(len(m.names), 1)
}

// machine returns the connection to a master.
func (m *masters) machine(ctx context.Context, name string) (Machine, error) {
	m.mu.Lock()
	machine := m.open[name]
	m.mu.Unlock()
	if machine != nil {
		return machine, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, reachLimit, fmt.Errorf("no connection within %v", reachLimit))
	defer cancel()
	machine, err := m.reach(ctx, name)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if other := m.open[name]; other != nil {
		machine.Close()
		return other, nil
	}
	m.open[name] = machine
	return machine, nil
}

// drop closes the connection to a master, which is lost.
func (m *masters) drop(name string, machine Machine) {
	m.mu.Lock()
	if m.open[name] == machine {
		delete(m.open, name)
	}
	m.mu.Unlock()
	machine.Close()
}

// dial connects to an address as one of the masters sees it.
func (m *masters) dial(ctx context.Context, addr string) (net.Conn, error) {
	var all error
	for _, name := range m.order() {
		c, err := m.dialThrough(ctx, name, addr)
		if err == nil {
			m.prefer(name)
			return c, nil
		}
		all = errors.Join(all, fmt.Errorf("through %s: %w", name, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, all
}

func (m *masters) dialThrough(ctx context.Context, name, addr string) (net.Conn, error) {
	machine, err := m.machine(ctx, name)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	c, err := machine.Dial(limited, addr)
	if err == nil {
		return c, nil
	}
	// Either nothing listens there, or the connection is lost.
	if probe := machine.Run(limited, []string{"true"}, nil, nil); probe != nil {
		m.drop(name, machine)
	}
	return nil, err
}

func (m *masters) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, machine := range m.open {
		machine.Close()
		delete(m.open, name)
	}
}
