package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"muster/exec/remote/sshconfig"
)

// offer is the keys to try at a server, in order, and what to say about them if none is accepted.
type offer struct {
	signers []ssh.Signer
	tried   []string
	notes   []string
}

func (o *offer) add(signer ssh.Signer, from string) {
	for _, s := range o.signers {
		if equal(s.PublicKey(), signer.PublicKey()) {
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

// keys collects what to offer, in ssh's order: the configured identities the agent has, what else the agent has (not
// with IdentitiesOnly), the identities only in files. Each comes after its certificate, if there is one.
func (d *Dialer) keys(ctx context.Context, s *sshconfig.Settings) *offer {
	o := &offer{}
	var fromAgent []ssh.Signer
	if s.IdentityAgent != "" {
		var err error
		if fromAgent, err = d.agents.signers(ctx, s.IdentityAgent); err != nil {
			o.note("ssh-agent %s: %v", s.IdentityAgent, err)
		}
	}
	var files []*identity
	for _, file := range s.IdentityFiles {
		id, err := d.readIdentity(file)
		if err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				o.note("%v", err)
			}
			continue
		}
		files = append(files, id)
	}

	// Certificates lie beside their key or are configured; either is used with the key from wherever it is.
	certs := map[string][]*ssh.Certificate{}
	addCert := func(file string, must bool) {
		cert, err := readCertificate(file)
		if err != nil {
			if must || !errors.Is(err, os.ErrNotExist) {
				o.note("%v", err)
			}
			return
		}
		certs[string(cert.Key.Marshal())] = append(certs[string(cert.Key.Marshal())], cert)
	}
	for _, file := range s.CertificateFiles {
		addCert(file, true)
	}
	for _, file := range s.IdentityFiles {
		addCert(file+"-cert.pub", false)
	}
	add := func(signer ssh.Signer, from string) {
		for _, cert := range certs[string(signer.PublicKey().Marshal())] {
			if cs, err := ssh.NewCertSigner(cert, signer); err == nil {
				o.add(cs, from)
			}
		}
		o.add(signer, from)
	}

	isConfigured := func(key ssh.PublicKey) *identity {
		if cert, ok := key.(*ssh.Certificate); ok {
			key = cert.Key
		}
		for _, id := range files {
			if equal(id.public, key) {
				return id
			}
		}
		return nil
	}
	for _, signer := range fromAgent {
		if id := isConfigured(signer.PublicKey()); id != nil {
			id.inAgent = true
			add(signer, "agent")
		}
	}
	if !s.IdentitiesOnly {
		for _, signer := range fromAgent {
			add(signer, "agent")
		}
	}
	for _, id := range files {
		switch {
		case id.inAgent:
		case id.signer != nil:
			add(id.signer, id.file)
		case id.encrypted && d.config.Passphrase != nil:
			add(&lockedKey{id: id, ctx: ctx, ask: d.config.Passphrase}, id.file)
		case id.encrypted:
			o.note("%s is encrypted and not in an ssh-agent: ssh-add it", id.file)
		default:
			o.note("%s is a public key whose private key no ssh-agent has", id.file)
		}
	}
	return o
}

// An identity is a key file.
type identity struct {
	file      string
	public    ssh.PublicKey
	signer    ssh.Signer // nil if encrypted, or only the public key is there
	encrypted bool
	pem       []byte
	inAgent   bool
}

// readIdentity reads a private key, or as much as can be known of it: an encrypted key tells its public key itself or
// has it in a file beside it; of a key that lives in an agent or a token only that file may be there.
func (d *Dialer) readIdentity(file string) (*identity, error) {
	data, err := os.ReadFile(file)
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
	if err == nil {
		return &identity{file: file, public: signer.PublicKey(), signer: signer}, nil
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(data); err == nil {
		return &identity{file: file, public: public}, nil
	}
	public, _ := readPublicKey(file + ".pub")
	if missing := (*ssh.PassphraseMissingError)(nil); errors.As(err, &missing) {
		if missing.PublicKey != nil {
			public = missing.PublicKey
		}
		if public == nil {
			return nil, fmt.Errorf("read key %s: it is encrypted in the old format and %s.pub is not there", file, file)
		}
		return &identity{file: file, public: public, encrypted: true, pem: data}, nil
	}
	if public != nil { // a key on a token: only the agent can use it
		return &identity{file: file, public: public}, nil
	}
	return nil, fmt.Errorf("read key %s: %s", file, strings.TrimPrefix(err.Error(), "ssh: "))
}

func readPublicKey(file string) (ssh.PublicKey, error) {
	data, err := os.ReadFile(file)
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

// A lockedKey is an encrypted key that asks for its passphrase once the server wants it, not before.
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
	k.once.Do(func() {
		passphrase, err := k.ask(k.ctx, k.id.file)
		if err != nil {
			k.err = fmt.Errorf("unlock key %s: %w", k.id.file, err)
			return
		}
		if k.signer, err = ssh.ParsePrivateKeyWithPassphrase(k.id.pem, passphrase); err != nil {
			k.err = fmt.Errorf("unlock key %s: wrong passphrase", k.id.file)
		}
	})
	if k.err != nil {
		return nil, k.err
	}
	return k.signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand, data, algorithm)
}

// agents keeps one connection to each ssh-agent, shared by all dials.
type agents struct {
	mu   sync.Mutex
	open map[string]*agentConn
}

type agentConn struct {
	conn   net.Conn
	client agent.ExtendedAgent
}

// signers lists an agent's keys. An agent that has closed its connection is connected to once more; one that does not
// answer is given up after five seconds.
func (a *agents) signers(ctx context.Context, socket string) ([]ssh.Signer, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for try := 0; ; try++ {
		c, fresh, err := a.get(ctx, socket)
		if err != nil {
			return nil, err
		}
		type answer struct {
			signers []ssh.Signer
			err     error
		}
		answered := make(chan answer, 1)
		go func() {
			signers, err := c.client.Signers()
			answered <- answer{signers, err}
		}()
		select {
		case got := <-answered:
			if got.err == nil {
				return got.signers, nil
			}
			a.drop(socket, c)
			if fresh || try > 0 {
				return nil, errors.New(strings.TrimPrefix(got.err.Error(), "agent: "))
			}
		case <-ctx.Done():
			a.drop(socket, c)
			return nil, errors.New("does not answer")
		}
	}
}

func (a *agents) get(ctx context.Context, socket string) (c *agentConn, fresh bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.open[socket]; c != nil {
		return c, false, nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, false, err
	}
	c = &agentConn{conn: conn, client: agent.NewClient(conn)}
	if a.open == nil {
		a.open = map[string]*agentConn{}
	}
	a.open[socket] = c
	return c, true, nil
}

func (a *agents) drop(socket string, c *agentConn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open[socket] == c {
		delete(a.open, socket)
	}
	c.conn.Close()
}

func (a *agents) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for socket, c := range a.open {
		c.conn.Close()
		delete(a.open, socket)
	}
}
