package ui_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/cmd/ui"
	"muster/exec"
	"muster/schema"
)

func ExampleNewTable() {
	t := ui.NewTable(os.Stdout, "host", "address")
	t.Row("web1", "192.0.2.1")
	t.Row("database", "192.0.2.2")
	t.Flush()
	// Output:
	// HOST      ADDRESS
	// web1      192.0.2.1
	// database  192.0.2.2
}

func ExampleNewText() {
	report := ui.NewText(os.Stdout, io.Discard, func(string, error) string { return "" }, ui.ColorAuto)
	defer report.Close()
	report.Note("evaluated 1 host")
	done := exec.Outcome{Host: "web1", Status: exec.Activated, Took: 110 * time.Second}
	report.Event(exec.HostEnded{Outcome: done})
	report.End([]exec.Outcome{done})
	// Output:
	// HOST  OUTCOME    GENERATION  DETAIL
	// web1  activated
	// 1 host: 1 activated
}

// A table aligns wide characters, moves no cursor, and is cut only where a terminal shows it.
func TestTables(t *testing.T) {
	var b bytes.Buffer
	table := ui.NewReport(&b, "host", "detail")
	table.Row("主机", "a\x1b[2J\tb\r\nc")
	table.Row("web1", strings.Repeat("x", 100))
	table.Flush()
	want := "HOST  DETAIL\n主机  a bc\nweb1  " + strings.Repeat("x", 100) + "\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	term := openTerminal(t, 80, 24)
	table = ui.NewReport(term.tty, "host", "detail")
	table.Row("web1", strings.Repeat("x", 100))
	table.Flush()
	term.shows(t, "a line that is cut", func(screen string) bool { return screen == "HOST  DETAIL\nweb1  "+strings.Repeat("x", 73)+"…\n" })
	b.Reset()
	ui.NewTable(&b, "host").Flush()
	if b.Len() > 0 {
		t.Errorf("a table without rows prints %q", b.String())
	}
}

func TestLinesAreClippedToColumns(t *testing.T) {
	for _, c := range []struct {
		line    string
		columns int
		want    string
	}{
		{"abcdef", 0, "abcdef"},
		{"abcdef", 6, "abcdef"},
		{"abcdef", 5, "abcd…"},
		{"主机主机", 8, "主机主机"},
		{"主机主机", 7, "主机主…"},
		{"", 3, ""},
	} {
		if got := ui.Clip(c.line, c.columns); got != c.want {
			t.Errorf("Clip(%q, %d) is %q, want %q", c.line, c.columns, got, c.want)
		}
	}
}

// A mistake is an error that hosts have in common.
type mistake string

func (m mistake) Error() string { return string(m) }
func (mistake) Mistake() string { return "the same" }

// A sharedMistake knows who else has made it.
type sharedMistake struct{ mistake }

func (sharedMistake) Mistake() string { return "another" }
func (sharedMistake) Hosts() []string { return []string{"h", "i", "j"} }

