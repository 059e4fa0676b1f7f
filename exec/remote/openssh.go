package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/backoff"
	"muster/exec/remote/sshconfig"
)

// A Client is what makes the connection to a machine.
type Client int

// The clients.
const (
	BuiltIn Client = iota // this package
	OpenSSH               // the system's ssh, for what only it can: algorithms, security keys, GSSAPI, questions of a server
)

// A Master runs ssh, which goes to the background once it is connected. It returns what ssh prints on standard error,
// and an error if ssh does not succeed. With ask, ssh may ask the user on the terminal.
type Master func(ctx context.Context, args []string, ask bool) (stderr string, err error)

// ErrNoQuestions says that a machine wants to ask the user something, and there is no terminal to do it.
var ErrNoQuestions = errors.New("no terminal to ask on")

// A connection of ssh is shared through a socket, the control master's (ControlPath in ssh_config(5)). muster speaks
// the connection protocol of SSH (RFC 4254) on it, in the socket's proxy mode ("MUX_C_PROXY" in OpenSSH's
// PROTOCOL.mux), so that sessions on it are those of any [Machine]:
//
//	muster ── SSH channels, not encrypted ──▶ socket ── ssh, in the background ── encrypted ──▶ sshd
//
// The background process is ended by [conn.end]; it ends by itself masterLinger after muster has gone, even by a kill.
const (
	masterEnded  = "ssh has ended it: no answer, or closed by the other side"
	masterLinger = 5 * time.Second
	askLimit     = 5 * time.Minute // for the answers of a user to a server's questions
)

// dialOpenSSH connects to a machine through the system's ssh.
func (d *Dialer) dialOpenSSH(ctx context.Context, t Target) (*Machine, error) {
	switch {
	case d.config.Master == nil:
		return nil, fmt.Errorf("connect to %s: ssh is not available here", t.Address)
	case t.ForwardAgent:
		return nil, fmt.Errorf("connect to %s: the ssh-agent is forwarded only without OpenSSH", t.Address)
	case t.Password != nil:
		return nil, fmt.Errorf("connect to %s: a password is sent only without OpenSSH", t.Address)
	case t.AcceptHostKey != "":
		return nil, fmt.Errorf("connect to %s: a host key can be accepted by its fingerprint only without OpenSSH: add it to known_hosts", t.Address)
	}
	s, err := d.settings(ctx, d.Query(t))
	if err != nil {
		return nil, err
	}
	again := func(ctx context.Context) (*conn, error) {
		dir, err := os.MkdirTemp(socketDir(), "muster-ssh-")
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %v", t.Address, err)
		}
		c, err := d.openMaster(ctx, t, s.Settings, dir)
		if err != nil {
			os.RemoveAll(dir)
		}
		return c, err
	}
	c, err := again(ctx)
	if err != nil {
		return nil, err
	}
	m := newMachine(t, s.User, c, again)
	m.address = s.HostName
	return m, nil
}

// socketDir is where sockets are made. The path of one has at most 107 bytes, and a $TMPDIR may be long.
func socketDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) && len(dir) < 60 {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return "/tmp"
}

// openMaster has ssh connect, and connects to its socket in dir.
func (d *Dialer) openMaster(ctx context.Context, t Target, s *sshconfig.Settings, dir string) (*conn, error) {
	socket := filepath.Join(dir, "s")
	args, err := d.masterArgs(t, s, dir, socket)
	if err != nil {
		return nil, err
	}
	if err := d.startMaster(ctx, t, d.connectTimeout(s), args); err != nil {
		return nil, err
	}
	end := func() {
		stopMaster(socket)
		os.RemoveAll(dir)
	}
	netConn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		end()
		return nil, fmt.Errorf("connect to %s: %w: ssh ended at once: %v", t.Address, ErrConnectionLost, err)
	}
	transport := newTransport(netConn)
	forget := context.AfterFunc(ctx, func() { transport.Close() })
	sshConn, channels, requests, err := ssh.NewControlClientConn(transport)
	forget()
	if err != nil {
		transport.Close()
		end()
		return nil, fmt.Errorf("connect to %s: speak with ssh: %w", t.Address, err)
	}
	// ssh itself probes the connection: its socket does not pass on keepalives.
	return newConn(ssh.NewClient(sshConn, channels, requests), transport, 0, 0, masterEnded, end), nil
}

