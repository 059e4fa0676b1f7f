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
)

// A Phase is how far the guard on a host has come.
//
//	            ┌──────────── Activating ───────┐
//	Armed ──────┤                 │             ├──▶ Reverting ──▶ Reverted
//	            │             Activated ────────┤         │
//	            │                 │ confirm     │         └──────▶ Stuck
//	            └──────────▶ Committing ────────┘
//	                              │
//	                            Done
type Phase string

// The phases.
const (
	NoGuard    Phase = "none" // the host has no guard of this run: it was never started, or the host has restarted
	Armed      Phase = "armed"
	Activating Phase = "activating"
	Activated  Phase = "activated" // waits for confirmation
	Committing Phase = "committing"
	Reverting  Phase = "reverting"
	Done       Phase = "done"
	Reverted   Phase = "reverted"
	Stuck      Phase = "stuck" // on neither system for certain
	Died       Phase = "died"  // the guard was killed before its end
)

// A Verdict is what a guard says: its phase, and why where something is wrong.
type Verdict struct {
	Phase  Phase
	Reason string
}

func parseVerdict(s string) Verdict {
	phase, reason, _ := strings.Cut(strings.TrimSpace(s), " ")
	return Verdict{Phase: Phase(phase), Reason: reason}
}

// finished reports whether nothing more happens by itself. A guard that waits
// for confirmation counts as finished unless past is set.
func (v Verdict) finished(past bool) bool {
	switch v.Phase {
	case Armed, Activating, Committing, Reverting:
		return false
	case Activated:
		return !past
	}
	return true
}

// An Order is what a guard is to do.
type Order struct {
	Run, Who   string
	System     store.Path
	Previous   store.Path // what the host runs; "" where there is nothing to return to
	Action     string     // of switch-to-configuration: switch, boot or test
	Generation int        // of the profile to move to; 0 for a new one
	Former     int        // the profile's generation; 0 for none
	// InstallBootLoader has the boot step install the boot loader itself
	// (NIXOS_INSTALL_BOOTLOADER=1).
	InstallBootLoader bool

	Activate time.Duration // limit of the activation
	Confirm  time.Duration // then, limit of the wait for confirmation
	Revert   time.Duration // limit of the way back
}

// Arm starts the guard on the host, unless the order no longer fits the host.
func (h *Host) Arm(ctx context.Context, o Order) error {
	out, err := h.ask(ctx, armScript, guard, o.Run,
		string(o.System), string(o.Previous), o.Action, strconv.Itoa(o.Generation), strconv.Itoa(o.Former),
		centiseconds(o.Activate), centiseconds(o.Confirm), centiseconds(o.Revert), o.Who)
	if err != nil {
		return fmt.Errorf("start the activation: %w", err)
	}
	answer, rest, _ := strings.Cut(lastLine(out), " ")
	switch answer {
	case "ok":
		return nil
	case "lost":
		if rest == "" {
			return errors.New("the lock on the host is gone")
		}
		return fmt.Errorf("run %s has taken over the lock on the host", rest)
	case "busy":
		return fmt.Errorf("an activation of run %s is in progress", rest)
	case "moved":
		return fmt.Errorf("the host has changed meanwhile: it runs %s, not %s", cmp.Or(rest, "no system"), cmp.Or(string(o.Previous), "no system"))
	case "nosystem":
		return fmt.Errorf("%s is no NixOS system: it has no bin/switch-to-configuration", o.System)
	}
	return fmt.Errorf("start the activation: unexpected answer %q", answer)
}

// A Watch is a run's view of its guard.
type Watch struct {
	Run  string
	Seen int64 // bytes of the guard's log that were read; Follow counts on
}

// followFor is how long one look at the guard lasts at most, in hundredths of a
// second: a look that ends is a sign of life.
const followFor = 1000

// Follow watches the guard until nothing more happens by itself; past says that
// confirmation is given or out of the question. Each byte that the guard prints
// goes to log once.
func (h *Host) Follow(ctx context.Context, w *Watch, past bool, log io.Writer) (Verdict, error) {
	word := ""
	if past {
		word = "past"
	}
	for {
		state := &boundedBuffer{limit: maxAnswer, full: func() {}}
		count := &counter{w: log}
		err := h.machine.Run(ctx, followScript.argv(w.Run, strconv.FormatInt(w.Seen, 10), strconv.Itoa(followFor), word), count, state)
		w.Seen += count.n
		if err != nil {
			return Verdict{}, err
		}
		if v := parseVerdict(lastLine(state.String())); v.finished(past) {
			return v, nil
		}
	}
}

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

// The words.
const (
	ConfirmWord Word = "confirm" // keep the new system
	ExtendWord  Word = "extend"  // wait for the whole limit again
	AbortWord   Word = "abort"   // go back, and why
)

// Tell leaves a word for the guard of a run. It reports whether there is one.
func (h *Host) Tell(ctx context.Context, run string, word Word, text string) (bool, error) {
	out, err := h.ask(ctx, tellScript, run, string(word), text)
	if err != nil {
		return false, err
	}
	return lastLine(out) == "ok", nil
}
