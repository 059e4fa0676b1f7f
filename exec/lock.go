package exec

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

// lockScript takes the host for a run, or says who has it. A lock is a file on
// a tmpfs: the run, since when, when its holder last gave a sign of life, and
// who that is. It lapses when there is no sign of life for a while, though
// never while an activation is under way. Times are those since boot, so that
// no clock matters.
const lockScript = hostLib + `
mutex
now
since=$t
if [ -r $dir/lock ] && read -r run began beat holder <$dir/lock; then
  if [ "$run" = "$1" ]; then
    since=$began
  elif [ $((t - beat)) -lt "$3" ] || alive; then
    echo "held $(((t - began) / 100)) $run $holder"
    exit
  fi
fi
if alive && [ "$(cat $guard/run)" != "$1" ]; then
  echo "held 0 $(cat $guard/run) somebody whose activation is under way"
  exit
fi
echo "$1 $since $t $2" >$dir/lock.new && mv -f $dir/lock.new $dir/lock || exit 1
echo ok
`

// unlockScript gives the host back.
const unlockScript = hostLib + `
mutex
[ ! -r $dir/lock ] || { read -r run _ <$dir/lock; [ "$run" != "$1" ] || rm -f $dir/lock; }
`

// lock takes the host for this run, until the job ends.
func (j *job) lock(ctx context.Context) error {
	if j.settled() || j.action == Clean && j.keep.Dry {
		return nil
	}
	if err := j.takeLock(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		ticker := time.NewTicker(j.opts.LockTimeout / 6)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				beat, cancel := context.WithTimeout(ctx, j.opts.LockTimeout/2)
				// A lock that is lost meanwhile shows when it is needed.
				_ = j.takeLock(beat)
				cancel()
			}
		}
	}()
	j.onClose(func() {
		stop()
		<-beating
		// Where this does not get through, the lock lapses.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = j.ask(ctx, j.current(), unlockScript, j.opts.Run)
	})
	return nil
}

func (j *job) takeLock(ctx context.Context) error {
	out, err := j.ask(ctx, j.current(), lockScript, j.opts.Run, j.opts.Who, centiseconds(j.opts.LockTimeout))
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
	seconds, _ := strconv.Atoi(words[0])
	return fmt.Errorf("%w by %s for %v (run %s)", ErrLocked, words[2], time.Duration(seconds)*time.Second, words[1])
}
