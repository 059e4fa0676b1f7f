package nixserve

import (
	"errors"
	"io"
	"strings"
	"time"
)

// A Stream is a running `nix-store --serve`, local or remote. CloseWrite, Close, Wait and Stderr may be called from several
// goroutines and more than once; Wait only after the last Read.
type Stream interface {
	io.Reader          // its standard output
	io.Writer          // its standard input
	CloseWrite() error // closes its standard input, at which an idle server ends by itself
	Close() error      // ends it at once; pending reads and writes return
	Wait() error       // blocks until it has ended; nil after exit status 0, else an error with an ExitCode or ExitStatus
	Stderr() string    // what it has written to standard error, all of it once Wait has returned
}

// markedStream makes the errors of a stream streamErrors.
type markedStream struct{ s Stream }

// A streamError is an error of the stream itself, and not about what came through it.
type streamError struct{ err error }

func (e streamError) Error() string { return e.err.Error() }
func (e streamError) Unwrap() error { return e.err }

func (m markedStream) Read(p []byte) (int, error) {
	n, err := m.s.Read(p)
	if err != nil && err != io.EOF {
		err = streamError{err}
	}
	return n, err
}

func (m markedStream) Write(p []byte) (int, error) {
	n, err := m.s.Write(p)
	if err != nil {
		err = streamError{err}
	}
	return n, err
}

// waitAtMost waits for the process behind a stream that is about to end, and kills it when it takes longer than grace. It
// drops what the process still prints: one whose output is not read may never end.
func waitAtMost(s Stream, grace time.Duration) error {
	ended := make(chan error, 1)
	go func() {
		io.Copy(io.Discard, s)
		ended <- s.Wait()
	}()
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case err := <-ended:
		s.Close()
		return err
	case <-t.C:
	}
	s.Close()
	// A lost connection may never report an exit status, so this wait is limited as well.
	t.Reset(grace)
	select {
	case err := <-ended:
		return err
	case <-t.C:
		return errors.New("the server did not end")
	}
}

// exitStatus finds a process's exit status in the error of Wait, as os/exec and x/crypto/ssh report it.
func exitStatus(err error) (int, bool) {
	var code interface{ ExitCode() int }
	if errors.As(err, &code) {
		return code.ExitCode(), true
	}
	var status interface{ ExitStatus() int }
	if errors.As(err, &status) {
		return status.ExitStatus(), true
	}
	return 0, false
}

// reason picks from standard error what a user should read: the text after the last "error:", or else the last lines,
// without Nix's colours.
func reason(stderr string) string {
	const enough = 2000
	text := strings.TrimSpace(stripANSI(stderr))
	if i := strings.LastIndex(text, "error: "); i >= 0 {
		return truncate(strings.TrimSpace(text[i+len("error: "):]), enough)
	}
	if len(text) > enough {
		text = text[len(text)-enough:]
		text = text[strings.IndexByte(text, '\n')+1:]
	}
	return text
}

// stripANSI removes the colour sequences ESC [ … m.
func stripANSI(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		s = s[i+2:]
		end := strings.IndexFunc(s, func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			return b.String()
		}
		s = s[end+1:]
	}
	b.WriteString(s)
	return b.String()
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
