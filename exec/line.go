package exec

import (
	_ "embed"
	"time"
)

// LineVersion is the version of [Line]. It changes when what a line says is no longer read
// as before; new fields and new events do not change it.
const LineVersion = 1

// A Line is an event as --output json prints it, one a line.
type Line struct {
	Time    time.Time `json:"time"` // in UTC
	Run     string    `json:"run,omitempty"`
	Version int       `json:"version"`
	Event   string    `json:"event"` // [Event.Name]
	Data    Event     `json:"data"`
}

// NewLine is the line of an event of a run.
func NewLine(at time.Time, run string, e Event) Line {
	return Line{Time: at.UTC(), Run: run, Version: LineVersion, Event: e.Name(), Data: e}
}

// EventSchema is the JSON Schema (2020-12) of a [Line]. A test makes it of the types of the
// events.
//
//go:embed events.schema.json
var EventSchema string
