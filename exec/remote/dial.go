package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/remote/sshconfig"
)

// A Target is a machine as the inventory has it.
type Target struct {
	Name    string // what people call it; Address if empty
	Address string // what ssh would be given: name or address; Name if empty
	Port    int    // 0: as the ssh configuration says, else 22
	User    string // "": as the ssh configuration says, else root

	// HostKeys are public keys pinned in the inventory, as authorized_keys has them ("cert-authority" in front is a
	// certificate authority). If there are any, known_hosts is not looked at.
	HostKeys []string

	// Jump is the way there, as ssh -J has it: "bastion" or "a,me@b:2222". "": as the ssh configuration says; "none": direct.
	Jump string

	// Sudo is how a user other than root runs privileged commands.
	Sudo bool

	// SudoPassword is asked, once, if sudo wants a password. Nil is ErrSudoPassword then.
	SudoPassword func(ctx context.Context) ([]byte, error)
}

// Config is how to connect, to any target.
type Config struct {
	// ConfigFile is the ssh configuration, as ssh -F: "" is ~/.ssh/config, then /etc/ssh/ssh_config; "none" is none.
	ConfigFile string

	// ConnectTimeout limits each connection, from looking up the name to being let in, retries included. A jump host
	// is a connection of its own. 0 is the ssh configuration's, else 10 s.
	ConnectTimeout time.Duration

	// KeepAlive is how often to ask an idle connection for a sign of life; after three without any (or
	// ServerAliveCountMax) it is lost. 0 is the ssh configuration's ServerAliveInterval, else 15 s; less is never.
	KeepAlive time.Duration

	// Resolve runs ssh with these arguments and returns its stdout. It is asked for ssh -G where the configuration asks
	// a program (Match exec) or holds something else that this package does not read. If nil, such a configuration is
	// an error.
	Resolve func(ctx context.Context, args []string) ([]byte, error)

	// Proxy runs a ProxyCommand, which is a line for the user's shell, and is connected to its stdin and stdout.
	// If nil, a host that has one cannot be reached.
	Proxy func(ctx context.Context, command string) (net.Conn, error)

	// Passphrase is asked for an encrypted key that no agent has, when a server would accept that key. If nil, such
	// keys are not offered.
	Passphrase func(ctx context.Context, file string) ([]byte, error)
}

const (
	defaultConnectTimeout = 10 * time.Second
	defaultKeepAlive      = 15 * time.Second
	defaultKeepAliveCount = 3
)

// A Dialer connects to machines. It holds what they share: connections to jump hosts and ssh-agents.
type Dialer struct {
	config       Config
	env          sshconfig.Env
	systemConfig string
	agents       agents
	knownHosts   sync.Mutex // held while known_hosts is added to

	mu    sync.Mutex
	jumps map[string]*jump
}

// NewDialer makes a Dialer. Nothing is read or connected to yet.
func NewDialer(c Config) *Dialer {
	return &Dialer{config: c, env: localEnv(), systemConfig: "/etc/ssh/ssh_config", jumps: map[string]*jump{}}
}

// Close closes the connections to ssh-agents. Machines stay connected, and close their jump hosts behind them.
func (d *Dialer) Close() error {
	d.agents.close()
	return nil
}

// Dial connects to a machine. Errors are one of ErrUnreachable, ErrAuth, ErrHostKeyUnknown, ErrHostKeyChanged and
// ErrHostKeyRevoked, ctx's own error if it ends, or about the configuration.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Machine, error) {
	if t.Address == "" {
		t.Address = t.Name
	}
	if t.Name == "" {
		t.Name = t.Address
	}
	route, err := d.route(ctx, sshconfig.Query{Host: t.Address, Port: t.Port, User: t.User, DefaultUser: "root"}, t.Jump, 0)
	if err != nil {
		return nil, err
	}
	route[len(route)-1].pinned = t.HostKeys
	c, err := d.connect(ctx, route)
	if err != nil {
		return nil, err
	}
	return newMachine(t, route[len(route)-1].User, c), nil
}

// A stop is a connection on the way to a target: a jump host's, or the target's own.
type stop struct {
	*sshconfig.Settings
	pinned []string // host keys from the inventory
}

func (s stop) addr() string { return net.JoinHostPort(s.HostName, strconv.Itoa(s.Port)) }

const maxJumps = 8

// route finds the way to a host before any step is made, so that a circle in the configuration is an error and not a
// wait. via is the way up to it: "" is as configured, "none" is direct. The host itself comes last.
func (d *Dialer) route(ctx context.Context, q sshconfig.Query, via string, depth int) ([]stop, error) {
	if depth > maxJumps {
		return nil, fmt.Errorf("jump host %s: more than %d on the way: do they lead in a circle?", q.Host, maxJumps)
	}
	s, err := d.settings(ctx, q)
	if err != nil {
		return nil, err
	}
	if via == "" {
		via = s.ProxyJump
	} else {
		s.ProxyCommand = ""
	}
	if via == "" || via == "none" {
		return []stop{{Settings: s}}, nil
	}
	before, next, err := sshconfig.SplitJump(via)
	if err != nil {
		return nil, err
	}
	next.DefaultUser = d.env.User
	stops, err := d.route(ctx, next, before, depth+1)
	if err != nil {
		return nil, err
	}
	return append(stops, stop{Settings: s}), nil
}

