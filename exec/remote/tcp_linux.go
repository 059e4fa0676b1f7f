package remote

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// HeldUp is for how long, since the connection began, there were bytes to send that only the network held up: neither
// this machine, which had nothing to say, nor the other one, which took nothing more. It is not known of a connection
// through a jump host. Source: tcp_info in the kernel's include/uapi/linux/tcp.h.
func (m *Machine) HeldUp() (time.Duration, bool) {
	info, ok := m.tcp()
	if !ok {
		return 0, false
	}
	return time.Duration(info.Busy_time-min(info.Busy_time, info.Rwnd_limited)) * time.Microsecond, true
}

// RoundTrip is the shortest time that a packet and the answer to it have taken so far. It is not known of a connection
// through a jump host.
func (m *Machine) RoundTrip() (time.Duration, bool) {
	info, ok := m.tcp()
	if !ok {
		return 0, false
	}
	return time.Duration(info.Min_rtt) * time.Microsecond, true
}

// tcp is what the kernel knows of the connection.
func (m *Machine) tcp() (*unix.TCPInfo, bool) {
	conn, ok := m.conn.raw.Conn.(syscall.Conn)
	if !ok {
		return nil, false
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, false
	}
	var info *unix.TCPInfo
	if raw.Control(func(fd uintptr) { info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }) != nil || err != nil {
		return nil, false
	}
	return info, true
}
