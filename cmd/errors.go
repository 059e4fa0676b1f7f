package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"muster/cmd/ui"
	"muster/compile/eval"
	"muster/exec"
	"muster/exec/host"
	"muster/exec/lab"
	"muster/exec/local"
	"muster/exec/nixcmd"
	"muster/exec/ondemand"
	"muster/exec/remote"
	"muster/schema"
)

// A usageError is a mistake in how muster was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// A hinted error has a hint of its own.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

// An exitError ends muster with a status. Everything has been reported already.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// report prints the error of a command, with a hint if there is one, and returns the exit
// status. No other place decides on the exit status of an error.
func report(ctx context.Context, w io.Writer, c *cobra.Command, err error) int {
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
		ui.NewProblemPrinter(w, ui.ColorAuto, ui.MostOfAKind).Print(problems)
		return exec.ExitUsage
	case errors.As(err, &missing):
		printHinted(w, err, "")
		return exec.ExitUsage
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"):
		printHinted(w, err, usageHint(c, err))
		return exec.ExitUsage
	}
	printHinted(w, err, cmp.Or(hint("", err), fileHint(err)))
	return exec.ExitFailed
}

func printHinted(w io.Writer, err error, hint string) {
	fmt.Fprintf(w, "muster: %s\n", messageOf(err))
	if hint != "" {
		fmt.Fprintf(w, "hint: %s\n", hint)
	}
}

// usageHint names the help that is about the mistake in how a command was called; "" if the
// error names one itself.
func usageHint(c *cobra.Command, err error) string {
	own := hint("", err)
	switch text := err.Error(); {
	case own != "":
		return own
	case strings.Contains(text, "--help"), strings.Contains(text, "muster help"):
		return ""
	case !c.HasParent(), c.Name() == "help":
		return "muster help lists the commands and topics"
	case c.HasSubCommands():
		return c.CommandPath() + " --help lists its commands"
	}
	return c.CommandPath() + " --help lists its flags"
}

// impureBuiltin is the message about a builtin that pure evaluation lacks.
var impureBuiltin = ondemand.Regexp(`attribute '(currentSystem|currentTime)' missing`)

