package storelab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"muster/compile/store"
)

// A Fake is a stream to a server that a test has written, as package nixserve wants one.
type Fake struct {
	toServer *io.PipeWriter
	in       *io.PipeReader // the server's standard input
	toClient *io.PipeReader
	out      *io.PipeWriter // the server's standard output
	mu       sync.Mutex
	stderr   string
	ended    chan struct{}
	err      error
}

// exit is how a process ended.
type exit int

func (e exit) Error() string   { return fmt.Sprintf("exit status %d", int(e)) }
func (e exit) ExitStatus() int { return int(e) }

// A Server is a made-up nix-store --serve. It returns what it has written to standard error, and its exit status.
type Server func(in *bufio.Reader, out io.Writer) (stderr string, status int)

// Serve runs a server until its end.
func Serve(t TB, serve Server) *Fake {
	f := &Fake{ended: make(chan struct{})}
	f.in, f.toServer = io.Pipe()
	f.toClient, f.out = io.Pipe()
	go func() {
		defer close(f.ended)
		stderr, status := serve(bufio.NewReader(f.in), f.out)
		f.mu.Lock()
		f.stderr = stderr
		f.mu.Unlock()
		if status != 0 {
			f.err = exit(status)
		}
		f.in.CloseWithError(errors.New("broken pipe"))
		f.out.Close()
	}()
	t.Cleanup(func() {
		f.Close()
		<-f.ended
	})
	return f
}

func (f *Fake) Read(p []byte) (int, error)  { return f.toClient.Read(p) }
func (f *Fake) Write(p []byte) (int, error) { return f.toServer.Write(p) }
func (f *Fake) CloseWrite() error           { return f.toServer.Close() }
func (f *Fake) Close() error {
	f.in.CloseWithError(errors.New("killed"))
	f.out.CloseWithError(errors.New("killed"))
	return nil
}
func (f *Fake) Wait() error {
	<-f.ended
	return f.err
}
func (f *Fake) Stderr() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stderr
}

// Words are numbers as the protocol writes them.
func Words(list ...uint64) []byte {
	return wire(func(w store.WireWriter) {
		for _, n := range list {
			w.PutUint64(n)
		}
	})
}

// String is a string as the protocol writes it.
func String(s string) []byte {
	return wire(func(w store.WireWriter) { w.PutString(s) })
}

func wire(write func(store.WireWriter)) []byte {
	var b bytes.Buffer
	w := store.WireWriter{Writer: bufio.NewWriter(&b)}
	write(w)
	w.Flush() // to memory
	return b.Bytes()
}

// ServerMagic begins a server's greeting.
const ServerMagic = 0x5452eecb

// Greeted is a server of version 2.7 that greets and goes on with serve.
func Greeted(serve Server) Server {
	return func(in *bufio.Reader, out io.Writer) (string, int) {
		in.Discard(16)
		out.Write(Words(ServerMagic, 2<<8|7))
		return serve(in, out)
	}
}
