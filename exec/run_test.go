package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec/nixserve"
	"muster/schema"
)

const (
	oldSystem = store.Path("/nix/store/00000000000000000000000000000001-nixos-system-web-1")
	newSystem = store.Path("/nix/store/00000000000000000000000000000002-nixos-system-web-2")
)

// A fakeHost is a host in memory, with a system profile. It remembers what it
// was told.
type fakeHost struct {
	mu       sync.Mutex
	gens     map[int]store.Path
	profile  int
	current  store.Path
	commands []string

	refuse   error  // to connect
	facts    string // more that it says of itself
	locked   string // what it says when it is to be locked
	closed   int
	switched chan struct{} // where set, an activation waits for it

	guard     []string // what a guard was started with
	guardSays string   // where set, how the activation ends
	confirmed bool
}

func newFakeHost(systems ...store.Path) *fakeHost {
	h := &fakeHost{gens: map[int]store.Path{}}
	for i, s := range systems {
		h.gens[i+1] = s
		h.profile, h.current = i+1, s
	}
	return h
}

func (h *fakeHost) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed++
	return nil
}

func (h *fakeHost) Serve(context.Context) (nixserve.Stream, error) {
	return nil, errors.New("a fake host has no store")
}

func (h *fakeHost) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	if argv[0] == "/bin/sh" && argv[3] == "muster-arm" && h.switched != nil {
		h.mu.Lock()
		h.guard = argv[9:] // begun
		h.mu.Unlock()
		select {
		case <-h.switched:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if argv[0] != "/bin/sh" {
		h.commands = append(h.commands, strings.Join(argv, " "))
		return nil
	}
	script, args := argv[3], argv[4:]
	switch script {
	case "muster-inspect":
		fmt.Fprintf(stdout, "time %d\nuid 0\nnix nix-store (Nix) 2.8.0\n", time.Now().Unix())
		if h.current != "" {
			fmt.Fprintf(stdout, "current %s\n", h.current)
		}
		if h.profile > 0 {
			fmt.Fprintf(stdout, "profile %s\nlink system-%d-link\n", h.gens[h.profile], h.profile)
		}
		if slices.Contains(args, "history") {
			for n, s := range h.gens {
				fmt.Fprintf(stdout, "generation system-%d-link %s\n", n, s)
			}
		}
		io.WriteString(stdout, h.facts)
	case "muster-generations":
		for n, s := range h.gens {
			fmt.Fprintf(stdout, "system-%d-link 1700000000 %s 24.05\n", n, s)
		}
	case "muster-lock":
		if h.locked != "" {
			fmt.Fprintln(stdout, h.locked)
			return nil
		}
		fmt.Fprintln(stdout, "ok")
	case "muster-arm":
		// The guard's text, BOOTS, FORMER-SYSTEM, SEEN, LIMIT; then RUN SYSTEM PREVIOUS ACTION GENERATION …
		h.guard = args[5:]
		h.commands = append(h.commands, "activate "+h.guard[1])
		h.current = store.Path(h.guard[1])
		h.watched(stdout, stderr)
	case "muster-follow":
		h.watched(stdout, stderr)
	case "muster-confirm":
		h.confirmed = true
		if h.guard[4] != "0" {
			fmt.Sscan(h.guard[4], &h.profile)
		} else {
			h.profile = len(h.gens) + 1
			h.gens[h.profile] = store.Path(h.guard[1])
		}
		h.watched(stdout, stderr)
	case "muster-tell":
		fmt.Fprintln(stdout, "ok")
	}
	return nil
}

// watched plays what a script says that watches the guard.
func (h *fakeHost) watched(stdout, stderr io.Writer) {
	switch {
	case h.guard == nil:
		fmt.Fprintln(stderr, "none")
	case h.confirmed:
		fmt.Fprintln(stderr, "done")
	case h.guardSays != "":
		if strings.HasPrefix(h.guardSays, "reverted") {
			h.current = store.Path(h.guard[2])
		}
		fmt.Fprintln(stderr, h.guardSays)
	default:
		fmt.Fprintln(stdout, "activating the configuration...")
		fmt.Fprintln(stderr, "activated 0")
	}
}

// runOn carries out an action on fake hosts, each of which is to have newSystem.
func runOn(ctx context.Context, p *Plan, fakes map[string]*fakeHost, o Options) []Outcome {
	var names []string
	for n := range fakes {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		p.Steps = append(p.Steps, Step{Host: &schema.Host{Name: n}, System: System{Out: newSystem}})
	}
	o.Connect = func(_ context.Context, h *schema.Host) (Machine, error) {
		f := fakes[h.Name]
		if f.refuse != nil {
			return nil, f.refuse
		}
		return f, nil
	}
	return Run(ctx, p, o)
}

func TestRollbackGoesBackOneGenerationOrToTheOneAsked(t *testing.T) {
	for _, tt := range []struct {
		name    string
		to      int
		profile int
		want    int
		status  Status
		err     string
	}{
		{"one back", 0, 3, 2, Reverted, ""},
		{"one back from the middle", 0, 2, 1, Reverted, ""},
		{"by number", 1, 3, 1, Reverted, ""},
		{"forward", 3, 1, 3, Reverted, ""},
		{"already there", 3, 3, 3, Unchanged, ""},
		{"none before", 0, 1, 1, Failed, "no generation before 1 to go back to"},
		{"no such", 7, 2, 2, Failed, "no generation 7: the host has 1, 2, 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newFakeHost(oldSystem, newSystem, oldSystem)
			h.profile, h.current = tt.profile, h.gens[tt.profile]
			out := runOn(t.Context(), &Plan{Action: Rollback, Generation: tt.to}, map[string]*fakeHost{"web": h}, Options{})
			if out[0].Status != tt.status || out[0].Error != tt.err {
				t.Errorf("outcome %s %q, want %s %q", out[0].Status, out[0].Error, tt.status, tt.err)
			}
			if h.profile != tt.want {
				t.Errorf("the profile is on generation %d, want %d", h.profile, tt.want)
			}
			if h.current != h.gens[tt.want] {
				t.Errorf("running %s, want %s", h.current, h.gens[tt.want])
			}
			if h.closed < 1 {
				t.Error("the connection was not closed")
			}
		})
	}
}

