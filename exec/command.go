package exec

import "context"

// runCommand runs the plan's command on the host, as root.
func (j *job) runCommand(ctx context.Context) error {
	lines := &lineWriter{line: j.said(RunCommand)}
	defer lines.close()
	j.out.changed = true
	j.out.Status = Ran
	return j.current().Run(ctx, j.command, lines, lines)
}

// report keeps what was found out about the host.
func (j *job) report(context.Context) error {
	j.out.Status = Seen
	facts := j.facts
	j.out.Facts = &facts
	j.out.NeedsReboot = facts.Needs
	return nil
}