// stamp matches the time in front of a line.
var stamp = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d `)

// Where there is no terminal, a run is reported as plain lines with times.
func TestARunIsReportedAsLines(t *testing.T) {
	var out, errs bytes.Buffer
	hint := func(host string, err error) string { return "look at " + err.Error() }
	report := ui.NewText(&out, &errs, hint, ui.ColorAuto)
	for _, e := range []exec.Event{
		exec.WaveStarted{Wave: 1, Of: 2, Hosts: 1},
		exec.Paused{Wave: 2, For: 90 * time.Second},
		exec.StageStarted{Host: "a", Stage: exec.Build},
		exec.Said{Host: "a", Stage: exec.Build, Line: "cc: error\x07"},
		exec.StageEnded{Host: "a", Stage: exec.Build, Took: 61 * time.Second},
		exec.StageEnded{Host: "a", Stage: exec.Copy, Took: 20 * time.Millisecond},
		exec.Said{Host: "a", Stage: exec.Activate, Line: "starting units"},
		exec.Found{Host: "a", Finding: exec.Finding{Text: "small disk"}},
		exec.Checked{Host: "a", Check: "http", Err: "timeout"},
		exec.NodeChanged{Host: "a", Change: "drained", Text: "a: 2 pods evicted"},
		exec.UndoChosen{Run: "20260131-142233-k3qz", Who: "alice@laptop", Hosts: 2, NotReached: 1},
		exec.JournalFailed{Err: "disk full"},
		exec.HostEnded{Outcome: exec.Outcome{Host: "a", Status: exec.Failed, Stage: exec.Build, Err: errors.New("line one\nline two")}},
		exec.HostEnded{Outcome: exec.Outcome{Host: "b", Status: exec.Failed, Stage: exec.Build, Err: errors.New("line one\nline two")}},
		exec.HostEnded{Outcome: exec.Outcome{Host: "c", Status: exec.Activated, Paths: 2, Bytes: 61_600, Took: 400 * time.Millisecond}},
		exec.Said{Host: "d", Stage: exec.Restart, Line: "draining"},
		exec.HostEnded{Outcome: exec.Outcome{Host: "d", Status: exec.Unchanged, Rebooted: true, KernelBefore: "6.6.1", KernelAfter: "6.6.2", Took: 20 * time.Second}},
		exec.HostEnded{Outcome: exec.Outcome{Host: "e", Status: exec.Unchanged, Reason: "not changed by run x"}},
		exec.HostEnded{Outcome: exec.Outcome{Host: "f", Status: exec.Failed, Stage: exec.Evaluate, Err: mistake("in f")}},
		exec.HostEnded{Outcome: exec.Outcome{Host: "g", Status: exec.Failed, Stage: exec.Evaluate, Err: mistake("in g")}},
		exec.HostEnded{Outcome: exec.Outcome{Host: "i", Status: exec.Failed, Stage: exec.Evaluate, Err: sharedMistake{"in three"}}},
		exec.HostEnded{Outcome: exec.Outcome{Host: "h", Status: exec.Failed, Stage: exec.Evaluate, Err: sharedMistake{"in three"}}},
	} {
		report.Event(e)
	}
	report.End([]exec.Outcome{
		{Host: "a", Status: exec.Failed, Stage: exec.Build, Err: errors.New("line one\nline two")},
		{Host: "b", Status: exec.Failed, Stage: exec.Build, Err: errors.New("line one\nline two")},
		{Host: "c", Status: exec.Activated},
	})
	want := `TIME wave 1 of 2: 1 host
TIME wave 2 begins in 1m30s
TIME a: build: done in 1m1s
TIME a: starting units
TIME a: note: small disk
TIME a: http: timeout
TIME a: node drained: a: 2 pods evicted
TIME the last deployment: run 20260131-142233-k3qz by alice@laptop, 2 hosts; 1 host not reached
TIME note: no journal of this run: disk full
TIME a: failed: build: line one
TIME b: failed: build: line one
TIME c: activated, 2 paths sent (61.6 kB) in 0.4 s
TIME d: draining
TIME d: unchanged, rebooted: kernel 6.6.1 → 6.6.2 in 20.0 s
TIME e: unchanged: not changed by run x
TIME f: failed: evaluate: in f
hint: look at in f
TIME g: failed: evaluate: as f
TIME h, i, j: failed: evaluate: in three
hint: look at in three
2 hosts failed: a, b
  build: line one
    line two
    cc: error
    starting units
