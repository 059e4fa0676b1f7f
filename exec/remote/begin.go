package remote

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// The login shell of a user can print whatever its start-up files say before it begins a command, and can hang in them.
// So the line that starts a command prints a marker on stdout and on stderr first, see line. Up to the marker, what is
// read is the login shell's, and has limits.
const (
	maxLoginOutput = 64 << 10        // bytes on stdout, and again on stderr, before a command begins
	beginLimit     = 2 * time.Minute // until a command begins
)

// errLoginOutput is the error of a login shell that prints more than maxLoginOutput.
func errLoginOutput(printed []byte) error {
	return fmt.Errorf("the login shell printed more than %d kB before the command began%s", maxLoginOutput>>10, quoteBeginning(printed))
}

// quoteBeginning quotes the beginning of a text for the end of a message.
func quoteBeginning(text []byte) string {
	const most = 100
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return ""
	case len(text) > most:
		return fmt.Sprintf(": %q...", strings.ToValidUTF8(string(text[:most]), ""))
	}
	return fmt.Sprintf(": %q", text)
}

// untilAborted reads what comes from a session until the session is given up. A server that goes on sending then is not
// read any more, and its window closes.
type untilAborted struct {
	io.Reader
	stream *Stream
}

func (r untilAborted) Read(p []byte) (int, error) {
	select {
	case <-r.stream.aborted:
		return 0, io.EOF
	default:
		return r.Reader.Read(p)
	}
}

// A stdoutReader is the stdout of a command, without what the login shell prints before the marker.
type stdoutReader struct {
	stream *Stream
	marker string // with its newline

	found  bool
	unread []byte // read together with the marker

	mu      sync.Mutex
	skipped []byte // before the marker
	err     error  // too much before the marker
}

func (r *stdoutReader) Read(p []byte) (int, error) {
	if !r.found {
		if err := r.skip(); err != nil {
			return 0, err
		}
	}
	if len(r.unread) > 0 {
		n := copy(p, r.unread)
		r.unread = r.unread[n:]
		return n, nil
	}
	return untilAborted{r.stream.channel, r.stream}.Read(p)
}

// skip reads up to the marker.
func (r *stdoutReader) skip() error {
	buf := make([]byte, 4<<10)
	for !r.found {
		n, err := untilAborted{r.stream.channel, r.stream}.Read(buf)
		if failed := r.take(buf[:n]); failed != nil {
			r.stream.fail(failed)
			return failed
		}
		if err != nil {
			return err
		}
	}
	r.stream.markBegun()
	return nil
}

// take looks for the marker in what is read.
func (r *stdoutReader) take(p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return r.err
	}
	searched := max(0, len(r.skipped)-len(r.marker))
	r.skipped = append(r.skipped, p...)
	if i := bytes.Index(r.skipped[searched:], []byte(r.marker)); i >= 0 {
		i += searched
		r.found, r.unread, r.skipped = true, r.skipped[i+len(r.marker):], nil
	} else if len(r.skipped) > maxLoginOutput {
		r.err = errLoginOutput(r.skipped)
	}
	return r.err
}

// printed is what the login shell has printed so far, if the command has not begun.
func (r *stdoutReader) printed() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.skipped)
}
