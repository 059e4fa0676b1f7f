package ui_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/cmd/ui"
	musterexec "muster/exec"
)

var update = flag.Bool("update", false, "rewrite the screens in testdata")

// playEnv names a directory: the test binary then reports a run, and goes on each time that
// a file "next" is in that directory, which it removes.
const playEnv = "MUSTER_TEST_PLAY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(playEnv); dir != "" {
		play(dir)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// play reports a run of 40 hosts, one of which fails.
func play(dir string) {
	next := filepath.Join(dir, "next")
	wait := func() {
		for os.Remove(next) != nil {
			time.Sleep(5 * time.Millisecond)
		}
	}
	var hosts []string
	for i := range 40 {
		hosts = append(hosts, fmt.Sprint("web", i+1))
	}
	fmt.Println("$ muster deploy")
	report := ui.NewText(os.Stdout, os.Stderr, func(string, error) string { return "" }, ui.ColorAuto)
	report.Begin(ui.Run{Hosts: hosts, Recorded: true})
	report.Note("the last run of this fleet did not end: muster resume continues it, and this one overtakes it")
	var outcomes []musterexec.Outcome
	end := func(o musterexec.Outcome) {
		outcomes = append(outcomes, o)
		report.Event(musterexec.HostEnded{Outcome: o})
	}
	for i, h := range hosts[:20] {
		report.Event(musterexec.StageStarted{Host: h, Stage: []musterexec.Stage{musterexec.Copy, musterexec.Activate}[i%2]})
	}
	end(musterexec.Outcome{Host: "web7", Status: musterexec.Failed, Stage: musterexec.ConnectTo, Err: errors.New("unreachable: connect to 192.0.2.7:22: connection refused")})
	wait()
	for _, h := range hosts[:18] {
		if h != "web7" {
			end(musterexec.Outcome{Host: h, Status: musterexec.Activated})
		}
	}
	wait()
	for _, h := range hosts[18:] {
		end(musterexec.Outcome{Host: h, Status: musterexec.Activated})
	}
	report.End(outcomes)
	fmt.Print("$ ")
	wait()
}

// A tmux is a terminal multiplexer with one window.
type tmux struct {
	t      *testing.T
	socket string
}

// startTmux starts a command in a terminal of a size.
func startTmux(t *testing.T, width, height int, command string) *tmux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatal("there is no tmux, which README.md has among the packages for tests: ", err)
	}
	m := &tmux{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	m.do("-u", "-f", "/dev/null", "new-session", "-d", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height), command)
	t.Cleanup(func() { exec.Command("tmux", "-S", m.socket, "kill-server").Run() })
	return m
}

// do gives tmux a command, and returns what it prints.
func (m *tmux) do(args ...string) string {
	m.t.Helper()
	c := exec.Command("tmux", append([]string{"-S", m.socket}, args...)...)
	c.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=screen")
	out, err := c.CombinedOutput()
	if err != nil {
		m.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

func (m *tmux) resize(width, height int) {
	m.t.Helper()
	m.do("resize-window", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height))
}

// untimed replaces durations, which are in a column but for the first line.
func untimed(screen string) string {
	for _, c := range []struct{ from, to string }{{`· \d\d\.\d s`, "· 0.0 s"}, {`\d\d\.\d s`, " 0.0 s"}, {`\d\.\d s`, "0.0 s"}} {
		screen = regexp.MustCompile(c.from).ReplaceAllString(screen, c.to)
	}
	return screen
}

// shows waits until the screen, with what has scrolled off it, is that of a file of testdata.
// Times are left out.
func (m *tmux) shows(name string) {
	m.t.Helper()
	golden := filepath.Join("testdata", "screens", name+".txt")
	want, _ := os.ReadFile(golden)
	var got string
	same := 0
	for range 400 {
		last := got
		got = untimed(m.do("capture-pane", "-p", "-S", "-"))
		if !*update && got == string(want) {
			return
		}
		if same++; got != last {
			same = 0
		}
		if *update && same > 30 {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			m.t.Fatal(err)
		}
		return
	}
	m.t.Errorf("the screen %s (-want +got):\n%s", name, cmp.Diff(string(want), got))
}

// A terminal that is made narrower, lower and larger while a run is shown has no row of an
// earlier size, and when the run has ended only what stays.
func TestResizedTerminal(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	next := func() {
		if err := os.WriteFile(filepath.Join(dir, "next"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := startTmux(t, 80, 24, fmt.Sprintf("env NO_COLOR=1 %s=%s %s", playEnv, dir, self))
	m.shows("80x24")
	m.resize(40, 12)
	m.shows("40x12")
	m.resize(140, 40)
	m.shows("140x40")
	m.resize(60, 10)
	m.shows("60x10")
	next()
	m.shows("60x10-later")
	m.resize(80, 24)
	next()
	m.shows("80x24-end")
	if got := m.do("display-message", "-p", "#{cursor_x}"); strings.TrimSpace(got) != "2" {
		t.Errorf("the cursor is in column %s", got)
	}
}
