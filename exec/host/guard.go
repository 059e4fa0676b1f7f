package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/bounded"
	"muster/exec/human"
)

// A Phase is how far the guard on a host has come.
//
//	Armed ─▶ Waiting ─▶ Activating ─▶ Activated ─▶ Committing ─▶ Done
//	            │            │  │         │ │          │ │
//	            │            │  └─────────┴─┼──────────┘ │
//	            ▼            ▼        ▼     └──────┐     │
//	        Untouched   NeedsRestart  Reverting ─▶ Stuck ◀┘
//	                                  │
//	                                  ▼
//	                               Reverted
type Phase string

// The phases.
const (
	NoGuard      Phase = "none" // the host has no guard of this run: it was never started, or the host has restarted
	Armed        Phase = "armed"
	Waiting      Phase = "waiting" // for another activation on the host
	Activating   Phase = "activating"
	Activated    Phase = "activated" // waits for confirmation
	Committing   Phase = "committing"
	Reverting    Phase = "reverting"
	Done         Phase = "done"
	Reverted     Phase = "reverted"
	Untouched    Phase = "untouched" // nothing was changed: another activation kept its lock
	NeedsRestart Phase = "restart"   // nothing was changed: NixOS takes a restart for this system
	Stuck        Phase = "stuck"     // something could not be set back, or was changed by others
	Died         Phase = "died"      // the guard was killed before its end, and not started again
)

// refused is what arm.sh answers in place of a phase.
const refused Phase = "refused"

// A Verdict is what a guard says: its phase, and why where something is wrong. The
// reason of Activated is when the guard returns, in hundredths of a second since
// boot.
type Verdict struct {
	Phase  Phase
	Reason string
}

func parseVerdict(s string) Verdict {
	phase, reason, _ := strings.Cut(strings.TrimSpace(s), " ")
	return Verdict{Phase: Phase(phase), Reason: reason}
}

// known reports whether a guard says such a thing, or arm.sh.
func (v Verdict) known() bool {
	switch v.Phase {
	case NoGuard, Armed, Waiting, Activating, Activated, Committing, Reverting, Done, Reverted, Untouched, NeedsRestart, Stuck, Died, refused:
		return true
	}
	return false
}

// finished reports whether nothing more happens by itself. A guard that waits
// for confirmation counts as finished unless past is set.
func (v Verdict) finished(past bool) bool {
	switch v.Phase {
	case Armed, Waiting, Activating, Committing, Reverting:
		return false
	case Activated:
		return !past
	}
	return true
}

// An Order is what a guard is to do.
type Order struct {
	Run, Who          string
	System            store.Path
	Before            State  // what the host was inspected to be on, and is taken back to
	Action            string // of switch-to-configuration: switch, boot or test
	Generation        int    // of the profile to move to; 0 for a new one
	FailedUnits       string // which make the activation fail: new, any or ignore
	InstallBootLoader bool   // anew, with the system
	Unguarded         bool   // keep the system without a confirmation
	Keep              bool   // where the activation fails, leave the host as it is

	Activate time.Duration // limit of the activation
	Confirm  time.Duration // then, limit of the wait for confirmation
	Revert   time.Duration // limit of the way back
	Busy     time.Duration // limit of the wait for another activation on the host
}

// A Watch is a run's view of its guard.
type Watch struct {
	Run  string
	Seen int64 // bytes of the guard's log that were read; the next look goes on there
}

// watchFor is how long one look at the guard lasts at most, in seconds: a look that
// ends is a sign of life.
const watchFor = 10

// Arm starts the guard on the host, unless the order no longer fits the host, and
// follows it as Follow does.
func (h *Host) Arm(ctx context.Context, o Order, w *Watch, log io.Writer) (Verdict, error) {
	install := "0"
	if o.InstallBootLoader {
		install = "1"
	}
	keep := "0"
	if o.Keep {
		keep = "1"
	}
	confirm := centiseconds(o.Confirm)
	if o.Unguarded {
		confirm = "0"
	}
	former := o.Before.Generation
	v, err := h.watch(ctx, armScript, w, log,
		guard(), string(o.Before.Boots), string(former.System), strconv.FormatInt(w.Seen, 10), strconv.Itoa(watchFor),
		o.Run, string(o.System), string(o.Before.Current), o.Action, strconv.Itoa(o.Generation), strconv.Itoa(former.Number),
		centiseconds(o.Activate), confirm, centiseconds(o.Revert), centiseconds(o.Busy),
		cmp.Or(o.FailedUnits, "new"), install, keep, strings.Join(strings.Fields(o.Who), " "))
	if err != nil {
		return v, fmt.Errorf("start the activation: %w", err)
	}
	if v.Phase == refused {
		return v, refusal(v.Reason, o.System)
	}
	if v.finished(false) {
		return v, nil
	}
	return h.Follow(ctx, w, false, log)
}

// ErrRefused says that a host did not take an order: it has changed since it was
// inspected, or is another run's. Nothing was changed.
var ErrRefused = errors.New("the host has changed meanwhile")

