package exec

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"time"

	"muster/exec/foreign"
	"muster/exec/ondemand"
	"muster/exec/strictjson"
)

// A Record is what a journal says of a run.
type Record struct {
	Name     string // of the file
	Plan     *Plan
	Began    time.Time
	Outcomes map[string]Outcome // of the hosts that ended; the last of each
	Reached  map[string]Attempt // how far the others had come whose activation had begun
	Ended    bool
	Status   int // muster's exit status, where the run ended

	version   int
	hosts     map[string]bool     // of the plan
	baselines map[string]Baseline // what the run found the hosts on
	sums      *chain              // of the whole lines; nil in a journal of a version that had none
	whole     int64               // bytes of the whole lines
	size      int64               // bytes of the file
	held      int64               // bytes of texts in Outcomes

	// each gets every event, in a replay.
	each func(at time.Time, e Event)
}

// A JournalError says why a journal cannot be read.
type JournalError struct {
	Name string // of the file
	Line int    // from 1; 0 for the whole file
	// Column is that of the byte, from 1; 0 for the whole line.
	Column int
	Err    error
}

func (e *JournalError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf(":%d", e.Line)
	}
	if e.Column > 0 {
		at += fmt.Sprintf(":%d", e.Column)
	}
	return fmt.Sprintf("%s%s: read journal: %v", printable(e.Name), at, e.Err)
}

func (e *JournalError) Unwrap() error { return e.Err }

// errCut says that a file ends too early.
var errCut = errors.New("it ends in the middle, as a file that was cut does")

// ReadJournal reads a journal, which only this user or root can have written. A
// last line that is cut, as a crash leaves it, is left out. Anything else that is
// not understood is an error of type [*JournalError].
func ReadJournal(name string) (*Record, error) { return ReplayJournal(name, nil) }

// ReplayJournal is [ReadJournal], and hands on each event with its time, in the order in
// which they were. The last attempt of a run that was resumed goes on behind the one
// before.
func ReplayJournal(name string, each func(at time.Time, e Event)) (*Record, error) {
	f, err := foreign.Open(name, foreign.Limits{Size: maxJournal, Trusted: true})
	if err != nil {
		return nil, &JournalError{Name: name, Err: err}
	}
	defer f.Close()
	r := &Record{Name: name, Outcomes: map[string]Outcome{}, Reached: map[string]Attempt{}, baselines: map[string]Baseline{}, each: each}
	if err := r.read(f); err != nil {
		return nil, err
	}
	if numberOf(name) > 0 && r.Plan.Run != RunOf(name) {
		return nil, &JournalError{Name: name, Err: fmt.Errorf("it is the journal of run %q, and its name says %q", r.Plan.Run, RunOf(name))}
	}
	return r, nil
}

// read reads the lines of a journal.
func (r *Record) read(f io.Reader) error {
	lines := bufio.NewReaderSize(f, 64<<10)
	for n := 1; ; n++ {
		most := maxEntry
		if n == 1 {
			most = MaxPlan
		}
		line, err := readLine(lines, most)
		r.size += int64(len(line))
		switch {
		case errors.Is(err, io.EOF) && n == 1 && len(line) == 0:
			return r.wrong(0, errors.New("it is empty"))
		case errors.Is(err, io.EOF) && n == 1:
			return r.wrong(1, errCut)
		case errors.Is(err, io.EOF):
			return nil // the end, or a line that a crash has cut
		case err != nil:
			return r.wrong(n, err)
		}
		if err := r.take(n, line); err != nil {
			return err
		}
		r.whole = r.size
	}
}

// readLine reads a line with its end. A last line that has none comes with [io.EOF].
func readLine(lines *bufio.Reader, most int) ([]byte, error) {
	part, err := lines.ReadSlice('\n')
	if err != bufio.ErrBufferFull {
		return part, err
	}
	// The parts are joined once: a line that grows part by part takes three times its length.
	var parts [][]byte
	length := 0
	for {
		if length += len(part); length > most {
			return bytes.Join(parts, nil), fmt.Errorf("a line is longer than %d bytes", most)
		}
		parts = append(parts, bytes.Clone(part))
		if err != bufio.ErrBufferFull {
			return bytes.Join(parts, nil), err
		}
		part, err = lines.ReadSlice('\n')
	}
}

