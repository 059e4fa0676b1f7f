package cmd

import (
	"bytes"
	"io"
	"sync"
)

// A warningWriter holds warnings back until it is known whether there are errors, which
// are printed first: the fleet's own warnings shall not hide them.
type warningWriter struct {
	mu   sync.Mutex
	w    io.Writer
	held bytes.Buffer
}

// mostHeld is how many bytes of warnings are held.
const mostHeld = 1 << 20

// Write holds a warning. What builtins.trace says is printed at once: it is there to
// follow an evaluation, and some do not end.
func (h *warningWriter) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if bytes.HasPrefix(p, []byte("trace: ")) && !bytes.HasPrefix(p, []byte("trace: warning:")) {
		return h.w.Write(p)
	}
	if h.held.Len()+len(p) > mostHeld {
		if err := h.print(); err != nil {
			return 0, err
		}
	}
	return h.held.Write(p)
}

// show prints what is held.
func (h *warningWriter) show() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.print() // as of all writes to standard error
}

// Unwrap returns where the warnings go.
func (h *warningWriter) Unwrap() io.Writer { return h.w }

func (h *warningWriter) print() error {
	_, err := h.held.WriteTo(h.w)
	return err
}
