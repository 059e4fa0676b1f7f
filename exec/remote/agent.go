package remote

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentTimeout is how long an ssh-agent can take to list its keys.
const agentTimeout = 5 * time.Second

// agents holds one connection to each ssh-agent, shared by all dials.
type agents struct {
	mu   sync.Mutex
	open map[string]*agentConn
}

type agentConn struct {
	conn   net.Conn
	client agent.ExtendedAgent
}

// signers lists an agent's keys. If the agent has closed a connection that was open before, signers connects once more.
func (a *agents) signers(ctx context.Context, socket string) ([]ssh.Signer, error) {
	ctx, cancel := context.WithTimeout(ctx, agentTimeout)
	defer cancel()
	for try := 0; ; try++ {
		c, fresh, err := a.get(ctx, socket)
		if err != nil {
			return nil, err
		}
		type answer struct {
			signers []ssh.Signer
			err     error
		}
		answered := make(chan answer, 1)
		go func() {
			signers, err := c.client.Signers()
			answered <- answer{signers, err}
		}()
		select {
		case got := <-answered:
			if got.err == nil {
				return got.signers, nil
			}
			a.drop(socket, c)
			if fresh || try > 0 {
				return nil, errors.New(strings.TrimPrefix(got.err.Error(), "agent: "))
			}
		case <-ctx.Done():
			a.drop(socket, c)
			return nil, errors.New("does not answer")
		}
	}
}

func (a *agents) get(ctx context.Context, socket string) (c *agentConn, fresh bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.open[socket]; c != nil {
		return c, false, nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, false, err
	}
	c = &agentConn{conn: conn, client: agent.NewClient(conn)}
	if a.open == nil {
		a.open = map[string]*agentConn{}
	}
	a.open[socket] = c
	return c, true, nil
}

func (a *agents) drop(socket string, c *agentConn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[socket] == c {
		delete(a.open, socket)
	}
	c.conn.Close()
}

func (a *agents) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for socket, c := range a.open {
		c.conn.Close()
		delete(a.open, socket)
	}
}
