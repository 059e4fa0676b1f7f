package exec

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
)

// This file talks to the guard: a fixed script, guard.sh, that activates a
// system on the host, detached from any connection, and that returns the host
// to what it had unless the deployer confirms over a new one. What the guard
// does while nobody listens is in guard.sh; here are starting it, following it
// over as many connections as it takes, and confirming.

//go:embed guard.sh
var guardText string

// A phase is how far the guard on a host has come.
type phase string

const (
	noGuard    phase = "none" // there is none for this run: never started, or the host has restarted
	armed      phase = "armed"
	activating phase = "activating"
	activated  phase = "activated" // waits for confirmation
	committing phase = "committing"
	reverting  phase = "reverting"
	done       phase = "done"
	reverted   phase = "reverted"
	stuck      phase = "stuck" // on neither of both for certain
	guardDied  phase = "died"  // it was killed before its end
)

// A verdict is what a guard says: its phase, and why where something is wrong.
type verdict struct {
	phase  phase
	reason string
}

func parseVerdict(s string) verdict {
	p, why, _ := strings.Cut(strings.TrimSpace(s), " ")
	return verdict{phase(p), why}
}

// over reports whether nothing more happens by itself. A guard that waits for
// confirmation is not over for who looks past that.
func (v verdict) over(past bool) bool {
	switch v.phase {
	case armed, activating, committing, reverting:
		return false
	case activated:
		return !past
	}
	return true
}

// An order is what a guard is to do.
type order struct {
	system, previous store.Path // previous may be "": nothing to return to
	action           Action     // Switch, Boot or Test
	generation       int        // of the profile to move to; 0 for a new one
	former           int        // the profile's generation before; 0 for none
}

// hostLib begins every script below: the directory, the mutex that makes each
// of them one step, the time since boot in hundredths of a second. The
// directory is on a tmpfs that only root enters: after a restart there is
// nothing in it, and the host has booted its default, which is never moved
// before confirmation.
const hostLib = `
set -u
umask 077
PATH=$PATH:/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin
dir=/run/muster
guard=$dir/guard
mkdir -p $dir && chmod 0700 $dir || exit 1
mutex() { exec 9>$dir/mutex; flock -w 20 9 || { echo "$dir/mutex is held" >&2; exit 1; }; }
now() {
  read -r t _ </proc/uptime
  t=$((${t%.*} * 100 + 1${t#*.} - 100))
}
alive() { [ -e $guard/alive ] && ! flock -n $guard/alive true; }
`

// armScript starts a guard, unless another run holds the host, another guard
// is at work, or the host no longer runs what it did. It answers one line.
const armScript = hostLib + `
text=$1 run=$2 system=$3 previous=$4
shift 2
mutex
holder=
[ ! -r $dir/lock ] || read -r holder _ <$dir/lock
[ "$holder" = "$run" ] || { echo "lost $holder"; exit; }
if alive; then echo "busy $(cat $guard/run)"; exit; fi
current=
[ ! -e /run/current-system ] || current=$(readlink -f /run/current-system)
[ "$current" = "$previous" ] || { echo "moved $current"; exit; }
[ -x "$system/bin/switch-to-configuration" ] || { echo "nosystem"; exit; }
rm -rf $guard && mkdir $guard && printf %s "$text" >$guard/guard.sh && echo "$run" >$guard/run && : >$guard/log || exit 1
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
  systemd-run --quiet --collect --no-ask-password --unit="muster-$run" \
    --property=OOMScoreAdjust=-900 --property=TimeoutStopSec=5 \
    /bin/sh $guard/guard.sh "$@" 9>&- >&2 || exit 1
else
  setsid /bin/sh $guard/guard.sh "$@" </dev/null >/dev/null 2>&1 9>&- &
fi
n=0
while [ ! -e $guard/state ] && [ $n -lt 200 ]; do sleep 0.05; n=$((n + 1)); done
[ -e $guard/state ] || { echo "the guard did not start" >&2; exit 1; }
echo ok
`

