package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/exec/lab"
)

// A tour is the session of testdata/tour/tour.txt in a terminal.
type tour struct {
	t             *testing.T
	terminal      *lab.Terminal
	lab           *lab.Lab
	screens       string // directory of the screens
	columns, rows int
	later         []string // what is done while the next command runs
	commands      int
}

// A first session with muster, as it looks on a terminal: an inventory with a mistake, a plan,
// a deployment that one host misses, while the terminal is resized, and a second try. With
// -update the screens are written anew.
func TestTour(t *testing.T) {
	if err := lab.Check(); err != nil {
		t.Skip(err)
	}
	script, err := os.ReadFile(filepath.Join("testdata", "tour", "tour.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{80, 24}, {140, 40}} {
		t.Run(fmt.Sprintf("%dx%d", size[0], size[1]), func(t *testing.T) {
			tour := startTour(t, size[0], size[1])
			for line := range strings.Lines(string(script)) {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					tour.step(line)
				}
			}
		})
	}
}

// startTour starts three machines, and a shell in a terminal.
func startTour(t *testing.T, columns, rows int) *tour {
	t.Helper()
	alias := map[string][]string{}
	for name, address := range demoHosts {
		alias[name] = []string{address}
	}
	l, err := lab.Start(t.Context(), lab.Options{Hosts: []string{"il", "ee", "sam"}, Alias: alias})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	dir := t.TempDir()
	key, err := l.Hosts[0].ReadFile("/etc/ssh/authorized_keys.d/root")
	if err != nil {
		t.Fatal(err)
	}
	examples, _ := filepath.Abs("../examples")
	self, _ := os.Executable()
	fleet := filepath.Join(dir, "fleet")
	for _, err := range []error{
		os.CopyFS(fleet, os.DirFS(filepath.Join(examples, "kluster-cue"))),
		os.WriteFile(filepath.Join(fleet, "operator.pub"), key, 0o644),
		os.Symlink(filepath.Join(examples, "minios"), filepath.Join(dir, "minios")),
		os.Symlink(self, filepath.Join(dir, "muster")), // is muster where it is called so
		os.WriteFile(filepath.Join(dir, "profile"), fmt.Appendf(nil, "export HOME=%q MUSTER_SSH_CONFIG=%q PATH=%q:\"$PATH\" PS1='$ ' NO_COLOR=1\nexport NIX_CONFIG='substitute = false\nsandbox = false\nbuild-users-group ='\n", dir, l.SSHConfig, dir), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	terminal, err := lab.StartTerminal(context.Background(), dir, columns, rows, fmt.Sprintf("cd %s && env -u XDG_STATE_HOME ENV=%s/profile sh -i", fleet, dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return &tour{t: t, terminal: terminal, lab: l, columns: columns, rows: rows, screens: filepath.Join("testdata", "tour", fmt.Sprintf("%dx%d", columns, rows))}
}

// step does what a line of the script says.
func (s *tour) step(line string) {
	s.t.Helper()
	if order, ok := strings.CutPrefix(line, "! "); ok {
		s.order(strings.Fields(order))
		return
	}
	name, command, _ := strings.Cut(line, " ")
	command = strings.TrimSpace(command)
	s.commands++
	end := fmt.Sprintf("[%d: ", s.commands)
	s.check(s.terminal.Type("clear"))
	s.await("an empty screen", func(screen string) bool { return strings.TrimSpace(screen) == "$" })
	s.check(s.terminal.Forget())
	s.check(s.terminal.Type(fmt.Sprintf("%s; echo \"[%d: $?]\"", command, s.commands)))
	if s.later != nil {
		s.await("the view", func(screen string) bool { return strings.Contains(screen, " done · ") })
		s.order(s.later)
		s.later = nil
	}
	screen := s.await("the end of "+command, func(screen string) bool { return strings.Contains(screen, "\n"+end) })
	s.compare(name, command, screen)
}

// order does something to the machines or to the terminal.
func (s *tour) order(words []string) {
	s.t.Helper()
	switch words[0] {
	case "later":
		s.later = words[1:]
	case "down":
		s.check(s.lab.Host(words[1]).Stop())
	case "up":
		s.check(s.lab.Host(words[1]).Start(s.t.Context()))
	case "resize":
		columns, rows := s.columns, s.rows
		if len(words) == 3 {
			fmt.Sscan(words[1]+" "+words[2], &columns, &rows)
		}
		s.check(s.terminal.Resize(columns, rows))
	default:
		s.t.Fatalf("unknown order %q", words)
	}
}

// await waits until the screen is as wanted, and returns it.
func (s *tour) await(what string, is func(screen string) bool) string {
	s.t.Helper()
	var screen string
	for range 6000 {
		var err error
		screen, err = s.terminal.Screen()
		s.check(err)
		if is(screen) {
			return screen
		}
		time.Sleep(25 * time.Millisecond)
	}
	s.t.Fatalf("the screen does not show %s:\n%s", what, screen)
	return ""
}

func (s *tour) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// differing is what differs from one session to the next, and what takes its place.
var differing = []struct{ from, to string }{
	{`\b[0-9a-df-np-sv-z]{32}-`, "DIGEST-"},
	{`\b[0-9a-df-np-sv-z]{8}…`, "DIGEST…"},
	{`\b\d{8}-\d{6}-[a-z0-9]{4}\b`, "20260131-142233-k3qz"},
	{`\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`, "2026-01-31 14:22:33"},
	{`\b\d\d:\d\d:\d\d\b`, "14:22:33"},
	{`\b\d+(\.\d)? s\b|\b\d+m(\d+s)?\b`, "1.0 s"},
	{`\b\d+(\.\d)? [kM]?B\b`, "1.0 kB"},
	{`\b198\.19\.\d+\.\d+\b`, "198.19.0.1"}, // of lab machines
	{`\bBY +`, "BY "},
	{`\S+@\S+ +`, "root@laptop "},
}

// compare compares a screen, with what has scrolled off it, with that of testdata. It begins
// with the command.
func (s *tour) compare(name, command, screen string) {
	s.t.Helper()
	// The command is shown in as many lines as it takes: it is written once.
	_, said, _ := strings.Cut(screen, fmt.Sprintf("[%d: $?]\"\n", s.commands))
	said, _, _ = strings.Cut(said, fmt.Sprintf("[%d: ", s.commands))
	for _, d := range differing {
		said = regexp.MustCompile(d.from).ReplaceAllString(said, d.to)
	}
	got := "$ " + command + "\n" + said
	file := filepath.Join(s.screens, name+".txt")
	if *update {
		s.check(os.MkdirAll(s.screens, 0o755))
		s.check(os.WriteFile(file, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(file)
	s.check(err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		s.t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