hint: look at line one
line two
`
	if diff := cmp.Diff(want, stamp.ReplaceAllString(errs.String(), "TIME ")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want = "HOST  OUTCOME    GENERATION  DETAIL\na     failed                 build: line one\nb     failed                 build: line one\nc     activated\n3 hosts: 1 activated, 2 failed (a, b)\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What commands print is shown as it comes, or host by host.
func TestCommandLines(t *testing.T) {
	for _, c := range []struct {
		how        ui.Arrangement
		want, errs string
	}{
		{ui.AsTheyCome, "b    1\nweb  2\nb    3\n", "b: exit status 3\n"},
		{ui.HostByHost, "web  2\nb    1\nb    3\n", "b: exit status 3\n"},
		{ui.Grouped, "web\n  2\nb\n  1\n  3\n", "b failed\n  exit status 3\n"},
	} {
		var out, errs bytes.Buffer
		ran, failed := exec.Outcome{Host: "web", Status: exec.Ran}, exec.Outcome{Host: "b", Status: exec.Failed, Err: errors.New("exit status 3")}
		report := ui.NewLines(&out, &errs, noHint, []string{"web", "b"}, c.how)
		for _, e := range []exec.Event{
			exec.Said{Host: "b", Line: "1"}, exec.Said{Host: "web", Line: "2"}, exec.Said{Host: "b", Line: "3"},
			exec.HostEnded{Outcome: failed},
			exec.HostEnded{Outcome: ran},
		} {
			report.Event(e)
		}
		report.End([]exec.Outcome{ran, failed})
		report.Close()
		if diff := cmp.Diff(c.want, out.String()); diff != "" {
			t.Errorf("arrangement %v (-want +got):\n%s", c.how, diff)
		}
		if diff := cmp.Diff(c.errs+"2 hosts: 1 ran, 1 failed (b)\n", errs.String()); diff != "" {
			t.Errorf("arrangement %v, errors (-want +got):\n%s", c.how, diff)
		}
	}
}

func TestEventsAreLinesOfJSON(t *testing.T) {
	var out bytes.Buffer
	report := ui.NewJSON(&out)
	report.Begin(ui.Run{ID: "20260131-142233-k3qz"})
	report.Event(exec.WaveStarted{Wave: 1, Of: 2, Hosts: 3})
	report.Note("not an event")
	report.End(nil)
	if got := out.String(); !regexp.MustCompile(`^\{"time":"[0-9TZ:.-]+","run":"20260131-142233-k3qz","version":1,"event":"WaveStarted","data":\{"wave":1,"of":2,"hosts":3\}\}\n$`).MatchString(got) || strings.Count(got, "\n") != 1 {
		t.Errorf("got %s", got)
	}
}

func TestStates(t *testing.T) {
	var out bytes.Buffer
	all := []ui.HostState{
		{Host: "a", State: ui.InSync, Generation: 3},
		{Host: "b", State: ui.Behind, Error: "one\ntwo", NeedsReboot: []string{"kernel"}, FailedUnits: []string{"x.service"}},
	}
	ui.PrintStates(&out, all)
	want := "HOST  STATE    GENERATION  DETAIL\na     in sync  3\nb     behind               one; reboot needed: kernel; failed: x.service\n2 hosts: 1 in sync, 1 behind\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if all[0].Drifted() || !all[1].Drifted() {
		t.Error("the second host has drifted, and no other")
	}
}

// Many hosts that cannot be reached share a row.
func TestUnreachableHostsShareARow(t *testing.T) {
	var all []ui.HostState
	for i := range 1000 {
		all = append(all, ui.HostState{Host: fmt.Sprint("web", i), State: ui.Unreachable, Error: fmt.Sprintf("unreachable: connect to 10.0.0.%d:22: no route to host", i%250)})
	}
	all = append(all, ui.HostState{Host: "db", State: ui.InSync, Generation: 3})
	var out bytes.Buffer
	ui.PrintStates(&out, all)
	want := `HOST               STATE    GENERATION  DETAIL
web0 and 999 more  unknown              unreachable: connect to 10.0.0.0:22: no route to host
db                 in sync  3
1001 hosts: 1000 unknown, 1 in sync
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Of very many problems of a kind, the first are printed, and a count.
func TestManyProblemsAreCounted(t *testing.T) {
	var problems schema.Errors
	for range 5 {
		problems = append(problems, &schema.Error{Path: "hosts", Msg: "want a host", Rule: "type"})
	}
	var out bytes.Buffer
	ui.NewProblemPrinter(&out, ui.ColorNever, 2).Print(problems)
	if got := out.String(); strings.Count(got, "want a host") != 2 || !strings.HasSuffix(got, "and 3 more (type)\n") {
		t.Errorf("got %s", got)
	}
}

// Many hosts with the same mistake share a row.
func TestHostsWithOneMistakeShareARow(t *testing.T) {
	var outcomes []exec.Outcome
	for i := range 40 {
		outcomes = append(outcomes, exec.Outcome{Host: fmt.Sprint("h", i), Status: exec.Failed, Stage: exec.Evaluate, Err: mistake("wrong")})
		if i == 20 {
			outcomes = append(outcomes, exec.Outcome{Host: "good", Status: exec.Activated})
		}
	}
	var out, errs bytes.Buffer
	ui.NewText(&out, &errs, noHint, ui.ColorAuto).End(outcomes)
	want := `HOST            OUTCOME    GENERATION  DETAIL
h0 and 39 more  failed                 evaluate: wrong
good            activated
41 hosts: 1 activated, 40 failed (h0..h39)
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// With colours the place, what is wrong and the mark below it stand out.
func TestProblemsInColours(t *testing.T) {
	problems := schema.Errors{
		{Pos: schema.Pos{File: "hosts.cue", Line: 2, Col: 8}, Path: "hosts.web.port", Msg: "want a port"},
		{Pos: schema.Pos{File: "hosts.cue", Line: 3, Col: 1}, Path: "nixpkgs", Msg: "missing", Severity: schema.Warning},
	}
	for color, want := range map[ui.Color]string{
		ui.ColorNever:  "hosts.cue:2:8: hosts.web.port: want a port\nhosts.cue:3:1: warning: nixpkgs: missing\n",
		ui.ColorAlways: "\x1b[1mhosts.cue:2:8: \x1b[m\x1b[31mhosts.web.port: \x1b[mwant a port\n\x1b[1mhosts.cue:3:1: \x1b[m\x1b[33mwarning: \x1b[mnixpkgs: missing\n",
	} {
		var out bytes.Buffer
		ui.NewProblemPrinter(&out, color, 0).Print(problems)
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", color, diff)
		}
	}
}
