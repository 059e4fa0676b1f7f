package lab

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A relay forwards frames between two interfaces with a delay. The kernel's netem does the same, but many
// kernels of virtual machines and CI lack it.
type relay struct {
	a, b  *os.File
	delay atomic.Int64 // nanoseconds in each direction
	done  sync.WaitGroup
}

const (
	maxFrame = 1 << 17 // a frame not yet cut into packets, with its header
	inFlight = 1 << 12 // frames on their way in one direction; more are lost
)

// newRelay connects the interfaces a and b of the switch.
func (g *ground) newRelay(a, b string, delay time.Duration) (*relay, error) {
	r := &relay{}
	r.set(delay)
	err := g.do(func() (err error) {
		if r.a, err = packetSocket(a); err != nil {
			return err
		}
		if r.b, err = packetSocket(b); err != nil {
			r.a.Close()
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	r.done.Go(func() { r.carry(r.a, r.b) })
	r.done.Go(func() { r.carry(r.b, r.a) })
	return r, nil
}

// set changes the delay of frames yet to come.
func (r *relay) set(delay time.Duration) { r.delay.Store(int64(delay)) }

func (r *relay) close() {
	r.a.Close()
	r.b.Close()
	r.done.Wait()
}

// carry forwards each frame from one interface to the other after the delay.
func (r *relay) carry(from, to *os.File) {
	type frame struct {
		due     time.Time
		content []byte
	}
	delayed := make(chan frame, inFlight)
	defer close(delayed)
	r.done.Go(func() {
		for f := range delayed {
			time.Sleep(time.Until(f.due))
			to.Write(f.content) // an error is a lost frame: networks lose some
		}
	})
	buffer := make([]byte, maxFrame)
	for {
		n, err := from.Read(buffer)
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil: // the interface is down
			time.Sleep(time.Millisecond)
			continue
		}
		select {
		case delayed <- frame{time.Now().Add(time.Duration(r.delay.Load())), append([]byte(nil), buffer[:n]...)}:
		default:
		}
	}
}

// packetSocket opens a socket that reads what comes in at an interface and writes what goes out there, whole frames, each with
// the kernel's notes on what is still to be done to it (packet(7), PACKET_VNET_HDR): checksums, cutting into packets.
func packetSocket(name string) (*os.File, error) {
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	socket := os.NewFile(uintptr(fd), name)
	var index uint32
	ifreq, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, ifreq)
		index = ifreq.Uint32()
	}
	if err = errors.Join(err,
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 16<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: int(index)})); err != nil {
		socket.Close()
		return nil, fmt.Errorf("packet socket on %s: %w", name, err)
	}
	return socket, nil
}
