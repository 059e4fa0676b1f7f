package ui

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/exec"
	"muster/exec/human"
	"muster/exec/ondemand"
)

// A view is what a run looks like at a moment, as its events tell. It knows nothing of
// terminals: paint makes lines of it.
type view struct {
	began       time.Time
	doing       string // what is done before any host is worked on
	total       int    // hosts of the run; 0 where that is not known
	wave, waves int
	resumes     time.Time // when the next wave begins, while the run pauses
	interrupted bool

	begun    []*hostView          // in the order in which they began, and some of those that have ended since
	byName   map[string]*hostView // those that have begun and not ended
	ended    map[exec.Status]int
	done     int // hosts that ended as was asked
	failures causes
	builds   buildsView
	notes    []string // the last lines that were printed
}

// A hostView is a host in progress.
type hostView struct {
	name  string
	stage exec.Stage
	since time.Time // when the stage began or, of a host that waits, when it ended
	idle  bool      // it waits for its turn
	ended bool
	what  string // the last that was said of it

	done, total int64 // bytes to copy; total is 0 where nothing is copied
	rate        int64 // bytes in a second; 0 while it is not known
	sampled     time.Time
	sample      int64
}

func newView() *view { return &view{byName: map[string]*hostView{}, ended: map[exec.Status]int{}} }

// begin starts the view of a run of so many hosts.
func (v *view) begin(hosts int, now time.Time) {
	notes := v.notes
	*v = *newView()
	v.total, v.began, v.notes = hosts, now, notes
}

// take takes up an event.
func (v *view) take(e exec.Event, now time.Time) {
	if v.began.IsZero() {
		v.began = now
	}
	v.doing = ""
	v.builds.take(e, now)
	switch e := e.(type) {
	case exec.StageStarted:
		*v.host(e.Host) = hostView{name: e.Host, stage: e.Stage, since: now}
	case exec.StageEnded:
		h := v.host(e.Host)
		h.idle, h.since, h.what, h.total = true, now, "", 0
	case exec.Progressed:
		v.host(e.Host).copied(e.Done, e.Total, now)
	case exec.Said:
		if what := tidy(e.Line); what != "" {
			v.host(e.Host).what = what
		}
	case exec.Checked:
		if e.Err != "" {
			v.host(e.Host).what = Printable(e.Check + ": " + e.Err)
		}
	case exec.WaveStarted:
		v.wave, v.waves, v.resumes = e.Wave, e.Of, time.Time{}
	case exec.Paused:
		v.resumes = now.Add(e.For)
	case exec.HostEnded:
		v.end(&e.Outcome)
	}
}

// host is what is shown of a host, which is added if it is new.
func (v *view) host(name string) *hostView {
	h := v.byName[name]
	if h == nil {
		h = &hostView{name: name}
		v.byName[name], v.begun = h, append(v.begun, h)
	}
	return h
}

// note takes up lines that were printed and are not seen behind the view.
func (v *view) note(lines string) {
	for l := range strings.Lines(lines) {
		v.notes = append(v.notes, strings.TrimRight(l, "\n"))
	}
	const most = 5
	v.notes = v.notes[max(0, len(v.notes)-most):]
}

func (v *view) end(o *exec.Outcome) {
	if h := v.byName[o.Host]; h != nil {
		delete(v.byName, o.Host)
		h.ended = true
		v.tidyUp()
	}
	v.ended[o.Status]++
	if o.OK() {
		v.done++
	}
	v.failures.add(o)
}

// tidyUp takes the hosts that have ended out of the list when they are half of it, so that a
// run of many hosts does not go through all of them for each one that ends.
func (v *view) tidyUp() {
	if len(v.begun) > 2*len(v.byName) {
		v.begun = slices.DeleteFunc(v.begun, func(h *hostView) bool { return h.ended })
	}
}

// working are the hosts that have begun and not ended, in the order in which they began.
func (v *view) working(yield func(*hostView) bool) {
	for _, h := range v.begun {
		if !h.ended && !yield(h) {
			return
		}
	}
}

// copied takes up how far a copy has come.
func (h *hostView) copied(done, total int64, now time.Time) {
	const apart = time.Second // between two samples of the rate
	switch since := now.Sub(h.sampled); {
	case h.sampled.IsZero() || done < h.sample:
		h.sampled, h.sample = now, done
	case since >= apart:
		h.rate = int64(float64(done-h.sample) / since.Seconds())
		h.sampled, h.sample = now, done
	}
	h.done, h.total = done, total
}

// settles is for how long a host between two stages is shown in the former one.
const settles = time.Second

// works reports whether a host is in a stage, or was until just now.
func (h *hostView) works(now time.Time) bool { return !h.idle || now.Sub(h.since) < settles }

// status says what a host does, for its row.
func (h *hostView) status() string {
	if h.total <= 0 {
		return h.what
	}
	text := fmt.Sprintf("%s of %s", human.Bytes(h.done), human.Bytes(h.total))
	if h.rate > 0 {
		text += fmt.Sprintf(", %s/s", human.Bytes(h.rate))
	}
	return text
}

var (
	// storeName matches a store path, which Nix puts in quotes.
	storeName = ondemand.Regexp(`['‘"]?/nix/store/[0-9a-df-np-sv-z]{32}-([A-Za-z0-9+._?=-]+)((?:/[^\s'’"]*)?)['’"]?`)
	copying   = ondemand.Regexp(`^copying path (\S+) from (\S+)$`)
)

// tidy is a line of a program for the screen: names where it has store paths, and what is
// clear left out.
func tidy(text string) string {
	text = strings.TrimSuffix(strings.TrimSpace(Printable(text)), "...")
	text = storeName().ReplaceAllStringFunc(text, func(path string) string {
		m := storeName().FindStringSubmatch(path)
		return strings.TrimSuffix(m[1], ".drv") + m[2]
	})
	return copying().ReplaceAllString(text, "fetching $1 from $2")
}
