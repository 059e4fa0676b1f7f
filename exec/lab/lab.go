package lab

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"

	"muster/exec/ondemand"
)

// ErrUnsupported means that this machine cannot run a lab at all: it is not Linux or the user is not root.
var ErrUnsupported = errors.New("a lab of real hosts needs Linux and root")

var errClosed = errors.New("the lab is closed")

// Options say what a lab is made of.
type Options struct {
	Hosts []string // names, in order: RFC 1123, each once

	// Alias lists further names or addresses under which SSHConfig knows a host, such as the address an inventory has for
	// it: {"il": {"192.168.10.121"}}.
	Alias map[string][]string

	Dir      string // the lab makes its directory in here; default os.TempDir()
	DiskSize int64  // bytes of each host's disk, which holds all but /run, /usr and /dev; default half of the machine's memory
	Boot     string // lines of sh each host runs as root at every boot, before sshd

	// Systemd makes machines that systemd boots, on a Debian tree of their own. See the package's documentation.
	Systemd bool
}

// A Lab is a set of hosts on one private network, reachable from this machine only.
type Lab struct {
	Hosts      []*Host // in the order of Options.Hosts
	SSHConfig  string  // path of a file for ssh -F, in which every name and alias leads to its host
	KnownHosts string  // path of a file with the key each host had when it was made
	Identity   string  // path of the private key root of every host lets in
	Dir        string  // directory of these files and of the hosts' sshd logs

	ground *ground
	net    network
	lock   *os.File
	reaper *exec.Cmd
	tether io.Closer // the reaper's stdin
	boot   string
	tree   *tree // of systemd hosts; nil for plain ones

	closed atomic.Bool // no host boots any more
	close  sync.Once
}

// Start makes the hosts and returns when every one of them accepts ssh connections. The context bounds the start only.
// The lab ends with Close, or with the process.
func Start(ctx context.Context, o Options) (_ *Lab, err error) {
	if err := Check(); err != nil {
		return nil, err
	}
	if o.Systemd {
		if err := CheckSystemd(); err != nil {
			return nil, err
		}
	}
	l := &Lab{boot: o.Boot}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	if o.Systemd {
		if l.tree, err = openTree(ctx); err != nil {
			return nil, fmt.Errorf("start lab: %w", err)
		}
		raiseInotify()
	}
	if err := l.makeDir(o.Dir); err != nil {
		return nil, fmt.Errorf("start lab: %w", err)
	}
	if err := l.makeHosts(ctx, o); err != nil {
		return nil, fmt.Errorf("start lab: %w", err)
	}
	return l, nil
}

// validName matches a host name of RFC 1123 without dots: it names a directory and a network interface's host, too.
var validName = ondemand.Regexp(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)

func (l *Lab) makeHosts(ctx context.Context, o Options) error {
	var err error
	if l.ground, err = newGround(l.disks()); err != nil {
		return err
	}
	if l.tree != nil {
		if err := l.ground.mountControlGroups(filepath.Dir(l.controlGroups()), filepath.Base(l.Dir)); err != nil {
			return err
		}
	}
	for i, name := range o.Hosts {
		if !validName().MatchString(name) {
			return fmt.Errorf("host name %q: want letters, digits and inner hyphens, at most 63", name)
		}
		if l.Host(name) != nil {
			return fmt.Errorf("two hosts are called %q", name)
		}
		l.Hosts = append(l.Hosts, &Host{Name: name, Alias: o.Alias[name], lab: l, number: i, size: o.DiskSize})
	}
	if err := l.connect(ctx); err != nil {
		return err
	}
	client, err := newKey(l.Identity, "lab")
	if err != nil {
		return err
	}
	template, err := newTemplate(l.Hosts, client)
	if err != nil {
		return err
	}
	if err := each(l.Hosts, func(h *Host) error { return h.make(ctx, template) }); err != nil {
		return err
	}
	if err := l.plugAll(ctx); err != nil {
		return err
	}
	if err := l.writeSSHFiles(); err != nil {
		return err
	}
	return each(l.Hosts, func(h *Host) error { return h.awaitSSH(ctx) })
}

// each calls f for every host, for a few at a time, and returns all errors.
func each(hosts []*Host, f func(*Host) error) error {
	errs := make([]error, len(hosts))
	var g sync.WaitGroup
	limit := make(chan struct{}, 2*runtime.NumCPU())
	for i, h := range hosts {
		limit <- struct{}{}
		g.Go(func() {
			if err := f(h); err != nil {
				errs[i] = fmt.Errorf("%s: %w", h.Name, err)
			}
			<-limit
		})
	}
	g.Wait()
	return errors.Join(errs...)
}

