package secret

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/plugin"
	"golang.org/x/crypto/ssh"

	"muster/exec/foreign"
)

// Passphrase asks for the passphrase of a file. It is asked once a file, when it is
// first needed.
type Passphrase func(file string) ([]byte, error)

// Identities reads the identities of a file of age, or an SSH private key. Only its
// user, or root, may be able to write to it.
func Identities(file string, ask Passphrase) ([]age.Identity, error) {
	text, err := foreign.ReadFile(file, foreign.Limits{Size: MaxSize, Links: true, Trusted: true})
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(text, []byte("-----BEGIN")) {
		id, err := sshIdentity(file, text, ask)
		if err != nil {
			return nil, fmt.Errorf("read the private key %q: %w", file, err)
		}
		return []age.Identity{id}, nil
	}
	var all []age.Identity
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		id, err := parseIdentity(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: not an age identity", file, n) // never the line: it is a secret
		}
		all = append(all, id)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no identity in it", file)
	}
	return all, nil
}

func parseIdentity(line string) (age.Identity, error) {
	switch {
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return plugin.NewIdentity(line, noQuestions)
	case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-"):
		return age.ParseHybridIdentity(line)
	}
	return age.ParseX25519Identity(line)
}

// sshIdentity reads an SSH private key. One with a passphrase asks for it when a file
// is encrypted to it, and not before.
func sshIdentity(file string, text []byte, ask Passphrase) (age.Identity, error) {
	id, err := agessh.ParseIdentity(text)
	var locked *ssh.PassphraseMissingError
	if !errors.As(err, &locked) {
		return id, err
	}
	public := locked.PublicKey
	if public == nil {
		return nil, errors.New("it has a passphrase and an old format: convert it with ssh-keygen -p")
	}
	return agessh.NewEncryptedSSHIdentity(public, text, func() ([]byte, error) { return ask(file) })
}
