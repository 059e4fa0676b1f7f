package host

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A guardSays answers every command with a text on standard error, as scripts do that
// watch a guard.
type guardSays string

func (s guardSays) Run(_ context.Context, _ []string, _, stderr io.Writer) error {
	_, err := io.WriteString(stderr, string(s))
	return err
}

func TestConfirmInspectsTheHostInTheSameRequest(t *testing.T) {
	const current = "/nix/store/00000000000000000000000000000001-nixos-system-web"
	lines := func(all ...string) string { return strings.Join(all, "\n") + "\n" }
	for _, test := range []struct {
		name, said string
		want       Verdict
		current    string // "" where the host is still to be inspected
		err        string
	}{
		{name: "done", said: lines("done", "facts", "time 17", "uid 0", "current "+current), want: Verdict{Phase: Done}, current: current},
		{name: "stuck", said: lines("note", "stuck it failed", "facts", "time 17", "current "+current), want: Verdict{Stuck, "it failed"}, current: current},
		{name: "no facts", said: "done\n", want: Verdict{Phase: Done}},
		{name: "facts that end at once", said: "reverted why\nfacts\n", want: Verdict{Reverted, "why"}},
		{name: "facts without a verdict", said: "facts\ntime 17\n", err: "unexpected answer"},
		{name: "nonsense", said: lines("done", "facts", "facts", "nonsense"), want: Verdict{Phase: Done}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v, in, err := New(guardSays(test.said), time.Minute).Confirm(t.Context(), &Watch{Run: "r"}, io.Discard, InspectRequest{})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("%v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, v); diff != "" {
				t.Error(diff)
			}
			got := ""
			if in != nil {
				got = string(in.State.Current)
			}
			if got != test.current {
				t.Errorf("it runs %q, want %q", got, test.current)
			}
		})
	}
}