// followScript prints the guard's log from a byte on and, on standard error,
// its state when nothing more happens by itself or after a while, whichever is
// first. Also what the caller has seen of the log is said there: output of the
// host's login shell may be in between.
const followScript = `
guard=/run/muster/guard run=$1 seen=$2 limit=$3 past=$4
n=0
while :; do
  there=
  [ ! -r $guard/run ] || read -r there <$guard/run
  [ "$there" = "$run" ] || { echo none >&2; exit; }
  state=armed
  [ ! -r $guard/state ] || read -r state <$guard/state
  size=$(wc -c <$guard/log)
  if [ "$size" -gt "$seen" ]; then
    tail -c +$((seen + 1)) $guard/log | head -c $((size - seen))
    seen=$size
  fi
  case $state in
  armed* | activating* | committing* | reverting*) by="while $state" over= ;;
  activated*) by="while waiting for confirmation" over=yes; [ -z "$past" ] || over= ;;
  *) echo "$state" >&2; exit ;;
  esac
  # Whether the guard is alive takes a process to find out, and is asked every second.
  if [ -n "$over" ] || [ $((n % 100)) = 0 ]; then
    if flock -n $guard/alive true; then
      # It may have ended between the two looks.
      now=$state
      [ ! -r $guard/state ] || read -r now <$guard/state
      [ "$now" != "$state" ] || { echo "died $by" >&2; exit; }
      continue
    fi
    if [ -n "$over" ]; then echo "$state" >&2; exit; fi
  fi
  [ $n -lt "$limit" ] || { echo "$state" >&2; exit; }
  # Most activations take a second; those that do not are in no hurry.
  if [ $n -lt 200 ]; then
    n=$((n + 5))
    sleep 0.05 || sleep 1
  else
    n=$((n + 20))
    sleep 0.2 || sleep 1
  fi
done
`

// tellScript leaves a word for the guard: confirm, extend or abort with why.
const tellScript = hostLib + `
mutex
[ -r $guard/run ] && [ "$(cat $guard/run)" = "$1" ] && alive || { echo none; exit; }
printf '%s' "$3" >$guard/$2.new && mv -f $guard/$2.new $guard/$2 || exit 1
echo ok
`

// centiseconds writes a limit as the guard counts.
func centiseconds(d time.Duration) string {
	return strconv.FormatInt(max(int64(d/(10*time.Millisecond)), 1), 10)
}

// arm starts the guard on the host.
func (j *job) arm(ctx context.Context, o order) error {
	out, err := j.ask(ctx, j.machine, armScript, guardText, j.opts.Run,
		string(o.system), string(o.previous), string(o.action), strconv.Itoa(o.generation), strconv.Itoa(o.former),
		centiseconds(j.opts.ActivateTimeout), centiseconds(j.opts.ConfirmTimeout), centiseconds(j.opts.RevertTimeout), j.opts.Who)
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
		return fmt.Errorf("an activation of run %s is under way", rest)
	case "moved":
		return fmt.Errorf("the host has changed meanwhile: it runs %s, not %s", or(rest, "no system"), or(string(o.previous), "no system"))
	case "nosystem":
		return fmt.Errorf("%s is no NixOS system: it has no bin/switch-to-configuration", o.system)
	}
	return fmt.Errorf("start the activation: unexpected answer %q", answer)
}

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

func lastLine(s string) string {
	s = strings.TrimRight(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// tell leaves a word for the guard. It reports whether there is one.
func (j *job) tell(ctx context.Context, m Machine, word, text string) (bool, error) {
	out, err := j.ask(ctx, m, tellScript, j.opts.Run, word, text)
	if err != nil {
		return false, err
	}
	return lastLine(out) == "ok", nil
}

// followFor is how long one look at the guard lasts at the most, in hundredths
// of a second: a look that ends is a sign of life.
const followFor = 1000

// follow looks at the guard until nothing more happens by itself, over one
// machine; past says that confirmation is given or out of the question. What
// the guard prints goes to the sink, each byte once.
func (j *job) follow(ctx context.Context, m Machine, s Stage, past bool) (verdict, error) {
	word := ""
	if past {
		word = "past"
	}
	for {
		var said bytes.Buffer
		lines := &lineWriter{line: j.said(s)}
		count := &counter{w: lines}
		err := m.Run(ctx, []string{"/bin/sh", "-c", followScript, "sh", j.opts.Run, strconv.FormatInt(j.seen, 10), strconv.Itoa(followFor), word}, count, &said)
		lines.close()
		j.seen += count.n
		if err != nil {
			return verdict{}, err
		}
		v := parseVerdict(lastLine(said.String()))
		if v.over(past) {
			return v, nil
		}
	}
}

// counter counts what goes through.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// await follows the guard to its verdict over the connection there is and, when
// that is lost, over new ones, until ctx ends.
func (j *job) await(ctx context.Context, s Stage, past bool) (verdict, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		v, err := j.follow(ctx, j.current(), s, past)
		if err == nil {
			return v, nil
		}
		if ctx.Err() != nil {
			return verdict{}, context.Cause(ctx)
		}
		if again := j.reconnect(ctx); again != nil {
			err = again
		} else {
			wait = 50 * time.Millisecond
			continue
		}
		select {
		case <-ctx.Done():
			return verdict{}, fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		case <-time.After(wait):
		}
	}
}

// reconnect replaces the connection by a new one. What runs over the old one
// is cut with it.
func (j *job) reconnect(ctx context.Context) error {
	m, err := j.opts.Connect(ctx, j.step.Host)
	if err != nil {
		return err
	}
	j.setMachine(m)
	return nil
}
