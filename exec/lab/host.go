package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Host is one machine of a lab: its own disk, processes, network interface, host name and sshd.
// Its methods may be called from several goroutines.
type Host struct {
	Name  string
	Alias []string // as given in Options.Alias
	Addr  string   // IPv4 address; ssh is on port 22

	lab    *Lab
	number int
	size   int64 // of its disk in bytes, 0 for half the machine's memory
	mac    string
	port   string   // the switch's end of its cable
	net    *os.File // its network namespace, there also while the host is off

	cable sync.Mutex // guards what follows and is held while the cable changes
	lossy bool       // DropTraffic
	relay *relay     // Delay; it goes between the cable and the switch

	mu   sync.Mutex // guards what follows and is held while the host changes its state
	key  key
	init *exec.Cmd     // the process all its others end with: its first, or what runs a systemd host; nil while the host is off
	gone chan struct{} // closed when init and all other processes have ended
}

// hostPath is where NixOS and Debian have programs.
const hostPath = "/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// hostEnv is the environment of a host's processes outside of ssh sessions.
var hostEnv = []string{"PATH=" + hostPath, "HOME=/root", "USER=root", "LANG=C"}

// The programs of a plain host that this machine does not have.
var (
	//go:embed host/init.sh
	initScript string
	//go:embed host/systemctl.sh
	systemctlScript string
)

// rebootStatus is the exit status by which a host's first process asks to be started again.
const rebootStatus = 86

// fstab is what a host mounts by itself, all by one program.
const fstab = `proc /proc proc defaults 0 0
sysfs /sys sysfs ro 0 0
/run/boot_id /proc/sys/kernel/random/boot_id none bind 0 0
`

// ErrOff is what a host that is off answers.
var ErrOff = errors.New("the host is off")

// Root is the path of the host's file system as this machine sees it, also while the host is off. What the host mounts
// by itself (/proc, /sys) is not in it. Absolute links in it lead to this machine's files: ReadFile follows them as the host does.
func (h *Host) Root() string {
	if h.lab.tree != nil {
		// systemd mounts more than the disk.
		if pid := h.Pid(); pid != 0 {
			return fmt.Sprintf("/proc/%d/root", pid)
		}
	}
	return filepath.Join(h.lab.ground.root(), h.disk())
}

// disk is the path of the same directory in the mounts of the ground.
func (h *Host) disk() string { return filepath.Join(h.lab.disks(), h.Name) }

// Pid is the process ID, on this machine, of the host's first process; 0 while the host is off.
func (h *Host) Pid() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.pid()
}

func (h *Host) pid() int {
	if h.init == nil {
		return 0
	}
	if h.lab.tree != nil {
		return guest(h.init.Process.Pid)
	}
	return h.init.Process.Pid
}

func (h *Host) isOff() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.init == nil
}

// HostKey is the public key sshd presents, as known_hosts has it: "ssh-ed25519 AAAA…".
func (h *Host) HostKey() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.key.public
}

