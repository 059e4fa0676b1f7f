// Package kubelab starts the control plane of a Kubernetes cluster on this computer: real
// members of etcd, and real API servers where a program of theirs is given.
//
//	c, err := kubelab.Start(kubelab.Config{Dir: dir, Masters: 3, APIServer: "/var/tmp/muster-kube/kube-apiserver-1.34.1"})
//	defer c.Close()
//	machine, err := c.Reach(ctx, "m1")
//
// Masters are called m1, m2, …, and have the addresses 10.99.0.1, 10.99.0.2, …, which only
// the machines that Reach returns know. No kubelet and no controller runs: a test registers
// nodes and does what they would do.
package kubelab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says what is started.
type Config struct {
	Dir       string // for certificates, data and logs
	Masters   int
	APIServer string   // the program; "" for etcd alone
	APIPort   string   // of the API servers, as masters see them; "" means 6443
	Secrets   []string // the names of the files with the administrator's certificate and with that for etcd, on a master

	// Files are what a master has besides, as another distribution lays it out.
	Files func(p *PKI, master string) map[string]string
}

// A Cluster is a control plane that runs.
type Cluster struct {
	config  Config
	PKI     *PKI
	masters []*master

	mu  sync.Mutex
	cut map[string]bool // masters that cannot be reached
	api bool            // no API server can be reached

	calls     sync.Once
	client    *http.Client
	callError error
}

type master struct {
	name, address    string
	etcdPort, peer   int
	apiPort          int
	etcd, apiProcess *process
}

// A process is a program that runs until it is stopped.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// Start starts a control plane and waits until it answers.
func Start(c Config) (*Cluster, error) {
	pki, err := newPKI(c.Dir, c.Masters)
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{config: c, PKI: pki, cut: map[string]bool{}}
	ports, err := freePorts(3 * c.Masters)
	if err != nil {
		return nil, err
	}
	for i := range c.Masters {
		cluster.masters = append(cluster.masters, &master{
			name: fmt.Sprintf("m%d", i+1), address: Address(i + 1), etcdPort: ports[3*i], peer: ports[3*i+1], apiPort: ports[3*i+2],
		})
	}
	if err := cluster.start(); err != nil {
		cluster.Close()
		return nil, err
	}
	return cluster, nil
}

// Address is the address of the nth master, from 1.
func Address(n int) string { return fmt.Sprintf("10.99.0.%d", n) }

func (c *Cluster) start() error {
	for _, m := range c.masters {
		if err := c.startEtcd(m, "new", c.initial(c.masters)); err != nil {
			return err
		}
	}
	if c.config.APIServer == "" {
		return nil
	}
	for _, m := range c.masters {
		if err := c.startAPI(m); err != nil {
			return err
		}
	}
	for _, m := range c.masters {
		if err := c.await(m.name+"-api", m.apiProcess, m.apiPort); err != nil {
			return err
		}
	}
	return nil
}

// startLimit is the limit for a program to listen.
const startLimit = 3 * time.Minute

