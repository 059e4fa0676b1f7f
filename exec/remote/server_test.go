package remote

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"

	"golang.org/x/crypto/ssh"
)

// A TestServer is an SSH server in this process. It lets any key in.
type TestServer struct {
	Target     Target // how to reach it
	ConfigFile string // an ssh configuration with a key for it

	dir      string
	listener net.Listener
	config   *ssh.ServerConfig
	handle   func(*TestSession)
	silent   atomic.Bool // answers no more requests to run a command

	mu    sync.Mutex
	conns []net.Conn
}

// A TestSession is a command that a client of a TestServer runs.
type TestSession struct {
	ssh.Channel
	Line string // for the login shell
}

// NewTestServer starts a server. handle plays the login shell; nil is /bin/sh.
func NewTestServer(handle func(*TestSession)) (*TestServer, error) {
	if handle == nil {
		handle = (*TestSession).Execute
	}
	s := &TestServer{handle: handle, config: &ssh.ServerConfig{
		PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil },
	}}
	hostKey, hostPublic, err := newTestKey()
	if err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(hostKey)
	if err != nil {
		return nil, err
	}
	s.config.AddHostKey(signer)
	if err := s.writeConfig(); err != nil {
		return nil, err
	}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, err
	}
	addr := s.listener.Addr().(*net.TCPAddr)
	s.Target = Target{Name: "web1", Address: "127.0.0.1", Port: addr.Port, HostKeys: []string{authorized(hostPublic)}}
	go s.serve()
	return s, nil
}

func (s *TestServer) writeConfig() error {
	var err error
	if s.dir, err = os.MkdirTemp("", "remote"); err != nil {
		return err
	}
	key, _, err := newTestKey()
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return err
	}
	identity := filepath.Join(s.dir, "id")
	if err := os.WriteFile(identity, pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	s.ConfigFile = filepath.Join(s.dir, "config")
	text := fmt.Sprintf("IdentityFile %s\nIdentityAgent none\n", identity)
	return os.WriteFile(s.ConfigFile, []byte(text), 0o600)
}

// Close ends the server and its connections.
func (s *TestServer) Close() {
	s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
	os.RemoveAll(s.dir)
}

func (s *TestServer) serve() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		go s.serveConn(c)
	}
}

func (s *TestServer) serveConn(c net.Conn) {
	defer c.Close()
	_, channels, requests, err := ssh.NewServerConn(c, s.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for opened := range channels {
		channel, requests, err := opened.Accept()
		if err != nil {
			return
		}
		go func() {
			for req := range requests {
				var exec struct{ Line string }
				ok := req.Type == "exec" && ssh.Unmarshal(req.Payload, &exec) == nil
				if s.silent.Load() {
					continue
				}
				req.Reply(ok, nil)
				if ok {
					go s.handle(&TestSession{Channel: channel, Line: exec.Line})
				}
			}
		}()
	}
}

// Execute runs the line by /bin/sh.
func (s *TestSession) Execute() {
	cmd := exec.Command("/bin/sh", "-c", s.Line)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s, s, s.Stderr()
	cmd.Run()
	s.Exit(cmd.ProcessState.ExitCode())
}

// Exit ends the session.
func (s *TestSession) Exit(status int) {
	s.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(status)}))
	s.Close()
}

var lineMarker = regexp.MustCompile(`muster-[A-Z0-9]+`)

// Begin prints the markers, as the line does.
func (s *TestSession) Begin() {
	marker := lineMarker.FindString(s.Line)
	fmt.Fprintf(s.Stderr(), "%s 12345\n", marker)
	fmt.Fprintln(s, marker)
}

// flood writes without end, or until the client does not read any more.
func flood(w io.Writer) {
	noise := bytes.Repeat([]byte("welcome to this machine\n"), 1000)
	for {
		if _, err := w.Write(noise); err != nil {
			return
		}
	}
}
