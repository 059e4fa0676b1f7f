package ui

import (
	"encoding/json"
	"io"

	"muster/exec"
)

// A Reporter shows a run while it goes, and its outcomes at the end.
type Reporter interface {
	// Note shows something about the run as a whole.
	Note(format string, args ...any)
	// Event shows an event. It is an [exec.Sink].
	Event(e exec.Event)
	// Asking leaves the terminal to a question until ask returns.
	Asking(ask func() error) error
	// End shows how the run ended.
	End(outcomes []exec.Outcome)
	// Close stops drawing. It may be called more than once.
	Close()
}

// A Hint says what the user can do about an error on a host, "" if there is
// nothing to say.
type Hint func(host string, err error) string

// NewJSON returns a reporter that prints each event as a line of JSON, with its
// kind.
func NewJSON(w io.Writer) Reporter { return &jsonLines{enc: json.NewEncoder(jsonWriter{w})} }

type jsonLines struct{ enc *json.Encoder }

func (j *jsonLines) Note(string, ...any) {}

func (j *jsonLines) Event(e exec.Event) {
	kind := e.Name()
	j.enc.Encode(map[string]any{"event": kind, "data": e})
}

func (j *jsonLines) End([]exec.Outcome) {}

func (j *jsonLines) Asking(ask func() error) error { return ask() }

func (j *jsonLines) Close() {}
