package exec

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"muster/exec/host"
	"muster/schema"
)

// checkHealth makes the host's health checks over the new connection. A host
// that does not pass returns to what it had. One that was up to date has nothing
// to return to: it has failed. status makes each check once and tells of all that
// fail.
func checkHealth(ctx context.Context, j *job) error {
	if j.action() == Look {
		return checkOnce(ctx, j)
	}
	if !j.guard.waiting && !j.secrets.applied && !j.checksUpToDate() && !(j.unguarded() && j.out.Status == Activated) {
		return nil
	}
	for _, c := range j.step.Host.Checks(false) {
		err := checkUntilPassed(ctx, j, &c)
		switch {
		case err == nil:
		case j.guard.waiting:
			return abort(ctx, j, err)
		case j.secrets.applied:
			return returnSecrets(ctx, j, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case j.out.Status == Activated:
			return fmt.Errorf("%w; the host keeps the new system: its guard is off", err)
		default:
			j.out.keeps = true
			return fmt.Errorf("%w; the host was up to date and is left as it is", err)
		}
	}
	return nil
}

// checkBefore makes the checks that a host has to pass before it is changed.
func checkBefore(ctx context.Context, j *job) error {
	for _, c := range j.step.Host.Checks(true) {
		if err := checkUntilPassed(ctx, j, &c); err != nil {
			return fmt.Errorf("%w; nothing was changed", err)
		}
	}
	return nil
}

// checksBefore reports whether the host is to be changed, and has checks to pass before.
func (j *job) checksBefore() bool {
	return !j.upToDate() && !j.hasGuard() && len(j.step.Host.Checks(true)) > 0
}

// checksUpToDate reports whether the host is up to date and has its checks made all
// the same: they may be newer than its system, and what they check may have failed
// since.
func (j *job) checksUpToDate() bool {
	return (j.action() == Switch || j.action() == Test) && j.upToDate() && len(j.step.Host.Checks(false)) > 0
}

// checkOnce makes each check once, where the host runs the system that they are
// for.
func checkOnce(ctx context.Context, j *job) error {
	if want := j.step.System.Out; want == "" || j.out.Before.Current != want {
		return nil
	}
	for _, c := range j.step.Host.Checks(false) {
		if err := j.try(ctx, checker{conn: j.conn, most: c.Timeout}, &c); err != nil {
			j.out.FailedChecks = append(j.out.FailedChecks, fmt.Sprintf("%s: %v", &c, err))
		}
	}
	return nil
}

// try makes a check once and tells how it went.
func (j *job) try(ctx context.Context, k checker, c *schema.Check) error {
	err := k.check(ctx, c)
	event := Checked{Host: j.step.Host.Name, Check: c.String()}
	if err != nil {
		event.Err = clip(err.Error())
	}
	j.emit(event)
	return err
}

// checkUntilPassed makes one check, as many times as the inventory allows. A guard
// that waits is told each time to go on waiting, and nothing interrupts the checks
// then. A connection that is lost says
// nothing about the host: the check is made again over a new one, and does not
// count.
func checkUntilPassed(ctx context.Context, j *job, c *schema.Check) error {
	if j.guard.waiting {
		ctx = context.WithoutCancel(ctx)
	}
	limit := j.confirmTimeout()
	patience := time.Now().Add(limit)
	k := checker{conn: j.conn, most: limit * 3 / 4}
	for try := 0; ; try++ {
		err := j.try(ctx, k, c)
		if err == nil {
			return nil
		}
		if time.Now().Before(patience) && j.conn.lost(ctx) && j.renewWithin(ctx, limit/2) == nil {
			try--
			continue
		}
		if try >= c.Retries {
			return fmt.Errorf("health check %s: %w", c, err)
		}
		if j.guard.waiting {
			extend, cancel := context.WithTimeout(ctx, limit/2)
			_, _ = j.guard.tell(extend, host.ExtendWord, "")
			cancel()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(c.Interval):
		}
	}
}

// renewWithin replaces a connection that is lost, if that takes no longer.
func (j *job) renewWithin(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return j.conn.renew(ctx)
}

// A checker makes health checks on one host.
type checker struct {
	conn *connection
	most time.Duration // limit for one try, whatever the check says: the guard waits no longer
}

// check tries a check once.
func (k checker) check(ctx context.Context, c *schema.Check) error {
	limit := min(c.Timeout, k.most)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	var err error
	switch {
	case len(c.Command) > 0:
		err = k.conn.ask().Command(ctx, c.Command)
	case c.Unit != "":
		err = k.unit(ctx, c.Unit)
	case c.HTTP != "":
		err = k.http(ctx, c)
	default:
		var conn net.Conn
		if conn, err = k.dial(ctx, c, c.TCP); err == nil {
			conn.Close()
		}
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (k checker) unit(ctx context.Context, name string) error {
	state, err := k.conn.ask().UnitState(ctx, name)
	if err != nil {
		return err
	}
	if state != "active" {
		return fmt.Errorf("it is %s", cmp.Or(state, "unknown"))
	}
	return nil
}

// A dialer is a machine that connects to addresses as it sees them.
type dialer interface {
	Dial(ctx context.Context, addr string) (net.Conn, error)
}

// dial connects to where the check says: as seen from the host, or from here.
func (k checker) dial(ctx context.Context, c *schema.Check, addr string) (net.Conn, error) {
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	to, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if c.FromHere {
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(cmp.Or(to, k.conn.address()), port))
	}
	d, ok := k.conn.machine().(dialer)
	if !ok {
		return nil, errors.New("this connection carries no others")
	}
	return d.Dial(ctx, net.JoinHostPort(cmp.Or(to, "localhost"), port))
}

// What is read of a page, in bytes.
const (
	maxHead = 64 << 10
	maxPage = 1 << 20
)

// http asks for a page. Any status below 400 passes where none is given.
func (k checker) http(ctx context.Context, c *schema.Check) error {
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxHead,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: c.Insecure},
			DialContext:            func(ctx context.Context, _, addr string) (net.Conn, error) { return k.dial(ctx, c, addr) },
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.HTTP, nil)
	if err != nil {
		return err
	}
	for _, h := range c.Headers {
		req.Header.Set(h.Name, h.Value)
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
		}
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.CopyN(io.Discard, resp.Body, maxPage)
	if c.Status == 0 && resp.StatusCode >= 400 || c.Status != 0 && resp.StatusCode != c.Status {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}
