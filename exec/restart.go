package exec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// bootIDScript prints the boot's ID and what was booted.
const bootIDScript = `
read -r id </proc/sys/kernel/random/boot_id && echo "$id $(readlink -f /run/booted-system)"
`

// rebootScript has the host restart a moment later, so that whoever asked for
// it hears that it was taken.
const rebootScript = `
PATH=$PATH:/run/current-system/sw/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ -d /run/systemd/system ]; then
  systemd-run --quiet --collect --no-ask-password --on-active=1 systemctl reboot || exit 1
else
  setsid /bin/sh -c 'sleep 0.3; reboot' </dev/null >/dev/null 2>&1 &
fi
echo ok
`

// restart restarts the host where that was asked for and what it booted is not
// what it will boot. It is back when it has another boot ID and runs the system
// that is its boot default.
func (j *job) restart(ctx context.Context) error {
	if !j.opts.Reboot {
		return nil
	}
	if len(j.facts.Needs) == 0 && j.action != Boot {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("not restarted: %w", context.Cause(ctx))
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), j.opts.RebootTimeout,
		fmt.Errorf("not back after %v", j.opts.RebootTimeout))
	defer cancel()
	before, _, err := j.bootID(ctx, j.machine)
	if err != nil {
		return fmt.Errorf("not restarted: %w", err)
	}
	out, err := j.ask(ctx, j.machine, rebootScript)
	if err != nil || lastLine(out) != "ok" {
		return fmt.Errorf("have it restart: %w", errors.Join(err, errors.New(or(lastLine(out), "no answer"))))
	}
	j.out.changed = true
	last := errors.New("it has not gone down")
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("restart: %w; last: %w", context.Cause(ctx), last)
		case <-time.After(300 * time.Millisecond):
		}
		m, err := j.opts.Connect(ctx, j.step.Host)
		if err != nil {
			last = err
			continue
		}
		id, booted, err := j.bootID(ctx, m)
		if err != nil || id == before {
			if last = err; err == nil {
				last = errors.New("it has not gone down")
			}
			m.Close()
			continue
		}
		j.setMachine(m)
		j.out.Rebooted = true
		if err := j.look(ctx); err != nil {
			return err
		}
		if want := string(j.step.System.Out); booted != want {
			return fmt.Errorf("restart: it has booted %s, not %s", or(booted, "no system"), want)
		}
		return nil
	}
}

func (j *job) bootID(ctx context.Context, m Machine) (id, booted string, err error) {
	out, err := j.ask(ctx, m, bootIDScript)
	if err != nil {
		return "", "", err
	}
	id, booted, _ = strings.Cut(lastLine(out), " ")
	if id == "" {
		return "", "", fmt.Errorf("read the boot ID: %q", out)
	}
	return id, booted, nil
}
