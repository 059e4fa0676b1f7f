package ui

import (
	"encoding/json"
	"io"
	"time"

	"muster/exec"
)

// NewJSON returns a reporter that prints each event as a line of JSON, as
// [exec.EventSchema] has it.
func NewJSON(w io.Writer) Reporter { return &jsonLines{enc: json.NewEncoder(jsonWriter{w})} }

type jsonLines struct {
	enc *json.Encoder
	run string
}

func (j *jsonLines) Doing(string, ...any) {}

func (j *jsonLines) Note(string, ...any) {}

func (j *jsonLines) Begin(r Run) { j.run = r.ID }

func (j *jsonLines) Event(e exec.Event) { j.enc.Encode(exec.NewLine(time.Now(), j.run, e)) }

func (j *jsonLines) Interrupted() {}

func (j *jsonLines) End([]exec.Outcome) {}

func (j *jsonLines) Asking(ask func() error) error { return ask() }

func (j *jsonLines) Around(errs io.Writer) io.Writer { return errs }

func (j *jsonLines) Close() {}
