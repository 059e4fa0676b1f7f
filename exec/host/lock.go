package host

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrLocked says that another run has the host.
var ErrLocked = errors.New("locked")

// A LockHolder is who has a host.
type LockHolder struct {
	Run, Who string        // "" where the host is free
	Held     time.Duration // since it was taken
	Quiet    time.Duration // since the last sign of life
}

// Err is an [ErrLocked] that names the holder.
func (l LockHolder) Err() error {
	return fmt.Errorf("%w by %s for %v (run %s)", ErrLocked, l.Who, l.Held.Round(time.Second), l.Run)
}

// A LockRequest asks for a host.
type LockRequest struct {
	Run   string
	Who   string        // as others are told
	Lapse time.Duration // without a sign of life, until the lock is free again
}

// Lock takes the host for a run, or renews its lock. The error is an [ErrLocked]
// where another run has it.
func (h *Host) Lock(ctx context.Context, r LockRequest) error {
	out, err := h.ask(ctx, lockScript, r.Run, r.Who, centiseconds(r.Lapse))
	if err != nil {
		return err
	}
	answer, rest, _ := strings.Cut(lastLine(out), " ")
	if answer == "ok" {
		return nil
	}
	words := strings.SplitN(rest, " ", 3)
	if answer != "held" || len(words) < 3 {
		return fmt.Errorf("lock the host: unexpected answer %q", lastLine(out))
	}
	return LockHolder{Run: words[1], Who: words[2], Held: seconds(words[0])}.Err()
}

// Unlock gives the host back, if the run has it.
func (h *Host) Unlock(ctx context.Context, run string) error {
	_, err := h.ask(ctx, unlockScript, run)
	return err
}

// parseLock reads the lock line of inspect.sh: seconds held, seconds quiet, run,
// who.
func parseLock(s string) LockHolder {
	words := strings.SplitN(s, " ", 4)
	if len(words) < 4 {
		return LockHolder{}
	}
	return LockHolder{Run: words[2], Who: words[3], Held: seconds(words[0]), Quiet: seconds(words[1])}
}

// seconds reads a whole number of seconds, 0 where it is none.
func seconds(s string) time.Duration {
	n, _ := strconv.ParseUint(s, 10, 31)
	return time.Duration(n) * time.Second
}

// centiseconds writes a limit as the scripts count, from the hundredths of a
// second in /proc/uptime.
func centiseconds(d time.Duration) string {
	return strconv.FormatInt(max(int64(d/(10*time.Millisecond)), 1), 10)
}
