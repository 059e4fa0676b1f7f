package remote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/remote/sshconfig"
)

// An offer is the keys to offer to a server, in order, and what to report if it accepts none of them.
type offer struct {
	signers []ssh.Signer
	tried   []string
	notes   []string // keys that cannot be offered, and why

	accepted []string // PubkeyAcceptedAlgorithms; nil: all
	leastRSA int      // RequiredRSASize

	certificates map[string][]*ssh.Certificate // by the key they are for
}

// keys collects the keys to offer, in ssh's order: the configured identities that the agent holds, the agent's other
// keys (not with IdentitiesOnly), the identities that are only in files. The certificates of a key come before it.
func (d *Dialer) keys(ctx context.Context, s *sshconfig.Settings) *offer {
	o := &offer{certificates: map[string][]*ssh.Certificate{}, accepted: s.PubkeyAlgorithms, leastRSA: s.RequiredRSASize}
	if s.NoPublicKeys != "" {
		o.note("no key is offered because of %s", s.NoPublicKeys)
		return o
	}
	held := d.agentKeys(ctx, s.IdentityAgent, o)
	identities := readIdentities(s.IdentityFiles, s.NamedIdentities, o)
	for _, file := range s.CertificateFiles {
		o.readCertificate(file, true)
	}
	for _, file := range s.IdentityFiles {
		o.readCertificate(file+"-cert.pub", false)
	}

	for _, signer := range held {
		if id := findIdentity(identities, signer.PublicKey()); id != nil {
			id.inAgent = true
			o.add(signer, "agent")
		}
	}
	if !s.IdentitiesOnly {
		for _, signer := range held {
			o.add(signer, "agent")
		}
	}
	for _, id := range identities {
		if !id.inAgent {
			d.addFile(ctx, o, id)
		}
	}
	return o
}

func (d *Dialer) agentKeys(ctx context.Context, socket string, o *offer) []ssh.Signer {
	if socket == "" {
		return nil
	}
	signers, err := d.agents.signers(ctx, socket)
	if err != nil {
		o.note("ssh-agent %s: %v", socket, err)
	}
	return signers
}

// addFile adds a key that no agent holds.
func (d *Dialer) addFile(ctx context.Context, o *offer, id *identity) {
	switch {
	case id.signer != nil:
		o.add(id.signer, id.file)
	case id.encrypted && d.config.Passphrase != nil:
		o.add(&lockedKey{id: id, ctx: ctx, ask: d.config.Passphrase}, id.file)
	case id.encrypted:
		o.note("%s is encrypted and not in an ssh-agent: ssh-add it", id.file)
	default:
		o.note("%s is a public key whose private key no ssh-agent has", id.file)
	}
}

// readCertificate reads a certificate, which goes with its key wherever that is: in a file or in an agent.
func (o *offer) readCertificate(file string, required bool) {
	cert, err := readCertificate(file)
	if err != nil {
		if required || !errors.Is(err, os.ErrNotExist) {
			o.note("%v", err)
		}
		return
	}
	key := string(cert.Key.Marshal())
	o.certificates[key] = append(o.certificates[key], cert)
}

// add offers a key, after its certificates.
func (o *offer) add(signer ssh.Signer, from string) {
	for _, cert := range o.certificates[string(signer.PublicKey().Marshal())] {
		if certified, err := ssh.NewCertSigner(cert, signer); err == nil {
			o.addOnce(certified, from)
		}
	}
	o.addOnce(signer, from)
}

func (o *offer) addOnce(signer ssh.Signer, from string) {
	key := signer.PublicKey()
	for _, s := range o.signers {
		if equal(s.PublicKey(), key) {
			return
		}
	}
	if bits := rsaBits(key); bits > 0 && bits < o.leastRSA {
		o.note("%s %s has %d bits, RequiredRSASize is %d", from, describeKey(key), bits, o.leastRSA)
		return
	}
	if cert, ok := key.(*ssh.Certificate); ok {
		if when := certTime(cert, time.Now()); when != "" {
			o.note("%s %s: %s", from, describeKey(key), when)
		}
	}
	if o.accepted != nil {
		if signer = restrict(signer, o.accepted); signer == nil {
			o.note("%s %s is not of PubkeyAcceptedAlgorithms", from, describeKey(key))
			return
		}
	}
	o.signers = append(o.signers, signer)
	o.tried = append(o.tried, from+" "+describeKey(signer.PublicKey()))
}

func (o *offer) note(format string, args ...any) {
	o.notes = append(o.notes, fmt.Sprintf(format, args...))
}

func describeKey(key ssh.PublicKey) string {
	if cert, ok := key.(*ssh.Certificate); ok {
		return fmt.Sprintf("certificate %q of %s", cert.KeyId, fingerprint(cert.Key))
	}
	return fingerprint(key).String()
}