// masterArgs are the arguments of ssh. What the user has configured about sharing, forwarding and commands is for
// interactive use and does not take effect.
func (d *Dialer) masterArgs(t Target, s *sshconfig.Settings, dir, socket string) ([]string, error) {
	interval, count := d.keepAlive(s)
	args := []string{"-f", "-N", "-T",
		"-oControlMaster=yes", "-oControlPath=" + socket, fmt.Sprintf("-oControlPersist=%d", masterLinger/time.Second),
		"-oClearAllForwardings=yes", "-oForwardAgent=no", "-oForwardX11=no", "-oPermitLocalCommand=no", "-oRemoteCommand=none",
		"-oRequestTTY=no", "-oLogLevel=ERROR",
		fmt.Sprintf("-oServerAliveInterval=%d", seconds(interval)), fmt.Sprintf("-oServerAliveCountMax=%d", count)}
	pins := ""
	if len(t.HostKeys) > 0 {
		pins = filepath.Join(dir, "known_hosts")
		if err := os.WriteFile(pins, PinLines(t.HostKeys), 0o600); err != nil {
			return nil, fmt.Errorf("connect to %s: %v", t.Address, err)
		}
	}
	strict := "yes"
	if s.StrictHostKeys == "accept-new" && pins == "" {
		strict = "accept-new"
	}
	args = append(args, "-oStrictHostKeyChecking="+strict) // here, for the first one counts
	return append(args, d.sshArgs(t, s, pins)...), nil
}

// SSHArgs are the arguments by which ssh connects to a target as this package does. pins is a file of [PinLines] of its
// host keys, if it has any.
func (d *Dialer) SSHArgs(ctx context.Context, t Target, pins string) ([]string, error) {
	q := d.Query(t)
	s, err := d.settings(ctx, q)
	if err != nil {
		return nil, err
	}
	t.Address = q.Host
	return d.sshArgs(t, s.Settings, pins), nil
}

// SSHBlock is the part of an ssh_config file by which ssh connects to a target under a name as this package does; pins as for
// SSHArgs. It includes no other file.
func (d *Dialer) SSHBlock(ctx context.Context, name string, t Target, pins string) (string, error) {
	args, err := d.SSHArgs(ctx, t, pins)
	if err != nil {
		return "", err
	}
	keywords := map[string]string{"-l": "User", "-p": "Port", "-J": "ProxyJump"}
	block := fmt.Sprintf("Host %s\nHostKeyAlias=%s\n", name, name)
	if address := args[len(args)-1]; address != name {
		block += "HostName=" + address + "\n" // else another file may have another one
	}
	for i, arg := range args {
		if option, ok := strings.CutPrefix(arg, "-o"); ok {
			block += option + "\n"
		} else if keyword := keywords[arg]; keyword != "" {
			block += keyword + "=" + args[i+1] + "\n"
		}
	}
	return block, nil
}

// sshArgs end with the address. ssh takes the first value of an option.
func (d *Dialer) sshArgs(t Target, s *sshconfig.Settings, pins string) []string {
	args := []string{fmt.Sprintf("-oConnectTimeout=%d", seconds(d.connectTimeout(s))), "-l", s.User}
	if d.config.ConfigFile != "" {
		args = append(args, "-F", d.config.ConfigFile)
	}
	if t.Port != 0 {
		args = append(args, "-p", strconv.Itoa(t.Port))
	}
	switch t.Jump {
	case "":
	case "none":
		args = append(args, "-oProxyJump=none", "-oProxyCommand=none")
	default:
		args = append(args, "-J", t.Jump)
	}
	if pins != "" {
		args = append(args, "-oStrictHostKeyChecking=yes", "-oUserKnownHostsFile="+quoteOption(pins), "-oGlobalKnownHostsFile=none",
			"-oUpdateHostKeys=no", "-oIgnoreUnknown=KnownHostsCommand", "-oKnownHostsCommand=none", "-oVerifyHostKeyDNS=no")
	}
	for _, name := range slices.Sorted(maps.Keys(t.Options)) {
		args = append(args, "-o"+name+"="+t.Options[name])
	}
	return append(args, "--", t.Address)
}

// quoteOption quotes a file's name in an option of ssh.
func quoteOption(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, `%`, `%%`), `"`, `\"`) + `"`
}

// seconds rounds up, for a setting of 0 has another meaning. A negative duration is none.
func seconds(d time.Duration) int64 { return max(0, int64((d+time.Second-1)/time.Second)) }

// PinLines is a known_hosts file that holds the keys for whatever host.
func PinLines(keys []string) []byte {
	var lines []byte
	for _, key := range keys {
		key = strings.TrimSpace(key)
		if authority, ok := strings.CutPrefix(key, "cert-authority "); ok {
			lines = append(lines, "@cert-authority * "+authority+"\n"...)
		} else {
			lines = append(lines, "* "+key+"\n"...)
		}
	}
	return lines
}

// startMaster runs ssh until it is connected. What asks nothing is tried first, so that only a machine that has a
// question waits for the user, and one machine at a time asks.
func (d *Dialer) startMaster(ctx context.Context, t Target, limit time.Duration, args []string) error {
	quiet := slices.Concat([]string{"-oBatchMode=yes"}, args)
	err := d.runMaster(ctx, t, limit, quiet, false)
	if !errors.Is(err, ErrAuth) {
		return err
	}
	d.asking.Lock()
	defer d.asking.Unlock()
	asked := d.runMaster(ctx, t, askLimit, args, true)
	if errors.Is(asked, ErrNoQuestions) {
		return err
	}
	return asked
}

