package nixserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A NARFunc writes the archive of a path to w: exactly info.NARSize bytes that hash to info.NARHash, or an error.
type NARFunc func(ctx context.Context, info PathInfo, w io.Writer) error

// A Window limits what was sent and is not confirmed yet, and is told what was confirmed.
type Window interface {
	// Acquire is called before a path is sent. It may wait for confirmations, after it has called flush.
	Acquire(info PathInfo, flush func() error) error
	// Confirmed is called for each path that the server has registered, from another goroutine.
	Confirmed(info PathInfo)
	// Close ends the wait in Acquire: no more paths will be confirmed.
	Close()
}

// Send adds paths to the store, each after what it refers to. It writes them without waiting for the answer to each, as
// far as window, which may be nil, allows. It returns how many the server has confirmed: these are registered whatever
// happens after, and nothing else is.
//
// In a session of NewOneWay the archives may be written compressed: see [NARWriter].
func (c *Client) Send(ctx context.Context, infos []PathInfo, nar NARFunc, window Window) (int, error) {
	if len(infos) == 0 {
		return 0, ctx.Err()
	}
	done := 0
	err := c.do(ctx, func() error {
		answers := make(chan error, 1)
		go func() {
			if window != nil {
				defer window.Close()
			}
			var err error
			if c.compressed != nil {
				err = c.greeted()
			}
			for done < len(infos) && err == nil {
				if err = c.answer(); err == nil {
					if window != nil {
						window.Confirmed(infos[done])
					}
					done++
				}
			}
			if err != nil && !isStreamEnd(err) {
				c.stream.Close() // the writer may be waiting for a server that has gone mad
			}
			answers <- err
		}()

		if c.compressed != nil {
			c.greet()
		}
		err := c.write(ctx, infos, nar, window)
		if err == nil && c.compressed != nil {
			if err = c.stream.CloseWrite(); err != nil { // only now comes the end of what was sent out of the decompressor
				err = streamError{err}
			}
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
func (c *Client) write(ctx context.Context, infos []PathInfo, nar NARFunc, window Window) error {
	flush := c.out.w.Flush
	for _, info := range infos {
		if window != nil {
			if err := window.Acquire(info, flush); err != nil {
				return err
			}
		}
		c.addToStoreNAR(info)
		body := NARWriter{client: c, left: info.NARSize}
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

// A NARWriter is what a [NARFunc] writes to in Send. It takes no more bytes than the path's info announces: the server
// would read one more as the next request.
type NARWriter struct {
	client *Client
	left   int64
	err    error // of the stream
}

// ErrTooLong says that an archive has more bytes than its path's info announces. It is an ErrCorrupt.
var ErrTooLong = fmt.Errorf("%w: its archive is longer than recorded", ErrCorrupt)

func (w *NARWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		return 0, ErrTooLong
	}
	n, err := w.client.out.w.Write(p)
	w.left -= int64(n)
	if err != nil {
		w.err = err
	}
	return n, err
}

// TakesCompressed reports whether WriteCompressed may be called: in a session of NewOneWay.
func (w *NARWriter) TakesCompressed() bool { return w.client.compressed != nil }

// WriteCompressed writes a part of a zstd frame that holds size bytes of the archive.
func (w *NARWriter) WriteCompressed(size int, frame []byte) error {
	if int64(size) > w.left {
		return ErrTooLong
	}
	w.err = w.client.out.w.Flush()
	if w.err == nil {
		if err := w.client.compressed.WriteCompressed(frame); err != nil {
			w.err = streamError{err}
		}
	}
	w.left -= int64(size)
	return w.err
}
