package remote

import (
	"bytes"
	"fmt"

	"golang.org/x/crypto/ssh"

	"muster/exec/foreign"
)

// A revokedFile is the file of RevokedHostKeys: public keys, one a line, or a key revocation list.
type revokedFile struct {
	name string
	list *revocationList
	keys []knownKey
}

// readRevoked reads a file of RevokedHostKeys. A file that cannot be read to its end could revoke any key, so that it is an
// error, as it is to ssh.
func readRevoked(name string) (*revokedFile, error) {
	data, err := foreign.ReadFile(name, foreign.Settings(maxKnownHosts))
	if err != nil {
		return nil, fmt.Errorf("read RevokedHostKeys: %w", err)
	}
	f := &revokedFile{name: name}
	if bytes.HasPrefix(data, krlMagic) {
		if f.list, err = parseKRL(data); err != nil {
			return nil, fmt.Errorf("read RevokedHostKeys %s: key revocation list: %w", name, err)
		}
		return f, nil
	}
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		key, _, options, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil || len(options) > 0 {
			return nil, fmt.Errorf("read RevokedHostKeys %s:%d: want a public key such as %q", name, n, "ssh-ed25519 AAAA...")
		}
		f.keys = append(f.keys, knownKey{key: plainKey(key), file: name, line: n})
	}
	return f, nil
}

// find returns the entry that revokes a key, or the authority of a certificate.
func (f *revokedFile) find(key ssh.PublicKey) (entry knownKey, found bool) {
	plain := plainKey(key)
	if f.list != nil {
		return knownKey{key: plain, file: f.name}, f.list.revokes(key)
	}
	cert, isCert := key.(*ssh.Certificate)
	for _, k := range f.keys {
		if equal(k.key, plain) || isCert && equal(k.key, cert.SignatureKey) {
			return k, true
		}
	}
	return knownKey{}, false
}
