package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/schema"
)

// Local runs a command on this machine, with more in its environment, and
// hands on the lines that it prints.
type Local func(ctx context.Context, argv, env []string, line func(string)) error

// hooked does the work of a stage between its hooks. A hook before it that
// fails stops the host there. One after it that fails is the host's failure,
// and where the system still waits for confirmation, the host returns to what
// it had.
func (j *job) hooked(ctx context.Context, s Stage) error {
	if s == Activate && j.settled() {
		return j.carryOut(ctx, s)
	}
	if err := j.runHooks(ctx, s, func(h *schema.Hook) string { return h.Before }); err != nil {
		if j.waiting {
			return j.abort(ctx, err)
		}
		return err
	}
	if err := j.carryOut(ctx, s); err != nil {
		return err
	}
	err := j.runHooks(ctx, s, func(h *schema.Hook) string { return h.After })
	if err != nil && j.waiting {
		return j.abort(ctx, err)
	}
	return err
}

// hookStages are the stages as hooks name them.
var hookStages = map[Stage]string{Build: "build", Copy: "copy", Activate: "activate", Revert: "activate", Confirm: "confirm", Restart: "reboot"}

func (j *job) runHooks(ctx context.Context, s Stage, when func(*schema.Hook) string) error {
	name := hookStages[s]
	if name == "" || j.settled() || s == Restart && !j.opts.Reboot {
		return nil
	}
	for _, h := range j.step.Hooks {
		if when(&h) != name {
			continue
		}
		if err := j.hook(ctx, s, &h); err != nil {
			return fmt.Errorf("hook %s: %w", strings.Join(h.Command, " "), err)
		}
	}
	return nil
}

// hook runs one hook.
func (j *job) hook(ctx context.Context, s Stage, h *schema.Hook) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), h.Timeout, fmt.Errorf("not done after %v", h.Timeout))
	defer cancel()
	env := []string{
		"MUSTER_HOST=" + j.step.Host.Name,
		"MUSTER_ADDRESS=" + j.step.Host.Address,
		"MUSTER_STAGE=" + hookStages[s],
		"MUSTER_ACTION=" + string(j.action),
		"MUSTER_SYSTEM=" + string(j.step.System.Out),
		"MUSTER_RUN=" + j.opts.Run,
	}
	lines := &lineWriter{line: j.said(s)}
	defer lines.close()
	var err error
	switch {
	case h.OnHost && j.current() == nil:
		return errors.New("the host is not connected to at this stage")
	case h.OnHost:
		err = j.current().Run(ctx, slices.Concat([]string{"env"}, env, h.Command), lines, lines)
	case j.opts.Local == nil:
		return errors.New("commands cannot be run here")
	default:
		err = j.opts.Local(ctx, h.Command, env, j.said(s))
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
