package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Stop ends every process of the host at once, as a power cut does, and returns when they are gone. Its disk stays. Who connects
// is refused; for a host that does not answer at all, use Unplug or DropTraffic as well. Stopping a host that is off does nothing.
func (h *Host) Stop() error {
	h.mu.Lock()
	gone := h.gone
	h.killLocked()
	h.mu.Unlock()
	if gone != nil {
		<-gone
	}
	return nil
}

// kill begins what Stop waits for.
func (h *Host) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.killLocked()
}

func (h *Host) killLocked() {
	if h.init != nil {
		h.init.Process.Kill()
	}
}

// Start boots a host that is off: same disk, empty /run, a new boot ID. It returns when the host accepts ssh connections.
func (h *Host) Start(ctx context.Context) error {
	h.mu.Lock()
	err := h.boot()
	h.mu.Unlock()
	if err == nil {
		err = h.awaitSSH(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: start: %w", h.Name, err)
	}
	return nil
}

// Reboot is Stop and Start. A host also does it by itself, by its command reboot; poweroff turns it off.
func (h *Host) Reboot(ctx context.Context) error {
	h.Stop()
	return h.Start(ctx)
}

// StopSSH ends the sshd that listens, and nothing else: open sessions go on, new connections are refused.
func (h *Host) StopSSH() error {
	if h.lab.tree != nil {
		// systemd would start again what is killed.
		if _, err := h.Run(context.Background(), "systemctl", "stop", "sshd.service"); err != nil {
			return err
		}
		return h.awaitNot("stop sshd", func(pid int) bool { return listens(pid, 22) })
	}
	sshd, err := h.sshd()
	if err == nil {
		err = syscall.Kill(sshd, syscall.SIGKILL)
	}
	if err != nil {
		return fmt.Errorf("%s: stop sshd: %w", h.Name, err)
	}
	return h.awaitNot("stop sshd", func(pid int) bool { return listens(pid, 22) })
}

// StartSSH starts sshd again and returns when it listens.
func (h *Host) StartSSH(ctx context.Context) error {
	if h.lab.tree != nil {
		if _, err := h.Run(ctx, "systemctl", "start", "sshd.service"); err != nil {
			return err
		}
		return h.awaitSSH(ctx)
	}
	log, err := h.openLog()
	if err != nil {
		return fmt.Errorf("%s: start sshd: %w", h.Name, err)
	}
	defer log.Close()
	pid := h.Pid()
	if pid == 0 {
		return fmt.Errorf("%s: start sshd: %w", h.Name, ErrOff)
	}
	// The shell ends at once, and leaves sshd to the host's first process.
	cmd := h.enter(ctx, pid, "sh", "-c", "/usr/sbin/sshd -D -e </dev/null &")
	cmd.Stdout, cmd.Stderr = log, log
	err = h.lab.ground.runCommand(cmd)
	if err == nil {
		err = h.awaitSSH(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: start sshd: %w", h.Name, err)
	}
	return nil
}

// KillSessions cuts every open ssh connection by killing the sshd processes that serve them. As when a connection drops, what
// the sessions started goes on until it notices. New connections are accepted.
func (h *Host) KillSessions() error {
	if h.Pid() == 0 {
		return fmt.Errorf("%s: kill sessions: %w", h.Name, ErrOff)
	}
	listening, _ := h.sshd() // 0 after StopSSH
	var serving []int
	for _, pid := range h.Processes() {
		if p, ok := readProcess(pid); ok && pid != listening && strings.HasPrefix(p.name, "sshd") {
			serving = append(serving, pid)
		}
	}
	for _, pid := range serving {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	return h.awaitNot("kill sessions", func(int) bool {
		return slices.ContainsFunc(serving, func(pid int) bool {
			p, alive := readProcess(pid)
			return alive && p.state != "Z"
		})
	})
}

// ChangeHostKey gives the host a new key, as a reinstallation would. KnownHosts keeps the old one. Open sessions go on.
func (h *Host) ChangeHostKey(ctx context.Context) error {
	fresh, err := makeKey(h.Name)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.key = fresh
	err = h.lab.ground.do(func() error { return h.writeKey(h.disk()) })
	off := h.init == nil
	h.mu.Unlock()
	if err != nil || off {
		return err
	}
	if err := h.StopSSH(); err != nil {
		return err
	}
	return h.StartSSH(ctx)
}

// Freeze stops every process of the host where it is. Its kernel goes on, as a kernel does on a machine that swaps itself to death: connections
// are accepted, and nothing is ever said on them. What Run starts afterwards does run.
func (h *Host) Freeze() error {
	if err := h.signalAll("freeze", syscall.SIGSTOP); err != nil {
		return err
	}
	frozen := h.Processes()
	return h.awaitNot("freeze", func(int) bool {
		return slices.ContainsFunc(frozen, func(pid int) bool {
			p, alive := readProcess(pid)
			// D: it waits for a stopped child to go on to its program (vfork).
			return alive && p.state != "T" && p.state != "Z" && p.state != "D"
		})
	})
}

// Thaw lets a frozen host go on.
func (h *Host) Thaw() error { return h.signalAll("thaw", syscall.SIGCONT) }

func (h *Host) signalAll(what string, signal syscall.Signal) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	pid := h.pid()
	if pid == 0 {
		return fmt.Errorf("%s: %s: %w", h.Name, what, ErrOff)
	}
	// To all processes of the namespace but the first, and to that one. The kernel lets none fork its way past this.
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(pid), "--pid", "--",
		"sh", "-c", "kill -"+strconv.Itoa(int(signal))+" -1")
	if err := output("nsenter", cmd, cmd.Start); err != nil && len(h.processes(pid)) > 1 {
		return fmt.Errorf("%s: %s: %w", h.Name, what, err)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("%s: %s: %w", h.Name, what, err)
	}
	return nil
}

// Unplug pulls the host's network cable. New connections fail with "no route to host" in half a second, open ones hang.
// While DropTraffic holds, too, nothing answers.
func (h *Host) Unplug() error {
	h.cable.Lock()
	defer h.cable.Unlock()
	if err := h.wire("unplug", "link set "+h.port+" down"); err != nil || h.lossy {
		return err
	}
	// This machine would go on for seconds with the hardware address it knows. If it knows none, that is as well.
	ip(context.Background(), "neigh del "+h.neighbour())
	return nil
}

// Plug puts the cable back.
func (h *Host) Plug() error {
	h.cable.Lock()
	defer h.cable.Unlock()
	return h.wire("plug", "link set "+h.port+" up")
}

// DropTraffic loses every packet from and to the host without a word, as a firewall does: new connections time out, open ones
// hang. RestoreTraffic ends it.
func (h *Host) DropTraffic() error {
	h.cable.Lock()
	defer h.cable.Unlock()
	// Without this, this machine would soon learn that nobody has the address, and say "no route to host".
	if err := ip(context.Background(), "neigh replace "+h.neighbour()+" lladdr "+h.mac+" nud permanent"); err != nil {
		return fmt.Errorf("%s: drop traffic: %w", h.Name, err)
	}
	h.lossy = true
	return h.wire("drop traffic", "link set "+h.inSwitch()+" nomaster")
}

// RestoreTraffic ends DropTraffic.
func (h *Host) RestoreTraffic() error {
	h.cable.Lock()
	defer h.cable.Unlock()
	if !h.lossy {
		return nil
	}
	h.lossy = false
	if err := h.wire("restore traffic", "link set "+h.inSwitch()+" master switch"); err != nil {
		return err
	}
	if err := ip(context.Background(), "neigh del "+h.neighbour()); err != nil {
		return fmt.Errorf("%s: restore traffic: %w", h.Name, err)
	}
	return nil
}

// Delay makes the way to the host and back take this much longer. 0 ends it.
func (h *Host) Delay(rtt time.Duration) (err error) {
	h.cable.Lock()
	defer h.cable.Unlock()
	near, far := fmt.Sprintf("near%d", h.number), fmt.Sprintf("far%d", h.number) // the relay's way into the switch
	switch {
	case rtt > 0 && h.relay != nil:
		h.relay.set(rtt / 2)
	case rtt > 0:
		if err := h.wire("delay",
			fmt.Sprintf("link add %s type veth peer name %s", near, far),
			"link set "+h.port+" nomaster",
			"link set "+near+" up",
			"link set "+far+" up"); err != nil {
			return err
		}
		if h.relay, err = h.lab.ground.newRelay(h.port, far, rtt/2); err != nil {
			return fmt.Errorf("%s: delay: %w", h.Name, err)
		}
	case h.relay != nil:
		h.relay.close()
		h.relay = nil
		if err := h.wire("delay", "link del "+near); err != nil {
			return err
		}
	}
	if h.lossy {
		return nil
	}
	return h.wire("delay", "link set "+h.inSwitch()+" master switch")
}

// inSwitch is the interface by which the switch sees the host. The caller holds h.cable.
func (h *Host) inSwitch() string {
	if h.relay != nil {
		return fmt.Sprintf("near%d", h.number)
	}
	return h.port
}

// Rate limits the host's cable to this many bits per second in each direction. 0 takes the limit away.
func (h *Host) Rate(bits int64) error {
	h.cable.Lock()
	defer h.cable.Unlock()
	for ns, link := range map[*os.File]string{h.lab.ground.net: h.port, h.net: "eth0"} {
		line := fmt.Sprintf("qdisc replace dev %s root tbf rate %dbit burst 64kb latency 50ms", link, bits)
		if bits == 0 {
			line = fmt.Sprintf("qdisc replace dev %s root pfifo", link)
		}
		if err := h.lab.ground.batch(context.Background(), ns, "tc", line); err != nil {
			return fmt.Errorf("%s: rate: %w", h.Name, err)
		}
	}
	return nil
}

// RateUplink limits what this machine sends to all hosts together to this many bits per second. 0 takes the limit away.
func (l *Lab) RateUplink(bits int64) error {
	args := []string{"qdisc", "replace", "dev", l.net.uplink, "root", "tbf", "rate", fmt.Sprintf("%dbit", bits), "burst", "64kb", "latency", "50ms"}
	if bits == 0 {
		args = []string{"qdisc", "replace", "dev", l.net.uplink, "root", "pfifo"}
	}
	cmd := exec.Command("tc", args...)
	cmd.Env = cleanEnv()
	if err := output("tc", cmd, cmd.Start); err != nil {
		return fmt.Errorf("rate of the uplink: %w", err)
	}
	return nil
}

// UplinkBytes counts what this machine has sent to hosts.
func (l *Lab) UplinkBytes() (int64, error) {
	text, err := os.ReadFile("/sys/class/net/" + l.net.uplink + "/statistics/tx_bytes")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// neighbour names, to ip(8), what this machine knows of the host's hardware address.
func (h *Host) neighbour() string { return h.Addr + " dev " + h.lab.net.uplink }

// wire changes the switch. The caller holds h.cable.
func (h *Host) wire(what string, lines ...string) error {
	if err := h.lab.ground.batch(context.Background(), h.lab.ground.net, "ip", lines...); err != nil {
		return fmt.Errorf("%s: %s: %w", h.Name, what, err)
	}
	return nil
}

// FillDisk leaves the host's disk this many free bytes, by making it smaller. The disk holds all but /run, /usr and /dev.
func (h *Host) FillDisk(leaving int64) error {
	used, _, err := diskUse(h.Root())
	if err != nil {
		return fmt.Errorf("%s: fill disk: %w", h.Name, err)
	}
	return h.resize("fill disk", used+max(leaving, 0))
}

// EmptyDisk gives the disk its first size again.
func (h *Host) EmptyDisk() error { return h.resize("empty disk", h.size) }

func (h *Host) resize(what string, size int64) error {
	disk := h.disk()
	if h.lab.tree != nil {
		disk = h.scratch()
	}
	if err := h.lab.ground.do(func() error { return resizeDisk(disk, size) }); err != nil {
		return fmt.Errorf("%s: %s: %w", h.Name, what, err)
	}
	return nil
}

// DiskUse returns the bytes used and free on the host's disk.
func (h *Host) DiskUse() (used, free int64, err error) { return diskUse(h.Root()) }

// Processes returns the process IDs, on this machine, of all that run on the host, its first process included.
func (h *Host) Processes() []int { return h.processes(h.Pid()) }

func (h *Host) processes(init int) (pids []int) {
	if init == 0 {
		return nil
	}
	namespace := func(pid int) string {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
		return link
	}
	mine := namespace(init)
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && mine != "" && namespace(pid) == mine {
			pids = append(pids, pid)
		}
	}
	return pids
}

// sshd is the process ID, on this machine, of the sshd that listens.
func (h *Host) sshd() (int, error) {
	content, err := h.ReadFile("/run/sshd.pid")
	if err != nil {
		return 0, err
	}
	inner := strings.TrimSpace(string(content))
	for _, pid := range h.Processes() {
		if p, ok := readProcess(pid); ok && p.inner == inner && p.name == "sshd" {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process %s on the host", inner)
}

// awaitNot waits until state, asked of the host's first process, is false.
func (h *Host) awaitNot(what string, state func(pid int) bool) error {
	for end := time.Now().Add(listenTimeout); ; time.Sleep(time.Millisecond) {
		pid := h.Pid()
		if pid == 0 || !state(pid) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: %s: it goes on after %v", h.Name, what, listenTimeout)
		}
	}
}

// A process is what /proc/PID/status says of one.
type process struct {
	pid, parent int
	name, state string
	inner       string // its process ID in the innermost namespace
}

func readProcess(pid int) (process, bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return process{}, false
	}
	p := process{pid: pid}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		switch name {
		case "Name":
			p.name = fields[0]
		case "State":
			p.state = fields[0]
		case "PPid":
			p.parent, _ = strconv.Atoi(fields[0])
		case "NSpid":
			p.inner = fields[len(fields)-1]
		}
	}
	return p, true
}
