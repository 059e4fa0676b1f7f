package exec

import "time"

// An Event is a fact about a run: one of [StageStarted], [StageEnded],
// [Progressed], [Said] or [HostEnded]. Events are plain data and never hold a
// secret.
type Event interface{ event() }

// A Sink takes the events of a run, one at a time.
type Sink func(Event)

// StageStarted says that a host began a stage.
type StageStarted struct {
	Host  string `json:"host"`
	Stage Stage  `json:"stage"`
}

// StageEnded says that a host ended a stage, and why where it failed.
type StageEnded struct {
	Host  string        `json:"host"`
	Stage Stage         `json:"stage"`
	Took  time.Duration `json:"took_ns"`
	Err   string        `json:"error,omitempty"`
}

// Progressed says how far a stage has come: bytes of archives to copy.
type Progressed struct {
	Host  string `json:"host"`
	Stage Stage  `json:"stage"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

// Said is a line that the work itself printed: a build, an activation.
type Said struct {
	Host  string `json:"host"`
	Stage Stage  `json:"stage"`
	Line  string `json:"line"`
}

// HostEnded says that all is done for a host.
type HostEnded struct {
	Outcome Outcome `json:"outcome"`
}

func (StageStarted) event() {}
func (StageEnded) event()   {}
func (Progressed) event()   {}
func (Said) event()         {}
func (HostEnded) event()    {}
