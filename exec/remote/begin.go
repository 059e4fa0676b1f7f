package remote

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
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
	return r.stream.channel.Read(p)
}

// skip reads up to the marker.
func (r *stdoutReader) skip() error {
	buf := make([]byte, 4<<10)
	for !r.found {
		n, err := r.stream.channel.Read(buf)
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

// readStderr reads stderr to its end.
func (s *Stream) readStderr(marker string) {
	defer close(s.stderrRead)
	f := &pidFilter{
		marker: []byte(marker + " "),
		out:    io.MultiWriter(&s.stderr, s.stderrOut),
		begun: func(pid int) {
			s.pid <- pid
			s.markBegun()
		},
	}
	io.Copy(f, s.channel.Stderr())
	if f.err != nil {
		s.fail(f.err)
	}
	f.flush()
}

// A pidFilter passes stderr on without the marker's line, which reports the process id. The login shell may have printed
// something before the marker, with or without a newline.
type pidFilter struct {
	marker []byte
	begun  func(pid int)
	out    io.Writer
	held   []byte // may be the beginning of the marker's line
	before int    // bytes passed on before the marker
	found  bool
	err    error
}

// maxPIDText is how long a process id can be.
const maxPIDText = 20

func (f *pidFilter) Write(p []byte) (int, error) {
	if f.found {
		return f.out.Write(p)
	}
	f.held = append(f.held, p...)
	i := bytes.Index(f.held, f.marker)
	if i < 0 {
		return len(p), f.passNoise()
	}
	f.pass(i)
	rest := f.held[len(f.marker):]
	end := bytes.IndexByte(rest, '\n')
	if end < 0 && len(rest) <= maxPIDText {
		return len(p), nil
	}
	f.found = true
	if end >= 0 {
		if pid, err := strconv.Atoi(string(rest[:end])); err == nil && pid > 1 {
			f.begun(pid)
			f.held = rest[end+1:]
		}
	}
	f.flush()
	return len(p), nil
}

// passNoise passes on all that cannot be the beginning of the marker.
func (f *pidFilter) passNoise() error {
	keep := min(len(f.held), len(f.marker)-1)
	for !bytes.HasPrefix(f.marker, f.held[len(f.held)-keep:]) {
		keep--
	}
	n := len(f.held) - keep
	if f.before += n; f.before > maxLoginOutput {
		f.err = errLoginOutput(f.held)
		return f.err
	}
	f.pass(n)
	return nil
}

// pass passes on the first n bytes held.
func (f *pidFilter) pass(n int) {
	if n > 0 {
		f.out.Write(f.held[:n])
		f.held = f.held[n:]
	}
}

func (f *pidFilter) flush() { f.pass(len(f.held)) }

// A tail keeps the last max bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	max int
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 2*t.max { // not at every write, for it moves max bytes
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.max:]...)
	}
	return len(p), nil
}

func (t *tail) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.buf[max(0, len(t.buf)-t.max):])
}
