package remote

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/backoff"
	"muster/exec/remote/sshconfig"
)

// connect makes the connection to the last hop of a route, through those before it.
func (d *Dialer) connect(ctx context.Context, route []hop) (*conn, error) {
	last := route[len(route)-1]
	keys, err := d.expectedKeys(ctx, last)
	if err != nil {
		return nil, err
	}
	dial, release, err := d.way(ctx, route)
	if err != nil {
		return nil, err
	}
	c, err := d.establish(ctx, last.Settings, release, &connector{addr: last.addr(), user: last.User, keys: keys, dial: dial, login: newPasswordLogin(last.password)})
	if err != nil {
		release()
		return nil, throughJump(route, err)
	}
	return c, nil
}

// expectedKeys are the keys that a hop may present.
func (d *Dialer) expectedKeys(ctx context.Context, h hop) (*hostKeys, error) {
	keys, err := d.knownHostKeys(h.pinned, h.Settings)
	if err != nil {
		return nil, err
	}
	keys.accepted = h.accept
	if len(h.pinned) > 0 {
		return keys, nil
	}
	if keys.command, err = d.keysCommand(ctx, h); err != nil {
		return nil, err
	}
	return keys, keys.command.ask(keys, purposeOrder, nil)
}

// throughJump names the jump host in an error about the last hop of a route.
func throughJump(route []hop, err error) error {
	if len(route) > 1 {
		return fmt.Errorf("through %s: %w", route[len(route)-2].addr(), err)
	}
	return err
}

// A dialFunc makes the network connection to a hop.
type dialFunc func(context.Context) (net.Conn, error)

// way finds how to connect to the last hop of a route: directly, through a jump host or through a ProxyCommand. release
// lets go of the jump host.
func (d *Dialer) way(ctx context.Context, route []hop) (dial dialFunc, release func(), err error) {
	last := route[len(route)-1]
	switch {
	case len(route) > 1:
		j, err := d.jump(ctx, route[:len(route)-1])
		if err != nil {
			return nil, nil, err
		}
		dial = func(ctx context.Context) (net.Conn, error) { return j.conn.client.DialContext(ctx, "tcp", last.addr()) }
		return dial, func() { d.leave(j) }, nil
	case last.ProxyPasses:
		if d.config.ProxyPasses == nil {
			return nil, nil, fmt.Errorf("connect to %s: ProxyUseFdpass is not supported here", last.Original)
		}
		dial = func(ctx context.Context) (net.Conn, error) { return d.config.ProxyPasses(ctx, last.ProxyCommand) }
	case last.ProxyCommand != "" && d.config.Proxy == nil:
		return nil, nil, fmt.Errorf("connect to %s: %s sets a ProxyCommand for it, which is not supported here: use ProxyJump",
			last.Original, cmp.Or(d.config.ConfigFile, "the ssh configuration"))
	case last.ProxyCommand != "":
		dial = func(ctx context.Context) (net.Conn, error) { return d.config.Proxy(ctx, last.ProxyCommand) }
	default:
		dial = func(ctx context.Context) (net.Conn, error) { return dialNet(ctx, last) }
	}
	return dial, func() {}, nil
}

// establish makes a connection within the time limit, and starts to watch it. release is called when it has ended.
func (d *Dialer) establish(ctx context.Context, s *sshconfig.Settings, release func(), c *connector) (*conn, error) {
	limited, cancel := context.WithTimeout(ctx, d.connectTimeout(s))
	defer cancel()
	if err := d.prepare(c, s); err != nil {
		return nil, err
	}
	if c.offer = new(offer); c.login == nil {
		c.offer = d.keys(limited, s)
	}
	client, t, err := c.connect(ctx, limited)
	if err != nil {
		return nil, err
	}
	interval, count := d.keepAlive(s)
	conn := newConn(client, t, interval, count, "closed by the other side", release)
	conn.hostKey = c.keys.shown
	return conn, nil
}

// prepare sets what the settings say about a connection.
func (d *Dialer) prepare(c *connector, s *sshconfig.Settings) (err error) {
	c.limit, c.attempts, c.check = d.connectTimeout(s), s.Attempts, c.keys.check
	if c.algorithms, err = c.keys.algorithms(s.HostKeyAlgorithms); err != nil {
		return fmt.Errorf("connect to %s: %w", c.addr, err)
	}
	if c.transport, err = transportConfig(s); err != nil {
		return fmt.Errorf("connect to %s: %w", c.addr, err)
	}
	return nil
}

