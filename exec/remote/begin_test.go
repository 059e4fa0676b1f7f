package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// connectPlayed connects to a server whose login shell is played by handle.
func connectPlayed(t *testing.T, handle func(*TestSession)) *Machine {
	t.Helper()
	m, _ := connectTestServer(t, handle)
	return m
}

func connectTestServer(t *testing.T, handle func(*TestSession)) (*Machine, *TestServer) {
	t.Helper()
	server, err := NewTestServer(handle)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	d := NewDialer(Config{ConfigFile: server.ConfigFile})
	t.Cleanup(func() { d.Close() })
	m, err := d.Dial(t.Context(), server.Target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m, server
}

// What start-up files print does not get into the output, of Run or of Stream.
func TestStartupFilesThatPrint(t *testing.T) {
	for _, noise := range []string{"", "welcome\n", "no newline", strings.Repeat("x", 60<<10), "muster-", "\x00\xff\n\n"} {
		m := connectPlayed(t, func(s *TestSession) {
			fmt.Fprint(s, noise)
			fmt.Fprint(s.Stderr(), noise)
			s.Execute()
		})
		var out, errs bytes.Buffer
		err := m.Run(t.Context(), Command{Argv: []string{"sh", "-c", "cat; echo done >&2"}, Stdin: strings.NewReader("hello"), Stdout: &out, Stderr: &errs})
		if err != nil || out.String() != "hello" || errs.String() != noise+"done\n" {
			t.Errorf("%.20q: Run got %.40q, stderr %.40q, %v", noise, out.String(), errs.String(), err)
		}

		s, err := m.Stream(t.Context(), Command{Argv: []string{"cat"}})
		if err != nil {
			t.Fatal(err)
		}
		big := bytes.Repeat([]byte("0123456789"), 50000)
		go func() {
			s.Stdin.Write(big)
			s.Stdin.Close()
		}()
		got, err := io.ReadAll(s.Stdout)
		if err != nil || !bytes.Equal(got, big) {
			t.Errorf("%.20q: Stream got %d bytes of %d, %v", noise, len(got), len(big), err)
		}
		if err := s.Wait(); err != nil {
			t.Errorf("%.20q: %v", noise, err)
		}
	}
}

// A login shell that prints without end is given up, early and with little memory.
func TestALoginShellThatFloods(t *testing.T) {
	const want = "the login shell printed more than 64 kB before the command began: \"welcome to this machine\\nwelcome"
	for _, tt := range []struct {
		name   string
		handle func(*TestSession)
	}{
		{"stdout", func(s *TestSession) { flood(s) }},
		{"stderr", func(s *TestSession) { flood(s.Stderr()) }},
		{"both", func(s *TestSession) { go flood(s.Stderr()); flood(s) }},
		{"stdout after the process id", func(s *TestSession) {
			fmt.Fprintf(s.Stderr(), "%s 12345\n", lineMarker.FindString(s.Line))
			flood(s)
		}},
		{"and then begins", func(s *TestSession) {
			fmt.Fprint(s, strings.Repeat("welcome to this machine\n", 10000))
			s.Begin()
			s.Exit(0)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := connectPlayed(t, tt.handle)
			before := allocated()
			ends(t, func() {
				if err := m.Run(t.Context(), Command{Argv: []string{"true"}}); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Run: got %v, want %s", err, want)
				}
				s, err := m.Stream(t.Context(), Command{Argv: []string{"true"}})
				if err != nil {
					t.Fatal(err)
				}
				io.ReadAll(s.Stdout)
				if err := s.Wait(); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("Stream: got %v, want %s", err, want)
				}
			})
			if used := allocated() - before; used > 60<<20 {
				t.Errorf("%d MB were allocated", used>>20)
			}
		})
	}
}

// allocated is how many bytes this process has allocated so far.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

