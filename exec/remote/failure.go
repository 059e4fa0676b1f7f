package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// attemptError is a failed attempt to connect, and how far it got.
type attemptError struct {
	err       error
	connected bool // the network connection was made
	trusted   bool // the host key was accepted
	dropped   bool // the server closed the connection before it showed its host key: worth another attempt

	heard    string // the first line of what answered
	stranger bool   // what answered is no SSH server, or speaks an older SSH

	allowed []string // the ways to log in that the server names
	passed  []string // those that it has accepted, and that are not enough
}

// busyServers are the first words of sshd where it has too many connections, or too many from here: another attempt may
// succeed.
var busyServers = []string{"Exceeded MaxStartups", "Not allowed at this time"}

// hear says what answered in its first line.
func (e *attemptError) hear(line string) {
	e.heard = line
	isBusy := func(words string) bool { return strings.HasPrefix(line, words) }
	switch {
	case line == "", strings.HasPrefix(line, "SSH-2.0-"), strings.HasPrefix(line, "SSH-1.99-"), e.trusted, slices.ContainsFunc(busyServers, isBusy):
		return
	}
	e.stranger, e.dropped = true, false
}

// explain makes the error that Dial returns.
func (c *connector) explain(e *attemptError, timedOut bool) error {
	var hostKey *HostKeyError
	var negotiation *ssh.AlgorithmNegotiationError
	switch {
	case errors.As(e.err, &hostKey):
		return hostKey
	case errors.As(e.err, &negotiation):
		return fmt.Errorf("%w: %w with %s for %s: it has %s; muster offers %s", ErrUnreachable, ErrNoAlgorithm, c.addr,
			clip(strings.TrimPrefix(negotiation.What, "client to server ")), clip(orNone(negotiation.RequestedAlgorithms)), orNone(negotiation.SupportedAlgorithms))
	case e.stranger:
		return fmt.Errorf("%w: what answers at %s is no SSH server of version 2: it says %q", ErrUnreachable, c.addr, e.heard)
	case timedOut && e.dropped && e.heard != "":
		return fmt.Errorf("%w: %s keeps closing the connection (tried for %v): it says %q", ErrUnreachable, c.addr, c.limit, e.heard)
	case timedOut && e.dropped:
		return fmt.Errorf("%w: %s keeps closing the connection (tried for %v)", ErrUnreachable, c.addr, c.limit)
	case timedOut && e.connected:
		return fmt.Errorf("%w: %s accepted the connection but did not finish the SSH handshake within %v", ErrUnreachable, c.addr, c.limit)
	case timedOut || errors.Is(e.err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: no answer from %s within %v", ErrUnreachable, c.addr, c.limit)
	case !e.connected:
		return fmt.Errorf("%w: connect to %s: %s", ErrUnreachable, c.addr, plainNetError(e.err))
	case c.login != nil && isAuthFailure(e.err, e.trusted):
		return c.login.explain(c, e)
	case isAuthFailure(e.err, e.trusted):
		cause := plainSSHError(e.err)
		if strings.HasPrefix(cause, "unable to authenticate") {
			cause = "" // it only lists the methods
		}
		return &AuthError{User: c.user, Addr: c.addr, Tried: c.offer.tried, Notes: c.offer.notes, Cause: cause,
			Allowed: e.allowed, SecondFactor: len(e.passed) > 0, TooMany: strings.Contains(cause, "Too many authentication failures")}
	default:
		return fmt.Errorf("%w: handshake with %s: %s", ErrUnreachable, c.addr, plainSSHError(e.err))
	}
}

// isDrop reports whether the other side closed the connection.
func isDrop(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed) // closed by x/crypto, after it saw one of the others
}

// isAuthFailure reports whether a handshake failed at authentication. x/crypto has no type for that error. Once the host
// key is accepted, only authentication remains: whatever fails then is that, unless the connection broke.
func isAuthFailure(err error, trusted bool) bool {
	return trusted && !isDrop(err) || strings.Contains(err.Error(), "ssh: unable to authenticate")
}

func plainSSHError(err error) string {
	if isDrop(err) {
		return "closed by the other side"
	}
	text := strings.TrimPrefix(err.Error(), "ssh: handshake failed: ")
	return clip(strings.TrimPrefix(text, "ssh: "))
}

// plainNetError is the part of a network error that does not repeat the address.
func plainNetError(err error) string {
	var open *ssh.OpenChannelError
	if errors.As(err, &open) {
		return clip(open.Message)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		if dns.IsNotFound || dns.Server == "" {
			return dns.Err
		}
		// Err begins with the addresses of the socket: read udp A->B: connection refused.
		why := dns.Err[strings.LastIndex(dns.Err, ": ")+1:]
		return fmt.Sprintf("the name cannot be looked up: name server %s: %s", dns.Server, strings.TrimSpace(why))
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err.Error()
	}
	return clip(strings.TrimPrefix(err.Error(), "ssh: "))
}

// maxHostText is how much of a text that comes from a host an error message repeats.
const maxHostText = 500

// clip shortens a text that comes from a host.
func clip(text string) string {
	if len(text) <= maxHostText {
		return text
	}
	return strings.ToValidUTF8(text[:maxHostText], "") + "..."
}
