package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestRunReportsHowACommandEnded(t *testing.T) {
	m := startSSHD(t).connect(t, Config{}, Target{Name: "web1", Address: "host"})
	exit := func(command string, status int, signal, stderr string) *ExitError {
		return &ExitError{Host: "web1", Command: command, Status: status, Signal: signal, Stderr: []byte(stderr)}
	}
	for _, tt := range []struct {
		name   string
		c      Command
		stdout string
		want   *ExitError
		text   string
	}{
		{"well", Command{Argv: []string{"echo", "a  b", "c"}}, "a  b c\n", nil, ""},
		{"status", Command{Argv: []string{"sh", "-c", "echo first >&2; echo disk full >&2; exit 7"}}, "",
			exit(`sh -c 'echo first >&2; echo disk full >&2; exit 7'`, 7, "", "first\ndisk full\n"),
			"sh -c 'echo first >&2; echo disk full >&2; exit 7': exit status 7: disk full"},
		{"signal", Command{Argv: []string{"sh", "-c", "kill -TERM $$"}}, "", exit(`sh -c 'kill -TERM $$'`, 143, "TERM", ""),
			`sh -c 'kill -TERM $$': killed by signal TERM`},
		{"input", Command{Argv: []string{"cat"}, Stdin: strings.NewReader("hello")}, "hello", nil, ""},
		{"no input", Command{Argv: []string{"cat"}}, "", nil, ""},
		{"environment", Command{Argv: []string{"sh", "-c", `echo "$A|$B"`}, Env: map[string]string{"A": "it's $x", "B": "2\n3"}}, "it's $x|2\n3\n", nil, ""},
		{"odd words", Command{Argv: []string{"printf", "%s|", `a\b`, `it's`, "", "$HOME", "`id`", "new\nline", "*", "~"}}, "a\\b|it's||$HOME|`id`|new\nline|*|~|", nil, ""},
		{"root already", Command{Argv: []string{"id", "-u"}, Privileged: true}, "0\n", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			tt.c.Stdout = &out
			err := m.Run(t.Context(), tt.c)
			var got *ExitError
			errors.As(err, &got)
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
			if err != nil && err.Error() != tt.text {
				t.Errorf("message %q, want %q", err, tt.text)
			}
			if out.String() != tt.stdout {
				t.Errorf("stdout %q, want %q", out.String(), tt.stdout)
			}
		})
	}
	t.Run("missing program", func(t *testing.T) {
		err := m.Run(t.Context(), Command{Argv: []string{"no-such-program"}})
		var got *ExitError
		if !errors.As(err, &got) || got.Status != 127 {
			t.Errorf("got %v, want exit status 127", err)
		}
	})
}

func TestRunRefuses(t *testing.T) {
	for _, c := range []Command{{}, {Argv: []string{""}}, {Argv: []string{"-x"}}, {Argv: []string{"a", "b\x00c"}},
		{Argv: []string{"a"}, Env: map[string]string{"A B": ""}}, {Argv: []string{"a=b"}, Env: map[string]string{"A": ""}}} {
		if argv, err := c.argv(); err == nil {
			t.Errorf("%q %v: got %q, want an error", c.Argv, c.Env, argv)
		}
	}
}

