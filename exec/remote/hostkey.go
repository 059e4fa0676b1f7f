package remote

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

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

	revokedFile  *revokedFile // of RevokedHostKeys; nil: none
	caAlgorithms []string     // by which an authority may sign; nil: the default ones
	leastRSA     int          // bits of an RSA key
	command      *keysCommand // KnownHostsCommand; nil: none

	accepted string        // the fingerprint of a key that is accepted where none is known
	shown    ssh.PublicKey // the key that the host presented and that was accepted

	strict string // StrictHostKeyChecking; "accept-new" adds unknown keys
	addTo  string // to this file,
	hashed bool   // under a hash of the name
	update bool   // UpdateHostKeys: known_hosts gets all keys of the host

	userFiles []string // UserKnownHostsFile
	mu        *sync.Mutex
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

		caAlgorithms: s.CASignatureAlgorithms,
		leastRSA:     s.RequiredRSASize,
	}
	if s.RevokedHostKeys != "" {
		var err error
		if h.revokedFile, err = readRevoked(s.RevokedHostKeys); err != nil {
			return nil, err
		}
	}
	if len(pinned) > 0 {
		return h, h.pin(pinned)
	}
	h.update, h.userFiles = s.UpdateHostKeys, s.UserKnownHosts
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
	if h.revokedFile != nil {
		if entry, found := h.revokedFile.find(key); found {
			return h.refuse(ErrHostKeyRevoked, plain, []knownKey{entry}, "")
		}
	}
	if err := h.command.ask(h, purposeHostName, key); err != nil {
		return err
	}
	for _, r := range h.revoked {
		if equal(r.key, plain) || isCert && equal(r.key, cert.SignatureKey) {
			return h.refuse(ErrHostKeyRevoked, plain, []knownKey{r}, "")
		}
	}
	if bits := rsaBits(plain); bits > 0 && bits < h.leastRSA {
		return h.refuse(ErrHostKeyWeak, plain, nil, fmt.Sprintf("%d bits, RequiredRSASize is %d", bits, h.leastRSA))
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
	expected := h.known
	if !isCert { // an authority says nothing of a host that has no certificate
		expected = ownKeys(h.known)
	}
	if len(expected) > 0 {
		return h.refuse(ErrHostKeyChanged, plain, expected, why)
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

// ownKeys are the known keys that are no authority's.
func ownKeys(known []knownKey) (own []knownKey) {
	for _, k := range known {
		if !k.authority {
			own = append(own, k)
		}
	}
	return own
}

// checkCert accepts a certificate of a known authority.
func (h *hostKeys) checkCert(cert *ssh.Certificate) error {
	isKnown := func(k knownKey) bool { return k.authority && equal(k.key, cert.SignatureKey) }
	why := ""
	switch {
	case cert.CertType != ssh.HostCert:
		why = "it is not a certificate of a host"
	case !slices.ContainsFunc(slices.Concat(h.known, h.portless), isKnown):
		why = "no authorities for hostname: " + fingerprint(cert.SignatureKey).String()
	case !slices.Contains(h.authorityAlgorithms(), cert.Signature.Format):
		why = fmt.Sprintf("its authority signs by %s, which CASignatureAlgorithms does not name", cert.Signature.Format)
	case rsaBits(cert.SignatureKey) > 0 && rsaBits(cert.SignatureKey) < h.leastRSA:
		why = fmt.Sprintf("the key of its authority has %d bits, RequiredRSASize is %d", rsaBits(cert.SignatureKey), h.leastRSA)
	default:
		why = certProblem(cert, h.principal)
	}
	if why != "" {
		return errors.New("its certificate is not accepted: " + why)
	}
	return nil
}

// certProblem says what is wrong with the time, the options or the signature of a certificate; "" is nothing.
func certProblem(cert *ssh.Certificate, principal string) string {
	if when := certTime(cert, time.Now()); when != "" {
		return when
	}
	// Revoked keys are looked for elsewhere.
	err := (&ssh.CertChecker{IsRevoked: func(*ssh.Certificate) bool { return false }}).CheckCert(principal, cert)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "ssh: ")
	}
	return ""
}

// certTime says since or until when a certificate does not count; "" if it does.
func certTime(cert *ssh.Certificate, now time.Time) string {
	at := func(t uint64) string { return time.Unix(int64(t), 0).UTC().Format(time.DateTime) + " UTC" }
	switch t := uint64(now.Unix()); {
	case t < cert.ValidAfter:
		return "it is not yet valid: from " + at(cert.ValidAfter) + " on"
	case cert.ValidBefore != ssh.CertTimeInfinity && t >= cert.ValidBefore:
		return "it has expired: it was valid until " + at(cert.ValidBefore)
	}
	return ""
}

// authorityAlgorithms are those by which an authority may sign.
func (h *hostKeys) authorityAlgorithms() []string {
	if h.caAlgorithms != nil {
		return h.caAlgorithms
	}
	return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519,
		ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
}

// rsaBits is the size of an RSA key; 0 for other keys.
func rsaBits(key ssh.PublicKey) int {
	if crypto, ok := plainKey(key).(ssh.CryptoPublicKey); ok {
		if public, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok {
			return public.N.BitLen()
		}
	}
	return 0
}
