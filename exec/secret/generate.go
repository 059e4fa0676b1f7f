package secret

import (
	"bytes"
	"cmp"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/ssh"

	"muster/schema"
)

// alphabet is what passwords are made of: 62 characters that need no quoting anywhere.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// Generate makes a secret. public is what may be known of it, such as the public key
// of a pair, or empty.
func Generate(g schema.Generate, name string) (content []byte, public string, err error) {
	switch g.Kind {
	case "password":
		content, err = password(cmp.Or(g.Length, 32))
		return content, "", err
	case "hex":
		b := make([]byte, cmp.Or(g.Length, 32))
		rand.Read(b)
		return []byte(hex.EncodeToString(b)), "", nil
	case "ssh-ed25519":
		return sshKey(name)
	case "wireguard":
		// RFC 7748 clamps when the key is used; wg genkey clamps when it is made.
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return nil, "", err
		}
		private := key.Bytes()
		private[0] &= 248
		private[31] = private[31]&127 | 64
		return []byte(base64.StdEncoding.EncodeToString(private) + "\n"), base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()), nil
	}
	return nil, "", fmt.Errorf("generate %q: not known", g.Kind)
}

// WireGuardPublicKey returns the public key of a private key as wg genkey prints it.
func WireGuardPublicKey(private []byte) (string, error) {
	b, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(private)))
	var key *ecdh.PrivateKey
	if err == nil {
		key, err = ecdh.X25519().NewPrivateKey(b)
	}
	if err != nil {
		return "", errors.New("not a private key of WireGuard: want 44 characters in base64, as wg genkey prints them")
	}
	return base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()), nil
}

func password(length int) ([]byte, error) {
	var out bytes.Buffer
	for range length {
		i, err := rand.Int(rand.Reader, big.NewInt(int64(len(alphabet))))
		if err != nil {
			return nil, err
		}
		out.WriteByte(alphabet[i.Int64()])
	}
	return out.Bytes(), nil
}

func sshKey(comment string) ([]byte, string, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return nil, "", err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, "", err
	}
	line := string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key)))
	return pem.EncodeToMemory(block), line + " " + comment, nil
}

// PublicKey returns the type of an SSH private key, as in the names of host keys, and
// its public key as in known_hosts, without a comment.
func PublicKey(private []byte) (kind, public string, err error) {
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return "", "", errors.New("not an SSH private key without a passphrase")
	}
	key := signer.PublicKey()
	switch key.Type() {
	case ssh.KeyAlgoED25519:
		kind = "ed25519"
	case ssh.KeyAlgoRSA:
		kind = "rsa"
	default:
		return "", "", fmt.Errorf("an SSH key of type %s: want ssh-ed25519 or ssh-rsa", key.Type())
	}
	return kind, string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key))), nil
}