// Log returns what the host's first process, its boot lines and its sshd have printed, and the end of a systemd host's journal.
func (h *Host) Log() string {
	content, err := os.ReadFile(h.logPath())
	if err != nil {
		return err.Error()
	}
	if h.lab.tree == nil || h.Pid() == 0 {
		return string(content)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	journal, err := h.Run(ctx, "journalctl", "--no-pager", "--lines=200")
	if err != nil {
		journal = err.Error()
	}
	return string(content) + journal
}

func (h *Host) logPath() string { return filepath.Join(h.lab.Dir, h.Name+".log") }

// Run runs a command as root on the host, without ssh, and returns its output. It works whatever state sshd, the network
// and the other processes are in.
func (h *Host) Run(ctx context.Context, argv ...string) (string, error) {
	pid := h.Pid()
	if pid == 0 {
		return "", fmt.Errorf("%s: run %s: %w", h.Name, strings.Join(argv, " "), ErrOff)
	}
	var stdout, stderr bytes.Buffer
	cmd := h.enter(ctx, pid, argv...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := h.lab.ground.runCommand(cmd); err != nil {
		return stdout.String(), fmt.Errorf("%s: run %s: %w: %s", h.Name, strings.Join(argv, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// enter is a command in all namespaces of the host, to be started from the ground.
func (h *Host) enter(ctx context.Context, pid int, argv ...string) *exec.Cmd {
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		nsenter = "nsenter" // the command's own error says it
	}
	args := []string{nsenter, "--target", strconv.Itoa(pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wdns=/", "--"}
	args = clean(append(args, argv...)...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = hostEnv
	// nsenter waits for a child in the host's process namespace. When it is killed, a child that holds its output must not
	// keep us waiting.
	cmd.WaitDelay = time.Second
	return cmd
}

// ReadFile returns the content of a file of the host. Links lead where they lead on the host.
func (h *Host) ReadFile(path string) ([]byte, error) {
	f, err := openIn(h.Root(), path, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	defer f.Close()
	return io.ReadAll(f)
}

// WriteFile writes a file of the host, making it if need be; its directory must exist.
func (h *Host) WriteFile(path string, content []byte, mode os.FileMode) error {
	// On the ground, whose umask is the hosts'.
	return h.lab.ground.do(func() error {
		f, err := openIn(h.Root(), path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		_, err = f.Write(content)
		return errors.Join(err, f.Close())
	})
}

// make makes the host and boots it.
func (h *Host) make(ctx context.Context, t *template) error {
	if err := h.lay(ctx); err != nil {
		return err
	}
	if err := h.install(t); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.boot()
}

// install makes the host's disk.
func (h *Host) install(t *template) error {
	var err error
	if h.key, err = makeKey(h.Name); err != nil {
		return err
	}
	g, root := h.lab.ground, h.disk()
	if h.lab.tree != nil {
		return g.do(func() error { return h.installSystemd(t) })
	}
	err = g.do(func() error {
		if err := os.Mkdir(root, 0o755); err != nil {
			return err
		}
		if err := mountDisk(root, h.size); err != nil {
			return err
		}
		if err := t.write(root); err != nil {
			return err
		}
		if err := h.writeKey(root); err != nil {
			return err
		}
		if err := mountSystem(root, filepath.Join(h.lab.disks(), ".usr", h.Name)); err != nil {
			return err
		}
		return writePrograms(root)
	})
	if err != nil {
		return err
	}
	return g.makeStore(root)
}

func (h *Host) writeKey(root string) error {
	path := filepath.Join(root, "etc/ssh/ssh_host_ed25519_key")
	return errors.Join(
		os.WriteFile(path, h.key.private, 0o600),
		os.WriteFile(path+".pub", []byte(h.key.public+"\n"), 0o644))
}

// boot starts the host's first process. The caller holds h.mu.
func (h *Host) boot() error {
	if h.init != nil {
		return nil
	}
	if h.lab.closed.Load() {
		return errClosed
	}
	log, err := h.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	start := h.startPlain
	if h.lab.tree != nil {
		start = h.startSystemd
	}
	init, err := start(log)
	if err != nil {
		return err
	}
	h.init, h.gone = init, make(chan struct{})
	go h.watch(init, h.gone)
	return nil
}

// startPlain boots a plain host and returns its first process.
func (h *Host) startPlain(log *os.File) (*exec.Cmd, error) {
	g, root := h.lab.ground, h.disk()
	err := g.do(func() error {
		if err := freshRun(root); err != nil {
			return err
		}
		id := make([]byte, 16)
		rand.Read(id)
		return errors.Join(
			os.Mkdir(filepath.Join(root, "run/sshd"), 0o755),
			os.WriteFile(filepath.Join(root, "run/fstab"), []byte(fstab), 0o644),
			os.WriteFile(filepath.Join(root, "run/boot.sh"), []byte(h.lab.boot+"\n"), 0o644),
			os.WriteFile(filepath.Join(root, "run/boot_id"),
				fmt.Appendf(nil, "%x-%x-%x-%x-%x\n", id[:4], id[4:6], id[6:8], id[8:10], id[10:]), 0o444))
	})
	if err != nil {
		return nil, err
	}
	return g.startInit(root, h.net, log, initScript, h.Name, strconv.Itoa(rebootStatus))
}

// watch waits for the end of the host's first process: the kernel ends all others before. A host that restarts itself is
// booted again.
func (h *Host) watch(init *exec.Cmd, gone chan struct{}) {
	init.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.init = nil
	close(gone)
	if !restarts(init.ProcessState) {
		return
	}
	if err := h.boot(); err != nil && !errors.Is(err, errClosed) {
		if log, openErr := h.openLog(); openErr == nil {
			fmt.Fprintln(log, "boot:", err)
			log.Close()
		}
	}
}

// restarts reports whether a host's first process ended for a restart: by the host's own reboot command, or by the kernel, which
// tells a call of reboot(2) in a process namespace by this signal.
func restarts(state *os.ProcessState) bool {
	status, ok := state.Sys().(syscall.WaitStatus)
	asked := status.Exited() && (status.ExitStatus() == rebootStatus || status.ExitStatus() == nspawnReboot)
	return ok && (asked || status.Signaled() && status.Signal() == syscall.SIGHUP)
}

func (h *Host) openLog() (*os.File, error) {
	return os.OpenFile(h.logPath(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// listenTimeout is how long sshd may take from its start to its first connection.
const listenTimeout = 60 * time.Second

// awaitSSH waits until the host listens on port 22.
func (h *Host) awaitSSH(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listenTimeout)
	defer cancel()
	for {
		if h.isOff() {
			return fmt.Errorf("wait for sshd: %w: %s", ErrOff, strings.TrimSpace(h.Log()))
		}
		if pid := h.Pid(); pid != 0 && listens(pid, 22) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for sshd: %w: %s", ctx.Err(), strings.TrimSpace(h.Log()))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// listens reports whether a socket listens on the port in the network namespace of the process. Looking it up, unlike
// connecting, leaves no trace on the host. Format: proc_net_tcp.txt of the kernel; state 0A is LISTEN.
func listens(pid int, port uint16) bool {
	table, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && f[3] == "0A" {
			return true
		}
	}
	return false
}