// A connector connects to one address.
type connector struct {
	addr       string // host:port
	user       string
	dial       dialFunc
	keys       *hostKeys
	check      func(ssh.PublicKey) error // the host key
	algorithms []string                  // of host keys
	transport  ssh.Config
	attempts   int // to make the network connection
	offer      *offer
	login      *passwordLogin // instead of the keys of offer; nil for these
	limit      time.Duration
}

// connect tries until the connection is made, cannot be made, or limited ends, which is ctx with a time limit. A server
// that closes the connection before it shows its host key has too many unauthenticated connections (sshd's
// MaxStartups): connect tries again.
func (c *connector) connect(ctx, limited context.Context) (*ssh.Client, *transport, error) {
	// With jitter: many dials that a server drops at the same moment must not come back at the same moment.
	retry := backoff.Backoff{First: 100 * time.Millisecond, Max: c.limit, Jitter: true}
	var failure *attemptError
	for {
		client, t, err := c.attempt(limited)
		if err == nil {
			return client, t, nil
		}
		timedOut := isOver(limited)
		if !timedOut || failure == nil || err.dropped {
			failure = err // else the last drop says more than the lack of time
		}
		if c.attempts--; !timedOut && !failure.connected && c.attempts > 0 {
			if retry.Wait(limited) == nil {
				continue
			}
			timedOut = true
		}
		if !timedOut && failure.dropped {
			if retry.Wait(limited) == nil {
				continue
			}
			timedOut = true
		}
		if ctx.Err() != nil {
			return nil, nil, fmt.Errorf("connect to %s: %w", c.addr, context.Cause(ctx))
		}
		return nil, nil, c.explain(failure, timedOut)
	}
}

// isOver reports whether the time limit of a context has passed: a dial ends at it, possibly before the context does.
func isOver(limited context.Context) bool {
	limit, has := limited.Deadline()
	return limited.Err() != nil || has && !time.Now().Before(limit)
}

// attempt makes one connection.
func (c *connector) attempt(ctx context.Context) (*ssh.Client, *transport, *attemptError) {
	netConn, err := c.dial(ctx)
	if err != nil {
		return nil, nil, &attemptError{err: err}
	}
	t := newTransport(netConn)
	type result struct {
		client *ssh.Client
		err    *attemptError
	}
	done := make(chan result, 1)
	go func() {
		client, err := c.handshake(t)
		done <- result{client, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			t.Close()
			r.err.hear(t.heard())
			return nil, nil, r.err
		}
		return r.client, t, nil
	case <-ctx.Done():
		// Closing is the only way to end a handshake for certain: a connection through a jump host has no deadlines,
		// and an agent may never answer.
		t.Close()
		go func() {
			if r := <-done; r.client != nil {
				r.client.Close()
			}
		}()
		return nil, nil, &attemptError{err: ctx.Err(), connected: true}
	}
}

// handshake checks the host key and authenticates.
func (c *connector) handshake(t *transport) (*ssh.Client, *attemptError) {
	trusted := false
	var refused error // why the host key is refused
	var allowed, passed []string
	config := &ssh.ClientConfig{
		Config:            c.transport,
		User:              c.user,
		HostKeyAlgorithms: c.algorithms,
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			refused = c.check(key)
			if trusted = refused == nil; trusted {
				c.keys.shown = plainKey(key)
			}
			return refused
		},
		Auth: []ssh.AuthMethod{ssh.PublicKeys(c.offer.signers...)},
		AuthCallback: func(a *ssh.ClientAuthContext) (ssh.AuthMethod, error) {
			allowed, passed = a.AllowedMethods, a.PartialSuccessMethods
			if c.login != nil {
				return c.login.next(allowed), nil
			}
			return nil, nil // the next of Auth
		},
	}
	sshConn, channels, requests, err := ssh.NewClientConn(t, c.addr, config)
	switch {
	case err == nil:
		return ssh.NewClient(sshConn, channels, c.keys.learnFrom(sshConn, requests)), nil
	case refused != nil:
		return nil, &attemptError{err: refused, connected: true}
	}
	return nil, &attemptError{err: err, connected: true, trusted: trusted, dropped: !trusted && isDrop(err), allowed: allowed, passed: passed}
}
