package exec

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/nixserve"
	"muster/exec/remote"
	"muster/schema"
)

var scaleHosts = flag.Int("scale", 300, "how many hosts TestScale goes up to; the bar is 10000")

// A manyHosts is an SSH server in this process that plays any number of hosts:
// the user name is the host. It knows the executor's scripts by their names.
type manyHosts struct {
	config *ssh.ServerConfig
	addr   string
	// SSHConfig is the configuration of a client.
	SSHConfig string

	mu        sync.Mutex
	hosts     map[string]*playedHost
	misbehave misbehaviour
}

// A misbehaviour answers a command in place of a host, and reports whether it did.
type misbehaviour = func(host, command, marker string, ch ssh.Channel) bool

// SetMisbehave has hosts misbehave from now on.
func (m *manyHosts) SetMisbehave(f misbehaviour) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.misbehave = f
}

func (m *manyHosts) misbehaviour() misbehaviour {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.misbehave
}

type playedHost struct {
	profile, current int
	confirmed        bool
}

func startManyHosts(t testing.TB) (*manyHosts, *remote.Dialer) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	m := &manyHosts{config: &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }},
		hosts: map[string]*playedHost{}}
	m.config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	m.addr = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go m.serve(c)
		}
	}()
	dir := t.TempDir()
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	identity := filepath.Join(dir, "id")
	if err := os.WriteFile(identity, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(m.addr)
	known := filepath.Join(dir, "known_hosts")
	line := fmt.Sprintf("[%s]:%s %s", host, port, ssh.MarshalAuthorizedKey(signer.PublicKey()))
	if err := os.WriteFile(known, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config")
	text := fmt.Sprintf("Host *\n  HostName %s\n  Port %s\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile /dev/null\n", host, port, identity, known)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.SSHConfig = config
	d := remote.NewDialer(remote.Config{ConfigFile: config, ConnectTimeout: time.Minute})
	t.Cleanup(func() { d.Close() })
	return m, d
}

func (m *manyHosts) serve(c net.Conn) {
	conn, channels, reqs, err := ssh.NewServerConn(c, m.config)
	if err != nil {
		c.Close()
		return
	}
	defer conn.Close()
	go ssh.DiscardRequests(reqs)
	for ch := range channels {
		channel, reqs, err := ch.Accept()
		if err != nil {
			return
		}
		go func() {
			for req := range reqs {
				req.Reply(req.Type == "exec", nil)
				if req.Type == "exec" {
					command := string(req.Payload)
					marker := beginMarker.FindString(command)
					if misbehave := m.misbehaviour(); misbehave != nil && misbehave(conn.User(), command, marker, channel) {
						channel.Close()
						return
					}
					fmt.Fprintln(channel, marker) // what package remote skips to
					m.answer(conn.User(), command, channel, channel.Stderr())
					channel.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
					channel.Close()
				}
			}
		}()
	}
}

var beginMarker = regexp.MustCompile(`muster-[A-Z0-9]+`)

// answer plays a host.
func (m *manyHosts) answer(name, command string, out, errs io.Writer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.hosts[name]
	if h == nil {
		h = &playedHost{profile: 2, current: 2}
		m.hosts[name] = h
	}
	system := func(n int) string { return []string{"", string(oldSystem), string(newSystem)}[n] }
	switch {
	case strings.Contains(command, "muster-inspect"):
		fmt.Fprintf(out, "time %d\nuid 0\nnix nix-store (Nix) 2.8.0\nprofile %s\nlink system-%d-link\ncurrent %s\n",
			time.Now().Unix(), system(h.profile), h.profile, system(h.current))
		fmt.Fprintf(out, "generation system-1-link %s\ngeneration system-2-link %s\n", oldSystem, newSystem)
	case strings.Contains(command, "muster-arm"):
		h.current, h.confirmed = 1, false
		fmt.Fprintln(errs, "activated 0")
	case strings.Contains(command, "muster-follow"):
		if h.confirmed {
			fmt.Fprintln(errs, "done")
		} else {
			fmt.Fprintln(errs, "activated")
		}
	case strings.Contains(command, "muster-confirm"):
		h.profile, h.confirmed = 1, true
		fmt.Fprintln(errs, "done")
	default: // locks
		fmt.Fprintln(out, "ok")
	}
}

type sshMachine struct{ *remote.Machine }

func (m sshMachine) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	return m.Machine.Run(ctx, remote.Command{Argv: argv, Script: true, Stdout: stdout, Stderr: stderr})
}

