package remote

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"muster/exec/bounded"
	"muster/exec/ondemand"
)

// A passwordLogin logs in by a password, which is sent once: a server may count refused ones, and lock the user out.
type passwordLogin struct {
	password []byte
	sent     bool
	asked    error // why a question of the server is not answered
}

// newPasswordLogin is nil where there is no password.
func newPasswordLogin(password []byte) *passwordLogin {
	if password == nil {
		return nil
	}
	return &passwordLogin{password: password}
}

// next is the way to log in of those that the server allows; nil for none.
func (l *passwordLogin) next(allowed []string) ssh.AuthMethod {
	switch {
	case l.sent || l.asked != nil:
		return nil
	case slices.Contains(allowed, "password"):
		return ssh.PasswordCallback(func() (string, error) {
			l.sent = true
			return string(l.password), nil
		})
	case slices.Contains(allowed, "keyboard-interactive"):
		return ssh.KeyboardInteractive(l.answer)
	}
	return nil
}

var (
	// What a server asks for that is no password of the user.
	otherFactor = ondemand.Regexp(`(?i)code|token|otp|one.time|verification|factor|\bpin\b|duo|yubi|challenge`)
	// What a server says that has the user change the password: OpenSSH, Linux-PAM, the BSDs.
	wantsChange = ondemand.Regexp(`(?i)(new|retype|change|current).{0,12} password|password.{0,30}(has expired|expired|must be changed|change required)|(must|required to) change your password`)
)

// answer answers the question for the password, and no other.
func (l *passwordLogin) answer(_, instruction string, questions []string, echos []bool) ([]string, error) {
	text := strings.TrimSpace(strings.Join(append([]string{instruction}, questions...), " "))
	switch {
	case wantsChange().MatchString(text):
		l.asked = ErrPasswordExpired
	case len(questions) == 0:
		return nil, nil
	case l.sent && !otherFactor().MatchString(text):
		l.asked = errWrongPassword
	case l.sent || len(questions) > 1 || echos[0] || otherFactor().MatchString(text):
		l.asked = fmt.Errorf("it also asks %q", clip(text))
	}
	if l.asked != nil {
		return nil, l.asked
	}
	l.sent = true
	return []string{string(l.password)}, nil
}

var errWrongPassword = errors.New("it refuses the password: it is wrong, or sshd lets this user in by keys alone (PermitRootLogin prohibit-password)")

// passwordChange is the message by which a server asks for another password: RFC 4252, section 8.
const passwordChange = "message type 60"

// explain makes the error of a login that did not succeed.
func (l *passwordLogin) explain(c *connector, e *attemptError) error {
	failure := &AuthError{User: c.user, Addr: c.addr, Tried: []string{"a password"}}
	switch {
	case errors.Is(l.asked, ErrPasswordExpired), strings.Contains(e.err.Error(), passwordChange):
		return fmt.Errorf("%s at %s: %w, and must be changed first", c.user, c.addr, ErrPasswordExpired)
	case l.asked != nil:
		failure.Cause = l.asked.Error()
	case !l.sent:
		failure.Tried, failure.Cause = nil, "it takes no password: it lets users in by "+clip(strings.Join(e.allowed, ", "))
	case len(e.passed) > 0:
		failure.Cause = "it wants " + clip(strings.Join(e.allowed, ", ")) + " too"
	default:
		failure.Cause = errWrongPassword.Error()
	}
	return failure
}

//go:embed authorize.sh
var authorizeScript string

// authorizeLimit is how much the machine may answer, in bytes.
const authorizeLimit = 1 << 10

// Authorize adds a public key, in the format of authorized_keys, to the authorized_keys of the user that the connection
// is logged in as. It reports whether the key was new there. What was in the file stays.
func (m *Machine) Authorize(ctx context.Context, key string) (added bool, err error) {
	if _, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(key)); err != nil || len(rest) > 0 || strings.ContainsAny(key, "\n\r\x00") {
		return false, fmt.Errorf("install the key: %q is not one public key", key)
	}
	out := &bounded.Head{Limit: authorizeLimit}
	argv := []string{"/bin/sh", "-c", authorizeScript, "muster-authorize"}
	err = m.Run(ctx, Command{Argv: argv, Script: true, Stdin: strings.NewReader(key + "\n"), Stdout: out})
	var exit *ExitError
	switch {
	case errors.As(err, &exit) && wantsChange().Match(exit.Stderr):
		return false, fmt.Errorf("%s: %w, and must be changed first", m.user, ErrPasswordExpired)
	case err != nil:
		return false, fmt.Errorf("install the key in ~/.ssh/authorized_keys: %w", err)
	}
	return strings.HasSuffix(strings.TrimSpace(out.String()), "added"), nil
}

// OfferedKey is the first public key that a machine would be offered, in the format of authorized_keys; "" for none.
func (d *Dialer) OfferedKey(ctx context.Context, t Target) (string, error) {
	hop, err := d.settings(ctx, d.Query(t))
	if err != nil {
		return "", err
	}
	for _, signer := range d.keys(ctx, hop.Settings).signers {
		if _, isCert := signer.PublicKey().(*ssh.Certificate); !isCert {
			return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))), nil
		}
	}
	return "", nil
}

// ReadPublicKey reads a public key from its file, or from the one beside the file of a private key, and returns it as it
// is there.
func ReadPublicKey(file string) (string, error) {
	data, err := readKey(file)
	if err != nil {
		return "", err
	}
	if strings.Contains(string(data), "PRIVATE KEY") {
		return ReadPublicKey(file + ".pub")
	}
	text := strings.TrimSpace(string(data))
	if _, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(text)); err != nil || len(rest) > 0 || strings.ContainsAny(text, "\r\n\x00") {
		return "", errors.New("want one public key, such as ssh-ed25519 AAAA…")
	}
	return text, nil
}

// FingerprintOf is the fingerprint of a public key in the format of authorized_keys.
func FingerprintOf(key string) (Fingerprint, error) {
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
	if err != nil {
		return Fingerprint{}, fmt.Errorf("%q is no public key", key)
	}
	return fingerprint(public), nil
}
