package exec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"muster/exec/host"
	"muster/exec/strictjson"
)

// An Event is a fact about a run: one of [StageStarted], [StageEnded],
// [Inspected], [Progressed], [Said], [Found], [Checked], [PackagesCompared], [WaveStarted], [Paused],
// [NodeChanged], [UndoChosen], [JournalFailed], [HostEnded], and of builds [BuildStarted], [BuildPhase],
// [BuildPrinted], [BuildEnded], [BuildsCounted], [BuilderLost] and [NixSaid]. Events are plain data and never hold a
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

// Inspected says what a host was on when the run first looked at it, and which run
// had deployed that.
type Inspected struct {
	Host       string     `json:"host"`
	State      host.State `json:"state"`
	DeployedBy string     `json:"deployed_by,omitempty"`
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

// PackagesCompared says how the packages of the system that a host gets differ from
// those of the system that it runs.
type PackagesCompared struct {
	Host string `json:"host"`
	PackageDiff
	// Left counts the packages that are not listed, as the lists were too long.
	Left int `json:"left,omitempty" want:"0..2147483647"`
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

// NodeChanged says what became of a host's node in its cluster: it is cordoned, drained,
// ready or uncordoned.
type NodeChanged struct {
	Host   string `json:"host"`
	Change string `json:"change"`
	Text   string `json:"text,omitempty"`
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

func (StageStarted) Name() string     { return "StageStarted" }
func (StageEnded) Name() string       { return "StageEnded" }
func (Inspected) Name() string        { return "Inspected" }
func (Progressed) Name() string       { return "Progressed" }
func (Said) Name() string             { return "Said" }
func (Found) Name() string            { return "Found" }
func (Checked) Name() string          { return "Checked" }
func (PackagesCompared) Name() string { return "PackagesCompared" }
func (WaveStarted) Name() string      { return "WaveStarted" }
func (Paused) Name() string           { return "Paused" }
func (NodeChanged) Name() string      { return "NodeChanged" }
func (UndoChosen) Name() string       { return "UndoChosen" }
func (JournalFailed) Name() string    { return "JournalFailed" }
func (HostEnded) Name() string        { return "HostEnded" }

func (StageStarted) event()     {}
func (StageEnded) event()       {}
func (Inspected) event()        {}
func (Progressed) event()       {}
func (Said) event()             {}
func (Found) event()            {}
func (Checked) event()          {}
func (PackagesCompared) event() {}
func (WaveStarted) event()      {}
func (Paused) event()           {}
func (NodeChanged) event()      {}
func (UndoChosen) event()       {}
func (JournalFailed) event()    {}
func (HostEnded) event()        {}

// An eventCodec reads the events of one type.
type eventCodec struct {
	decode func(json.RawMessage) (Event, error)
	of     reflect.Type
}

// codecs read events by their names.
var codecs = map[string]eventCodec{}

func init() {
	reads[StageStarted]()
	reads[StageEnded]()
	reads[Inspected]()
	reads[Progressed]()
	reads[Said]()
	reads[Found]()
	reads[Checked]()
	reads[PackagesCompared]()
	reads[WaveStarted]()
	reads[Paused]()
	reads[NodeChanged]()
	reads[UndoChosen]()
	reads[JournalFailed]()
	reads[HostEnded]()
}

// reads adds the codec of one type of event.
func reads[E Event]() {
	var zero E
	codecs[zero.Name()] = eventCodec{
		decode: func(data json.RawMessage) (Event, error) {
			var e E
			err := strictjson.Decode(data, &e, limitsOf(maxEventMemory))
			return e, err
		},
		of: reflect.TypeFor[E](),
	}
}

// DecodeEvent reads an event that was saved under a name.
func DecodeEvent(name string, data json.RawMessage) (Event, error) {
	codec, ok := codecs[name]
	if !ok {
		return nil, unknownEvent(name)
	}
	return codec.decode(data)
}

// CheckEvent finds what [DecodeEvent] would refuse.
func CheckEvent(name string, data json.RawMessage) error {
	codec, ok := codecs[name]
	if !ok {
		return unknownEvent(name)
	}
	return strictjson.Check(data, codec.of, limitsOf(maxEventMemory))
}

func unknownEvent(name string) error { return fmt.Errorf("event: unknown event %q", clipWord(name)) }
