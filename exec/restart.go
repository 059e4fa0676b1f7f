package exec

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"muster/exec/host"
)

// How a host is restarted. It counts as down from the hooks before the restart until
// its job ends, so that waves and max_unavailable hold for restarts as they do for
// activations, on a host that was up to date as well.
//
//	hooks before reboot   drain it
//	restart               only while the profile is on the system that was confirmed
//	await                 another boot ID; the system that was booted is that one
//	health checks         as after an activation
//	hooks after reboot    take it into service again; not where it failed
//
// A host that boots another system, or comes back after the limit, says why as far
// as its journal has it: see lastWords. The host itself keeps the note that it was
// restarted (host/scripts/reboot.sh), so whoever inspects it next is told.

// rebootPoll is how often a host that restarts is tried.
const rebootPoll = 300 * time.Millisecond

// needsRestart reports whether the host is to be restarted: that was asked for, and
// what it booted is not what it will boot.
func (j *job) needsRestart() bool {
	if !j.run.opts.Reboot || j.action() != Switch && j.action() != Boot && j.action() != Rollback {
		return false
	}
	if j.action() == Boot {
		want := j.step.System.Out
		return j.seen.State.Booted != want || j.seen.State.Current != want
	}
	return len(j.seen.Facts.Needs) > 0 || j.guard.restarts
}

// restart restarts the host. It is back when it has another boot ID and runs the
// system that is its boot default.
func restart(ctx context.Context, j *job) error {
	if j.action() == Install {
		return firstBoot(ctx, j)
	}
	if !j.needsRestart() {
		return nil
	}
	if here, ok := j.conn.machine().(interface{ Here() bool }); ok && here.Here() {
		j.note(Finding{Check: "reboot", Text: "muster runs on this machine and does not restart it"})
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("not restarted: %w", context.Cause(ctx))
	}
	ctx = context.WithoutCancel(ctx)
	limit := j.rebootTimeout()
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not back after %v", limit))
	defer cancel()
	want := j.step.System.Out
	before, err := j.conn.ask().Boot(limited)
	if err != nil {
		return fmt.Errorf("not restarted: %w", err)
	}
	if before.Profile != want {
		return fmt.Errorf("not restarted: the system profile is on %s now, not on %s", cmp.Or(string(before.Profile), nothing), want)
	}
	j.out.KernelBefore = before.Kernel
	if err := j.conn.ask().Reboot(limited, j.run.opts.Run, want); err != nil {
		return fmt.Errorf("restart the host: %w", err)
	}
	j.out.changed = true
	after, err := awaitBoot(limited, j, before.ID)
	if err != nil {
		return err
	}
	j.out.Rebooted, j.out.KernelAfter = true, after.Kernel
	if err := look(limited, j, host.InspectRequest{}); err != nil {
		return err
	}
	_ = j.conn.ask().Restarted(limited) // or the next inspection tells of it
	if after.System != want {
		return fmt.Errorf("restart: it has booted %s, not %s%s", cmp.Or(string(after.System), "no system"), want, lastWords(limited, j, before.ID))
	}
	for _, c := range j.step.Host.Checks(false) {
		if err := checkUntilPassed(ctx, j, &c); err != nil {
			return fmt.Errorf("after the restart: %w", err)
		}
	}
	return nil
}

// awaitBoot waits until the host is back with another boot ID than before.
func awaitBoot(ctx context.Context, j *job, before string) (host.Boot, error) {
	last := errors.New("it has not gone down")
	for {
		select {
		case <-ctx.Done():
			return host.Boot{}, fmt.Errorf("restart: %w; last: %w", context.Cause(ctx), last)
		case <-time.After(rebootPoll):
		}
		m, err := j.run.opts.Connect(ctx, j.step.Host)
		if err != nil {
			last = err
			continue
		}
		b, err := j.conn.over(m).Boot(ctx)
		if err != nil || b.ID == before {
			last = cmp.Or(err, errors.New("it has not gone down"))
			m.Close()
			continue
		}
		j.conn.use(m)
		return b, nil
	}
}

// lastLines is how many lines of a boot's journal are told.
const lastLines = 20

// lastWords tells the last lines of the journal of the boot before the present one,
// and returns what that says of an attempt to boot another system, to be added to an
// error. before is the boot that was ended by the restart.
func lastWords(ctx context.Context, j *job, before string) string {
	id, lines, err := j.conn.ask().LastBoot(ctx, lastLines)
	if err != nil || id == "" {
		return "; the host has no journal of the boot before"
	}
	say := &lineWriter{line: j.said(Restart)}
	defer say.close()
	which := "of an attempt to boot that failed"
	if host.SameBoot(id, before) {
		which = "of the boot before the restart"
	}
	fmt.Fprintf(say, "the last lines of the journal %s:\n", which)
	for _, line := range lines {
		fmt.Fprintln(say, line)
	}
	if host.SameBoot(id, before) {
		return "; no attempt to boot it has left a journal: its boot loader chose another system, or it failed before its journal began"
	}
	return "; an attempt to boot it has failed, and its journal is above"
}

// tellOfRestart tells of a restart that the host came back from when nobody waited
// for it any longer.
func tellOfRestart(ctx context.Context, j *job) {
	r := &j.seen.Restart
	if r.Run == "" {
		return
	}
	text := fmt.Sprintf("run %s restarted it to boot %s, and had ended before it came back", r.Run, r.System)
	if booted := j.seen.State.Booted; booted != r.System {
		text += fmt.Sprintf("; it has booted %s", cmp.Or(string(booted), "no system"))
		text += lastWords(ctx, j, r.BootID)
	} else if id, _, err := j.conn.ask().LastBoot(ctx, 1); err == nil && id != "" && !host.SameBoot(id, r.BootID) {
		text += lastWords(ctx, j, r.BootID)
	}
	if r.Run != j.run.opts.Run || j.seen.State.Booted != r.System {
		j.note(Finding{Check: "restart", Text: text})
	}
	if a := j.action(); a.changes() && a != Preview && a != DryActivate && a != WouldRevert {
		_ = j.conn.ask().Restarted(ctx)
	}
}
