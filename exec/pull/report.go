package pull

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/exec/objectstore"
	"muster/exec/release"
)

// A report is what a poll has to say, as far as it is known where it ends.
type report release.Report

// retry is the report of a poll that has changed nothing.
func retry(err error) report { return report{Status: release.Retrying, Error: err.Error()} }

// settle keeps what has become of the release, and reports it.
func (p *poll) settle(ctx context.Context, r report) (Result, error) {
	p.memory.Status = r.Status
	if r.Status.Settled() {
		p.memory.Run = ""
	}
	err := p.memory.keep(p.Agent)
	if p.part != nil {
		r.System = p.part.System
	}
	if r.Running == "" && r.Status != release.Failed && r.Status != release.RolledBack { // which leave what nobody has seen yet
		r.Running, r.Boots, r.Generation = p.seen.Current, p.seen.Boots, p.seen.Generation.Number
	}
	err = errors.Join(err, p.send(ctx, release.Report(r)))
	if before := p.seen.Current; r.Status == release.Activated && p.Inbox == nil && before != "" && before != r.System {
		// So that the store keeps it. Who cannot write it has reported all the same.
		_ = release.WriteBefore(context.WithoutCancel(ctx), p.Store, p.Host, before)
	}
	text := fmt.Sprintf("release %d: %s", p.head.Number, r.Status)
	if r.Error != "" {
		text += ": " + r.Error
	}
	return Result{Status: r.Status, Number: p.head.Number, Text: text}, err
}

// send reports what differs from the last report, and what was not delivered before.
func (p *poll) send(ctx context.Context, r release.Report) error {
	m := p.memory
	r.Host, r.Number, r.Dir, r.Muster = p.Host, m.Number, m.Dir, p.Version
	r.At = time.Time{}
	same, err := r.Text()
	if err != nil {
		return err
	}
	if string(same) != m.Report || p.lastIsOld() {
		r.At = p.now().UTC().Truncate(time.Second)
		text, err := r.Sign(p.Signers)
		if err != nil {
			return fmt.Errorf("report: %w", err)
		}
		p.outbox.add(text, len(p.Signers) > 0)
		m.Report, m.Reported = string(same), r.At
		// What cannot be kept is delivered all the same.
		if err := errors.Join(p.outbox.keep(p.Agent), m.keep(p.Agent)); err != nil {
			return errors.Join(err, p.deliver(ctx))
		}
	}
	return p.deliver(ctx)
}

// lastIsOld reports whether the last report says too little of the host today: it is some hours old, it is of a time to come,
// as the clock was ahead, or it was not signed and could be.
func (p *poll) lastIsOld() bool {
	return p.now().Sub(p.memory.Reported).Abs() > heartbeat || len(p.Signers) > 0 && !p.outbox.Signed
}

// deliver delivers what is in the outbox.
func (p *poll) deliver(ctx context.Context) error {
	if len(p.outbox.Unsent) == 0 {
		return nil
	}
	// The agent may have been told to end: what it has done is reported all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	inbox := p.Inbox
	if inbox == nil {
		inbox = storeInbox{p.Store, release.ReportKey(p.Host)}
	}
	left, err := inbox.Deliver(ctx, p.outbox.Unsent)
	p.outbox.Unsent = left
	if err != nil {
		err = fmt.Errorf("report: %w", err)
	}
	return errors.Join(err, p.outbox.keep(p.Agent))
}

// A storeInbox takes reports as an object of the store of releases.
type storeInbox struct {
	store objectstore.Store
	key   string
}

// Deliver writes the last report: the object has no room for those before.
func (s storeInbox) Deliver(ctx context.Context, reports []string) (left []string, err error) {
	last := reports[len(reports)-1]
	if err := objectstore.Write(ctx, s.store, s.key, []byte(last), objectstore.Condition{}); err != nil {
		return reports, fmt.Errorf("%w; it is kept, and delivered later", err)
	}
	return nil, nil
}

// last is the last report, to say more with. An agent that was killed after it had kept what became of a release, and before it
// had kept its report, has not reported that yet: told is false then.
func (p *poll) last() (r release.Report, told bool) {
	m := p.memory
	old, err := release.ParseReport([]byte(m.Report), p.Host)
	switch {
	case err == nil && (!m.Status.Settled() || old.Dir == m.Dir && old.Status == m.Status):
		return *old, true
	case m.Status.Settled():
		return release.Report{Status: m.Status}, false
	}
	return release.Report{Status: release.Refused}, true
}

// reportProblem reports that what is in the store is refused. What became of the release before stays in the report. That it
// cannot be sent is less than what it is about.
func (p *poll) reportProblem(ctx context.Context, problem error) {
	r, _ := p.last()
	r.Problem = problem.Error()
	_ = p.send(ctx, r)
}

// reportAgain reports that nothing is wrong, where the last report does not say so or is old.
func (p *poll) reportAgain(ctx context.Context) error {
	r, told := p.last()
	if told && r.Problem == "" && !p.lastIsOld() {
		return p.deliver(ctx)
	}
	r.Problem = ""
	return p.send(ctx, r)
}
