package nixserve

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"muster/compile/store"
)

const (
	clientMagic = 0x390c9deb
	serverMagic = 0x5452eecb

	// Both sides use the lower of their versions, so this is right with servers that know more, too.
	ourVersion = 2<<8 | 7
	// AddToStoreNar and the hashes in path infos came with 2.5 (Nix 2.1 and 2.4).
	minVersion = 2<<8 | 5
)

// The requests.
const (
	cmdQueryValidPaths = 1
	cmdQueryPathInfos  = 2
	cmdDumpStorePath   = 3
	cmdQueryClosure    = 7
	cmdAddToStoreNar   = 9
)

// What a reply may hold at most. An answer about some paths has no more entries than there are paths.
const (
	maxString     = 4 << 10 // bytes of a string
	maxClosure    = 1 << 17 // paths of the closure of one path; the derivations of a large system are 30,000
	maxReferences = 1 << 16 // references of a path
	maxSignatures = 1 << 10 // signatures of a path
)

// endGrace is how long a server whose input is closed may take to write its last words and end.
const endGrace = 5 * time.Second

// A Client is one session with a server. Its methods may be called from several goroutines; they take turns. Once a
// method fails the session is over, and every later call returns the same error.
type Client struct {
	stream     Stream
	in         store.WireReader
	out        store.WireWriter
	version    uint64
	compressed CompressedStream // the stream, in a session of NewOneWay; else nil

	mu     sync.Mutex
	err    error // why the session is over
	closed bool
}

// New greets the server behind the stream. The Client owns the stream from then on, also when New fails.
func New(ctx context.Context, s Stream) (*Client, error) {
	c := newClient(s)
	err := c.do(ctx, func() error {
		c.greet()
		if err := c.out.Flush(); err != nil {
			return err
		}
		return c.readGreeting()
	})
	if err != nil {
		var server *ServerError
		if errors.As(err, &server) && server.Kind == nil {
			if _, exited := exitStatus(server.Err); exited {
				server.Kind = ErrRefused
			}
		}
		return nil, fmt.Errorf("start nix-store --serve: %w", err)
	}
	return c, nil
}

// A CompressedStream is a Stream to `zstd -d | nix-store --serve --write`. It compresses what is written to it.
type CompressedStream interface {
	Stream
	// WriteCompressed writes bytes that are compressed already, after all that was written before.
	WriteCompressed(b []byte) error
}

// NewOneWay makes a Client that is good for one Send and nothing else. zstd reads ahead, so nothing is sure to come out of
// it before its input ends: Send writes the greeting and all requests, closes the input, and only then needs the answers.
func NewOneWay(s CompressedStream) *Client {
	c := newClient(s)
	c.compressed = s
	return c
}

func newClient(s Stream) *Client {
	marked := markedStream{s}
	return &Client{
		stream: s,
		in:     store.WireReader{Reader: bufio.NewReaderSize(marked, 32<<10)},
		out:    store.WireWriter{Writer: bufio.NewWriterSize(marked, 64<<10)},
	}
}

func (c *Client) greet() {
	c.out.PutUint64(clientMagic)
	c.out.PutUint64(ourVersion)
}

// readGreeting reads the server's greeting and checks that it is one.
func (c *Client) readGreeting() error {
	first, err := c.in.Peek(8)
	switch {
	case len(first) == 8 && binary.LittleEndian.Uint64(first) != serverMagic:
		time.AfterFunc(200*time.Millisecond, func() { c.stream.Close() }) // enough to see the rest of a line
		first, _ = c.in.Peek(256)
		return notServe(first)
	case len(first) == 8:
		c.in.Discard(8)
	case len(first) > 0:
		return notServe(first)
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	default:
		return err
	}
	if c.version, err = c.in.Uint64(); err != nil {
		return err
	}
	if c.version < minVersion || c.version>>8 != ourVersion>>8 {
		return fmt.Errorf("%w: the server speaks version %d.%d of the protocol, 2.5 (Nix "+OldestNix+") is needed",
			ErrTooOld, c.version>>8, c.version&0xff)
	}
	return nil
}

func notServe(printed []byte) error {
	return fmt.Errorf("%w: the far end printed %q (its shell's start-up files must print nothing for commands)",
		ErrNotServe, truncate(string(printed), 200))
}

// Err returns why the session is over, nil while it is usable.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the session and releases the locks it holds. It returns an error if the server ended badly.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.err != nil { // reported already, and the stream is down
		return nil
	}
	c.err = errors.New("the session is closed")
	c.stream.CloseWrite()
	if err := waitAtMost(c.stream, endGrace); err != nil {
		return fmt.Errorf("end nix-store --serve: %w", c.explain(err, err))
	}
	return nil
}

// do runs one exchange in the session's turn. When the context ends it closes the stream; after any error it ends the
// session, and the error says what the server has written about it.
func (c *Client) do(ctx context.Context, exchange func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := ctx.Err(); err != nil { // nothing was sent: the session stays usable
		return context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { c.stream.Close() })
	err := exchange()
	if !stop() && err == nil {
		err = context.Cause(ctx) // the answer came, but the stream is closed
	}
	if err == nil {
		return nil
	}
	c.err = c.end(ctx, err)
	return c.err
}

// end closes the stream after err and explains it: by the end of the context, by the server's words, or by err itself.
func (c *Client) end(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		c.stream.Close()
		waitAtMost(c.stream, endGrace)
		return context.Cause(ctx)
	}
	c.stream.CloseWrite()
	return c.explain(err, waitAtMost(c.stream, endGrace))
}

// explain adds the server's last words to an error that only says that the stream has ended. exit is how it ended.
func (c *Client) explain(err, exit error) error {
	stderr := c.stream.Stderr()
	status, _ := exitStatus(exit)
	kind := kindOf(stderr, status)
	var path *PathError
	ours := errors.As(err, &path) || !isStreamEnd(err) && err != exit
	if ours && kind != ErrNoServer { // found by this side, such as a malformed reply: it explains itself
		var format *store.WireError
		if errors.As(err, &format) {
			err = fmt.Errorf("malformed reply: %w", err)
		}
		return err
	}
	if exit == nil {
		exit = err
	}
	why := reason(stderr)
	if c.compressed != nil && why != "" { // what the decompressor has written comes before the server's words
		why = truncate(strings.TrimSpace(stripANSI(stderr)), 2000)
	}
	return &ServerError{Reason: why, Stderr: stderr, Kind: kind, Err: exit}
}

// malformed is an error about a reply that the wire format allows and the protocol does not.
func malformed(format string, args ...any) error {
	return &store.WireError{Err: fmt.Errorf(format, args...)}
}

// isStreamEnd tells whether err says no more than that the stream broke or ended.
func isStreamEnd(err error) bool {
	var s streamError
	return errors.As(err, &s) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
