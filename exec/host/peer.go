package host

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
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

// Grant lets the owner of a key have what a request of nix-store --serve reads. name is
// the file of the request, of letters and digits.
func (h *Host) Grant(ctx context.Context, s PeerServer, name, key string, request []byte) error {
	if err := h.put(ctx, s.Dir+"/"+name, request); err != nil {
		return err
	}
	_, err := h.ask(ctx, peerGrantScript, s.Dir, name, key)
	return err
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

// A Fetched is what a host fetches: what nix-store --serve --write is told before each
// archive that the peer sends, and how long these are.
type Fetched struct {
	Skip     int // bytes that the peer sends first
	Greeting []byte
	Headers  [][]byte
	Sizes    []int64
}

// Fetch fetches from a peer at an address. answers takes what nix-store --serve answers.
// ctx is the only limit.
func (h *Host) Fetch(ctx context.Context, f PeerFetch, from PeerServer, address string, port int, what Fetched, answers io.Writer) error {
	var sizes strings.Builder
	for i, header := range what.Headers {
		fmt.Fprintln(&sizes, len(header), what.Sizes[i])
	}
	files := map[string][]byte{"known": []byte("peer " + from.Key + "\n"), "sizes": []byte(sizes.String()), "headers": slices.Concat(append([][]byte{what.Greeting}, what.Headers...)...)}
	for _, name := range []string{"known", "sizes", "headers"} {
		if err := h.put(ctx, f.dir+"/"+name, files[name]); err != nil {
			return err
		}
	}
	said := &bounded.Tail{Limit: 1 << 10}
	argv := peerFetchScript.argv(f.dir, address, strconv.Itoa(port), strconv.Itoa(what.Skip), strconv.Itoa(len(what.Greeting)))
	err := h.machine.Run(ctx, argv, answers, said)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if text := strings.Join(strings.Fields(said.String()), " "); err != nil && text != "" {
		return errors.New(text) // of ssh, nix-store or both
	}
	return err
}

// putAtOnce is how many bytes one command line takes to a file.
const putAtOnce = 60 << 10

// put writes a file of the host.
func (h *Host) put(ctx context.Context, name string, content []byte) error {
	for chunk := range slices.Chunk(content, putAtOnce) {
		if _, err := h.ask(ctx, peerPutScript, name, base64.StdEncoding.EncodeToString(chunk)); err != nil {
			return err
		}
	}
	return nil
}
