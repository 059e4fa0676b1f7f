package nixserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"muster/compile/store"
)

// A Sender writes the archive of a path: exactly info.NARSize bytes that hash to info.NARHash, or an error.
type Sender func(ctx context.Context, info PathInfo, w io.Writer) error

// Send adds paths to the store, which must come references first. It writes them without waiting for the answer to each:
// see [flight] for what is under way at a time. It returns how many the server has confirmed, and calls confirmed,
// which may be nil, for each. What was confirmed is registered whatever happens after; nothing else is.
func (c *Client) Send(ctx context.Context, infos []PathInfo, nar Sender, confirmed func(PathInfo)) (int, error) {
	if len(infos) == 0 {
		return 0, ctx.Err()
	}
	done := 0
	err := c.do(ctx, func() error {
		answers := make(chan error, 1)
		under := newFlight(c.stream)
		go func() {
			defer under.end()
			var err error
			if c.packed != nil {
				err = c.greeted()
			}
			for done < len(infos) && err == nil {
				if err = c.answer(); err == nil {
					under.landed(infos[done].NARSize)
					if confirmed != nil {
						confirmed(infos[done])
					}
					done++
				}
			}
			if err != nil && !isStreamEnd(err) {
				c.stream.Close() // the writer may be waiting for a server that has gone mad
			}
			answers <- err
		}()

		if c.packed != nil {
			c.greet()
		}
		err := c.write(ctx, infos, nar, under)
		if err == nil && c.packed != nil {
			err = c.stream.CloseWrite() // only now comes the end of what was sent out of the decompressor
		}
		if err != nil {
			c.out.w.Flush()       // whole archives before the broken one are welcome
			c.stream.CloseWrite() // the server ends, and the answers with it
			stuck := time.AfterFunc(endGrace, func() { c.stream.Close() })
			answerErr := <-answers
			stuck.Stop()
			if isStreamEnd(err) && answerErr != nil {
				err = answerErr
			}
			return err
		}
		return <-answers
	})
	var server *ServerError
	if errors.As(err, &server) && done < len(infos) {
		server.Path = infos[done].Path
	}
	if err != nil {
		return done, fmt.Errorf("send paths: %w", err)
	}
	return done, nil
}

// answer reads the answer to one addition.
func (c *Client) answer() error {
	n, err := c.in.word()
	if err != nil {
		return noEOF(err)
	}
	if n != 1 {
		return malformed("%#x for an added path, want 1", n)
	}
	return nil
}

// write writes all the requests and archives.
func (c *Client) write(ctx context.Context, infos []PathInfo, nar Sender, under *flight) error {
	for _, info := range infos {
		if c.packed == nil && under.full() {
			if err := c.out.w.Flush(); err != nil {
				return err
			}
			under.wait()
		}
		under.sent(info.NARSize)
		c.addToStoreNAR(info)
		body := exactWriter{client: c, left: info.NARSize}
		if err := nar(ctx, info, &body); err != nil {
			if body.err != nil {
				return body.err // the stream broke, whatever the sender makes of it
			}
			return &PathError{Op: "read", Path: info.Path, Err: err}
		}
		if body.left != 0 {
			return &PathError{Op: "read", Path: info.Path,
				Err: fmt.Errorf("%w: its archive lacks %d of %d bytes", ErrCorrupt, body.left, info.NARSize)}
		}
	}
	return c.out.w.Flush()
}

// addToStoreNAR writes a request up to the archive.
func (c *Client) addToStoreNAR(info PathInfo) {
	c.out.word(cmdAddToStoreNar)
	c.out.string(string(info.Path))
	c.out.string(string(info.Deriver))
	c.out.string(info.NARHash.Base16())
	c.out.paths(info.References)
	c.out.word(0) // registration time: now
	c.out.word(uint64(info.NARSize))
	c.out.bool(false) // ultimate: trusted without signature because built there
	c.out.strings(info.Signatures)
	c.out.string(info.CA)
}

// exactWriter takes no more than the bytes announced: one more would be read as the next request.
type exactWriter struct {
	client *Client
	left   int64
	err    error // of the stream
}

var errTooLong = fmt.Errorf("%w: its archive is longer than recorded", ErrCorrupt)

func (e *exactWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > e.left {
		return 0, errTooLong
	}
	n, err := e.client.out.w.Write(p)
	e.left -= int64(n)
	if err != nil {
		e.err = err
	}
	return n, err
}

func (e *exactWriter) takesFrames() bool { return e.client.packed != nil }

func (e *exactWriter) writeFrame(size int, frame []byte) error {
	if int64(size) > e.left {
		return errTooLong
	}
	e.err = e.client.out.w.Flush()
	if e.err == nil {
		e.err = e.client.packed.writeFrame(frame)
	}
	e.left -= int64(size)
	return e.err
}

// A Source is where paths are copied from.
type Source interface {
	// Closure returns the infos of paths and of all they refer to, references first. The slice is the caller's.
	Closure(ctx context.Context, paths []store.Path) ([]PathInfo, error)
	// NAR is a Sender: it writes the archive of a path of the closure, or fails with ErrCorrupt if it is not what info says.
	NAR(ctx context.Context, info PathInfo, w io.Writer) error
}