// connect makes the last connection of a route, through those before it.
func (d *Dialer) connect(ctx context.Context, route []stop) (*conn, error) {
	at := route[len(route)-1]
	addr := at.addr()
	keys, err := d.knownHostKeys(at.pinned, at.Settings)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", addr) }
	var after func()
	switch {
	case len(route) > 1:
		j, err := d.jump(ctx, route[:len(route)-1])
		if err != nil {
			return nil, err
		}
		dial = func(ctx context.Context) (net.Conn, error) { return j.conn.client.DialContext(ctx, "tcp", addr) }
		after = func() { d.leave(j) }
	case at.ProxyCommand != "":
		if d.config.Proxy == nil {
			return nil, fmt.Errorf("connect to %s: %s sets a ProxyCommand for it, which is not supported here: use ProxyJump",
				at.Original, cmp.Or(d.config.ConfigFile, "the ssh configuration"))
		}
		dial = func(ctx context.Context) (net.Conn, error) { return d.config.Proxy(ctx, at.ProxyCommand) }
	}
	c, err := d.insist(ctx, addr, at.Settings, keys, dial, after)
	if err != nil && after != nil {
		after()
		err = fmt.Errorf("through %s: %w", route[len(route)-2].addr(), err)
	}
	return c, err
}

// insist tries until the connection is there, there is no hope, or the time is over. A server that lets the connection
// go before saying who it is has too many others waiting to be let in (sshd's MaxStartups): it is asked again.
func (d *Dialer) insist(ctx context.Context, addr string, s *sshconfig.Settings, keys *hostKeys, dial func(context.Context) (net.Conn, error), after func()) (*conn, error) {
	limit := d.config.ConnectTimeout
	if limit <= 0 {
		limit = s.ConnectTimeout
	}
	if limit <= 0 {
		limit = defaultConnectTimeout
	}
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	algorithms, err := keys.algorithms(s.HostKeyAlgorithms)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	offer := d.keys(ctx, s)
	interval, count := d.config.KeepAlive, s.AliveCountMax
	if interval == 0 {
		interval = s.AliveInterval
	}
	if interval == 0 {
		interval = defaultKeepAlive
	}
	if count <= 0 {
		count = defaultKeepAliveCount
	}

	var last *attemptError
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		client, raw, failed := attempt(ctx, addr, s.User, algorithms, keys, offer, dial)
		if failed == nil {
			return newConn(client, raw, interval, count, after), nil
		}
		if outer.Err() != nil {
			return nil, fmt.Errorf("connect to %s: %w", addr, context.Cause(outer))
		}
		timedOut := ctx.Err() != nil
		if timedOut && (last == nil || !failed.dropped) && last != nil {
			failed = last // the drop before says more than the lack of time now
		}
		last = failed
		if timedOut || !failed.dropped {
			return nil, failed.explain(addr, s.User, limit, timedOut, offer)
		}
		select {
		case <-ctx.Done():
			if outer.Err() != nil {
				return nil, fmt.Errorf("connect to %s: %w", addr, context.Cause(outer))
			}
			return nil, failed.explain(addr, s.User, limit, true, offer)
		case <-time.After(wait + rand.N(wait)):
		}
	}
}

// attemptError is a failed attempt and how far it came.
type attemptError struct {
	err       error
	connected bool // the network part
	trusted   bool // its host key was right
	dropped   bool // it let go before the host key: worth another try
}

// attempt makes one connection, within ctx.
func attempt(ctx context.Context, addr, user string, algorithms []string, keys *hostKeys, offer *offer,
	dial func(context.Context) (net.Conn, error)) (*ssh.Client, *watchedConn, *attemptError) {

	netConn, err := dial(ctx)
	if err != nil {
		return nil, nil, &attemptError{err: err}
	}
	raw := &watchedConn{Conn: netConn}
	raw.out = batch(raw)
	raw.lastRead.Store(time.Now().UnixNano())
	type outcome struct {
		client  *ssh.Client
		err     error
		trusted bool
		refused error // the host key's
	}
	finished := make(chan outcome, 1)
	go func() {
		var o outcome
		config := &ssh.ClientConfig{
			User:              user,
			HostKeyAlgorithms: algorithms,
			HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
				o.refused = keys.check(host, remote, key)
				o.trusted = o.refused == nil
				return o.refused
			},
			Auth: []ssh.AuthMethod{ssh.PublicKeys(offer.signers...)},
		}
		c, chans, reqs, err := ssh.NewClientConn(raw.out, addr, config)
		if err == nil {
			o.client = ssh.NewClient(c, chans, reqs)
		}
		o.err = err
		finished <- o
	}()
	select {
	case o := <-finished:
		if o.err == nil {
			return o.client, raw, nil
		}
		raw.out.Close()
		if o.refused != nil {
			return nil, nil, &attemptError{err: o.refused, connected: true}
		}
		return nil, nil, &attemptError{err: o.err, connected: true, trusted: o.trusted, dropped: !o.trusted && isDrop(o.err)}
	case <-ctx.Done():
		// Neither a tunnelled connection's deadline nor an agent that never answers can be relied on to end the handshake.
		raw.out.Close()
		go func() {
			if o := <-finished; o.client != nil {
				o.client.Close()
			}
		}()
		return nil, nil, &attemptError{err: ctx.Err(), connected: true}
	}
}

