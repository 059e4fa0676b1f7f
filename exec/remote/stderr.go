package remote

import (
	"bytes"
	"errors"
	"io"
	"strconv"
)

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
	io.Copy(f, untilAborted{s.channel.Stderr(), s})
	f.flush()
	if f.flooded {
		s.fail(errLoginOutput(s.Stderr()))
	}
}

// A pidFilter passes stderr on without the marker's line, which reports the process id. The login shell may have printed
// something before the marker, with or without a newline.
type pidFilter struct {
	marker []byte
	begun  func(pid int)
	out    io.Writer

	held    []byte // may be the beginning of the marker's line
	before  int    // bytes passed on before the marker
	found   bool
	flooded bool // too much came before the marker
}

var errFlooded = errors.New("too much before the marker")

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
	if end >= 0 && end <= maxPIDText {
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
		f.flooded = true
		return errFlooded
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