func TestOneFailureLeavesTheOthers(t *testing.T) {
	refused := errors.New("connection refused")
	fakes := map[string]*fakeHost{
		"a": newFakeHost(oldSystem, newSystem),
		"b": {refuse: refused},
		"c": newFakeHost(oldSystem, newSystem),
	}
	var mu sync.Mutex
	ended := map[string]Status{}
	out := runOn(t.Context(), &Plan{Action: Rollback}, fakes, Options{Sink: func(e Event) {
		if e, ok := e.(HostEnded); ok {
			mu.Lock()
			defer mu.Unlock()
			ended[e.Outcome.Host] = e.Outcome.Status
		}
	}})
	want := map[string]Status{"a": Reverted, "b": Failed, "c": Reverted}
	if diff := cmp.Diff(want, ended); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for i, name := range []string{"a", "b", "c"} {
		if out[i].Host != name || out[i].Status != want[name] {
			t.Errorf("outcome %d is %s %s, want %s %s", i, out[i].Host, out[i].Status, name, want[name])
		}
	}
	if out[1].Stage != ConnectTo || !errors.Is(out[1].Err, refused) {
		t.Errorf("b failed at %s with %v", out[1].Stage, out[1].Err)
	}
	if got := ExitStatus(t.Context(), out); got != ExitPartly {
		t.Errorf("exit status %d, want %d", got, ExitPartly)
	}
}

func TestFailFastBeginsNoOther(t *testing.T) {
	fakes := map[string]*fakeHost{
		"a": {refuse: errors.New("no route to host")},
		"b": newFakeHost(oldSystem, newSystem),
	}
	out := runOn(t.Context(), &Plan{Action: Rollback}, fakes, Options{Jobs: 1, FailFast: true})
	if out[1].Status != Skipped || len(fakes["b"].commands) > 0 {
		t.Errorf("b: %s after %q", out[1].Status, fakes["b"].commands)
	}
	if got := ExitStatus(t.Context(), out); got != ExitFailed {
		t.Errorf("exit status %d, want %d", got, ExitFailed)
	}
}

func TestInterruptFinishesWhatIsActivating(t *testing.T) {
	// Which of the two comes first is open; only one may activate at a time.
	fakes := map[string]*fakeHost{"a": newFakeHost(oldSystem, newSystem), "b": newFakeHost(oldSystem, newSystem)}
	switched := make(chan struct{})
	for _, h := range fakes {
		h.switched = switched
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	interrupted := errors.New("interrupted")
	go func() {
		for begun := false; !begun; time.Sleep(time.Millisecond) {
			for _, h := range fakes {
				h.mu.Lock()
				begun = begun || h.guard != nil
				h.mu.Unlock()
			}
		}
		cancel(interrupted)
		close(switched)
	}()
	out := runOn(ctx, &Plan{Action: Rollback}, fakes, Options{Jobs: 1})
	first, second := out[0], out[1]
	if first.Status != Reverted {
		first, second = second, first
	}
	if first.Status != Reverted || fakes[first.Host].current != oldSystem || !fakes[first.Host].confirmed {
		t.Errorf("%s: %s (%v), running %s", first.Host, first.Status, first.Err, fakes[first.Host].current)
	}
	if second.Status != Skipped || !errors.Is(second.Err, interrupted) {
		t.Errorf("%s: %s (%v)", second.Host, second.Status, second.Err)
	}
	if got := ExitStatus(ctx, out); got != ExitInterrupted {
		t.Errorf("exit status %d, want %d", got, ExitInterrupted)
	}
}

func TestExitStatus(t *testing.T) {
	for _, tt := range []struct {
		name     string
		outcomes []Outcome
		want     int
	}{
		{"all well", []Outcome{{Status: Activated}, {Status: Unchanged}}, ExitOK},
		{"none", nil, ExitOK},
		{"all failed before anything changed", []Outcome{{Status: Failed}, {Status: Failed}}, ExitFailed},
		{"the only one failed half-way", []Outcome{{Status: Failed, changed: true}}, ExitPartly},
		{"one failed, one done", []Outcome{{Status: Failed}, {Status: Unchanged}}, ExitPartly},
		{"a rollback counts most", []Outcome{{Status: RolledBack}, {Status: Failed}}, ExitRolledBack},
		{"no address is not done", []Outcome{{Status: Failed}, {Status: NoAddress}}, ExitFailed},
		{"no address is no failure", []Outcome{{Status: Activated}, {Status: NoAddress}}, ExitOK},
		{"skipped is not done", []Outcome{{Status: Skipped}, {Status: Activated}}, ExitPartly},
	} {
		if got := ExitStatus(t.Context(), tt.outcomes); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestLinesArriveWhole(t *testing.T) {
	var got []string
	w := &lineWriter{line: func(s string) { got = append(got, s) }}
	for _, part := range []string{"a", "b\r\nc", "\n\n", strings.Repeat("x", 3*maxLine), "\nend"} {
		fmt.Fprint(w, part)
	}
	w.close()
	want := []string{"ab", "c", "", strings.Repeat("x", maxLine) + " (muster: 8.2 kB of this line left out)", "end"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
