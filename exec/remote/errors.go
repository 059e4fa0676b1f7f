package remote

import (
	"errors"
	"fmt"
	"strings"
)

// What can be wrong with a connection, for errors.Is.
var (
	ErrUnreachable    = errors.New("unreachable")         // refused, no route, silent for too long
	ErrAuth           = errors.New("permission denied")   // no key was accepted: an *AuthError
	ErrHostKeyUnknown = errors.New("host key unknown")    // nothing known to compare with: a *HostKeyError
	ErrHostKeyChanged = errors.New("host key changed")    // another key is known: a *HostKeyError
	ErrHostKeyRevoked = errors.New("host key revoked")    // known and marked @revoked: a *HostKeyError
	ErrConnectionLost = errors.New("connection lost")     // it was there, and broke
	ErrNoSudo         = errors.New("no root privilege")   // sudo is missing, or not for this user
	ErrSudoPassword   = errors.New("sudo wants password") // none given, or not the right one
)

// An AuthError says which keys a server did not accept. It is an [ErrAuth].
type AuthError struct {
	User  string
	Addr  string   // host:port
	Tried []string // such as "agent ED25519 SHA256:... (me@laptop)", in the order they were offered
	Notes []string // keys that could not be offered, and why
	Cause string   // what ended the attempt, in the server's or the library's words
}

func (e *AuthError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s does not let %s in", ErrAuth, e.Addr, e.User)
	if len(e.Tried) == 0 {
		b.WriteString(": no key to offer")
	} else {
		fmt.Fprintf(&b, " with %s", strings.Join(e.Tried, ", "))
	}
	for _, note := range e.Notes {
		b.WriteString("; " + note)
	}
	if e.Cause != "" {
		b.WriteString(": " + e.Cause)
	}
	return b.String()
}

func (e *AuthError) Unwrap() error { return ErrAuth }

// A HostKeyError says which key a server showed, and what was expected of it. It is one of [ErrHostKeyUnknown],
// [ErrHostKeyChanged] and [ErrHostKeyRevoked].
type HostKeyError struct {
	Kind    error
	Addr    string // the name looked up, as known_hosts writes it: "web1" or "[web1]:2222"
	Offered Fingerprint
	Known   []KnownKey // what the name was known by; for a revoked key, the line that revokes it
	Files   []string   // where was looked
	Why     string     // more, where there is more to say
}

// A Fingerprint names a public key for people.
type Fingerprint struct {
	Type   string // "ssh-ed25519"
	SHA256 string // "SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"
}

func (f Fingerprint) String() string { return f.Type + " " + f.SHA256 }

// A KnownKey is a key that was known before, and where it is written down.
type KnownKey struct {
	Fingerprint
	File string // a known_hosts file, or "inventory"
	Line int    // from 1; in an inventory, the number of the key
}

func (k KnownKey) String() string { return fmt.Sprintf("%s (%s:%d)", k.Fingerprint, k.File, k.Line) }

func (e *HostKeyError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s offers %s", e.Kind, e.Addr, e.Offered)
	for i, k := range e.Known {
		sep := ", known is "
		if i > 0 {
			sep = " and "
		}
		b.WriteString(sep + k.String())
	}
	if len(e.Known) == 0 && len(e.Files) > 0 {
		b.WriteString(", nothing is known in " + strings.Join(e.Files, ", "))
	}
	if e.Why != "" {
		b.WriteString(": " + e.Why)
	}
	return b.String()
}

func (e *HostKeyError) Unwrap() error { return e.Kind }

// An ExitError is a command that ran and did not succeed.
type ExitError struct {
	Host    string // the target's inventory name
	Command string // argv, quoted
	Status  int    // 1 to 255; 128 + the signal's number as the shell has it, where Signal is set
	Signal  string // "TERM", "KILL", ... if a signal ended it
	Stderr  []byte // the last part of it, up to 1 MiB
}

// Error is short: the command's first words, what happened, and the last line of stderr.
func (e *ExitError) Error() string {
	const most = 120
	text := e.Command
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
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

// ExitStatus is for those who look at more than one kind of process, as package nixserve does.
func (e *ExitError) ExitStatus() int { return e.Status }

func (e *ExitError) lastLine() string {
	lines := strings.Split(strings.TrimSpace(string(e.Stderr)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
