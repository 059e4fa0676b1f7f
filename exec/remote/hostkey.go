package remote

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"

	"muster/exec/remote/sshconfig"
)

// hostKeys are the keys that one host may present: those in known_hosts, or those pinned in the inventory.
type hostKeys struct {
	name      string // as known_hosts writes it
	principal string // as a host certificate names it
	known     []knownKey
	portless  []knownKey // entries for the name without its port: they can confirm a key, not make it a changed one
	revoked   []knownKey
	files     []string

	accepted string        // the fingerprint of a key that is accepted where none is known
	shown    ssh.PublicKey // the key that the host presented and that was accepted

	strict string // StrictHostKeyChecking; "accept-new" adds unknown keys
	addTo  string // to this file,
	hashed bool   // under a hash of the name
	mu     *sync.Mutex
}

// A knownKey is an entry of a known_hosts file, or a pin of the inventory.
type knownKey struct {
	key       ssh.PublicKey
	authority bool // @cert-authority
	file      string
	line      int
}

func (k knownKey) public() KnownKey {
	return KnownKey{Fingerprint: fingerprint(k.key), File: k.file, Line: k.line}
}

func fingerprint(key ssh.PublicKey) Fingerprint {
	return Fingerprint{Type: key.Type(), SHA256: ssh.FingerprintSHA256(key)}
}

func equal(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// knownHostKeys collects the keys of a host: those pinned in the inventory or, without any, those in known_hosts.
func (d *Dialer) knownHostKeys(pinned []string, s *sshconfig.Settings) (*hostKeys, error) {
	h := &hostKeys{
		name:      knownName(s),
		principal: cmp.Or(s.HostKeyAlias, s.HostName),
		strict:    s.StrictHostKeys,
		hashed:    s.HashKnownHosts,
		mu:        &d.knownHosts,
	}
	if len(pinned) > 0 {
		return h, h.pin(pinned)
	}
	h.files = slices.Concat(s.UserKnownHosts, s.GlobalKnownHosts)
	for _, file := range h.files {
		known, err := d.knownFiles.read(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read known hosts: %w", err)
		}
		h.take(known, s)
	}
	if len(s.UserKnownHosts) > 0 {
		h.addTo = s.UserKnownHosts[0]
	}
	return h, nil
}

// pin takes the keys from the inventory.
func (h *hostKeys) pin(pinned []string) error {
	h.strict, h.files = "yes", []string{"the inventory"}
	for i, text := range pinned {
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil || len(bytes.TrimSpace(rest)) > 0 {
			return fmt.Errorf("read host key %d of the inventory: want one public key such as %q", i+1, "ssh-ed25519 AAAA...")
		}
		h.known = append(h.known, knownKey{key: key, authority: slices.Contains(options, "cert-authority"), file: "inventory", line: i + 1})
	}
	return nil
}

// check decides whether the host may present this key.
func (h *hostKeys) check(key ssh.PublicKey) error {
	plain := plainKey(key)
	cert, isCert := key.(*ssh.Certificate)
	for _, r := range h.revoked {
		if equal(r.key, plain) || isCert && equal(r.key, cert.SignatureKey) {
			return h.refuse(ErrHostKeyRevoked, plain, []knownKey{r}, "")
		}
	}
	why := ""
	if isCert {
		err := h.checkCert(cert)
		if err == nil {
			return nil
		}
		why = err.Error()
	}
	for _, k := range slices.Concat(h.known, h.portless) {
		if !k.authority && equal(k.key, plain) {
			return nil
		}
	}
	if len(h.known) > 0 {
		return h.refuse(ErrHostKeyChanged, plain, h.known, why)
	}
	if h.accepted != "" && h.accepted == ssh.FingerprintSHA256(plain) {
		return nil
	}
	switch h.strict {
	case "accept-new":
		return h.accept(plain)
	case "no":
		why = cmp.Or(why, "StrictHostKeyChecking no is not honoured here")
	}
	return h.refuse(ErrHostKeyUnknown, plain, nil, why)
}

// plainKey is a key, or that of a certificate.
func plainKey(key ssh.PublicKey) ssh.PublicKey {
	if cert, ok := key.(*ssh.Certificate); ok {
		return cert.Key
	}
	return key
}

func (h *hostKeys) refuse(kind error, key ssh.PublicKey, known []knownKey, why string) error {
	e := &HostKeyError{Kind: kind, Addr: h.name, Offered: fingerprint(key), Files: h.files, Why: why}
	for _, k := range known {
		e.Known = append(e.Known, k.public())
	}
	return e
}

func (h *hostKeys) checkCert(cert *ssh.Certificate) error {
	checker := &ssh.CertChecker{
		IsHostAuthority: func(authority ssh.PublicKey, _ string) bool {
			return slices.ContainsFunc(slices.Concat(h.known, h.portless), func(k knownKey) bool {
				return k.authority && equal(k.key, authority)
			})
		},
		IsRevoked: func(*ssh.Certificate) bool { return false }, // check looks for revoked keys itself
	}
	if err := checker.CheckHostKey(net.JoinHostPort(h.principal, "22"), nil, cert); err != nil {
		return errors.New("its certificate is not accepted: " + strings.TrimPrefix(err.Error(), "ssh: "))
	}
	return nil
}
