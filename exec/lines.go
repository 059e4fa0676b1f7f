package exec

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"muster/exec/human"
)

// A lineWriter hands on whole lines.
type lineWriter struct {
	mu   sync.Mutex
	line func(string)
	part []byte
	cut  int64 // bytes of the line that are dropped
}

// maxLine is how many bytes of a line are kept. Of a longer line, the rest is
// counted.
const maxLine = 4096

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for rest := p; len(rest) > 0; {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		kept := min(len(line), maxLine-len(w.part))
		w.part = append(w.part, line[:kept]...)
		w.cut += int64(len(line) - kept)
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
	line := strings.TrimRight(string(w.part), "\r")
	if w.cut > 0 {
		line += fmt.Sprintf(" (muster: %s of this line left out)", human.Bytes(w.cut))
	}
	w.line(line)
	w.part, w.cut = w.part[:0], 0
}

// outputs are what the stages print on one host.
type outputs struct {
	emit func(s Stage, line string)

	mu  sync.Mutex
	all map[Stage]*output // of the stages that have printed something
}

// of is what a stage prints.
func (o *outputs) of(s Stage) *output {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = map[Stage]*output{}
	}
	if o.all[s] == nil {
		limit := int64(maxOutput)
		if s == RunCommand {
			limit = maxCommandOutput
		}
		o.all[s] = &output{full: limit, emit: func(line string) { o.emit(s, line) }}
	}
	return o.all[s]
}

// An output is what one stage prints on one host. It hands on lines up to a limit,
// counts the rest and keeps its end, so that no host can fill the journal and the
// terminal.
type output struct {
	emit func(line string)
	full int64 // the limit

	mu    sync.Mutex
	taken int64    // bytes that the lines handed on take in a journal
	left  int64    // bytes left out
	last  []string // the end of what was left out
}

const (
	// maxOutput is how much one stage may print on one host, in bytes of the
	// journal.
	maxOutput = 256 << 10
	// maxCommandOutput is the same for muster exec, which keeps no journal and
	// whose output is what the user asked for.
	maxCommandOutput = 4 << 20
	// lineOverhead is what an event takes in the journal beside its line.
	lineOverhead = 128
	// The end of a longer output: as many lines as a failed build shows.
	endLines   = 10
	maxEndLine = 1024
)

func (o *output) line(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	size := lineOverhead + jsonSize(text)
	if o.left == 0 && o.taken+size <= o.full {
		o.taken += size
		o.emit(text)
		return
	}
	if o.left == 0 {
		o.emit(fmt.Sprintf("muster: output left out after %s", human.Bytes(o.taken)))
	}
	o.left += int64(len(text)) + 1
	if len(o.last) == endLines {
		o.last = append(o.last[:0], o.last[1:]...)
	}
	o.last = append(o.last, text[:min(len(text), maxEndLine)])
}

// end says how much was left out, and hands on the end of it.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left == 0 {
		return
	}
	o.emit(fmt.Sprintf("muster: %s of output left out; its end:", human.Bytes(o.left)))
	for _, line := range o.last {
		o.emit(line)
	}
	o.taken, o.left, o.last = 0, 0, nil
}

// jsonSize is how many bytes a text takes at most in JSON.
func jsonSize(text string) int64 {
	n := 0
	for _, r := range text {
		switch {
		case r < ' ' || r == utf8.RuneError || r == '\u2028' || r == '\u2029' || strings.ContainsRune(`"\<>&`, r):
			n += len(`\u0000`)
		default:
			n += utf8.RuneLen(r)
		}
	}
	return int64(n)
}

// maxText is how many bytes of an error or a finding are reported.
const maxText = 4096

// clip shortens a text that a host may have made long.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + fmt.Sprintf("… (%s left out)", human.Bytes(int64(len(s)-maxText)))
}

// clipped is an error with a text of bounded length.
func clipped(err error) error {
	if err == nil || len(err.Error()) <= maxText {
		return err
	}
	return &clippedError{err}
}

type clippedError struct{ err error }

func (e *clippedError) Error() string { return clip(e.err.Error()) }
func (e *clippedError) Unwrap() error { return e.err }

// oneLine joins the words of a text of several lines.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