// A cancelled command is gone from the machine with its process group, whether it reads its input or not.
func TestCancelEndsTheCommand(t *testing.T) {
	m := startSSHD(t).connect(t, Config{}, Target{})
	for _, tt := range []struct {
		name, script string
		stdin        func() io.Reader
	}{
		{"idle", "sleep 1000", func() io.Reader { return nil }},
		{"with a child", "sleep 1000 & sleep 1000; :", func() io.Reader { return nil }},
		{"reads input that never comes", "cat; :", func() io.Reader { r, _ := io.Pipe(); return r }},
		{"does not read its input", "sleep 1000", func() io.Reader { return zeros{} }},
		{"prints without end", "yes", func() io.Reader { return nil }},
		{"ignores TERM", "trap '' TERM; while :; do sleep 0.1; done", func() io.Reader { return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			started := &firstLine{line: make(chan string, 1)}
			done := make(chan error, 1)
			go func() {
				done <- m.Run(ctx, Command{Argv: []string{"sh", "-c", "echo $$; " + tt.script}, Stdin: tt.stdin(), Stdout: started})
			}()
			pid, err := strconv.Atoi(<-started.line)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(group(t, pid)); n == 0 {
				t.Fatal("nothing runs")
			}
			cancel()
			ends(t, func() { err = <-done })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want %v", err, context.Canceled)
			}
			awaitEnd(t, pid)
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

type firstLine struct {
	once sync.Once
	line chan string
	buf  []byte
}

func (f *firstLine) Write(p []byte) (int, error) {
	if f.buf = append(f.buf, p...); bytes.IndexByte(f.buf, '\n') >= 0 {
		f.once.Do(func() { f.line <- string(f.buf[:bytes.IndexByte(f.buf, '\n')]) })
		f.buf = f.buf[:0]
	}
	return len(p), nil
}

// group lists the processes of a process group that are more than zombies.
func group(t *testing.T, pgid int) (alive []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// pid (name) state ppid pgrp ...
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) > 2 && fields[2] == fmt.Sprint(pgid) && fields[0] != "Z" {
			alive = append(alive, e.Name()+" "+string(stat))
		}
	}
	return alive
}

func TestStream(t *testing.T) {
	m := startSSHD(t).connect(t, Config{}, Target{})
	s, err := m.Stream(t.Context(), Command{Argv: []string{"sh", "-c", "echo hello >&2; cat; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // 2 MiB: more than a window
	go func() {
		s.Stdin.Write(want)
		s.Stdin.Close()
	}()
	got, err := io.ReadAll(s.Stdout)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("read %d bytes, %v; want %d", len(got), err, len(want))
	}
	var exit *ExitError
	if err := s.Wait(); !errors.As(err, &exit) || exit.Status != 3 || string(s.Stderr()) != "hello\n" {
		t.Errorf("wait: %v, stderr %q", err, s.Stderr())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsAStream(t *testing.T) {
	m := startSSHD(t).connect(t, Config{}, Target{})
	for _, script := range []string{"cat", "exec sleep 1000", "yes"} {
		s, err := m.Stream(t.Context(), Command{Argv: []string{"sh", "-c", "echo $$; " + script}})
		if err != nil {
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Fscanln(s.Stdout, &pid); err != nil {
			t.Fatal(err)
		}
		ends(t, func() { s.Close() })
		awaitEnd(t, pid)
	}
}

// awaitEnd waits until a process group is gone: a machine that is slow to end it is not waited for by Run and Close.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		left := group(t, pid)
		if len(left) == 0 {
			return
		}
		if time.Since(began) > hangs {
			t.Errorf("still there: %v", left)
			return
		}
	}
}

// A command that no signal reaches holds up neither reads nor writes once its stream is closed.
func TestCloseEndsReadsAndWritesOfACommandThatGoesOn(t *testing.T) {
	login := filepath.Join(t.TempDir(), "login.sh")
	if err := os.WriteFile(login, []byte(`marker=$(echo "$SSH_ORIGINAL_COMMAND" | sed -n '1s/.*echo \(muster-[A-Z0-9]*\) .*/\1/p')
echo "$marker 99999999" >&2
echo "$marker"; exec sleep 150
`), 0o644); err != nil {
		t.Fatal(err)
	}
	m := startSSHD(t, "ForceCommand /bin/sh "+login).connect(t, Config{}, Target{})
	s, err := m.Stream(t.Context(), Command{Argv: []string{"cat"}})
	if err != nil {
		t.Fatal(err)
	}
	var blocked sync.WaitGroup
	blocked.Go(func() { io.Copy(io.Discard, s.Stdout) })
	blocked.Go(func() {
		for {
			if _, err := s.Stdin.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	ends(t, func() {
		s.Close()
		blocked.Wait()
	})
	<-m.Lost()
}

// When there are more commands than sshd allows sessions, the others wait.
func TestManyCommandsAtOnce(t *testing.T) {
	m := startSSHD(t).connect(t, Config{}, Target{})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			out, err := m.Output(t.Context(), "sh", "-c", "sleep 0.05; echo "+strconv.Itoa(i))
			if err != nil || string(out) != strconv.Itoa(i)+"\n" {
				t.Errorf("%d: %q, %v", i, out, err)
			}
		})
	}
	wg.Wait()
}

// A background process that keeps the output open does not block Run.
func TestBackgroundProcessDoesNotHoldRun(t *testing.T) {
	m := startSSHD(t).connect(t, Config{}, Target{})
	var out []byte
	var err error
	ends(t, func() { out, err = m.Output(t.Context(), "sh", "-c", "sleep 1000 & echo $!; exit 0") })
	if err != nil {
		t.Error(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the process left behind: %v", err)
	}
}