func TestALoginShellThatNeverBegins(t *testing.T) {
	for _, tt := range []struct {
		name   string
		handle func(*TestSession)
		limit  time.Duration
		want   string
	}{
		{"hangs", func(s *TestSession) { io.Copy(io.Discard, s) }, 300 * time.Millisecond, "the login shell has not begun the command within 300ms"},
		{"says little, for ever", func(s *TestSession) {
			for {
				if _, err := s.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond)
			}
		}, 300 * time.Millisecond, "the login shell has not begun the command within 300ms"},
		{"ends well", func(s *TestSession) { fmt.Fprintln(s, "only backups here"); s.Exit(0) },
			beginLimit, "true: the login shell ended without beginning the command: \"only backups here\""},
		{"refuses the user", func(s *TestSession) { fmt.Fprintln(s, "This account is currently not available."); s.Exit(1) },
			beginLimit, "true: exit status 1: This account is currently not available."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := connectPlayed(t, tt.handle)
			m.beginLimit = tt.limit
			ends(t, func() {
				if err := m.Run(t.Context(), Command{Argv: []string{"true"}}); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
			})
		})
	}
}

// The time limit is for the login shell, not for the command.
func TestACommandMayTakeLonger(t *testing.T) {
	m := connectPlayed(t, func(s *TestSession) {
		s.Begin()
		time.Sleep(4 * time.Second)
		fmt.Fprint(s, "done")
		s.Exit(0)
	})
	m.beginLimit = 3 * time.Second
	if out, err := m.Output(t.Context(), "true"); err != nil || string(out) != "done" {
		t.Errorf("got %q, %v", out, err)
	}
}

// A server that keeps the link alive and answers no request loses its connection.
func TestAServerThatAnswersNoRequest(t *testing.T) {
	m, server := connectTestServer(t, nil)
	m.conn.answerLimit = 3 * time.Second
	if out, err := m.Output(t.Context(), "sh", "-c", "sleep 4; echo alive"); err != nil || string(out) != "alive\n" {
		t.Fatalf("a command that takes longer than an answer: got %q, %v", out, err)
	}
	server.silent.Store(true)
	ends(t, func() {
		if err := m.Run(t.Context(), Command{Argv: []string{"true"}}); !errors.Is(err, ErrConnectionLost) ||
			!strings.Contains(err.Error(), "the server has not answered a request for 3s") {
			t.Errorf("got %v", err)
		}
	})
	<-m.Lost()
}

// Output that trickles after the end of a command, from a background process that keeps the session open, has a limit.
func TestOutputAfterTheEnd(t *testing.T) {
	m := connectPlayed(t, func(s *TestSession) {
		s.Begin()
		s.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
		for {
			if _, err := s.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	m.drainLimit = time.Second
	ends(t, func() {
		if out, err := m.Output(t.Context(), "true"); err != nil || len(out) == 0 {
			t.Errorf("got %d bytes, %v", len(out), err)
		}
	})
}

// Output without end is an error of Output, and a tail of stderr.
func TestACommandThatFloods(t *testing.T) {
	m := connectPlayed(t, func(s *TestSession) {
		s.Begin()
		flood(s)
	})
	ends(t, func() {
		if out, err := m.Output(t.Context(), "yes"); err == nil || !strings.Contains(err.Error(), "yes: it printed more than 4 MB") || len(out) > maxOutput {
			t.Errorf("stdout: got %d bytes, %v", len(out), err)
		}
	})
	m = connectPlayed(t, func(s *TestSession) {
		s.Begin()
		noise := bytes.Repeat([]byte("x"), 1<<20)
		for range 20 {
			s.Stderr().Write(noise)
		}
		s.Exit(3)
	})
	err := m.Run(t.Context(), Command{Argv: []string{"true"}})
	var exit *ExitError
	if !errors.As(err, &exit) || len(exit.Stderr) != stderrKept || len(err.Error()) > 2*maxHostText {
		t.Errorf("stderr: a message of %d bytes", len(fmt.Sprint(err)))
	}
}

// A login shell that hangs does not hold up a Run whose context has ended.
func TestCancelWhileTheLoginShellHangs(t *testing.T) {
	m := connectPlayed(t, func(s *TestSession) { io.Copy(io.Discard, s) })
	ends(t, func() {
		if err := m.Run(shortContext(t, 100*time.Millisecond), Command{Argv: []string{"true"}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