// wrong is an error about a line. Its column is that of the text that was decoded.
func (r *Record) wrong(line int, err error) error {
	wrong := &JournalError{Name: r.Name, Line: line, Err: err}
	var in *strictjson.Error
	if errors.As(err, &in) {
		wrong.Column = in.Offset + 1
	}
	return wrong
}

// A head is the beginning of every line that muster writes, up to the data.
var head = ondemand.Regexp(`^\{(?:"muster_journal":([0-9]{1,9}),)?"time":"([^"\\]*)","event":"([A-Za-z]*)","data":`)

// take takes up one line.
func (r *Record) take(n int, line []byte) error {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	parts := head().FindSubmatchIndex(line)
	if parts == nil {
		return r.odd(n, line)
	}
	group := func(i int) []byte {
		if parts[2*i] < 0 {
			return nil
		}
		return line[parts[2*i]:parts[2*i+1]]
	}
	if n == 1 {
		r.version, _ = strconv.Atoi(string(group(1)))
		if r.version > journalVersion {
			return r.wrong(n, fmt.Errorf("version %d is of a newer muster: want %d or older", r.version, journalVersion))
		}
	}
	e := entry{Event: string(group(3))}
	switch {
	case n > 1 && group(1) != nil:
		return r.wrong(n, errors.New("muster_journal: it is for the first line"))
	case (n == 1) != (e.Event == planEntry):
		return r.wrong(n, fmt.Errorf("event: %q in line %d: want the plan in the first line, and only there", clipWord(e.Event), n))
	}
	if err := e.Time.UnmarshalText(group(2)); err != nil {
		return r.wrong(n, fmt.Errorf("time: want a time such as 2026-01-31T14:22:33Z, not %q", clipWord(string(group(2)))))
	}
	from, to := parts[1], len(line)-1
	if r.version >= 2 {
		var err error
		if to, err = r.checkSum(line); err != nil {
			return r.wrong(n, err)
		}
	}
	if to < from || line[len(line)-1] != '}' {
		return r.wrong(n, errCut)
	}
	e.Data = line[from:to]
	err := r.add(&e)
	var in *strictjson.Error
	if errors.As(err, &in) {
		in.Offset += from
	}
	if err != nil {
		return r.wrong(n, err)
	}
	return nil
}

// odd takes up a line that does not begin as muster writes lines. In a journal
// without checksums, one that a crash has cut stays where it is: the run went on
// behind it.
func (r *Record) odd(n int, line []byte) error {
	err := strictjson.Check(line, reflect.TypeFor[entry](), limitsOf(maxEntry))
	var in *strictjson.Error
	switch {
	case n > 1 && r.version < 2 && errors.As(err, &in) && in.Cut:
		return nil
	case errors.As(err, &in) && in.Cut:
		return r.wrong(n, errCut)
	case err != nil:
		return r.wrong(n, err)
	}
	return r.wrong(n, errors.New("want time, event and data, in this order"))
}

// checkSum checks the end of a line, and returns where its data ends.
func (r *Record) checkSum(line []byte) (end int, err error) {
	if r.sums == nil {
		r.sums = new(chain)
	}
	const before, after = `,"sum":"`, `"}`
	end = len(line) - len(before) - sumLength - len(after)
	if end < 0 || string(line[end:end+len(before)]) != before || string(line[len(line)-len(after):]) != after {
		return 0, errors.New("it does not end in a checksum: it was changed or cut")
	}
	sum := string(line[end+len(before) : len(line)-len(after)])
	plain := append(line[:end:end], '}')
	if r.sums.next(plain) != sum {
		return 0, errors.New("its checksum is another: this line or one before it was changed, moved or removed")
	}
	return end, nil
}

// maxEventMemory is the most bytes that one event takes.
const maxEventMemory = 8 << 20

