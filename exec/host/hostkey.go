package host

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"muster/compile/store"
)

// A HostKeyChange is an SSH host key that a host gets in place of the one at a path.
// [HostKeyChange.Place] comes first; then a new connection shows whether the host can be
// reached with the key, and [HostKeyChange.Settle] or [HostKeyChange.Return] ends it.
//
//	           the host's key   its secrets are encrypted to
//	           former           former
//	Place      former           former, new
//	           new              former, new
//	Settle     new              new
//
// The former key stays in a file beside the new one until Settle.
type HostKeyChange struct {
	Host       *Host
	System     store.Path // whose /etc/muster/secrets encrypts
	Path       string     // of the private key
	Private    []byte
	Public     string
	Recipients []string // what the host's secrets are encrypted to so far
	Limit      time.Duration
}

// Place encrypts the secrets on the host to the key as well, and makes it the host's.
func (c *HostKeyChange) Place(ctx context.Context) error {
	var archive bytes.Buffer
	t := tar.NewWriter(&archive)
	recipients := strings.Join(append(c.Recipients, c.Public), "\n") + "\n"
	for _, f := range []struct {
		name    string
		content []byte
	}{{"key", c.Private}, {"key.pub", []byte(c.Public + "\n")}, {"recipients", []byte(recipients)}, {"end", nil}} {
		if err := t.WriteHeader(&tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(f.content))}); err != nil {
			return err
		}
		if _, err := t.Write(f.content); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return c.do(ctx, hostKeyScript, &archive)
}

// Return makes the former key the host's again.
func (c *HostKeyChange) Return(ctx context.Context) error { return c.do(ctx, hostKeyBackScript, nil) }

// Settle encrypts the secrets on the host to the recipients only, and removes the former
// key.
func (c *HostKeyChange) Settle(ctx context.Context) error {
	return c.do(ctx, hostKeySettleScript, strings.NewReader(strings.Join(c.Recipients, "\n")+"\n"))
}

func (c *HostKeyChange) do(ctx context.Context, s script, stdin io.Reader) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Limit, fmt.Errorf("not done after %v", c.Limit))
	defer cancel()
	if stdin == nil {
		_, err := c.Host.run(ctx, s, string(c.System), c.Path)
		return err
	}
	feeder, ok := c.Host.machine.(Feeder)
	if !ok {
		return fmt.Errorf("the connection takes no input")
	}
	return feeder.Feed(ctx, s.argv(string(c.System), c.Path), stdin, io.Discard, nil)
}
