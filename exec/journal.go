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
	"strings"
	"sync"
	"syscall"
	"time"
)

// A Journal is the record of one run: a file of one JSON object a line, only
// ever added to. The first line is the plan, the next are events, the last is
// the end. It is there to go on with a run whose deployer is gone, and to look
// things up. What a host is on is never taken from it.
type Journal struct {
	mu   sync.Mutex
	file *os.File
	fail error // the first; nothing is written after it
}

// A record is one line of a journal.
type record struct {
	Time  time.Time       `json:"time"`
	Event string          `json:"event"` // "Plan", "End", or the name of an event's type
	Data  json.RawMessage `json:"data,omitempty"`
}

// ErrRunning says that a run's deployer is at work.
var ErrRunning = errors.New("the run is under way")

// CreateJournal begins the journal of a run in a directory, which it makes.
func CreateJournal(dir string, p *Plan) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("begin journal: %w", err)
	}
	return openJournal(filepath.Join(dir, p.Run+".jsonl"), os.O_CREATE|os.O_EXCL, p)
}

// openJournal opens a journal to add to it. A plan, where given, is written.
func openJournal(name string, flags int, p *Plan) (*Journal, error) {
	f, err := os.OpenFile(name, flags|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, ErrRunning
	}
	j := &Journal{file: f}
	if p == nil {
		// What a crash has cut stays a line of its own.
		j.newline()
	}
	if p != nil {
		j.write("Plan", p)
	}
	if j.fail != nil {
		f.Close()
		return nil, fmt.Errorf("write journal: %w", j.fail)
	}
	return j, nil
}

// newline ends a last line that has no end.
func (j *Journal) newline() {
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
			if first := j.write(strings.TrimPrefix(fmt.Sprintf("%T", e), "exec."), e); first != nil {
				next(JournalFailed{Err: first.Error()})
			}
		}
		next(e)
	}
}

// End says that the run is over, with muster's exit status.
func (j *Journal) End(status int) {
	j.write("End", map[string]int{"status": status})
}

// Close closes the file. A run that has no end can be gone on with.
func (j *Journal) Close() error { return j.file.Close() }

// write adds a line. It returns an error only the first time that it fails.
func (j *Journal) write(event string, data any) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fail != nil {
		return nil
	}
	text, err := json.Marshal(data)
	if err == nil {
		text, err = json.Marshal(record{time.Now().UTC(), event, text})
	}
	if err == nil {
		// One write, so that a crash leaves whole lines and at most one that is cut.
		_, err = j.file.Write(append(text, '\n'))
	}
	j.fail = err
	return err
}

// A Past is what a journal says of a run.
type Past struct {
	Name     string // of the file
	Plan     *Plan
	Began    time.Time
	Outcomes map[string]Outcome // of the hosts that ended; the last of each
	Reached  map[string]Attempt // how far others had come that were being activated
	Ended    bool
	Status   int // muster's exit status, where it ended
}

// ReadJournal reads a journal. A line that is cut, as a crash leaves it, is
// passed over.
func ReadJournal(name string) (*Past, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read journal: %w", err)
	}
	defer f.Close()
	past := &Past{Name: name, Outcomes: map[string]Outcome{}, Reached: map[string]Attempt{}}
	lines := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break // the end, or a line without one
		}
		var r record
		if json.Unmarshal(bytes.TrimSpace(line), &r) != nil {
			continue
		}
		switch r.Event {
		case "Plan":
			past.Plan = new(Plan)
			if err := json.Unmarshal(r.Data, past.Plan); err != nil {
				return nil, fmt.Errorf("read journal %s: line %d: %w", name, n, err)
			}
			past.Began = r.Time
		case "HostEnded":
			var e HostEnded
			if err := json.Unmarshal(r.Data, &e); err != nil {
				return nil, fmt.Errorf("read journal %s: line %d: %w", name, n, err)
			}
			past.Outcomes[e.Outcome.Host] = e.Outcome
			delete(past.Reached, e.Outcome.Host)
		case "StageStarted":
			var e StageStarted
			if err := json.Unmarshal(r.Data, &e); err != nil {
				return nil, fmt.Errorf("read journal %s: line %d: %w", name, n, err)
			}
			if e.Stage.inActivation() {
				past.Reached[e.Host] = Attempt{e.Stage, r.Time}
			}
		case "End":
			var end struct{ Status int }
			if err := json.Unmarshal(r.Data, &end); err != nil {
				return nil, fmt.Errorf("read journal %s: line %d: %w", name, n, err)
			}
			past.Ended, past.Status = true, end.Status
		}
	}
	if past.Plan == nil {
		return nil, fmt.Errorf("read journal %s: it has no plan", name)
	}
	return past, nil
}

// Journals are the names of the journals in a directory, the oldest first.
func Journals(dir string) ([]string, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	slices.Sort(names)
	return names, err
}

// Reopen opens the journal again to go on with the run, unless its deployer is
// still at work.
func (p *Past) Reopen() (*Journal, error) { return openJournal(p.Name, 0, nil) }

// Rest is the plan for the hosts that keep: the same run goes on with them. A
// host that had ended before is told apart by its outcome.
func (p *Past) Rest(keep func(host string, ended *Outcome) bool) *Plan {
	rest := *p.Plan
	rest.Steps, rest.order = nil, nil
	for _, s := range p.Plan.Steps {
		var ended *Outcome
		if o, ok := p.Outcomes[s.Host.Name]; ok {
			ended = &o
		}
		if keep(s.Host.Name, ended) {
			reached := p.Reached[s.Host.Name]
			s.Earlier = &reached // once more, in any case
			rest.Steps = append(rest.Steps, s)
		}
	}
	// Waves that are done with leave no empty ones behind.
	waves := map[int]bool{}
	for _, s := range rest.Steps {
		waves[s.Wave] = true
	}
	for i := range rest.Steps {
		wave := 0
		for w := range waves {
			if w < rest.Steps[i].Wave {
				wave++
			}
		}
		rest.Steps[i].Wave = wave
	}
	return &rest
}