// add takes up one entry.
func (r *Record) add(e *entry) error {
	switch e.Event {
	case planEntry:
		return r.addPlan(e)
	case endEntry:
		var last end
		err := strictjson.Decode(e.Data, &last, limitsOf(maxEventMemory))
		r.Ended, r.Status = true, last.Status
		return err
	}
	if r.each == nil && !r.tells(e.Event) {
		return CheckEvent(e.Event, e.Data)
	}
	event, err := DecodeEvent(e.Event, e.Data)
	if err != nil {
		return err
	}
	if r.each != nil {
		r.each(e.Time, event)
	}
	if !r.tells(e.Event) {
		return nil
	}
	r.Ended = false
	return r.addEvent(event, e.Time)
}

// tells reports whether events of a name say how far the run has come.
func (r *Record) tells(name string) bool {
	switch name {
	case (HostEnded{}).Name(), (UndoChosen{}).Name(), (StageStarted{}).Name(), (Inspected{}).Name():
		return true
	}
	return false
}

func (r *Record) addPlan(e *entry) error {
	p, err := decodePlan(e.Data)
	if err != nil {
		return err
	}
	r.Plan, r.Began, r.hosts = p, e.Time, make(map[string]bool, len(p.Steps))
	for i := range p.Steps {
		s := &p.Steps[i]
		r.hosts[s.Host.Name] = true
		if s.Baseline != nil {
			r.baselines[s.Host.Name] = *s.Baseline
		}
	}
	return nil
}

// addEvent takes up an event that says how far the run has come.
func (r *Record) addEvent(event Event, at time.Time) error {
	switch event := event.(type) {
	case HostEnded:
		return r.addOutcome(&event.Outcome)
	case UndoChosen:
		r.Plan.Undo = event.Run
	case Inspected:
		if err := r.knows(event.Host); err != nil {
			return err
		}
		// What the first attempt of this run has found counts.
		if known, ok := r.baselines[event.Host]; !ok || known.Run != r.Plan.Run {
			r.baselines[event.Host] = Baseline{Run: r.Plan.Run, State: event.State, DeployedBy: event.DeployedBy}
		}
	case StageStarted:
		if err := r.knows(event.Host); err != nil {
			return err
		}
		if event.Stage.InActivation() {
			// A clock that was ahead must not make anyone wait.
			if now := time.Now(); at.After(now) {
				at = now
			}
			r.Reached[event.Host] = Attempt{Stage: event.Stage, Since: at}
		}
	}
	return nil
}

// maxOutcomeTexts is the most bytes of all texts in the outcomes of a journal.
const maxOutcomeTexts = 32 << 20

func (r *Record) addOutcome(o *Outcome) error {
	if err := r.knows(o.Host); err != nil {
		return err
	}
	// What was found and measured is not needed to go on.
	o.Findings, o.Generations, o.Diff, o.Facts, o.FailedChecks, o.Removed, o.NeedsReboot = nil, nil, nil, nil, nil, nil, nil
	r.held += int64(len(o.Error) + len(o.Reason))
	if r.held > maxOutcomeTexts {
		return fmt.Errorf("outcome: the errors of all hosts take more than %d MB", maxOutcomeTexts>>20)
	}
	r.Outcomes[o.Host] = *o
	delete(r.Reached, o.Host)
	return nil
}

// knows fails for a host that the plan has not.
func (r *Record) knows(name string) error {
	if !r.hosts[name] {
		return fmt.Errorf("host: the plan has no host %q", clipWord(name))
	}
	return nil
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
			reached.Run = r.Plan.Run
			s.Earlier = &reached
			if b, ok := r.baselines[s.Host.Name]; ok {
				s.Baseline = &b
			}
			rest.Steps = append(rest.Steps, s)
		}
	}
	closeGaps(rest.Steps)
	return &rest
}

// closeGaps numbers the waves of steps anew, so that none is empty.
func closeGaps(steps []Step) {
	var waves []int
	for _, s := range steps {
		waves = append(waves, s.Wave)
	}
	slices.Sort(waves)
	waves = slices.Compact(waves)
	for i := range steps {
		steps[i].Wave, _ = slices.BinarySearch(waves, steps[i].Wave)
	}
}