// await waits until a program listens on a port.
func (c *Cluster) await(name string, p *process, port int) error {
	limit := time.After(startLimit)
	for {
		if conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return conn.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended: %s", name, c.Log(name))
		case <-limit:
			return fmt.Errorf("%s does not listen after %v: %s", name, startLimit, c.Log(name))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *Cluster) initial(members []*master) string {
	var words []string
	for _, m := range members {
		words = append(words, fmt.Sprintf("%s=https://127.0.0.1:%d", m.name, m.peer))
	}
	return strings.Join(words, ",")
}

func (c *Cluster) startEtcd(m *master, state, initial string) (err error) {
	listen, peer := fmt.Sprintf("https://127.0.0.1:%d", m.etcdPort), fmt.Sprintf("https://127.0.0.1:%d", m.peer)
	cert, key := c.PKI.file(m.name+"-etcd.crt"), c.PKI.file(m.name+"-etcd.key")
	authority := c.PKI.file("etcd-ca.crt")
	m.etcd, err = c.run(m.name+"-etcd", "etcd", "--name", m.name, "--data-dir", filepath.Join(c.config.Dir, m.name+"-data"),
		"--listen-client-urls", listen, "--advertise-client-urls", "https://"+m.address+":2379",
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", initial, "--initial-cluster-state", state,
		"--client-cert-auth", "--peer-client-cert-auth", "--cert-file", cert, "--key-file", key, "--peer-cert-file", cert, "--peer-key-file", key,
		"--trusted-ca-file", authority, "--peer-trusted-ca-file", authority, "--unsafe-no-fsync", "--election-timeout", "5000", "--heartbeat-interval", "500")
	return err
}

func (c *Cluster) startAPI(m *master) (err error) {
	var servers []string
	for _, other := range c.masters {
		servers = append(servers, fmt.Sprintf("https://127.0.0.1:%d", other.etcdPort))
	}
	m.apiProcess, err = c.run(m.name+"-api", c.config.APIServer,
		"--etcd-servers", strings.Join(servers, ","), "--etcd-cafile", c.PKI.file("etcd-ca.crt"), "--etcd-certfile", c.PKI.file("etcd-client.crt"), "--etcd-keyfile", c.PKI.file("etcd-client.key"),
		"--bind-address", "127.0.0.1", "--secure-port", strconv.Itoa(m.apiPort), "--endpoint-reconciler-type", "none",
		"--client-ca-file", c.PKI.file("ca.crt"), "--tls-cert-file", c.PKI.file("api.crt"), "--tls-private-key-file", c.PKI.file("api.key"),
		"--service-account-key-file", c.PKI.file("api.pem"), "--service-account-signing-key-file", c.PKI.file("api.pem"), "--service-account-issuer", "https://kubernetes.default.svc",
		"--service-cluster-ip-range", "10.96.0.0/24", "--authorization-mode", "RBAC", "--disable-admission-plugins", "ServiceAccount",
		"--cert-dir", filepath.Join(c.config.Dir, m.name+"-certs"))
	return err
}

// run starts a program with a log.
func (c *Cluster) run(name, program string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(c.config.Dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &process{cmd: exec.Command(program, args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop kills a program.
func (p *process) stop() {
	if p != nil {
		p.cmd.Process.Kill()
		<-p.done
	}
}

// Close stops all that runs.
func (c *Cluster) Close() {
	for _, m := range c.masters {
		m.apiProcess.stop()
		m.etcd.stop()
	}
}

// Log is the end of what a program of a master has logged.
func (c *Cluster) Log(name string) string {
	text, _ := os.ReadFile(c.LogName(name))
	return string(text[max(len(text)-4000, 0):])
}

// LogName is the file that a program of a master logs to.
func (c *Cluster) LogName(name string) string { return filepath.Join(c.config.Dir, name+".log") }

func (c *Cluster) master(name string) *master {
	return c.masters[slices.IndexFunc(c.masters, func(m *master) bool { return m.name == name })]
}

// StopEtcd kills the member of etcd of a master.
func (c *Cluster) StopEtcd(name string) { c.master(name).etcd.stop() }

// StartEtcd starts it again, with the data that it had.
func (c *Cluster) StartEtcd(name string) error {
	return c.startEtcd(c.master(name), "new", c.initial(c.masters))
}

// JoinEtcd starts a member of etcd anew, without data, as one that was added to the others.
func (c *Cluster) JoinEtcd(name string) error {
	m := c.master(name)
	if err := os.RemoveAll(filepath.Join(c.config.Dir, m.name+"-data")); err != nil {
		return err
	}
	return c.startEtcd(m, "existing", c.initial(c.masters))
}

// PeerURL is where other members of etcd reach that of a master.
func (c *Cluster) PeerURL(name string) string {
	return fmt.Sprintf("https://127.0.0.1:%d", c.master(name).peer)
}

// Cut has a master be reached no more, or again.
func (c *Cluster) Cut(name string, cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut[name] = cut
}

// CutAPI has no API server be reached, or all again.
func (c *Cluster) CutAPI(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.api = cut
}

func (c *Cluster) isCut(name string, api bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut[name] || api && c.api
}

// A Machine is a master, connected.
type Machine struct {
	cluster *Cluster
	master  *master
}

// ErrCut says that a master cannot be reached.
var ErrCut = errors.New("unreachable: the lab has cut it off")

// Reach connects to a master.
func (c *Cluster) Reach(_ context.Context, name string) (*Machine, error) {
	if c.isCut(name, false) {
		return nil, ErrCut
	}
	return &Machine{c, c.master(name)}, nil
}

// Close does nothing.
func (m *Machine) Close() error { return nil }

// Run answers what a master is asked: which of some files it has.
func (m *Machine) Run(_ context.Context, argv []string, stdout, _ io.Writer) error {
	if m.cluster.isCut(m.master.name, false) {
		return ErrCut
	}
	for i, secret := range m.cluster.config.Secrets {
		if slices.Contains(argv, secret) {
			name := []string{"admin", "etcd-client"}[i]
			fmt.Fprintf(stdout, "==> %s <==\n%s%s\n", secret, m.cluster.PKI.text(name+".crt"), m.cluster.PKI.text(name+".key"))
		}
	}
	if m.cluster.config.Files == nil {
		return nil
	}
	for name, content := range m.cluster.config.Files(m.cluster.PKI, m.master.name) {
		if slices.Contains(argv, name) {
			fmt.Fprintf(stdout, "==> %s <==\n%s\n", name, content)
		}
	}
	return nil
}

// Dial connects to the API server of the master, or to a member of etcd.
func (m *Machine) Dial(ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	to, of := 0, m.master
	if i := slices.IndexFunc(m.cluster.masters, func(o *master) bool { return o.address == host }); i >= 0 {
		of = m.cluster.masters[i]
	}
	api := port == cmp.Or(m.cluster.config.APIPort, "6443")
	switch {
	case api:
		to = of.apiPort
	case port == "2379":
		to = of.etcdPort
	}
	if m.cluster.isCut(m.master.name, api) || m.cluster.isCut(of.name, false) || to == 0 {
		return nil, fmt.Errorf("dial %s: %w", addr, ErrCut)
	}
	return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(to)))
}

// Call makes a request to an API server as the administrator, whatever the lab has cut off.
func (c *Cluster) Call(ctx context.Context, method, path, contentType, body string) ([]byte, error) {
	c.calls.Do(func() { c.client, c.callError = c.PKI.client() })
	if c.callError != nil {
		return nil, c.callError
	}
	var last error
	for _, m := range c.masters {
		req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("https://127.0.0.1:%d%s", m.apiPort, path), strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", contentType)
		resp, err := c.client.Do(req)
		if err != nil {
			last = err
			continue
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil && resp.StatusCode >= 300 {
			err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
		}
		if err == nil || resp.StatusCode < 500 {
			return text, err
		}
		last = err
	}
	return nil, last
}

// freePorts are ports that nothing listens on.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
