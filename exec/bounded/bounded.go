// Package bounded keeps a limited part of what a program or a machine prints: the
// beginning, a [Head], or the end, a [Tail]. What is printed is foreign, and may not
// end.
package bounded

import (
	"bytes"
	"slices"
	"sync"
)

// A Head is a writer that keeps the first Limit bytes written to it. Several
// goroutines may write.
type Head struct {
	Limit int
	// Full, if not nil, is called for each write that exceeds the limit. The write
	// returns its error: with nil the rest is dropped, and the writer goes on.
	Full func() error

	mu       sync.Mutex
	kept     bytes.Buffer
	exceeded bool
}

func (h *Head) Write(p []byte) (int, error) {
	h.mu.Lock()
	n := min(len(p), h.Limit-h.kept.Len())
	h.kept.Write(p[:n])
	h.exceeded = h.exceeded || n < len(p)
	h.mu.Unlock()
	if n < len(p) && h.Full != nil {
		if err := h.Full(); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// Bytes returns what is kept. Later writes do not change it.
func (h *Head) Bytes() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clip(h.kept.Bytes())
}

func (h *Head) String() string { return string(h.Bytes()) }

// Exceeded reports whether something was not kept.
func (h *Head) Exceeded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.exceeded
}

// A Tail is a writer that keeps the last Limit bytes written to it. Several
// goroutines may write.
type Tail struct {
	Limit int

	mu   sync.Mutex
	text []byte
}

func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if len(t.text) > 2*t.Limit { // not at every write, for it moves Limit bytes
		t.text = append(t.text[:0], t.text[len(t.text)-t.Limit:]...)
	}
	return len(p), nil
}

// Bytes returns a copy of what is kept.
func (t *Tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return bytes.Clone(t.text[max(0, len(t.text)-t.Limit):])
}

func (t *Tail) String() string { return string(t.Bytes()) }
