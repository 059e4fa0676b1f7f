package host

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"muster/exec/bounded"
)

// A PeerServer is a host that lets other hosts fetch store paths from it.
type PeerServer struct {
	Dir string // on the host
	Key string // its host key: "ssh-ed25519 AAAA…"
}

// ServePeers has the host serve at a port until ctx ends. It calls ready once.
func (h *Host) ServePeers(ctx context.Context, port int, ready func(PeerServer)) error {
	r, w := io.Pipe()
	said := &bounded.Tail{Limit: 1 << 10}
	go func() { w.CloseWithError(h.machine.Run(ctx, peerServeScript.argv(strconv.Itoa(port)), w, said)) }()
	defer r.Close()
	lines := bufio.NewReader(io.LimitReader(r, 1<<20)) // a line a second
	first, err := lines.ReadString('\n')
	words := strings.Fields(first)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil && len(words) >= 4 && words[0] == "serving":
	case lastLine(said.String()) != "":
		return errors.New(lastLine(said.String()))
	case err != nil:
		return err
	default:
		return fmt.Errorf("unexpected answer %q", lastLine(first))
	}
	ready(PeerServer{Dir: words[1], Key: strings.Join(words[2:4], " ")})
	_, err = io.Copy(io.Discard, lines)
	return err
}

// Grant lets the owner of a key have what nix-store --serve answers to requests, until
// these end. name is a name of letters and digits. It calls ready once.
func (h *Host) Grant(ctx context.Context, s PeerServer, name, key string, requests io.Reader, ready func()) error {
	feeder, ok := h.machine.(Feeder)
	if !ok {
		return errNoInput
	}
	said := &bounded.Tail{Limit: 1 << 10}
	granted := &onFirstLine{do: ready}
	return saidBy(ctx, feeder.Feed(ctx, peerGrantScript.argv(s.Dir, name, key), requests, granted, said), said)
}

var errNoInput = errors.New("commands take no input there")

// An onFirstLine does something once a line was written to it.
type onFirstLine struct{ do func() }

func (w *onFirstLine) Write(b []byte) (int, error) {
	if w.do != nil && bytes.IndexByte(b, '\n') >= 0 {
		w.do()
		w.do = nil
	}
	return len(b), nil
}

// A PeerFetch is a fetch from a peer that is being prepared.
type PeerFetch struct {
	dir string
	Key string // that the peer is to grant
}

// ReadyToFetch prepares the host to fetch from a peer.
func (h *Host) ReadyToFetch(ctx context.Context) (PeerFetch, error) {
	out, err := h.ask(ctx, peerReadyScript)
	if err != nil {
		return PeerFetch{}, err
	}
	words := strings.Fields(lastLine(out))
	if len(words) < 3 {
		return PeerFetch{}, fmt.Errorf("unexpected answer %q", lastLine(out))
	}
	return PeerFetch{dir: words[0], Key: strings.Join(words[1:3], " ")}, nil
}

// Fetch fetches from a peer at an address and port. skip bytes of what it sends come
// before the first archive. adds says what is added to the store, as a nixserve.Relay
// writes it; answers takes what nix-store --serve answers. ctx is the only limit.
func (h *Host) Fetch(ctx context.Context, f PeerFetch, from PeerServer, address string, port, skip int, adds io.Reader, answers io.Writer) error {
	feeder, ok := h.machine.(Feeder)
	if !ok {
		return errNoInput
	}
	said := &bounded.Tail{Limit: 1 << 10}
	argv := peerFetchScript.argv(f.dir, address, strconv.Itoa(port), strconv.Itoa(skip), from.Key)
	return saidBy(ctx, feeder.Feed(ctx, argv, adds, answers, said), said)
}

// saidBy is the error of a command, as what the command itself says of it.
func saidBy(ctx context.Context, err error, said *bounded.Tail) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if text := strings.Join(strings.Fields(said.String()), " "); err != nil && text != "" {
		return errors.New(text)
	}
	return err
}
