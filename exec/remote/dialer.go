package remote

import (
	"cmp"
	"context"
	"net"
	"sync"
	"time"

	"muster/exec/remote/sshconfig"
)

// A Target is a machine as the inventory describes it.
type Target struct {
	Name    string // for messages; Address if empty
	Address string // a name or address, as an argument of ssh; Name if empty
	Port    int    // 0: as the ssh configuration says, else 22
	User    string // "": as the ssh configuration says, else root

	// HostKeys are public keys pinned in the inventory, in the format of authorized_keys. "cert-authority" in front
	// makes a key a certificate authority. If there are any, known_hosts is not read.
	HostKeys []string

	// AcceptHostKey is the fingerprint, "SHA256:…", of a key that is accepted for this connection where no key of the
	// machine is known. It is not added to known_hosts.
	AcceptHostKey string

	// Password logs in instead of keys, once for each connection. No password of a user is sent otherwise. It needs
	// [BuiltIn].
	Password []byte

	// Jump is the route to the machine, as an argument of ssh -J: "bastion" or "a,me@b:2222". "" is as the ssh
	// configuration says, "none" is direct.
	Jump string

	// DefaultUser is the user to log in as where neither User nor the ssh configuration names one: "" is root, and
	// LocalUser the user of this process.
	DefaultUser string

	// Options are options of ssh_config(5) that go before the ssh configuration, by their names in lower case.
	Options map[string]string

	// ForwardAgent allows commands on the machine to use the keys of the ssh-agent here.
	ForwardAgent bool

	// Client is what makes the connection.
	Client Client

	// Become is how a user other than root runs privileged commands. BecomeArgv is the command for [OwnCommand].
	Become     Become
	BecomeArgv []string

	// SudoPassword returns the password for sudo. It is called at most once, and only if sudo needs a password. If nil,
	// sudo that needs one is an ErrSudoPassword.
	SudoPassword func(ctx context.Context) ([]byte, error)
}

// LocalUser stands for the user of this process.
const LocalUser = "\x00local"

// Config is how a Dialer connects to any target.
type Config struct {
	// ConfigFile is the ssh configuration, as ssh -F: "" is ~/.ssh/config and then /etc/ssh/ssh_config; "none" is none.
	ConfigFile string

	// ConnectTimeout limits each connection, from the lookup of the name to the end of authentication, retries
	// included. A jump host is a connection of its own. 0 is the ssh configuration's ConnectTimeout, else 10 s.
	ConnectTimeout time.Duration

	// KeepAlive is the interval at which an idle connection is probed. After three probes without an answer (or
	// ServerAliveCountMax) the connection is lost. 0 is the ssh configuration's ServerAliveInterval, else 15 s; a
	// negative value disables probing.
	KeepAlive time.Duration

	// Proxy runs a ProxyCommand, a line for the user's shell, and returns its stdin and stdout as a connection. If nil,
	// a host that has a ProxyCommand cannot be reached.
	Proxy func(ctx context.Context, command string) (net.Conn, error)

	// ProxyPasses runs a ProxyCommand that passes a connection on, and ends: ProxyUseFdpass. If nil, a host that has one
	// cannot be reached.
	ProxyPasses func(ctx context.Context, command string) (net.Conn, error)

	// MatchExec runs the command of a "Match exec", a line for the user's shell, and reports whether it succeeds. If nil, a
	// configuration that has one is an error.
	MatchExec func(ctx context.Context, command string) (bool, error)

	// KnownHosts runs a KnownHostsCommand and returns what it prints. If nil, a host that has one cannot be reached.
	KnownHosts func(ctx context.Context, argv []string) ([]byte, error)

	// Warn is told, once each, of lines of the ssh configuration that ask for what this package does not do.
	Warn func(text string)

	// Master runs ssh for targets whose client is [OpenSSH]. If nil, they cannot be reached.
	Master Master

	// Passphrase returns the passphrase of an encrypted key file. It is called when a server would accept the key and no
	// agent holds it. If nil, such keys are not offered.
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
	knownHosts   sync.Mutex // held while a key is added to known_hosts
	knownFiles   knownFiles
	warned       sync.Map   // the warnings that Config.Warn has been told
	asking       sync.Mutex // held while ssh may ask the user

	mu    sync.Mutex
	jumps map[string]*jump
}

// NewDialer makes a Dialer. It reads no configuration and makes no connection yet.
func NewDialer(c Config) *Dialer {
	return &Dialer{config: c, env: localEnv(), systemConfig: "/etc/ssh/ssh_config", jumps: map[string]*jump{}}
}

// Close closes the connections to ssh-agents. Machines stay connected; the last one to close closes its jump hosts.
func (d *Dialer) Close() error {
	d.agents.close()
	return nil
}

// Dial connects to a machine. Its errors are one of ErrUnreachable, ErrAuth, ErrHostKeyUnknown, ErrHostKeyChanged and
// ErrHostKeyRevoked, ctx's own error if it ends, or about the configuration.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Machine, error) {
	if t.Address == "" {
		t.Address = t.Name
	}
	if t.Name == "" {
		t.Name = t.Address
	}
	if t.Client == OpenSSH {
		return d.dialOpenSSH(ctx, t)
	}
	route, err := d.route(ctx, d.Query(t), t.Jump, 0)
	if err != nil {
		return nil, err
	}
	last := &route[len(route)-1]
	last.pinned, last.accept = t.HostKeys, t.AcceptHostKey
	last.password = t.Password
	c, err := d.connect(ctx, route)
	if err != nil {
		return nil, err
	}
	m := newMachine(t, last.User, c, func(ctx context.Context) (*conn, error) { return d.connect(ctx, route) })
	m.address = last.HostName
	if t.ForwardAgent {
		if err := d.forwardAgent(ctx, m, last.IdentityAgent); err != nil {
			m.Close()
			return nil, err
		}
	}
	return m, nil
}

// Query is what is asked of the ssh configuration about a target.
func (d *Dialer) Query(t Target) sshconfig.Query {
	q := sshconfig.Query{Host: cmp.Or(t.Address, t.Name), Port: t.Port, User: t.User, DefaultUser: cmp.Or(t.DefaultUser, "root"), Options: t.Options}
	if t.DefaultUser == LocalUser {
		q.DefaultUser = d.env.User
	}
	return q
}

// connectTimeout limits one connection.
func (d *Dialer) connectTimeout(s *sshconfig.Settings) time.Duration {
	for _, limit := range []time.Duration{d.config.ConnectTimeout, s.ConnectTimeout} {
		if limit > 0 {
			return limit
		}
	}
	return defaultConnectTimeout
}

// keepAlive is the interval of probes, and how many of them can go unanswered.
func (d *Dialer) keepAlive(s *sshconfig.Settings) (interval time.Duration, count int) {
	interval, count = d.config.KeepAlive, s.AliveCountMax
	if interval == 0 {
		interval = s.AliveInterval
	}
	if interval == 0 {
		interval = defaultKeepAlive
	}
	if count <= 0 {
		count = defaultKeepAliveCount
	}
	return interval, count
}
