package nixserve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A NARFunc writes the archive of a path to w: exactly info.NARSize bytes that hash to info.NARHash, or an error. What Send
// passes as w is a [CompressedWriter].
type NARFunc func(ctx context.Context, info PathInfo, w io.Writer) error

// A CompressedWriter takes the bytes of an archive, or parts of zstd frames that hold them.
type CompressedWriter interface {
	io.Writer
	TakesCompressed() bool                        // whether WriteCompressed may be called, as in a session of NewOneWay
	WriteCompressed(size int, frame []byte) error // a part of a frame that holds size bytes
}

// A Window limits how much Send has sent and not seen confirmed, and is told what is confirmed.
type Window interface {
	// Acquire is called before a path is sent. It may wait for confirmations; before that, it must call flush.
	Acquire(info PathInfo, flush func() error) error
	// Confirmed is called for each path that the server has registered, in another goroutine than Acquire.
	Confirmed(info PathInfo)
	// Close is called when no more paths will be confirmed. It ends a wait in Acquire.
	Close()
}

// unlimited is the window of a Send without one.
type unlimited struct{}

func (unlimited) Acquire(PathInfo, func() error) error { return nil }
func (unlimited) Confirmed(PathInfo)                   {}
func (unlimited) Close()                               {}

// Send adds paths to the store, which must come references first. It does not wait for the answer to each: window, which
// may be nil, limits what is unanswered. It returns how many paths the server has confirmed. What was confirmed is
// registered whatever happens after; nothing else is.
func (c *Client) Send(ctx context.Context, infos []PathInfo, nar NARFunc, window Window) (int, error) {
	if len(infos) == 0 {
		return 0, ctx.Err()
	}
	if window == nil {
		window = unlimited{}
	}
	s := &sending{Client: c, infos: infos, window: window}
	err := c.do(ctx, func() error { return s.run(ctx, nar) })
	var server *ServerError
	if errors.As(err, &server) && s.confirmed < len(infos) {
		server.Path = infos[s.confirmed].Path
	}
	if err != nil {
		return s.confirmed, fmt.Errorf("send paths: %w", err)
	}
	return s.confirmed, nil
}

// A sending is a Send in progress: one goroutine writes requests, another reads the answers.
type sending struct {
	*Client
	infos     []PathInfo
	window    Window
	confirmed int // of infos; the reader's until it has ended
}

func (s *sending) run(ctx context.Context, nar NARFunc) error {
	answers := make(chan error, 1)
	go func() { answers <- s.readAnswers() }()
	err := s.writeRequests(ctx, nar)
	if err == nil {
		return <-answers
	}
	s.out.Flush()         // the archives before the broken one are whole
	s.stream.CloseWrite() // the server ends, and the answers with it
	stuck := time.AfterFunc(endGrace, func() { s.stream.Close() })
	answerErr := <-answers
	stuck.Stop()
	if isStreamEnd(err) && answerErr != nil {
		return answerErr
	}
	return err
}

func (s *sending) readAnswers() (err error) {
	defer s.window.Close()
	defer func() {
		if err != nil && !isStreamEnd(err) {
			s.stream.Close() // the writer may wait for a server that does not read any more
		}
	}()
	if s.compressed != nil {
		if err := s.readGreeting(); err != nil {
			return err
		}
	}
	for _, info := range s.infos {
		n, err := s.in.Uint64()
		if err != nil {
			return err
		}
		if n != 1 {
			return malformed("%#x for an added path, want 1", n)
		}
		s.window.Confirmed(info)
		s.confirmed++
	}
	return nil
}

// writeRequests writes all requests and archives.
func (s *sending) writeRequests(ctx context.Context, nar NARFunc) error {
	if s.compressed != nil {
		s.greet()
	}
	flush := s.out.Flush
	for _, info := range s.infos {
		if err := s.window.Acquire(info, flush); err != nil {
			return err
		}
		if err := s.addToStoreNAR(ctx, info, nar); err != nil {
			return err
		}
	}
	if err := s.out.Flush(); err != nil || s.compressed == nil {
		return err
	}
	if err := s.stream.CloseWrite(); err != nil { // the decompressor holds back the end of its output until then
		return streamError{err}
	}
	return nil
}

// addToStoreNAR writes one request with its archive.
func (s *sending) addToStoreNAR(ctx context.Context, info PathInfo, nar NARFunc) error {
	s.putAddToStoreNAR(info)
	body := narBody{client: s.Client, left: info.NARSize}
	if err := nar(ctx, info, &body); err != nil {
		if body.err != nil {
			return body.err // the stream broke, whatever nar makes of it
		}
		return &PathError{Op: "read", Path: info.Path, Err: err}
	}
	if body.left != 0 {
		return &PathError{Op: "read", Path: info.Path,
			Err: fmt.Errorf("%w: its archive lacks %d of %d bytes", ErrCorrupt, body.left, info.NARSize)}
	}
	return nil
}

// putAddToStoreNAR writes what comes before the archive.
func (c *Client) putAddToStoreNAR(info PathInfo) {
	c.out.PutUint64(cmdAddToStoreNar)
	c.out.PutString(string(info.Path))
	c.out.PutString(string(info.Deriver))
	c.out.PutString(info.NARHash.Base16())
	c.out.PutPaths(info.References)
	c.out.PutUint64(0) // registration time: now
	c.out.PutUint64(uint64(info.NARSize))
	c.out.PutBool(false) // ultimate: trusted without signature because built there
	c.out.PutStrings(info.Signatures)
	c.out.PutString(info.CA)
}

// A narBody takes the archive of one request, and no more bytes than were announced: the server would read one more as the
// next request.
type narBody struct {
	client *Client
	left   int64
	err    error // of the stream
}

// ErrTooLong says that an archive has more bytes than its path's info announces. It is an ErrCorrupt.
var ErrTooLong = fmt.Errorf("%w: its archive is longer than recorded", ErrCorrupt)

func (b *narBody) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, ErrTooLong
	}
	n, err := b.client.out.Write(p)
	b.left -= int64(n)
	if err != nil {
		b.err = err
	}
	return n, err
}

func (b *narBody) TakesCompressed() bool { return b.client.compressed != nil }

func (b *narBody) WriteCompressed(size int, frame []byte) error {
	if int64(size) > b.left {
		return ErrTooLong
	}
	b.err = b.client.out.Flush()
	if b.err == nil {
		if err := b.client.compressed.WriteCompressed(frame); err != nil {
			b.err = streamError{err}
		}
	}
	b.left -= int64(size)
	return b.err
}
