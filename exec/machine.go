package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

// ask runs a shell script of ours on a machine and returns what it prints. The
// script is fixed text; whatever varies is in the arguments. An answer that
// takes too long is an error.
func (j *job) ask(ctx context.Context, m Machine, text string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, j.opts.AnswerTimeout, fmt.Errorf("no answer within %v", j.opts.AnswerTimeout))
	defer cancel()
	var out bytes.Buffer
	err := m.Run(ctx, append([]string{"/bin/sh", "-c", text, "sh"}, args...), &out, nil)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.String(), err
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
