package remote

import (
	"context"
	"encoding/base64"
	"fmt"

	"golang.org/x/crypto/ssh"

	"muster/exec/remote/sshconfig"
)

// A keysCommand is the KnownHostsCommand of a host: it prints lines of known_hosts. A nil one prints nothing.
type keysCommand struct {
	ctx    context.Context
	run    func(ctx context.Context, argv []string) ([]byte, error)
	values *sshconfig.Values
	s      *sshconfig.Settings
}

// Why keys are asked for.
const (
	purposeOrder    = "ORDER"    // to know which algorithms to ask the host for
	purposeHostName = "HOSTNAME" // to check the key that the host shows
)

// keysCommand is the command of a hop, nil if it has none.
func (d *Dialer) keysCommand(ctx context.Context, h hop) (*keysCommand, error) {
	if h.KnownHostsCommand == "" {
		return nil, nil
	}
	if d.config.KnownHosts == nil {
		return nil, fmt.Errorf("connect to %s: KnownHostsCommand %s cannot be run here", h.Original, h.KnownHostsCommand)
	}
	return &keysCommand{ctx: ctx, run: d.config.KnownHosts, values: h.values, s: h.Settings}, nil
}

// ask runs the command, and adds what it prints to the known keys. shown is the key that the host shows, nil before it does.
func (c *keysCommand) ask(h *hostKeys, purpose string, shown ssh.PublicKey) error {
	if c == nil {
		return nil
	}
	var keyType, key, print string
	if shown != nil {
		keyType, key, print = shown.Type(), base64.StdEncoding.EncodeToString(shown.Marshal()), ssh.FingerprintSHA256(plainKey(shown))
	}
	argv, err := c.values.KnownHostsArgs(h.name, purpose, keyType, key, print)
	if err != nil {
		return err
	}
	output, err := c.run(c.ctx, argv)
	if err != nil {
		return fmt.Errorf("run KnownHostsCommand for %s: %w", h.name, err)
	}
	h.take(parseKnown("KnownHostsCommand", output), c.s)
	return nil
}
