package nixserve

import (
	"errors"
	"fmt"
	"strings"

	"muster/compile/store"
)

// Facts a caller may ask for with errors.Is.
var (
	// ErrNoServer: the far end has no nix-store where a non-interactive command finds one.
	ErrNoServer = errors.New("nix-store was not found")
	// ErrNotServe: the far end printed something else than the protocol, such as the greeting of a login script.
	ErrNotServe = errors.New("not the nix-store --serve protocol")
	// ErrRefused: the far end ends at once, or runs something else than nix-store --serve.
	ErrRefused = errors.New("refused")
	// ErrReadOnly: nix-store --serve runs there, but without --write.
	ErrReadOnly = errors.New("read-only")
	// ErrTooOld: the server's Nix lacks requests that are needed.
	ErrTooOld = errors.New("too old")
	// ErrUntrusted: the store's daemon takes no unsigned paths from this user.
	ErrUntrusted = errors.New("unsigned path from a user who is not trusted")
	// ErrDiskFull: the store's file system is full.
	ErrDiskFull = errors.New("disk full")
	// ErrCorrupt: a path in the source store is not what its database says.
	ErrCorrupt = errors.New("corrupted in the source store")
)

// A ServerError says that the server ended during an exchange, and why as far as it has written that.
type ServerError struct {
	Path   store.Path // the first path that was not confirmed; "" outside of Send
	Reason string     // the server's own last error message, "" if it wrote none
	Stderr string     // everything it wrote to standard error
	Kind   error      // ErrUntrusted, ErrDiskFull, ErrNoServer, ErrRefused or nil
	Err    error      // how the stream or the process ended
}

func (e *ServerError) Error() string {
	what := "nix-store --serve"
	if e.Path != "" {
		what += ": add " + string(e.Path)
	}
	told := e.Kind != nil && e.Kind != ErrRefused // that one adds nothing to the rest
	switch {
	case told && e.Reason != "":
		return fmt.Sprintf("%s: %v: %s", what, e.Kind, e.Reason)
	case told:
		return fmt.Sprintf("%s: %v", what, e.Kind)
	case e.Reason != "":
		return fmt.Sprintf("%s: %s", what, e.Reason)
	case e.Err != nil:
		return fmt.Sprintf("%s ended without an error message: %v", what, e.Err)
	}
	return what + " ended without an error message"
}

// Unwrap makes errors.Is find the kind and how the server ended.
func (e *ServerError) Unwrap() []error {
	var errs []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// Hint says what a user can do about it, "" if nothing is known.
func (e *ServerError) Hint() string { return hint(e.Kind) }

func hint(kind error) string {
	switch kind {
	case ErrUntrusted:
		return "connect as root, add the user to trusted-users in the destination's nix.conf, or sign the paths " +
			"(nix store sign --recursive --key-file SECRET-KEY) and add the public key to its trusted-public-keys"
	case ErrDiskFull:
		return "free space on the destination, for example with nix-collect-garbage"
	case ErrReadOnly:
		return "the command that sshd forces on this user there must be nix-store --serve --write (nix.sshServe.write on NixOS)"
	case ErrNoServer:
		return "nix-store must be in the PATH of non-interactive commands on the destination"
	}
	return ""
}

// kindOf recognises what went wrong from what the server has written: the protocol has no codes for it.
func kindOf(stderr string, status int) error {
	switch {
	case strings.Contains(stderr, "lacks a valid signature"), // Nix 2.3 to 2.18
		strings.Contains(stderr, "lacks a signature by a trusted key"),
		strings.Contains(stderr, "is not privileged to"):
		return ErrUntrusted
	case strings.Contains(stderr, "importing paths is not allowed"):
		return ErrReadOnly
	case strings.Contains(stderr, "protocol mismatch"): // a forced nix-daemon --stdio
		return ErrRefused
	case strings.Contains(stderr, "No space left on device"),
		strings.Contains(stderr, "database or disk is full"),
		strings.Contains(stderr, "Disk quota exceeded"):
		return ErrDiskFull
	case status == 127,
		strings.Contains(stderr, "nix-store: command not found"), // sudo's words, with its own exit status
		strings.Contains(stderr, "nix-store: not found"):
		return ErrNoServer
	}
	return nil
}

// Recognise finds out what the error of another Nix command is about, so that errors.Is and Hint work for it as for a
// ServerError.
func Recognise(err error) error {
	kind := kindOf(err.Error(), 0)
	if kind == nil {
		return err
	}
	return &foreignError{kind: kind, err: err}
}

// A foreignError is an error of a known kind that did not occur in a session.
type foreignError struct{ kind, err error }

func (e *foreignError) Error() string   { return e.err.Error() }
func (e *foreignError) Unwrap() []error { return []error{e.kind, e.err} }
func (e *foreignError) Hint() string    { return hint(e.kind) }

// A PathError is a failure that concerns one path.
type PathError struct {
	Op   string // "send" or "read"
	Path store.Path
	Err  error
}

func (e *PathError) Error() string { return fmt.Sprintf("%s %s: %v", e.Op, e.Path, e.Err) }
func (e *PathError) Unwrap() error { return e.Err }
