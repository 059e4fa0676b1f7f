package remote

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// HeldUp is how long, since the connection was made, only the network limited what was sent: not this machine, by having
// nothing to send, nor the other one, by a full receive window. It is unknown for a connection through a jump host.
// Source: tcp_info in the kernel's include/uapi/linux/tcp.h.
func (m *Machine) HeldUp() (time.Duration, bool) {
	info, ok := m.tcp()
	if !ok {
		return 0, false
	}
	return time.Duration(info.Busy_time-min(info.Busy_time, info.Rwnd_limited)) * time.Microsecond, true
}

// RoundTrip is the shortest round-trip time so far. It is unknown for a connection through a jump host.
func (m *Machine) RoundTrip() (time.Duration, bool) {
	info, ok := m.tcp()
	if !ok {
		return 0, false
	}
	return time.Duration(info.Min_rtt) * time.Microsecond, true
}

// tcp is what the kernel knows about the connection.
func (m *Machine) tcp() (*unix.TCPInfo, bool) {
	conn, ok := m.conn.transport.Conn.(syscall.Conn)
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
