package exec

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"muster/exec/foreign"
	"muster/exec/human"
)

// A Journal is what a run writes down of itself: a file of one JSON object a
// line, only ever added to. The first line is the plan, the next are events, the
// last is the end. It is there to go on with a run whose deployer is gone, and to
// look things up. What a host is on is never taken from it.
//
// From version 2 on, each line ends in a checksum of itself and of all before it:
//
//	{"muster_journal":2,"time":…,"event":"Plan","data":{…},"sum":"0123456789abcdef"}
//	{"time":…,"event":"StageStarted","data":{…},"sum":"…"}
type Journal struct {
	mu   sync.Mutex
	file *os.File
	size int64
	sums *chain // nil in a journal of a version that had none
	fail error  // the first; nothing is written after it
}

// An entry is one line of a journal, without its checksum.
type entry struct {
	// Version is in the first line, from version 1 on.
	Version int             `json:"muster_journal,omitempty" want:"0..1000000"`
	Time    time.Time       `json:"time"`
	Event   string          `json:"event"` // planEntry, endEntry, or the name of an event
	Data    json.RawMessage `json:"data,omitempty"`
	Sum     string          `json:"sum,omitempty"` // from version 2 on
}

const (
	planEntry = "Plan"
	endEntry  = "End"
)

// journalVersion changes when a journal can no longer be read as before.
const journalVersion = 2

// What a journal may hold, in bytes. The lines that a build or an activation
// prints, and the packages that change, are left out of a large one, so that all else
// has room.
const (
	maxJournal       = 1 << 30
	maxJournalOutput = 64 << 20
	maxEntry         = 1 << 20 // of a line, except for the plan's
)

// end is the data of the last entry.
type end struct {
	Status int `json:"status" want:"0..255"`
}

// A chain is the checksum of the lines of a journal up to one of them.
type chain [sha256.Size]byte

// sumLength is how many digits of a checksum a line has.
const sumLength = 16

// next is the checksum of a line, given without it.
func (c *chain) next(line []byte) string {
	h := sha256.New()
	h.Write(c[:])
	h.Write(line)
	h.Sum(c[:0])
	return fmt.Sprintf("%x", c[:sumLength/2])
}

// ErrRunning says that the deployer of a run is at work.
var ErrRunning = errors.New("the run is in progress")

// CreateJournal begins the journal of a run in a directory, which it makes. Where
// the plan's run has no name, it gets one that sorts behind those of all earlier
// runs in the directory.
func CreateJournal(dir string, p *Plan) (*Journal, error) {
	j, err := createJournal(dir, p)
	if err != nil {
		return nil, fmt.Errorf("begin journal: %w", err)
	}
	return j, nil
}

func createJournal(dir string, p *Plan) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	root, err := foreign.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	unlock, err := lockDir(root)
	if err != nil {
		return nil, err
	}
	defer unlock()
	names, err := journalsIn(root)
	if err != nil {
		return nil, err
	}
	number := 1
	if len(names) > 0 {
		last := names[len(names)-1]
		number = numberOf(last) + 1
		if p.Run == "" {
			p.Run = nextRunID(RunOf(last))
		}
	} else if p.Run == "" {
		p.Run = NewRunID()
	}
	return beginJournal(root, journalName(number, p.Run), p)
}

// beginJournal writes the first line of a journal before the journal has its
// name, so that none is ever seen without.
func beginJournal(root *os.Root, name string, p *Plan) (*Journal, error) {
	f, temp, err := foreign.CreateTemp(root)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f, sums: new(chain)}
	if err = lockFile(f); err == nil {
		err = j.write(entry{Version: journalVersion, Event: planEntry}, p)
	}
	if err == nil {
		err = f.Sync() // a journal that has a name has its plan, also after a power cut
	}
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		root.Remove(temp)
		j.Close()
		return nil, err
	}
	return j, nil
}

// lockFile locks an open file. The error is [ErrRunning] where another process
// has locked it.
func lockFile(f *os.File) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return ErrRunning
	}
	return nil
}

// Reopen opens the journal again to go on with the run, unless its deployer is
// still at work. A last line that a crash has cut is removed.
func (r *Record) Reopen() (*Journal, error) {
	j, err := r.reopen()
	if err != nil && !errors.Is(err, ErrRunning) {
		return nil, fmt.Errorf("go on with journal %q: %w", r.Name, err)
	}
	return j, err
}

func (r *Record) reopen() (*Journal, error) {
	root, err := foreign.OpenDir(filepath.Dir(r.Name))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	f, err := foreign.OpenOwn(root, filepath.Base(r.Name))
	if err != nil {
		return nil, err
	}
	err = lockFile(f)
	if info, statErr := f.Stat(); err == nil && (statErr != nil || info.Size() != r.size) {
		err = ErrRunning // it has gone on since it was read
	}
	if err == nil {
		err = f.Truncate(r.whole)
	}
	if err == nil {
		_, err = f.Seek(r.whole, 0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Journal{file: f, size: r.whole, sums: r.sums}, nil
}

// Sink adds every event to the journal before it hands it on. Where that fails,
// the run goes on, and next is told so once.
func (j *Journal) Sink(next Sink) Sink {
	return func(e Event) {
		if j.takes(e) {
			if first := j.write(entry{Event: e.Name()}, e); first != nil {
				next(JournalFailed{Err: first.Error()})
			}
		}
		next(e)
	}
}

// takes reports whether the journal keeps an event.
func (j *Journal) takes(e Event) bool {
	switch e.(type) {
	case Progressed, BuildPhase, BuildsCounted:
		return false
	case Said, PackagesCompared, BuildStarted, BuildPrinted, BuildEnded, NixSaid:
		j.mu.Lock()
		defer j.mu.Unlock()
		return j.size < maxJournalOutput
	}
	return true
}

// End says that the run has ended, with muster's exit status. Where that cannot be written, the run can be resumed. The error
// is nil where a sink has told of an earlier one.
func (j *Journal) End(status int) error {
	if err := j.write(entry{Event: endEntry}, end{Status: status}); err != nil {
		return fmt.Errorf("write the end of the run to its journal: %w", err)
	}
	return nil
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
	line, err := j.line(e, data)
	if err == nil {
		// One write, so that a crash leaves whole lines and at most one that is cut.
		_, err = j.file.Write(line)
		j.size += int64(len(line))
	}
	j.fail = err
	return err
}

// line is the line of an entry with data.
func (j *Journal) line(e entry, data any) (line []byte, err error) {
	e.Time = time.Now().UTC()
	if e.Data, err = json.Marshal(data); err == nil {
		line, err = json.Marshal(e)
	}
	if err != nil {
		return nil, err
	}
	if j.sums != nil {
		line = fmt.Appendf(line[:len(line)-1], `,"sum":"%s"}`, j.sums.next(line))
	}
	line = append(line, '\n')
	most := maxEntry
	if e.Event == planEntry {
		most = MaxPlan
	}
	switch {
	case len(line) > most:
		return nil, fmt.Errorf("write %s: an entry of %s: want at most %s", e.Event, human.Bytes(int64(len(line))), human.Bytes(int64(most)))
	case j.size+int64(len(line)) > maxJournal:
		return nil, fmt.Errorf("write %s: the journal is full at %s", e.Event, human.Bytes(maxJournal))
	}
	return line, nil
}
