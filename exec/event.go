package exec

import (
	"encoding/json"
	"fmt"
	"time"
)

// An Event is a fact about a run: one of [StageStarted], [StageEnded],
// [Progressed], [Said], [Found], [Checked], [WaveStarted], [Paused],
// [UndoChosen], [JournalFailed] and [HostEnded]. Events are plain data and never hold a
// secret.
type Event interface {
	// Name is what journals and JSON output call the event. It never changes.
	Name() string
	event()
}

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

// Found says that something about a host is not as it should be.
type Found struct {
	Host string `json:"host"`
	Finding
}

// Checked says how one try of a health check went.
type Checked struct {
	Host  string `json:"host"`
	Check string `json:"check"`
	Err   string `json:"error,omitempty"`
}

// WaveStarted says that the hosts of a wave may activate. Waves count from 1.
type WaveStarted struct {
	Wave  int `json:"wave"`
	Of    int `json:"of"`
	Hosts int `json:"hosts"`
}

// Paused says that a wave begins after a while.
type Paused struct {
	Wave int           `json:"wave"`
	For  time.Duration `json:"for_ns"`
}

// UndoChosen says which run's deployment a rollback undoes, and on how many of its
// hosts. Those that were not reached may have had a later one.
type UndoChosen struct {
	Run        string `json:"run"`
	Who        string `json:"who,omitempty"`
	Hosts      int    `json:"hosts"`
	NotReached int    `json:"not_reached,omitempty"`
}

// JournalFailed says that the run goes on without a journal.
type JournalFailed struct {
	Err string `json:"error"`
}

// HostEnded says that all is done for a host.
type HostEnded struct {
	Outcome Outcome `json:"outcome"`
}

func (StageStarted) Name() string  { return "StageStarted" }
func (StageEnded) Name() string    { return "StageEnded" }
func (Progressed) Name() string    { return "Progressed" }
func (Said) Name() string          { return "Said" }
func (Found) Name() string         { return "Found" }
func (Checked) Name() string       { return "Checked" }
func (WaveStarted) Name() string   { return "WaveStarted" }
func (Paused) Name() string        { return "Paused" }
func (UndoChosen) Name() string    { return "UndoChosen" }
func (JournalFailed) Name() string { return "JournalFailed" }
func (HostEnded) Name() string     { return "HostEnded" }

func (StageStarted) event()  {}
func (StageEnded) event()    {}
func (Progressed) event()    {}
func (Said) event()          {}
func (Found) event()         {}
func (Checked) event()       {}
func (WaveStarted) event()   {}
func (Paused) event()        {}
func (UndoChosen) event()    {}
func (JournalFailed) event() {}
func (HostEnded) event()     {}

// decoders read events by their names.
var decoders = map[string]func(json.RawMessage) (Event, error){}

func init() {
	decodes[StageStarted]()
	decodes[StageEnded]()
	decodes[Progressed]()
	decodes[Said]()
	decodes[Found]()
	decodes[Checked]()
	decodes[WaveStarted]()
	decodes[Paused]()
	decodes[UndoChosen]()
	decodes[JournalFailed]()
	decodes[HostEnded]()
}

// decodes adds the decoder of one type of event.
func decodes[E Event]() {
	var zero E
	decoders[zero.Name()] = func(data json.RawMessage) (Event, error) {
		var e E
		err := json.Unmarshal(data, &e)
		return e, err
	}
}

// DecodeEvent reads an event that was saved under a name.
func DecodeEvent(name string, data json.RawMessage) (Event, error) {
	decode, ok := decoders[name]
	if !ok {
		return nil, fmt.Errorf("unknown event %q", name)
	}
	return decode(data)
}
