package remote

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What can be wrong with a connection, for errors.Is.
var (
	ErrUnreachable    = errors.New("unreachable")         // refused, no route, no answer in time
	ErrAuth           = errors.New("permission denied")   // no key was accepted: an *AuthError
	ErrHostKeyUnknown = errors.New("host key unknown")    // no key of the host is known: a *HostKeyError
	ErrHostKeyChanged = errors.New("host key changed")    // another key of the host is known: a *HostKeyError
	ErrHostKeyRevoked = errors.New("host key revoked")    // by @revoked or RevokedHostKeys: a *HostKeyError
	ErrHostKeyWeak    = errors.New("host key too short")  // an RSA key below RequiredRSASize: a *HostKeyError
	ErrNoAlgorithm    = errors.New("no common algorithm") // of encryption, with the server or with the ssh configuration
	ErrConnectionLost = errors.New("connection lost")     // the connection was made, and broke
	// ErrPasswordExpired says that the server wants the user to change the password before anything else.
	ErrPasswordExpired = errors.New("the password has expired")
	ErrNoSudo          = errors.New("no root privilege")     // the way to become root is missing, or not allowed for the user
	ErrSudoPassword    = errors.New("sudo needs a password") // none was given, or the wrong one
)

// An AuthError says which keys a server refused. It is an [ErrAuth].
type AuthError struct {
	User  string
	Addr  string   // host:port
	Tried []string // such as "agent ED25519 SHA256:... (me@laptop)", in the order they were offered
	Notes []string // keys that could not be offered, and why
	Cause string   // why the attempt ended, in the words of the server or of x/crypto

	Allowed      []string // the ways to log in that the server names, such as "publickey" and "password"
	SecondFactor bool     // the server accepted a key, and wants more
	TooMany      bool     // the server counted too many keys before it saw the right one
}

// NoPublicKeys reports whether the server lets nobody in by a key.
func (e *AuthError) NoPublicKeys() bool {
	return len(e.Allowed) > 0 && !e.SecondFactor && !slices.Contains(e.Allowed, "publickey")
}

func (e *AuthError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s refuses user %s", ErrAuth, e.Addr, e.User)
	if len(e.Tried) == 0 {
		b.WriteString(": no key to offer")
	} else {
		fmt.Fprintf(&b, " with %s", strings.Join(e.Tried, ", "))
	}
	for _, note := range e.Notes {
		b.WriteString("; " + note)
	}
	switch methods := clip(strings.Join(e.Allowed, ", ")); {
	case e.SecondFactor:
		b.WriteString("; it accepts a key, and wants " + methods + " too")
	case e.NoPublicKeys():
		b.WriteString("; it lets users in by " + methods + " alone")
	}
	if e.Cause != "" {
		b.WriteString(": " + e.Cause)
	}
	return b.String()
}

func (e *AuthError) Unwrap() error { return ErrAuth }

// A HostKeyError says which key a server presented, and which were expected. It is one of [ErrHostKeyUnknown],
// [ErrHostKeyChanged], [ErrHostKeyRevoked] and [ErrHostKeyWeak].
type HostKeyError struct {
	Kind    error
	Addr    string // the name as known_hosts writes it: "web1" or "[web1]:2222"
	Offered Fingerprint
	Known   []KnownKey // the keys expected; for a revoked key, the entry that revokes it
	Files   []string   // the files that were searched
	Why     string     // the reason, where it is not plain from the rest
}

// A Fingerprint names a public key for people.
type Fingerprint struct {
	Type   string // "ssh-ed25519"
	SHA256 string // "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"
}

func (f Fingerprint) String() string { return f.Type + " " + f.SHA256 }

// A KnownKey is a key that was known before, and where it is recorded.
type KnownKey struct {
	Fingerprint
	File string // a known_hosts file, or "inventory"
	Line int    // from 1; in an inventory, the number of the key
}

func (k KnownKey) String() string {
	if k.Line == 0 { // in a key revocation list
		return fmt.Sprintf("%s (%s)", k.Fingerprint, k.File)
	}
	return fmt.Sprintf("%s (%s:%d)", k.Fingerprint, k.File, k.Line)
}

func (e *HostKeyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s offers %s", e.Kind, e.Addr, e.Offered)
	for i, k := range e.Known {
		sep := ", want "
		if e.Kind == ErrHostKeyRevoked {
			sep = ", revoked: "
		}
		if i > 0 {
			sep = " or "
		}
		b.WriteString(sep + k.String())
	}
	if len(e.Known) == 0 && len(e.Files) > 0 {
		b.WriteString(", no key for it in " + strings.Join(e.Files, ", "))
	}
	if e.Why != "" {
		b.WriteString(": " + e.Why)
	}
	return b.String()
}

func (e *HostKeyError) Unwrap() error { return e.Kind }

// An ExitError is a command that did not succeed.
type ExitError struct {
	Host    string // the target's name in the inventory
	Command string // argv, quoted
	Status  int    // 1 to 255; if a signal ended the command, 128 + its number, as in a shell
	Signal  string // "TERM", "KILL", ... if a signal ended the command
	Stderr  []byte // the last part of it, up to 1 MiB
}

const maxCommandText = 120 // bytes of a command that a message repeats

// Error is short: the beginning of the command, how it ended, and the last line of stderr.
func (e *ExitError) Error() string {
	text := e.Command
	if len(text) > maxCommandText {
		text = strings.ToValidUTF8(text[:maxCommandText], "") + "..."
	}
	if e.Signal != "" {
		text += ": killed by signal " + e.Signal
	} else {
		text += fmt.Sprintf(": exit status %d", e.Status)
	}
	if last := e.lastLine(); last != "" {
		text += ": " + last
	}
	return text
}

// ExitStatus lets a caller handle this error and *exec.ExitError alike, as package nixserve does.
func (e *ExitError) ExitStatus() int { return e.Status }

func (e *ExitError) lastLine() string {
	lines := strings.Split(strings.TrimSpace(string(e.Stderr)), "\n")
	return clip(strings.TrimSpace(lines[len(lines)-1]))
}
