package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"muster/exec/foreign"
)

// An identity is a key file.
type identity struct {
	file      string
	public    ssh.PublicKey
	signer    ssh.Signer // nil if the key is encrypted, or only its public key is there
	encrypted bool
	pem       []byte // of an encrypted key
	inAgent   bool
}

// readIdentities reads the key files that exist. What is wrong with one of them becomes a note of the offer; that one is
// missing does where the configuration names it.
func readIdentities(files []string, named bool, o *offer) (identities []*identity) {
	for _, file := range files {
		id, err := readIdentity(file)
		switch {
		case err == nil:
			identities = append(identities, id)
		case !errors.Is(err, os.ErrNotExist):
			o.note("%v", err)
		case named:
			o.note("IdentityFile %s: there is no such file", file)
		}
	}
	return identities
}

// findIdentity finds the identity of a key or of a certificate's key.
func findIdentity(identities []*identity, key ssh.PublicKey) *identity {
	if cert, ok := key.(*ssh.Certificate); ok {
		key = cert.Key
	}
	for _, id := range identities {
		if equal(id.public, key) {
			return id
		}
	}
	return nil
}

// readIdentity reads a private key, or at least its public key: an encrypted key contains it or has it in a file beside
// it; of a key that an agent or a hardware token holds, that file can be all there is.
func readIdentity(file string) (*identity, error) {
	data, mode, err := readPrivateKey(file)
	if errors.Is(err, os.ErrNotExist) {
		if public, err := readPublicKey(file + ".pub"); err == nil {
			return &identity{file: file, public: public}, nil
		}
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(data)
	missing := (*ssh.PassphraseMissingError)(nil)
	if isPrivate := err == nil || errors.As(err, &missing); isPrivate && mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read key %s: others can read it (mode %04o), so that it is not used, as by ssh: chmod 600 %s", file, mode.Perm(), file)
	}
	if err == nil {
		return &identity{file: file, public: signer.PublicKey(), signer: signer}, nil
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
		return &identity{file: file, public: public}, nil
	}
	public, _ := readPublicKey(file + ".pub")
	if missing != nil {
		if missing.PublicKey != nil {
			public = missing.PublicKey
		}
		if public == nil {
			return nil, fmt.Errorf("read key %s: the key is encrypted in the old PEM format, which needs %s.pub beside it", file, file)
		}
		return &identity{file: file, public: public, encrypted: true, pem: data}, nil
	}
	if public != nil { // a key on a token, which only an agent can use
		return &identity{file: file, public: public}, nil
	}
	if bytes.HasPrefix(data, []byte("PuTTY-User-Key-File")) {
		return nil, fmt.Errorf("read key %[1]s: a key of PuTTY: export it for OpenSSH with puttygen %[1]s -O private-openssh -o FILE", file)
	}
	return nil, fmt.Errorf("read key %s: %s", file, strings.TrimPrefix(err.Error(), "ssh: "))
}

// readKey reads the file of a key or certificate. It may be another user's: it decides about nothing on this machine.
func readKey(file string) ([]byte, error) {
	return foreign.ReadFile(file, foreign.Limits{Size: maxKey, Time: foreign.Time, Links: true, Null: true})
}

// readPrivateKey reads the file of a key, and returns its mode if the file is this user's. As ssh does, it does not mind
// who can read the file of another user.
func readPrivateKey(file string) ([]byte, fs.FileMode, error) {
	data, err := readKey(file)
	if err != nil {
		return nil, 0, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, 0, err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || int(owner.Uid) != os.Getuid() || !info.Mode().IsRegular() {
		return data, 0, nil
	}
	return data, info.Mode(), nil
}

func readPublicKey(file string) (ssh.PublicKey, error) {
	data, err := readKey(file)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(data)
	if err != nil {
		return nil, fmt.Errorf("read key %s: not a public key", file)
	}
	return key, nil
}

func readCertificate(file string) (*ssh.Certificate, error) {
	key, err := readPublicKey(file)
	if err != nil {
		return nil, err
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return nil, fmt.Errorf("read certificate %s: it is a plain public key", file)
	}
	return cert, nil
}

// A lockedKey is an encrypted key. It asks for the passphrase when a server accepts the key, not before.
type lockedKey struct {
	id  *identity
	ctx context.Context
	ask func(ctx context.Context, file string) ([]byte, error)

	once   sync.Once
	signer ssh.Signer
	err    error
}

func (k *lockedKey) PublicKey() ssh.PublicKey { return k.id.public }

func (k *lockedKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	return k.SignWithAlgorithm(rand, data, "")
}

func (k *lockedKey) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	k.once.Do(k.unlock)
	if k.err != nil {
		return nil, k.err
	}
	return k.signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand, data, algorithm)
}

func (k *lockedKey) unlock() {
	passphrase, err := k.ask(k.ctx, k.id.file)
	if err != nil {
		k.err = fmt.Errorf("unlock key %s: %w", k.id.file, err)
		return
	}
	if k.signer, err = ssh.ParsePrivateKeyWithPassphrase(k.id.pem, passphrase); err != nil {
		k.err = fmt.Errorf("unlock key %s: wrong passphrase", k.id.file)
	}
}