// refusal is why a guard was not started.
func refusal(said string, system store.Path) error {
	why, rest, _ := strings.Cut(said, " ")
	switch why {
	case "lost":
		if rest == "" {
			return errors.New("the lock on the host is gone")
		}
		return fmt.Errorf("run %s has taken over the lock on the host", rest)
	case "busy":
		return fmt.Errorf("an activation of run %s is in progress", rest)
	case "moved":
		return fmt.Errorf("%w: %s", ErrRefused, rest)
	case "nosystem":
		return fmt.Errorf("%s is no NixOS system: it has no bin/switch-to-configuration", system)
	}
	return fmt.Errorf("start the activation: unexpected answer %q", said)
}

// Confirm tells the guard to keep the new system, and watches it until nothing more
// happens by itself. Where that takes one look, the host is inspected in the same
// request, as r says; the inspection is nil otherwise.
func (h *Host) Confirm(ctx context.Context, w *Watch, log io.Writer, r InspectRequest) (Verdict, *Inspection, error) {
	asked := time.Now()
	args := append([]string{w.Run, strconv.FormatInt(w.Seen, 10), strconv.Itoa(watchFor)}, r.args()...)
	said, err := h.look(ctx, confirmScript, w, log, maxAnswer, args...)
	if err != nil {
		return Verdict{}, nil, err
	}
	state, facts := said, ""
	if i := strings.Index("\n"+said, "\n"+factsFollow+"\n"); i >= 0 {
		state, facts = said[:i], said[i+len(factsFollow)+1:]
	}
	v, err := readVerdict(confirmScript, state)
	if err != nil {
		return v, nil, err
	}
	if !v.finished(true) {
		v, err = h.follow(ctx, followScript, w, true, log)
		return v, nil, err
	}
	in, err := parseInspection(facts, asked, time.Now())
	if err != nil {
		return v, nil, nil // it is to be inspected by another request
	}
	return v, &in, nil
}

// factsFollow is the line between a guard's state and what inspect.sh prints.
const factsFollow = "facts"

// Follow watches the guard until nothing more happens by itself; past says that
// confirmation is given or out of the question. Each byte that the guard prints
// goes to log once.
func (h *Host) Follow(ctx context.Context, w *Watch, past bool, log io.Writer) (Verdict, error) {
	return h.follow(ctx, followScript, w, past, log)
}

// Recover starts the guard of a run again that was killed: it finishes what it had
// begun, or returns the host. It is then followed.
func (h *Host) Recover(ctx context.Context, w *Watch, past bool, log io.Writer) (Verdict, error) {
	return h.follow(ctx, recoverScript, w, past, log)
}

// follow watches the guard by a script, and goes on until nothing more happens by
// itself.
func (h *Host) follow(ctx context.Context, s script, w *Watch, past bool, log io.Writer) (Verdict, error) {
	word := ""
	if past {
		word = "past"
	}
	for {
		v, err := h.watch(ctx, s, w, log, w.Run, strconv.FormatInt(w.Seen, 10), strconv.Itoa(watchFor), word)
		if err != nil || v.finished(past) {
			return v, err
		}
		s = followScript
	}
}

// watch runs a script that prints the guard's log, and its state as the last line
// of standard error. One look has a limit: a host that is slow to say more is asked
// again.
func (h *Host) watch(ctx context.Context, s script, w *Watch, log io.Writer, args ...string) (Verdict, error) {
	said, err := h.look(ctx, s, w, log, maxState, args...)
	if err != nil {
		return Verdict{}, err
	}
	return readVerdict(s, said)
}

// look runs a script that prints the guard's log, and returns the beginning of what it
// prints on standard error.
func (h *Host) look(ctx context.Context, s script, w *Watch, log io.Writer, most int, args ...string) (string, error) {
	limit := h.answer + 3*watchFor*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	said := &bounded.Head{Limit: most}
	count := &counter{w: log}
	err := h.machine.Run(ctx, s.argv(args...), count, said)
	w.Seen += count.n
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return said.String(), err
}

// readVerdict reads what the script s said that watched the guard.
func readVerdict(s script, said string) (Verdict, error) {
	line := lastLine(said)
	v := parseVerdict(line)
	if !v.known() || v.Phase == refused && s != armScript {
		return Verdict{}, fmt.Errorf("unexpected answer %q", human.Clip(line, maxState))
	}
	v.Reason = human.Clip(v.Reason, maxState)
	return v, nil
}

// maxState is how many bytes of a guard's state are read.
const maxState = 4096

// A counter counts the bytes that go through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// A Word is something a guard is told.
type Word string

// The words, but for that of [Host.Confirm].
const (
	ExtendWord Word = "extend" // wait for the whole limit again
	AbortWord  Word = "abort"  // go back, and why
)

// Tell leaves a word for the guard of a run. It reports whether there is one.
func (h *Host) Tell(ctx context.Context, run string, word Word, text string) (bool, error) {
	out, err := h.ask(ctx, tellScript, run, string(word), text)
	if err != nil {
		return false, err
	}
	return lastLine(out) == "ok", nil
}