// runMaster runs ssh within a time limit. Where the server closes the connection before it shows its host key, it has too
// many unauthenticated connections (sshd's MaxStartups): ssh is run again.
func (d *Dialer) runMaster(ctx context.Context, t Target, limit time.Duration, args []string, ask bool) error {
	limited, cancel := context.WithTimeout(ctx, limit+time.Second) // ssh's own limit gives the better reason
	defer cancel()
	retry := backoff.Backoff{First: 100 * time.Millisecond, Max: limit, Jitter: true}
	dropped := false
	for {
		said, err := d.config.Master(limited, args, ask)
		switch {
		case err == nil, errors.Is(err, ErrNoQuestions):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("connect to %s: %w", t.Address, context.Cause(ctx))
		case isDropByOpenSSH(said):
			if dropped = true; retry.Wait(limited) == nil {
				continue
			}
		}
		switch {
		case dropped && limited.Err() != nil:
			return fmt.Errorf("connect to %s: %w: it keeps closing the connection (tried for %v)", t.Address, ErrUnreachable, limit)
		case limited.Err() != nil:
			return fmt.Errorf("connect to %s: %w: no answer within %v", t.Address, ErrUnreachable, limit)
		}
		return explainOpenSSH(t.Address, said, err)
	}
}

// isDropByOpenSSH reports whether ssh has said no more than that the other side closed the connection before it named
// itself. With a jump host, other lines say why.
func isDropByOpenSSH(said string) bool {
	for line := range strings.Lines(strings.TrimSpace(said)) {
		if !strings.Contains(line, "onnection closed by") && !strings.Contains(line, "onnection reset by") {
			return false
		}
	}
	return strings.HasPrefix(said, "kex_exchange_identification: ")
}

// openSSHErrors are what ssh (OpenSSH's ssh.c, sshconnect.c, sshconnect2.c and sshd's answers) says where it does not
// connect, the particular first.
var openSSHErrors = []struct {
	text string
	kind error
}{
	{"REVOKED HOST KEY DETECTED", ErrHostKeyRevoked},
	{"revoked", ErrHostKeyRevoked},
	{"HOST IDENTIFICATION HAS CHANGED", ErrHostKeyChanged},
	{"Offending", ErrHostKeyChanged},
	{"host key is known for", ErrHostKeyUnknown},
	{"Host key verification failed", ErrHostKeyUnknown},
	{"Permission denied", ErrAuth},
	{"Too many authentication failures", ErrAuth},
	{"Could not resolve hostname", ErrUnreachable},
	{"Unable to negotiate", nil},
	{"connect to host", ErrUnreachable},
	{"timed out", ErrUnreachable},
	{"Connection closed", ErrUnreachable},
	{"Connection reset", ErrUnreachable},
	{"kex_exchange_identification", ErrUnreachable},
}

// explainOpenSSH makes an error of what ssh has said.
func explainOpenSSH(addr, said string, err error) error {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	for _, known := range openSSHErrors {
		for _, line := range lines {
			if !strings.Contains(line, known.text) {
				continue
			}
			line = clip(plainOpenSSH(line))
			if known.kind == nil {
				return fmt.Errorf("connect to %s: %s", addr, line)
			}
			return fmt.Errorf("connect to %s: %w: %s", addr, known.kind, line)
		}
	}
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return fmt.Errorf("connect to %s: ssh: %s", addr, clip(last))
	}
	return fmt.Errorf("connect to %s: ssh: %w", addr, err)
}

// plainOpenSSH is a line of ssh without its frame, the name of the program and the address.
func plainOpenSSH(line string) string {
	line = strings.TrimPrefix(strings.TrimSpace(strings.Trim(strings.TrimSpace(line), "@")), "ssh: ")
	if _, reason, ok := strings.Cut(line, ": "); ok && reason != "" && strings.HasPrefix(line, "connect to host ") {
		line = strings.ToLower(reason[:1]) + reason[1:]
	}
	return line
}

// The requests of OpenSSH's PROTOCOL.mux that end a master.
const (
	muxHello     = 0x00000001
	muxVersion   = 4
	muxTerminate = 0x10000005
)

// stopMaster asks the master at a socket to end. One that is gone, or that hangs, ends by itself.
func stopMaster(socket string) {
	c, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Second))
	var words []byte
	for _, w := range []uint32{8, muxHello, muxVersion, 8, muxTerminate, 1} { // lengths and messages
		words = append(words, byte(w>>24), byte(w>>16), byte(w>>8), byte(w))
	}
	if _, err := c.Write(words); err == nil {
		c.Read(make([]byte, 256)) // its hello: the request is being read
		c.Read(make([]byte, 256)) // its answer, or the end
	}
}