// hint says what the user can do about an error on the host of a name, naming the flag or the
// file; "" if there is nothing to say.
func hint(name string, err error) string {
	if h := (hinted{}); errors.As(err, &h) {
		return h.hint
	}
	if errors.Is(err, fs.ErrNotExist) && name == "" {
		if _, gone := os.Getwd(); gone != nil {
			return noDirectory
		}
	}
	var key *remote.HostKeyError
	if errors.As(err, &key) {
		switch {
		case errors.Is(err, remote.ErrHostKeyUnknown) && name != "" && !errors.As(err, new(*remote.JumpError)):
			return fmt.Sprintf("compare the fingerprint with the machine's, and pin the key: muster trust --on %s", name)
		case errors.Is(err, remote.ErrHostKeyUnknown):
			return fmt.Sprintf("compare the fingerprint with the machine's, then: ssh-keyscan %s >> ~/.ssh/known_hosts; or pin host_keys in the inventory", bare(key.Addr))
		case errors.Is(err, remote.ErrHostKeyChanged) && len(key.Known) > 0 && key.Known[0].File == "inventory":
			return fmt.Sprintf("if %[1]s was reinstalled, change its host_keys in the inventory (muster trust --on %[1]s --replace %[1]s), or add the key that it has until it gets the one among its secrets; if not, this may be a man-in-the-middle attack", name)
		case errors.Is(err, remote.ErrHostKeyChanged):
			return fmt.Sprintf("if %s was reinstalled, remove its old key with ssh-keygen -R %s and accept the new one; if not, this may be a man-in-the-middle attack", name, quoteAddr(key.Addr))
		}
	}
	if auth := (*remote.AuthError)(nil); errors.As(err, &auth) {
		return authHint(name, auth)
	}
	switch {
	case errors.Is(err, eval.ErrTime):
		return "--eval-timeout allows more time"
	case errors.Is(err, eval.ErrMemory):
		return "--max-memory allows more memory"
	case errors.Is(err, host.ErrLocked):
		return "wait until that run ends; if its muster is gone, the lock lapses after --lock-timeout (1m)"
	case errors.Is(err, exec.ErrForeign):
		return "to replace that system: --replace-foreign"
	case errors.Is(err, exec.ErrOvertaken):
		return fmt.Sprintf("to bring it to what the inventory says now: muster deploy --on %s", name)
	case errors.As(err, new(*exec.JournalError)):
		return "an older run is taken only by its name, with --run; a journal that is of no use can be moved away"
	case errors.Is(err, exec.ErrMoved):
		return "make a new plan with muster plan"
	case errors.Is(err, host.ErrDamaged):
		return fmt.Sprintf("check the host's disk; then repair its store with muster exec --on %s -- nix-store --verify --check-contents --repair, or run muster gc, and deploy again", name)
	case errors.Is(err, exec.ErrRunning):
		return "another muster carries out this run: wait for it, or stop it"
	case errors.Is(err, nixcmd.ErrNoNix):
		return "install Nix: apt-get install nix-bin, or see nixos.org/download"
	case strings.Contains(err.Error(), "'nixpkgs' was not found in the Nix search path"):
		return "set nixpkgs in the inventory, such as nixpkgs: {rev: \"…\", hash: \"sha256-…\"} or nixpkgs: path: \"…\""
	case strings.Contains(err.Error(), "in pure evaluation mode"), strings.Contains(err.Error(), "in pure eval mode"), impureBuiltin().MatchString(err.Error()):
		return "the systems of flakes are evaluated purely, as by nix build; --impure, or impure: true in the inventory, allows what is not pure"
	case strings.Contains(err.Error(), "build-users-group"):
		return "this Nix has no build users: apt-get install nix-setup-systemd, or as root set an empty build-users-group in /etc/nix/nix.conf"
	case errors.Is(err, lab.ErrUnsupported):
		return "run muster demo on Linux as root: sudo muster demo"
	case errors.Is(err, remote.ErrAuth):
		return keyHint
	case errors.Is(err, remote.ErrNoAlgorithm):
		return "--ssh openssh connects by the ssh of this machine, which has more algorithms"
	case errors.Is(err, local.ErrNotRoot):
		return fmt.Sprintf("run muster as root, or set privilege for %s: \"sudo\", \"sudo-password\", \"doas\" or \"run0\"", name)
	case errors.Is(err, remote.ErrSudoPassword):
		return "set privilege: \"sudo-password\" for the host, or let its user run sudo without a password"
	case errors.Is(err, remote.ErrNoSudo):
		return "let the user run sudo on the host, or doas or run0 without a password (privilege in the inventory), or log in as root"
	}
	return ""
}

// authHint says what the user can do about a host that refuses the user.
func authHint(name string, e *remote.AuthError) string {
	switch {
	case e.TooMany:
		return "the ssh-agent holds more keys than the host lets you try: name the right one with IdentityFile, and set IdentitiesOnly yes, in the SSH configuration"
	case e.SecondFactor:
		return "--ssh openssh connects by the ssh of this machine, which answers what the host asks; or let this user in by a key alone (sshd_config: AuthenticationMethods publickey)"
	case e.NoPublicKeys():
		return fmt.Sprintf("muster sends no password but to install a key: muster trust --password --on %s, and let sshd take keys (PubkeyAuthentication yes)", name)
	case slices.Contains(e.Allowed, "password"):
		return keyHint + fmt.Sprintf("; with a password alone, install a key: muster trust --password --on %s", name)
	}
	return keyHint
}

// stateHint is about what muster keeps for the next run.
const stateHint = "set HOME to your home folder, or XDG_STATE_HOME to a folder for what muster keeps"

// nixConfHint is about settings of Nix that cannot be read, or mean nothing.
const nixConfHint = "nix.conf and $NIX_CONFIG have one setting a line, as NAME = VALUE"

const keyHint = "add a key that the host accepts with ssh-add, or name one with IdentityFile in the file given to --ssh-config"

// bare turns a known_hosts name such as [web1]:2222 into arguments of ssh-keyscan.
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
