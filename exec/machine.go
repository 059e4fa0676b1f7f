package exec

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"muster/compile/store"
	"muster/exec/nixserve"
	"muster/schema"
)

// A Machine is a host, connected. Its methods may be called side by side.
type Machine interface {
	// Run runs a command as root to its end. The words of the command arrive
	// as they are.
	Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error
	// Serve starts nix-store --serve --write.
	Serve(ctx context.Context) (nixserve.Stream, error)
	Close() error
}

// ErrUnreachable says that nothing answers where a host should be.
var ErrUnreachable = errors.New("unreachable")

// Connect reaches a host. An error is an [ErrUnreachable] where that is what
// it is.
type Connect func(ctx context.Context, host *schema.Host) (Machine, error)

// A Builder makes derivations of the local store into what they build.
type Builder interface {
	// Realise builds drv under the garbage collector root, a file name, and
	// returns what it built. Lines of the build go to log.
	Realise(ctx context.Context, drv store.Path, root string, log func(line string)) (store.Path, error)
}

// output runs a command and returns what it printed.
func output(ctx context.Context, m Machine, argv ...string) (string, error) {
	var out bytes.Buffer
	err := m.Run(ctx, argv, &out, nil)
	return out.String(), err
}

// script runs a shell script of ours with arguments; the script is fixed text,
// whatever varies is in the arguments.
func script(ctx context.Context, m Machine, text string, args ...string) (string, error) {
	return output(ctx, m, append([]string{"/bin/sh", "-c", text, "sh"}, args...)...)
}

// A lineWriter hands on whole lines.
type lineWriter struct {
	mu   sync.Mutex
	line func(string)
	part []byte
}

// maxLine is how much of a line is kept; what prints more has no lines.
const maxLine = 4096

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		if room := maxLine - len(w.part); room > 0 {
			w.part = append(w.part, line[:min(len(line), room)]...)
		}
		if whole {
			w.emit()
		}
		rest = after
	}
	return len(p), nil
}

// close hands on a last line that has no end.
func (w *lineWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.part) > 0 {
		w.emit()
	}
}

func (w *lineWriter) emit() {
	w.line(strings.TrimRight(string(w.part), "\r"))
	w.part = w.part[:0]
}
