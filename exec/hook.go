package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/schema"
)

// hookStages are the stages as hooks name them.
var hookStages = map[Stage]string{Build: "build", Copy: "copy", Activate: "activate", Revert: "activate", Confirm: "confirm", Restart: "reboot"}

// withHooks does the work of a stage between its hooks. A hook before it that
// fails stops the host there. One after it that fails is the host's failure,
// and where the system still waits for confirmation, the host returns to what
// it had.
func withHooks(ctx context.Context, j *job, s Stage) error {
	if j.upToDate() && s != Restart || s == Restart && !j.needsRestart() {
		return carryOut(ctx, j, s)
	}
	if err := runHooks(ctx, j, s, func(h *schema.Hook) string { return h.Before }); err != nil {
		if j.guard.waiting {
			return abort(ctx, j, err)
		}
		return err
	}
	if err := carryOut(ctx, j, s); err != nil {
		return err
	}
	err := runHooks(ctx, j, s, func(h *schema.Hook) string { return h.After })
	if err != nil && j.guard.waiting {
		return abort(ctx, j, err)
	}
	return err
}

// runHooks runs the hooks whose before or after, as when says, is a stage.
func runHooks(ctx context.Context, j *job, s Stage, when func(*schema.Hook) string) error {
	name := hookStages[s]
	if name == "" {
		return nil
	}
	for _, h := range j.step.Hooks {
		if when(&h) != name || h.OnHost && j.step.Host.Unconnected {
			continue
		}
		if err := runHook(ctx, j, s, &h); err != nil {
			return fmt.Errorf("hook %s: %w", strings.Join(h.Command, " "), err)
		}
	}
	return nil
}

func runHook(ctx context.Context, j *job, s Stage, h *schema.Hook) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), h.Timeout, fmt.Errorf("not done after %v", h.Timeout))
	defer cancel()
	env := []string{
		"MUSTER_HOST=" + j.step.Host.Name,
		"MUSTER_ADDRESS=" + j.step.Host.Address,
		"MUSTER_STAGE=" + hookStages[s],
		"MUSTER_ACTION=" + string(j.action()),
		"MUSTER_SYSTEM=" + string(j.step.System.Out),
		"MUSTER_RUN=" + j.run.opts.Run,
	}
	var err error
	switch m := j.conn.machine(); {
	case h.OnHost && m == nil:
		return errors.New("the host is not connected to at this stage")
	case h.OnHost:
		lines := &lineWriter{line: j.said(s)}
		err = m.Run(ctx, slices.Concat([]string{"env"}, env, h.Command), lines, lines)
		lines.close()
	case j.run.opts.Local == nil:
		return errors.New("commands cannot be run here")
	default:
		err = j.run.opts.Local(ctx, h.Command, env, j.said(s))
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
