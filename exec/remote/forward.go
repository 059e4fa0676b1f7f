package remote

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"
)

// Dial connects from the machine to a TCP address as the machine sees it, such as localhost:80, through the SSH
// connection (RFC 4254, section 7.2). It needs neither a program on the machine nor an open port in its firewall. The end
// of ctx ends the attempt, not the connection.
func (m *Machine) Dial(ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("connect from the host: %w", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("connect from the host to %s: %q is not a port", addr, port)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	dialed := make(chan result, 1)
	go func() {
		// The originator is said to be the machine itself.
		channel, reqs, err := m.conn.client.OpenChannel("direct-tcpip", ssh.Marshal(struct {
			Host       string
			Port       uint32
			Originator string
			FromPort   uint32
		}{host, uint32(n), "127.0.0.1", 0}))
		if err != nil {
			dialed <- result{err: err}
			return
		}
		go ssh.DiscardRequests(reqs)
		dialed <- result{conn: &forwarded{Channel: channel, addr: addr}}
	}()
	select {
	case r := <-dialed:
		if refused, ok := r.err.(*ssh.OpenChannelError); ok {
			return nil, fmt.Errorf("connect from the host to %s: %s", addr, clip(refused.Message))
		}
		if r.err != nil {
			return nil, fmt.Errorf("connect from the host to %s: %w", addr, m.explain(r.err))
		}
		return r.conn, nil
	case <-ctx.Done():
		go func() {
			if r := <-dialed; r.conn != nil {
				r.conn.Close()
			}
		}()
		return nil, fmt.Errorf("connect from the host to %s: %w", addr, context.Cause(ctx))
	case <-m.conn.lost():
		return nil, fmt.Errorf("connect from the host to %s: %w", addr, m.conn.cause())
	}
}

// forwarded makes a channel a net.Conn. It has no deadlines.
type forwarded struct {
	ssh.Channel
	addr string
}

type forwardedAddr string

func (forwardedAddr) Network() string  { return "tcp" }
func (a forwardedAddr) String() string { return string(a) }

func (f *forwarded) LocalAddr() net.Addr              { return forwardedAddr("127.0.0.1:0") }
func (f *forwarded) RemoteAddr() net.Addr             { return forwardedAddr(f.addr) }
func (f *forwarded) SetDeadline(time.Time) error      { return nil }
func (f *forwarded) SetReadDeadline(time.Time) error  { return nil }
func (f *forwarded) SetWriteDeadline(time.Time) error { return nil }