func (m sshMachine) Serve(context.Context) (nixserve.Stream, error) { return nil, io.ErrUnexpectedEOF }

// rollBackMany takes n played hosts through everything but building and
// copying: two connections each, the lock, the guard, the confirmation. It
// returns the processor time that this took, the servers' included.
func rollBackMany(t testing.TB, n int) time.Duration {
	t.Helper()
	m, dialer := startManyHosts(t)
	plan := &Plan{Action: Rollback}
	for i := range n {
		plan.Steps = append(plan.Steps, Step{Host: &schema.Host{Name: fmt.Sprintf("h%05d", i)}})
	}
	began := processorTime(t)
	out := Run(t.Context(), plan, Options{Jobs: 32, Connect: func(ctx context.Context, h *schema.Host) (Machine, error) {
		c, err := dialer.Dial(ctx, remote.Target{Name: h.Name, Address: "host", User: h.Name})
		if err != nil {
			return nil, err
		}
		return sshMachine{c}, nil
	}})
	took := processorTime(t) - began
	for i := range out {
		if out[i].Status != Reverted {
			t.Fatalf("%s: %s: %s: %v", out[i].Host, out[i].Status, out[i].Stage, out[i].Err)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.hosts) != n {
		t.Fatalf("%d hosts were connected to", len(m.hosts))
	}
	return took
}

// lookAtMany has muster status look at n played hosts: 32 at once, and no more connections
// than are kept for later besides.
func lookAtMany(t testing.TB, n int) time.Duration {
	t.Helper()
	_, dialer := startManyHosts(t)
	plan := &Plan{Action: Look}
	for i := range n {
		plan.Steps = append(plan.Steps, Step{Host: &schema.Host{Name: fmt.Sprintf("h%05d", i)}, System: System{Out: newSystem}})
	}
	var open, most atomic.Int64
	began := processorTime(t)
	out := Run(t.Context(), plan, Options{Jobs: 32, Connect: func(ctx context.Context, h *schema.Host) (Machine, error) {
		c, err := dialer.Dial(ctx, remote.Target{Name: h.Name, Address: "host", User: h.Name})
		if err != nil {
			return nil, err
		}
		now := open.Add(1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		return countedMachine{sshMachine{c}, &open}, nil
	}})
	took := processorTime(t) - began
	for i := range out {
		if out[i].Err != nil || out[i].Before.Current != newSystem {
			t.Fatalf("%s: %s: %v", out[i].Host, out[i].Status, out[i].Err)
		}
	}
	if most.Load() > 32+StandardKeepOpen || open.Load() != 0 {
		t.Errorf("%d connections at once, and %d are still open", most.Load(), open.Load())
	}
	return took
}

// A countedMachine counts itself out when it is closed.
type countedMachine struct {
	sshMachine
	open *atomic.Int64
}

func (m countedMachine) Close() error {
	m.open.Add(-1)
	return m.sshMachine.Close()
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestScale shows that time grows with the number of hosts as it must and that
// memory does not: go test ./exec -run Scale -scale 10000 -v. Time is the
// processor's, and of no matter to the test unless it is asked for like that.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("not in short tests")
	}
	for name, play := range map[string]func(testing.TB, int) time.Duration{"back": rollBackMany, "looked at": lookAtMany} {
		t.Run(name, func(t *testing.T) { scales(t, play, 1<<30) })
	}
}

// scales plays with few hosts and with many, in a limit of bytes.
func scales(t *testing.T, play func(testing.TB, int) time.Duration, limit uint64) {
	small := max(*scaleHosts/10, 10)
	first := play(t, small)
	done := make(chan struct{})
	var most uint64
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				var s runtime.MemStats
				runtime.ReadMemStats(&s)
				most = max(most, s.Sys-s.HeapReleased)
			}
		}
	})
	all := play(t, *scaleHosts)
	close(done)
	watch.Wait()
	perFew, perMany := first/time.Duration(small), all/time.Duration(*scaleHosts)
	t.Logf("%d hosts: %v, %v a host; %d hosts: %v, %v a host; at most %d MB, servers included",
		small, first.Round(time.Millisecond), perFew, *scaleHosts, all.Round(time.Millisecond), perMany, most>>20)
	if most > limit {
		t.Errorf("it took %d MB", most>>20)
	}
	if *scaleHosts >= 10000 && perMany > 2*perFew {
		t.Errorf("%v a host with few, %v with many", perFew, perMany)
	}
}
