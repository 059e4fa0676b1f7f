package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// Labs live in 198.18.0.0/15, which RFC 2544 sets aside for tests of network equipment. Each takes a /22 of it, so 128 labs
// of up to 1021 hosts fit on one machine at the same time.
var labRange = netip.MustParsePrefix("198.18.0.0/15")

const (
	labBits  = 22
	labCount = 1 << (labBits - 15)
	maxHosts = 1<<(32-labBits) - 3 // all but the network, the broadcast address and this machine
)

// A network is the /22 of one lab: a switch with one port for each host, and one, the uplink, for this machine.
type network struct {
	prefix netip.Prefix
	uplink string // interface on this machine; its name claims the /22 among all processes
}

// addr is the nth address: 1 is this machine, hosts follow.
func (n network) addr(i int) netip.Addr {
	base := n.prefix.Addr().As4()
	v := uint32(base[0])<<24 | uint32(base[1])<<16 | uint32(base[2])<<8 | uint32(base[3])
	v += uint32(i)
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

func labNetwork(k int) network {
	n := network{prefix: labRange}
	return network{netip.PrefixFrom(n.addr(k<<(32-labBits)), labBits), fmt.Sprintf("muster%d", k)}
}

// connect makes the switch and connects this machine to it, and gives every host its address.
func (l *Lab) connect(ctx context.Context) error {
	if len(l.Hosts) > maxHosts {
		return fmt.Errorf("%d hosts: at most %d fit in a lab", len(l.Hosts), maxHosts)
	}
	if err := l.claimNetwork(ctx); err != nil {
		return err
	}
	for _, h := range l.Hosts {
		i := h.number + 2
		h.Addr = l.net.addr(i).String()
		h.port = fmt.Sprintf("port%d", h.number)
		h.mac = fmt.Sprintf("02:00:c6:12:%02x:%02x", i>>8, i&0xff)
	}
	return l.ground.batch(ctx, l.ground.net, "ip",
		"link add switch type bridge", "link set switch up", "link set uplink master switch up")
}

// lay makes the host's network namespace and lays a cable from there to the switch.
func (h *Host) lay(ctx context.Context) (err error) {
	g := h.lab.ground
	if h.net, err = g.newNet(); err != nil {
		return err
	}
	return g.batch(ctx, h.net, "ip",
		"link set lo up",
		fmt.Sprintf("link add eth0 address %s type veth peer name %s netns %s", h.mac, h.port, nsPath(g.net)),
		fmt.Sprintf("addr add %s/%d broadcast + dev eth0", h.Addr, labBits),
		"link set eth0 up")
}

// plugAll plugs the cables of all hosts into the switch.
func (l *Lab) plugAll(ctx context.Context) error {
	var lines []string
	for _, h := range l.Hosts {
		lines = append(lines, "link set "+h.port+" master switch up")
	}
	if len(lines) == 0 {
		return nil
	}
	return l.ground.batch(ctx, l.ground.net, "ip", lines...)
}

// claimNetwork finds a free /22 and connects this machine to it. Making an interface whose name is taken fails, even when
// another process makes it at the same instant: that is the claim.
func (l *Lab) claimNetwork(ctx context.Context) error {
	for i := range labCount {
		n := labNetwork((os.Getpid() + i) % labCount)
		if n.inUse() {
			continue
		}
		err := ip(ctx,
			fmt.Sprintf("link add %s type veth peer name uplink netns %s", n.uplink, nsPath(l.ground.net)))
		if err != nil {
			if strings.Contains(err.Error(), "File exists") {
				continue
			}
			return err
		}
		l.net = n
		// A neighbour that does not answer counts as unreachable after three tries; a second each is long for a test.
		os.WriteFile("/proc/sys/net/ipv4/neigh/"+n.uplink+"/retrans_time_ms", []byte("150"), 0)
		return ip(ctx,
			fmt.Sprintf("addr add %s/%d broadcast + dev %s", n.addr(1), labBits, n.uplink),
			fmt.Sprintf("link set %s up", n.uplink))
	}
	return errors.New("no free network in " + labRange.String())
}

func (n network) inUse() bool {
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Overlaps(n.prefix) {
			return true
		}
	}
	return false
}

// disconnect removes the uplink at once. The rest of the network goes with its namespaces, a moment later.
func (l *Lab) disconnect() {
	if l.net.uplink != "" {
		ip(context.Background(), "link del "+l.net.uplink)
	}
	for _, h := range l.Hosts {
		if h.net != nil {
			h.net.Close()
		}
	}
}

// ip runs lines of ip(8) in the network namespace of this process.
func ip(ctx context.Context, lines ...string) error {
	cmd := exec.CommandContext(ctx, "ip", "-batch", "-")
	cmd.Env = cleanEnv()
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	return output("ip", cmd, cmd.Start)
}

// nsPath is how another process names an open namespace.
func nsPath(ns *os.File) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.Fd()) }