// Host returns the host called name, or nil.
func (l *Lab) Host(name string) *Host {
	for _, h := range l.Hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Close ends every process of the lab and removes all it made. Further calls do nothing.
func (l *Lab) Close() error {
	var errs []error
	l.close.Do(func() {
		l.closed.Store(true)
		for _, h := range l.Hosts {
			h.kill()
		}
		for _, h := range l.Hosts {
			h.Stop()
		}
		for _, h := range l.Hosts {
			h.cable.Lock()
			if h.relay != nil {
				h.relay.close()
			}
			h.cable.Unlock()
		}
		if l.ground != nil {
			l.disconnect()
			if l.tree != nil {
				errs = append(errs, l.ground.removeControlGroups(l.controlGroups()))
			}
			l.ground.close()
		}
		if l.Dir != "" {
			errs = append(errs, os.RemoveAll(l.Dir))
		}
		if l.reaper != nil {
			l.tether.Close()
			errs = append(errs, l.reaper.Wait())
		}
		if l.lock != nil {
			l.lock.Close()
		}
		l.tree.close()
	})
	return errors.Join(errs...)
}

// controlGroups is the directory of the hosts' control groups in the mounts of the ground.
func (l *Lab) controlGroups() string {
	return filepath.Join(l.disks(), ".control", filepath.Base(l.Dir))
}

//go:embed reaper.sh
var reaperScript string

// prefix begins the name of every lab's directory.
const prefix = "muster-lab-"

// makeDir makes the lab's directory and sees to it that the directory goes when this process does.
func (l *Lab) makeDir(parent string) error {
	if parent == "" {
		parent = os.TempDir()
	}
	parent, err := filepath.Abs(parent)
	if err != nil {
		return err
	}
	sweep(parent)
	dir := filepath.Join(parent, prefix+rand.Text())
	// The kernel cleans up everything but the directory. The reaper's read ends when this process does. It comes first, so that
	// there is no moment without it.
	control := ""
	if l.tree != nil {
		control = filepath.Base(dir)
	}
	line := clean("unshare", "--mount", "--propagation=private", "/bin/sh", "-c", reaperScript, "lab-reaper", dir, control)
	reaper := exec.Command(line[0], line[1:]...)
	reaper.Dir = "/"
	reaper.Env = cleanEnv()
	reaper.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	tether, err := reaper.StdinPipe()
	if err != nil {
		return err
	}
	if err := reaper.Start(); err != nil {
		return err
	}
	l.reaper, l.tether = reaper, tether
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	l.Dir = dir
	l.SSHConfig = filepath.Join(dir, "ssh_config")
	l.KnownHosts = filepath.Join(dir, "known_hosts")
	l.Identity = filepath.Join(dir, "id_ed25519")
	if l.lock, err = lockDir(dir); err != nil {
		return err
	}
	return os.Mkdir(l.disks(), 0o755)
}

// sweep removes directories of labs whose process and reaper were both killed. A directory is locked as soon as it is made;
// a minute is time enough for that.
func sweep(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		if lock, err := lockDir(dir); err == nil {
			os.RemoveAll(dir)
			lock.Close()
		}
	}
}

// disks is the directory that holds the hosts' file systems, in the mounts of the ground.
func (l *Lab) disks() string { return filepath.Join(l.Dir, "disks") }

func (l *Lab) writeSSHFiles() error {
	var config, known bytes.Buffer
	config.WriteString("# The hosts of a lab. Use: ssh -F THIS-FILE NAME\n")
	for _, h := range l.Hosts {
		names := append([]string{h.Name}, h.Alias...)
		fmt.Fprintf(&config, "\nHost %s\n", strings.Join(names, " "))
		for _, line := range [][2]string{
			{"HostName", h.Addr},
			{"Port", "22"},
			{"User", "root"},
			{"IdentityFile", quote(l.Identity)},
			{"IdentitiesOnly", "yes"},
			{"UserKnownHostsFile", quote(l.KnownHosts)},
			{"GlobalKnownHostsFile", "/dev/null"},
			{"StrictHostKeyChecking", "yes"},
		} {
			fmt.Fprintf(&config, "  %s %s\n", line[0], line[1])
		}
		fmt.Fprintf(&known, "%s %s\n", strings.Join(append(names, h.Addr), ","), h.HostKey())
	}
	if err := os.WriteFile(l.KnownHosts, known.Bytes(), 0o600); err != nil {
		return err
	}
	return os.WriteFile(l.SSHConfig, config.Bytes(), 0o600)
}

// quote writes a file name for ssh_config, which takes no escapes inside its quotes. % begins a token there.
func quote(path string) string { return `"` + strings.ReplaceAll(path, "%", "%%") + `"` }

// A key is a fresh ed25519 key in the formats of OpenSSH.
type key struct {
	private []byte // the key file
	public  string // "ssh-ed25519 AAAA…"
}

func makeKey(comment string) (key, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return key{}, err
	}
	block, err := ssh.MarshalPrivateKey(private, comment)
	if err != nil {
		return key{}, err
	}
	sshPublic, err := ssh.NewPublicKey(public)
	if err != nil {
		return key{}, err
	}
	return key{pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshPublic)))}, nil
}

// newKey writes the private half of a fresh key to path and returns the key.
func newKey(path, comment string) (key, error) {
	k, err := makeKey(comment)
	if err != nil {
		return key{}, err
	}
	return k, os.WriteFile(path, k.private, 0o600)
}

// output runs cmd and returns an error that holds what it printed. start is what starts it.
func output(what string, cmd *exec.Cmd, start func() error) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := start(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w: %s", what, err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}
