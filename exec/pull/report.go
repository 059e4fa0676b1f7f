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
	err = errors.Join(err, p.send(ctx, release.Report(r)))
	text := fmt.Sprintf("release %d: %s", p.head.Number, r.Status)
	if r.Error != "" {
		text += ": " + r.Error
	}
	return Result{Status: r.Status, Number: p.head.Number, Text: text}, err
}

// send writes a report to the store, where it says something else than the last.
func (p *poll) send(ctx context.Context, r release.Report) error {
	m := p.memory
	r.Host, r.Number, r.Dir, r.Muster = p.Host, m.Number, m.Dir, p.Version
	r.At = time.Time{}
	same, err := r.Text()
	if err != nil {
		return err
	}
	if string(same) == m.Report && p.now().Sub(m.Reported) < heartbeat {
		return nil
	}
	r.At = p.now().UTC().Truncate(time.Second)
	text, err := r.Text()
	if err != nil {
		return err
	}
	// The agent may have been told to end: what it has done is reported all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := objectstore.Write(ctx, p.Store, release.ReportKey(p.Host), text, objectstore.Condition{}); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	m.Report, m.Reported = string(same), r.At
	return m.keep(p.Agent)
}

// last is the last report that was sent, to say more with.
func (p *poll) last() release.Report {
	r := release.Report{Status: release.Refused}
	if old, err := release.ParseReport([]byte(p.memory.Report), p.Host); err == nil {
		r = *old
	}
	return r
}

// reportProblem reports that what is in the store is refused. What became of the release before stays in the report. That it
// cannot be sent is less than what it is about.
func (p *poll) reportProblem(ctx context.Context, problem error) {
	r := p.last()
	r.Problem = problem.Error()
	_ = p.send(ctx, r)
}

// reportAgain shows that the host is alive.
func (p *poll) reportAgain(ctx context.Context) {
	r := p.last()
	r.Problem = ""
	_ = p.send(ctx, r)
}
