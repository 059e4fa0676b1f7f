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
)

const (
	clientMagic = 0x390c9deb
	serverMagic = 0x5452eecb

	// The version spoken: both sides use the lower of theirs, so this is also right with servers that know more.
	ourVersion = 2<<8 | 7
	// AddToStoreNar and the hashes in path infos came with 2.5 (Nix 2.1 and 2.4).
	minVersion = 2<<8 | 5
)

// The requests.
const (
	cmdQueryValidPaths = 1
	cmdQueryPathInfos  = 2
	cmdQueryClosure    = 7
	cmdAddToStoreNar   = 9
)

const endGrace = 5 * time.Second // for a server whose input is closed to write its last words and end

// A Client is one session with a server. Its methods may be called from several goroutines; they take turns. Once a
// method fails the session is over: a server gives no second chance, and every later call returns the same error.
type Client struct {
	stream     Stream
	in         wireReader
	out        wireWriter
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
		if err := c.out.w.Flush(); err != nil {
			return err
		}
		return c.greeted()
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

// A CompressedStream is a Stream to `zstd -d | nix-store --serve --write`: it compresses what is written to it.
type CompressedStream interface {
	Stream
	WriteCompressed(b []byte) error // writes bytes that are compressed already, after all that was written before
}

// NewOneWay makes a Client for one Send and nothing else. zstd reads ahead, so nothing is sure to come out of it before its
// input ends: all requests are written, the input is closed, and only then the answers are expected.
func NewOneWay(s CompressedStream) *Client {
	c := newClient(s)
	c.compressed = s
	return c
}

func newClient(s Stream) *Client {
	marked := markedStream{s}
	return &Client{
		stream: s,
		in:     wireReader{bufio.NewReaderSize(marked, 32<<10)},
		out:    wireWriter{bufio.NewWriterSize(marked, 64<<10)},
	}
}

func (c *Client) greet() {
	c.out.word(clientMagic)
	c.out.word(ourVersion)
}

// greeted reads the server's greeting.
func (c *Client) greeted() error {
	first, err := c.in.r.Peek(8)
	if len(first) < 8 {
		if len(first) > 0 {
			return notServe(first)
		}
		return noEOF(err)
	}
	if binary.LittleEndian.Uint64(first) != serverMagic {
		time.AfterFunc(200*time.Millisecond, func() { c.stream.Close() }) // enough to see the rest of a line
		first, _ = c.in.r.Peek(256)
		return notServe(first)
	}
	c.in.word()
	if c.version, err = c.in.word(); err != nil {
		return noEOF(err)
	}
	if c.version < minVersion || c.version>>8 != ourVersion>>8 {
		return fmt.Errorf("%w: the server speaks version %d.%d of the protocol, 2.5 (Nix 2.4) is needed",
			ErrTooOld, c.version>>8, c.version&0xff)
	}
	return nil
}

func notServe(printed []byte) error {
	return fmt.Errorf("%w: the far end printed %q (its shell's start-up files must print nothing for commands)",
		ErrNotServe, truncate(string(printed), 200))
}

// Version is the server's protocol version as major and minor number, such as 2, 7 of Nix 2.8.
func (c *Client) Version() (major, minor int) { return int(c.version >> 8), int(c.version & 0xff) }

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

// do runs one exchange. It takes the session's turn, ends the stream when the context ends, and on any error ends the
// session and finds out what the server had to say.
func (c *Client) do(ctx context.Context, exchange func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := ctx.Err(); err != nil { // nothing was sent: the session lives on
		return context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { c.stream.Close() })
	err := exchange()
	if !stop() && err == nil {
		err = context.Cause(ctx) // the answer came, the stream is gone
	}
	if err == nil {
		return nil
	}
	c.err = c.end(ctx, err)
	return c.err
}

// end shuts the stream after err and says what happened: the context's end before the server's words before err.
func (c *Client) end(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		c.stream.Close()
		waitAtMost(c.stream, endGrace)
		return context.Cause(ctx)
	}
	c.stream.CloseWrite()
	return c.explain(err, waitAtMost(c.stream, endGrace))
}

// explain adds the server's last words to an error that its end explains.
func (c *Client) explain(err, exit error) error {
	stderr := c.stream.Stderr()
	status, _ := exitStatus(exit)
	kind := kindOf(stderr, status)
	var path *PathError
	own := errors.As(err, &path) || !isStreamEnd(err) && err != exit
	if own && kind != ErrNoServer { // our own finding, such as a malformed reply, explains itself
		return err
	}
	if exit == nil {
		exit = err
	}
	why := reason(stderr)
	if c.compressed != nil && why != "" { // the decompressor's words come before the server's
		why = truncate(strings.TrimSpace(stripANSI(stderr)), 2000)
	}
	return &ServerError{Reason: why, Stderr: stderr, Kind: kind, Err: exit}
}

// isStreamEnd tells whether err says no more than that the stream broke or ended.
func isStreamEnd(err error) bool {
	var s streamError
	return errors.As(err, &s) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
