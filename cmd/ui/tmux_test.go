package ui_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/lab"
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
	var outcomes []exec.Outcome
	end := func(o exec.Outcome) {
		outcomes = append(outcomes, o)
		report.Event(exec.HostEnded{Outcome: o})
	}
	for i, h := range hosts[:20] {
		report.Event(exec.StageStarted{Host: h, Stage: []exec.Stage{exec.Copy, exec.Activate}[i%2]})
	}
	end(exec.Outcome{Host: "web7", Status: exec.Failed, Stage: exec.ConnectTo, Err: errors.New("unreachable: connect to 192.0.2.7:22: connection refused")})
	wait()
	for _, h := range hosts[:18] {
		if h != "web7" {
			end(exec.Outcome{Host: h, Status: exec.Activated})
		}
	}
	wait()
	for _, h := range hosts[18:] {
		end(exec.Outcome{Host: h, Status: exec.Activated})
	}
	report.End(outcomes)
	fmt.Print("$ ")
	wait()
}

// untimed replaces durations, which are in a column but for the first line.
func untimed(screen string) string {
	for _, c := range []struct{ from, to string }{{`· \d\d\.\d s`, "· 0.0 s"}, {`\d\d\.\d s`, " 0.0 s"}, {`\d\.\d s`, "0.0 s"}} {
		screen = regexp.MustCompile(c.from).ReplaceAllString(screen, c.to)
	}
	return screen
}

// showsFile waits until the screen, with what has scrolled off it, is that of a file of
// testdata. Times are left out.
func showsFile(t *testing.T, terminal *lab.Terminal, name string) {
	t.Helper()
	golden := filepath.Join("testdata", "screens", name+".txt")
	want, _ := os.ReadFile(golden)
	var got string
	same := 0
	for range 4000 {
		last := got
		screen, err := terminal.Screen()
		must(t, err)
		got = untimed(screen)
		if !*update && got == string(want) {
			return
		}
		if same++; got != last {
			same = 0
		}
		if *update && same > 30 {
			must(t, os.WriteFile(golden, []byte(got), 0o644))
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Errorf("the screen %s (-want +got):\n%s", name, cmp.Diff(string(want), got))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A terminal that is made narrower, lower and larger while a run is shown has no row of an
// earlier size, and when the run has ended only what stays.
func TestResizedTerminal(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	must(t, err)
	next := func() { must(t, os.WriteFile(filepath.Join(dir, "next"), nil, 0o644)) }
	terminal, err := lab.StartTerminal(context.Background(), dir, 80, 24, fmt.Sprintf("env NO_COLOR=1 %s=%s %s", playEnv, dir, self))
	must(t, err)
	t.Cleanup(func() { terminal.Close() })
	showsFile(t, terminal, "80x24")
	for _, size := range [][2]int{{40, 12}, {140, 40}, {60, 10}} {
		must(t, terminal.Resize(size[0], size[1]))
		showsFile(t, terminal, fmt.Sprintf("%dx%d", size[0], size[1]))
	}
	next()
	showsFile(t, terminal, "60x10-later")
	must(t, terminal.Resize(80, 24))
	showsFile(t, terminal, "80x24-later") // the end must not come before the size is known
	next()
	showsFile(t, terminal, "80x24-end")
	column, err := terminal.Column()
	must(t, err)
	if column != "2" {
		t.Errorf("the cursor is in column %s", column)
	}
}
