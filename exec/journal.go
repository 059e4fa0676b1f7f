package exec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A Journal is what a run writes down of itself: a file of one JSON object a
// line, only ever added to. The first line is the plan, the next are events, the
// last is the end. It is there to go on with a run whose deployer is gone, and to
// look things up. What a host is on is never taken from it.
type Journal struct {
	mu   sync.Mutex
	file *os.File
	fail error // the first; nothing is written after it
}

// An entry is one line of a journal.
type entry struct {
	// Version is in the first line, from version 1 on.
	Version int             `json:"muster_journal,omitempty"`
	Time    time.Time       `json:"time"`
	Event   string          `json:"event"` // planEntry, endEntry, or the name of an event
	Data    json.RawMessage `json:"data,omitempty"`
}

const (
	planEntry = "Plan"
	endEntry  = "End"
)

// journalVersion changes when a journal can no longer be read as before.
const journalVersion = 1

// end is the data of the last entry.
type end struct {
	Status int `json:"status"`
}

// ErrRunning says that the deployer of a run is at work.
var ErrRunning = errors.New("the run is in progress")

// CreateJournal begins the journal of a run in a directory, which it makes.
func CreateJournal(dir string, p *Plan) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("begin journal: %w", err)
	}
	j, err := openJournal(filepath.Join(dir, p.Run+journalExt), os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	if err := j.write(entry{Version: journalVersion, Event: planEntry}, p); err != nil {
		j.Close()
		return nil, fmt.Errorf("write journal: %w", err)
	}
	return j, nil
}

const journalExt = ".jsonl"

// openJournal opens a journal to add to it. The error is [ErrRunning] where
// another process has it open.
func openJournal(name string, flags int) (*Journal, error) {
	f, err := os.OpenFile(name, flags|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, ErrRunning
	}
	return &Journal{file: f}, nil
}

// endLastLine ends a last line that a crash has cut, so that it stays a line of
// its own.
func (j *Journal) endLastLine() {
	info, err := j.file.Stat()
	if err != nil || info.Size() == 0 {
		return
	}
	r, err := os.Open(j.file.Name())
	if err != nil {
		return
	}
	defer r.Close()
	last := make([]byte, 1)
	if _, err := r.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
		j.file.WriteString("\n")
	}
}

// Sink adds every event to the journal before it hands it on. Where that fails,
// the run goes on, and next is told so once.
func (j *Journal) Sink(next Sink) Sink {
	return func(e Event) {
		if _, progress := e.(Progressed); !progress {
			if first := j.write(entry{Event: e.Name()}, e); first != nil {
				next(JournalFailed{Err: first.Error()})
			}
		}
		next(e)
	}
}

// End says that the run has ended, with muster's exit status.
func (j *Journal) End(status int) {
	j.write(entry{Event: endEntry}, end{Status: status})
}

// Close closes the file. A run that has no end can be resumed.
func (j *Journal) Close() error { return j.file.Close() }

// write adds an entry with data. It returns an error only the first time that it
// fails.
func (j *Journal) write(e entry, data any) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return nil
	}
	e.Time = time.Now().UTC()
	var line []byte
	var err error
	if e.Data, err = json.Marshal(data); err == nil {
		line, err = json.Marshal(e)
	}
	if err == nil {
		// One write, so that a crash leaves whole lines and at most one that is cut.
		_, err = j.file.Write(append(line, '\n'))
	}
	j.fail = err
	return err
}

// A Record is what a journal says of a run.
type Record struct {
	Name     string // of the file
	Plan     *Plan
	Began    time.Time
	Outcomes map[string]Outcome // of the hosts that ended; the last of each
	Reached  map[string]Attempt // how far the others had come whose activation had begun
	Ended    bool
	Status   int // muster's exit status, where the run ended
}

// ReadJournal reads a journal. A line that is cut, as a crash leaves it, is left
// out.
func ReadJournal(name string) (*Record, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer f.Close()
	r := &Record{Name: name, Outcomes: map[string]Outcome{}, Reached: map[string]Attempt{}}
	lines := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // the end, or a line without one
		}
		var e entry
		if json.Unmarshal(bytes.TrimSpace(line), &e) != nil {
			continue
		}
		if err := r.add(&e); err != nil {
			return nil, fmt.Errorf("read journal %s: line %d: %w", name, n, err)
		}
	}
	if r.Plan == nil {
		return nil, fmt.Errorf("read journal %s: it has no plan", name)
	}
	return r, nil
}

// add takes up one entry.
func (r *Record) add(e *entry) error {
	if e.Version > journalVersion {
		return fmt.Errorf("version %d is of a newer muster: want %d or older", e.Version, journalVersion)
	}
	switch e.Event {
	case planEntry:
		r.Plan, r.Began = new(Plan), e.Time
		return json.Unmarshal(e.Data, r.Plan)
	case endEntry:
		var last end
		err := json.Unmarshal(e.Data, &last)
		r.Ended, r.Status = true, last.Status
		return err
	}
	event, err := DecodeEvent(e.Event, e.Data)
	if err != nil {
		return err
	}
	switch event := event.(type) {
	case HostEnded:
		r.Outcomes[event.Outcome.Host] = event.Outcome
		delete(r.Reached, event.Outcome.Host)
	case UndoChosen:
		r.Plan.Undo = event.Run
	case StageStarted:
		if event.Stage.inActivation() {
			r.Reached[event.Host] = Attempt{Stage: event.Stage, Since: e.Time}
		}
	}
	return nil
}

// Journals are the names of the journals in a directory, the oldest first.
func Journals(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+journalExt))
	slices.Sort(names)
	return names, err
}

// Reopen opens the journal again to go on with the run, unless its deployer is
// still at work.
func (r *Record) Reopen() (*Journal, error) {
	j, err := openJournal(r.Name, 0)
	if err != nil {
		return nil, err
	}
	j.endLastLine()
	return j, nil
}

// Rest is the plan for the hosts that keep chooses: the same run goes on with
// them. ended is nil for a host that has not ended.
func (r *Record) Rest(keep func(host string, ended *Outcome) bool) *Plan {
	rest := *r.Plan
	rest.Steps, rest.order = nil, nil
	for _, s := range r.Plan.Steps {
		var ended *Outcome
		if o, ok := r.Outcomes[s.Host.Name]; ok {
			ended = &o
		}
		if keep(s.Host.Name, ended) {
			reached := r.Reached[s.Host.Name]
			s.Earlier = &reached
			rest.Steps = append(rest.Steps, s)
		}
	}
	closeGaps(rest.Steps)
	return &rest
}

// closeGaps numbers the waves of steps anew, so that none is empty.
func closeGaps(steps []Step) {
	waves := map[int]bool{}
	for _, s := range steps {
		waves[s.Wave] = true
	}
	for i := range steps {
		before := 0
		for w := range waves {
			if w < steps[i].Wave {
				before++
			}
		}
		steps[i].Wave = before
	}
}
