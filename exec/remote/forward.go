package remote

import (
	"context"
	"errors"
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
	conn, err := m.forward(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connect from the host to %s: %w", addr, err)
	}
	return conn, nil
}

func (m *Machine) forward(ctx context.Context, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("%q is not a port", port)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	dialed := make(chan result, 1)
	go func() {
		conn, err := m.openForward(host, uint32(number), addr)
		dialed <- result{conn, err}
	}()
	select {
	case r := <-dialed:
		return r.conn, r.err
	case <-ctx.Done():
		go func() {
			if r := <-dialed; r.err == nil {
				r.conn.Close()
			}
		}()
		return nil, context.Cause(ctx)
	case <-m.conn.lost():
		return nil, m.conn.cause()
	}
}

// openForward blocks until the server answers.
func (m *Machine) openForward(host string, port uint32, addr string) (net.Conn, error) {
	// The originator is said to be the machine itself.
	channel, requests, err := m.conn.client.OpenChannel("direct-tcpip", ssh.Marshal(struct {
		Host           string
		Port           uint32
		Originator     string
		OriginatorPort uint32
	}{host, port, "127.0.0.1", 0}))
	var refused *ssh.OpenChannelError
	switch {
	case errors.As(err, &refused):
		return nil, errors.New(clip(refused.Message))
	case err != nil:
		return nil, m.explain(err)
	}
	go ssh.DiscardRequests(requests)
	return &forwarded{Channel: channel, addr: addr}, nil
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