// isDrop reports whether the other side let go of the connection.
func isDrop(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) // by x/crypto, which has seen it first
}

// explain makes the error that Dial returns.
func (e *attemptError) explain(addr, user string, limit time.Duration, timedOut bool, offer *offer) error {
	var hostKey *HostKeyError
	switch {
	case errors.As(e.err, &hostKey):
		return hostKey
	case timedOut && e.dropped:
		return fmt.Errorf("%w: %s keeps closing the connection (tried for %v)", ErrUnreachable, addr, limit)
	case timedOut && e.connected:
		return fmt.Errorf("%w: %s took the connection but did not let us in within %v", ErrUnreachable, addr, limit)
	case timedOut || errors.Is(e.err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: %s does not answer within %v", ErrUnreachable, addr, limit)
	case !e.connected:
		return fmt.Errorf("%w: connect to %s: %s", ErrUnreachable, addr, plainNetError(e.err))
	case isAuthFailure(e.err, e.trusted):
		cause := plainSSHError(e.err)
		if strings.HasPrefix(cause, "unable to authenticate") {
			cause = "" // nothing but the list of methods
		}
		return &AuthError{User: user, Addr: addr, Tried: offer.tried, Notes: offer.notes, Cause: cause}
	default:
		return fmt.Errorf("%w: handshake with %s: %s", ErrUnreachable, addr, plainSSHError(e.err))
	}
}

// isAuthFailure reports whether a handshake ended because the user was not let in. x/crypto has no type for it. Once
// the host key was accepted, only authentication is left: unless the connection broke, whatever goes wrong is that.
func isAuthFailure(err error, trusted bool) bool {
	return trusted && !isDrop(err) || strings.Contains(err.Error(), "ssh: unable to authenticate")
}

func plainSSHError(err error) string {
	if isDrop(err) {
		return "closed by the other side"
	}
	text := strings.TrimPrefix(err.Error(), "ssh: handshake failed: ")
	return strings.TrimPrefix(text, "ssh: ")
}

// plainNetError leaves out what the caller says already.
func plainNetError(err error) string {
	var open *ssh.OpenChannelError
	if errors.As(err, &open) {
		return open.Message
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return dns.Err
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err.Error()
	}
	return strings.TrimPrefix(err.Error(), "ssh: ")
}

// A jump is a connection to a jump host, shared by all that lead through it: a fleet behind one would otherwise run
// into its limit of connections that wait to be let in.
type jump struct {
	key   string
	users int
	ready chan struct{} // closed when conn or err is set
	conn  *conn
	err   error
}

// jump connects to the last stop of a route, or joins those who have.
func (d *Dialer) jump(ctx context.Context, route []stop) (*jump, error) {
	var names []string
	for _, s := range route {
		names = append(names, s.User+"@"+s.addr())
	}
	key := strings.Join(names, ",")
	name := route[len(route)-1].addr()

	d.mu.Lock()
	j := d.jumps[key]
	if j == nil || j.isLost() {
		j = &jump{key: key, ready: make(chan struct{})}
		d.jumps[key] = j
		// Not under the first caller's context: the others would fail with it. Each connection has its own limit.
		go func() {
			c, err := d.connect(context.WithoutCancel(ctx), route)
			d.mu.Lock()
			if err != nil {
				j.err = fmt.Errorf("jump host %s: %w", name, err)
				if d.jumps[key] == j {
					delete(d.jumps, key)
				}
			}
			j.conn = c
			close(j.ready)
			unused := j.users == 0
			d.mu.Unlock()
			if unused && c != nil {
				c.close()
			}
		}()
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

// isLost reports whether the connection was there and is no more. The caller holds the Dialer's lock.
func (j *jump) isLost() bool {
	if j.conn == nil {
		return false
	}
	select {
	case <-j.conn.lost:
		return true
	default:
		return false
	}
}

// leave is called once by each that got a jump. The last one closes it.
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
		c.end(errClosed) // does not wait: the caller may be its own goroutine
	}
}
