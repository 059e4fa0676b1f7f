package provision

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"muster/exec/backoff"
	"muster/exec/bounded"
	"muster/schema"
)

// How much is kept of a console, and of what the command says of an error, in bytes from the end.
const (
	mostConsole   = 1 << 20
	mostComplaint = 4 << 10
)

// HostKeys runs the command that prints the console of a machine until its cloud-init has
// shown the SSH host keys there, and returns them.
func HostKeys(ctx context.Context, h *schema.Host, m schema.PinnedMachine, patience time.Duration) ([]string, error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	argv := consoleCommand(h, m)
	wait := backoff.Backoff{First: time.Second, Max: 15 * time.Second}
	for {
		cmd := exec.CommandContext(limited, argv[0], argv[1:]...)
		stdout, stderr := &bounded.Tail{Limit: mostConsole}, &bounded.Tail{Limit: mostComplaint}
		cmd.Stdout, cmd.Stderr, cmd.WaitDelay = stdout, stderr, 5*time.Second
		err := cmd.Run()
		if keys := consoleKeys(stdout.Bytes()); err == nil && len(keys) > 0 {
			return keys, nil
		}
		if wait.Wait(limited) == nil {
			continue
		}
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, fmt.Errorf("read the console with %s: %v: %s", strings.Join(argv, " "), err, strings.TrimSpace(stderr.String()))
		}
		return nil, fmt.Errorf("read the console with %s: no SSH host keys on it after %v", strings.Join(argv, " "), patience)
	}
}

// consoleCommand is the command that prints the console of a machine.
func consoleCommand(h *schema.Host, m schema.PinnedMachine) []string {
	fill := strings.NewReplacer("{id}", m.ID, "{address}", m.Address, "{name}", h.Name, "{region}", h.Provision.Region)
	var argv []string
	for _, word := range h.Provision.Console {
		argv = append(argv, fill.Replace(word))
	}
	return argv
}

// The lines around the keys that cloud-init prints (cc_keys_to_console).
const (
	keysBegin = "-----BEGIN SSH HOST KEY KEYS-----"
	keysEnd   = "-----END SSH HOST KEY KEYS-----"
)

// consoleKeys are the public keys that a console shows, those of the last start. Lines may
// have a time or a unit before the key.
func consoleKeys(console []byte) (keys []string) {
	within := false
	var found []string
	for line := range strings.Lines(string(console)) {
		switch {
		case strings.Contains(line, keysBegin):
			within, found = true, nil
		case strings.Contains(line, keysEnd):
			if within {
				keys = found
			}
			within = false
		case within:
			if key := keyIn(line); key != "" {
				found = append(found, key)
			}
		}
	}
	return keys
}

// keyIn is the public key in a line of a console, without its comment.
func keyIn(line string) string {
	words := strings.Fields(line)
	for i, word := range words {
		kind := word == "ssh-ed25519" || word == "ssh-rsa" || strings.HasPrefix(word, "ecdsa-sha2-nistp")
		if kind && i+1 < len(words) && strings.HasPrefix(words[i+1], "AAAA") {
			return word + " " + words[i+1]
		}
	}
	return ""
}
