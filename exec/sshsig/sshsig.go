// Package sshsig signs and verifies texts with SSH keys, in the format of ssh-keygen -Y (OpenSSH, PROTOCOL.sshsig).
//
//	k, err := sshsig.ParseKey(pem)
//	sig, err := k.Sign("muster-report", text)
//	err = sshsig.Verify([]string{"ssh-ed25519 AAAA…"}, "muster-report", text, sig)
//
// A namespace keeps a signature that was made for one purpose from passing for another.
package sshsig

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

// A Key is a private key.
type Key struct{ signer ssh.AlgorithmSigner }

// ParseKey reads a private key without a passphrase, as /etc/ssh/ssh_host_ed25519_key holds one.
func ParseKey(pem []byte) (*Key, error) {
	s, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, err
	}
	signer, ok := s.(ssh.AlgorithmSigner)
	if _, known := algorithms[s.PublicKey().Type()]; !ok || !known {
		return nil, fmt.Errorf("a key of type %s does not sign here: want ed25519, ecdsa or rsa", s.PublicKey().Type())
	}
	return &Key{signer}, nil
}

// Public is the public half, such as "ssh-ed25519 AAAA…".
func (k *Key) Public() string {
	p := k.signer.PublicKey()
	return p.Type() + " " + base64.StdEncoding.EncodeToString(p.Marshal())
}

// algorithms are the signature algorithms of the types of keys, the one to sign with first. SHA-1 is not among them.
var algorithms = map[string][]string{
	ssh.KeyAlgoED25519:  {ssh.KeyAlgoED25519},
	ssh.KeyAlgoECDSA256: {ssh.KeyAlgoECDSA256},
	ssh.KeyAlgoECDSA384: {ssh.KeyAlgoECDSA384},
	ssh.KeyAlgoECDSA521: {ssh.KeyAlgoECDSA521},
	ssh.KeyAlgoRSA:      {ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256},
}

const (
	magic   = "SSHSIG"
	version = 1
	hashed  = "sha512"
	// maxBlob is the most bytes of a signature: that of an RSA key of 16384 bits has about 4200.
	maxBlob = 8 << 10
)

// blob is the signature as it is written, after the magic words.
type blob struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  []byte
	Hash      string
	Signature []byte
}

// signed is what a key signs, after the magic words.
type signed struct {
	Namespace string
	Reserved  []byte
	Hash      string
	Sum       []byte
}

func textOf(namespace, hash string, sum []byte) []byte {
	return append([]byte(magic), ssh.Marshal(signed{Namespace: namespace, Hash: hash, Sum: sum})...)
}

// Sign signs a message. The signature is one line: what ssh-keygen writes between BEGIN and END SSH SIGNATURE.
func (k *Key) Sign(namespace string, message []byte) (string, error) {
	public := k.signer.PublicKey()
	sum := sha512.Sum512(message)
	sig, err := k.signer.SignWithAlgorithm(rand.Reader, textOf(namespace, hashed, sum[:]), algorithms[public.Type()][0])
	if err != nil {
		return "", fmt.Errorf("sign with the key %s: %w", ssh.FingerprintSHA256(public), err)
	}
	b := blob{Version: version, PublicKey: public.Marshal(), Namespace: namespace, Hash: hashed, Signature: ssh.Marshal(sig)}
	return base64.StdEncoding.EncodeToString(append([]byte(magic), ssh.Marshal(b)...)), nil
}

// The errors that callers tell apart.
var (
	ErrDamaged  = errors.New("it is no signature of SSH")
	ErrOtherKey = errors.New("another key has signed it")
	ErrForged   = errors.New("the signature is of another text")
)

// Verify checks that one of some public keys, in the format of authorized_keys, has signed a message.
func Verify(public []string, namespace string, message []byte, signature string) error {
	b, sig, err := parse(signature)
	if err != nil {
		return err
	}
	key, err := ssh.ParsePublicKey(b.PublicKey)
	if err != nil {
		return fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if !slices.ContainsFunc(public, func(line string) bool { return isKey(line, b.PublicKey) }) {
		return fmt.Errorf("%w: %s", ErrOtherKey, ssh.FingerprintSHA256(key))
	}
	sum := sum(b.Hash, message)
	if b.Namespace != namespace || sum == nil || !slices.Contains(algorithms[key.Type()], sig.Format) || key.Verify(textOf(namespace, b.Hash, sum), sig) != nil {
		return ErrForged
	}
	return nil
}

// parse reads a signature.
func parse(signature string) (*blob, *ssh.Signature, error) {
	if len(signature) > base64.StdEncoding.EncodedLen(maxBlob) {
		return nil, nil, ErrDamaged
	}
	raw, err := base64.StdEncoding.DecodeString(signature)
	rest, ok := bytes.CutPrefix(raw, []byte(magic))
	if err != nil || !ok {
		return nil, nil, ErrDamaged
	}
	var b blob
	if err := ssh.Unmarshal(rest, &b); err != nil || b.Version != version {
		return nil, nil, ErrDamaged
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal(b.Signature, &sig); err != nil || len(sig.Rest) > 0 {
		return nil, nil, ErrDamaged
	}
	return &b, &sig, nil
}

// sum is the hash of a message; nil where its algorithm is not one of the format.
func sum(hash string, message []byte) []byte {
	switch hash {
	case "sha512":
		s := sha512.Sum512(message)
		return s[:]
	case "sha256":
		s := sha256.Sum256(message)
		return s[:]
	}
	return nil
}

// isKey reports whether a line of authorized_keys is a key. A certificate authority is not the key of a host.
func isKey(line string, key []byte) bool {
	p, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	return err == nil && len(options) == 0 && bytes.Equal(p.Marshal(), key)
}
