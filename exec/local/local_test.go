package local

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

func TestRun(t *testing.T) {
	m := &Machine{become: Config{Become: []string{"env", "AS=root"}}}
	var out, errs bytes.Buffer
	err := m.Run(t.Context(), []string{"/bin/sh", "-c", `echo "$AS $1"; pwd; echo first >&2; echo "last word" >&2; exit 3`, "muster-x", "a  b"}, &out, &errs)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Status != 3 || err.Error() != "muster-x: exit status 3: last word" {
		t.Errorf("%v", err)
	}
	if out.String() != "root a  b\n/\n" || errs.String() != "first\nlast word\n" {
		t.Errorf("output %q, %q", out.String(), errs.String())
	}
	if err := m.Run(t.Context(), []string{"true"}, nil, nil); err != nil {
		t.Error(err)
	}
	if err := m.Run(t.Context(), []string{"no-such-program"}, nil, nil); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("no program: %v", err)
	}
}

// A password comes before the input of a command.
func TestPassword(t *testing.T) {
	m := &Machine{become: Config{Become: []string{"/bin/sh", "-c", `read -r p; [ "$p" = secret ] && exec "$@"`, "sh"}, Password: []byte("secret\n")}}
	if err := m.Run(t.Context(), []string{"true"}, nil, nil); err != nil {
		t.Error(err)
	}
	s, err := m.Stream(t.Context(), "cat")
	if err != nil {
		t.Fatal(err)
	}
	s.Write([]byte("input"))
	s.CloseWrite()
	got, err := io.ReadAll(s)
	if string(got) != "input" || err != nil || s.Wait() != nil {
		t.Errorf("%q, %v, %v", got, err, s.Wait())
	}
}

// The end of the context ends a command and what it has started.
func TestCancel(t *testing.T) {
	for _, start := range []string{"run", "stream"} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("too slow"))
		defer cancel()
		m, began := new(Machine), time.Now()
		var err error
		if start == "run" {
			err = m.Run(ctx, []string{"sh", "-c", "sleep 300; :"}, io.Discard, io.Discard)
		} else if s, failed := m.Stream(ctx, "sh", "-c", "sleep 300; :"); failed == nil {
			io.Copy(io.Discard, s)
			err = s.Wait()
		}
		if err == nil || !strings.Contains(err.Error(), "too slow") || time.Since(began) > 2*time.Minute {
			t.Errorf("%s: %v after %v", start, err, time.Since(began))
		}
	}
}

func TestOnlyRootNeedsNothing(t *testing.T) {
	m, err := New(Config{})
	if root := os.Geteuid() == 0; root != (err == nil) {
		t.Errorf("root %v: %v", root, err)
	}
	if err == nil && !m.Here() {
		t.Error("it is not here")
	}
}
