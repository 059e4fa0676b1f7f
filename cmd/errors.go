package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"muster/exec"
	"muster/exec/host"
	"muster/exec/lab"
	"muster/exec/nixcmd"
	"muster/exec/remote"
	"muster/schema"
)

// A usageError is a mistake in how muster was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// An exitError ends muster with a status, when all is said already.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// report says what is wrong, with a hint where there is one, and returns the
// exit status. It is the only place that decides on one.
func report(ctx context.Context, w io.Writer, err error) int {
	var exit exitError
	var problems schema.Errors
	var usage usageError
	var missing inventoryError
	switch {
	case err == nil:
		return exec.ExitOK
	case errors.As(err, &exit):
		return int(exit)
	case errors.Is(err, errInterrupted), errors.Is(context.Cause(ctx), errInterrupted):
		fmt.Fprintln(w, "muster: interrupted")
		return exec.ExitInterrupted
	case errors.As(err, &problems):
		newProblemPrinter(w, mostOfAKind).print(problems)
		return exec.ExitUsage
	case errors.As(err, &missing):
		fmt.Fprintf(w, "muster: %v\n", err)
		return exec.ExitUsage
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"):
		fmt.Fprintf(w, "muster: %v\nhint: muster help lists the commands and their flags\n", err)
		return exec.ExitUsage
	}
	fmt.Fprintf(w, "muster: %v\n", err)
	if h := hint("", err); h != "" {
		fmt.Fprintf(w, "hint: %s\n", h)
	}
	return exec.ExitFailed
}

// hint says what to do about an error, naming the flag or the file; "" where
// there is nothing to say. name is the host it happened on.
func hint(name string, err error) string {
	var key *remote.HostKeyError
	if errors.As(err, &key) {
		switch {
		case errors.Is(err, remote.ErrHostKeyUnknown):
			return fmt.Sprintf("compare the fingerprint with the machine's, then: ssh-keyscan %s >> ~/.ssh/known_hosts; or pin host_keys in the inventory", bare(key.Addr))
		case errors.Is(err, remote.ErrHostKeyChanged) && len(key.Known) > 0 && key.Known[0].File == "inventory":
			return fmt.Sprintf("if %s was reinstalled, change its host_keys in the inventory; if not, this may be a man-in-the-middle attack", name)
		case errors.Is(err, remote.ErrHostKeyChanged):
			return fmt.Sprintf("if %s was reinstalled, remove its old key with ssh-keygen -R %s and accept the new one; if not, this may be a man-in-the-middle attack", name, quoteAddr(key.Addr))
		}
	}
	switch {
	case errors.Is(err, host.ErrLocked):
		return "wait for them, or for the lock: it lapses a minute (--lock-timeout) after their muster is gone"
	case errors.Is(err, exec.ErrMoved):
		return "look at what it would take now with muster plan"
	case errors.Is(err, host.ErrDamaged):
		return fmt.Sprintf("look at the host's disk; then nix-store --verify --check-contents --repair, as by muster exec --on %s -- …, or muster gc, and deploy again", name)
	case errors.Is(err, exec.ErrRunning):
		return "another muster is at work on it: wait for it, or end it"
	case errors.Is(err, nixcmd.ErrNoNix):
		return "install Nix: apt-get install nix-bin, or see nixos.org/download"
	case strings.Contains(err.Error(), "'nixpkgs' was not found in the Nix search path"):
		return "say in the inventory which NixOS the fleet is made of, such as nixpkgs: {rev: \"…\", hash: \"sha256-…\"} or nixpkgs: path: \"…\""
	case strings.Contains(err.Error(), "build-users-group"):
		return "this Nix has no build users: apt-get install nix-setup-systemd, or as root set build-users-group to nothing in /etc/nix/nix.conf"
	case errors.Is(err, lab.ErrUnsupported):
		return "run muster demo on Linux as root: sudo muster demo"
	case errors.Is(err, remote.ErrAuth):
		return "ssh-add a key that the host accepts, or name one with IdentityFile in the file given to --ssh-config"
	case errors.Is(err, remote.ErrSudoPassword):
		return "set privilege: \"sudo-password\" for the host, or let its user run sudo without one"
	case errors.Is(err, remote.ErrNoSudo):
		return "let the user run sudo on the host, or log in as root"
	}
	return ""
}

// bare is the host of a known_hosts name such as [web1]:2222, as ssh-keyscan
// takes it.
func bare(addr string) string {
	if rest, ok := strings.CutPrefix(addr, "["); ok {
		if name, port, ok := strings.Cut(rest, "]:"); ok {
			return "-p " + port + " " + name
		}
	}
	return addr
}

// quoteAddr protects the brackets of [web1]:2222 from the shell.
func quoteAddr(addr string) string {
	if strings.HasPrefix(addr, "[") {
		return "'" + addr + "'"
	}
	return addr
}
