package exec

import (
	"bytes"
	"strings"
	"sync"
)

// A lineWriter hands on whole lines.
type lineWriter struct {
	mu   sync.Mutex
	line func(string)
	part []byte
}

// maxLine is how many bytes of a line are kept. The rest of a longer line is
// dropped.
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

// oneLine joins the words of a text of several lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
