package exec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"muster/schema"
)

// health makes the host's health checks over the new connection. A host that
// does not pass returns to what it had.
func (j *job) health(ctx context.Context) error {
	if !j.waiting {
		return nil
	}
	for _, c := range j.step.Host.Health {
		if err := j.check(ctx, &c); err != nil {
			return j.abort(ctx, err)
		}
	}
	return nil
}

// check makes one check, several times where it takes that. The guard is told
// each time that somebody is still there. A connection that is lost says nothing
// about the host: the check is made again over a new one, and does not count.
func (j *job) check(ctx context.Context, c *schema.Check) error {
	ctx = context.WithoutCancel(ctx)
	patience := time.Now().Add(j.opts.ConfirmTimeout)
	for try := 0; ; try++ {
		err := j.try(ctx, c)
		event := Checked{Host: j.step.Host.Name, Check: c.String()}
		if err == nil {
			j.opts.Sink(event)
			return nil
		}
		event.Err = err.Error()
		j.opts.Sink(event)
		if time.Now().Before(patience) && j.lost(ctx) && j.renew(ctx) == nil {
			try--
			continue
		}
		if try >= c.Retries {
			return fmt.Errorf("health check %s: %w", c, err)
		}
		extend, cancel := context.WithTimeout(ctx, j.opts.ConfirmTimeout/2)
		_, _ = j.tell(extend, j.machine, "extend", "")
		cancel()
		time.Sleep(c.Interval)
	}
}

// renew replaces a connection that is lost, if that takes no longer than the
// guard waits.
func (j *job) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, j.opts.ConfirmTimeout/2)
	defer cancel()
	return j.reconnect(ctx)
}

func (j *job) try(ctx context.Context, c *schema.Check) error {
	// No check outlives the guard's patience.
	limit := min(c.Timeout, j.opts.ConfirmTimeout*3/4)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %v", limit))
	defer cancel()
	var err error
	switch {
	case len(c.Command) > 0:
		var said bytes.Buffer
		if err = j.machine.Run(ctx, c.Command, &said, &said); err != nil {
			if line := lastLine(said.String()); line != "" && !strings.Contains(err.Error(), line) {
				err = fmt.Errorf("%w: %s", err, line)
			}
		}
	case c.Unit != "":
		err = j.unit(ctx, c.Unit)
	case c.HTTP != "":
		err = j.http(ctx, c)
	default:
		var conn net.Conn
		if conn, err = j.dial(ctx, c, c.TCP); err == nil {
			conn.Close()
		}
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// unitScript prints ActiveState of a unit, as systemctl show does.
const unitScript = `
if [ -d /run/systemd/system ]; then exec systemctl show --property=ActiveState --value -- "$1"; fi
f=/run/minios/units/$1
if [ -e "$f" ]; then while read -r line; do case $line in state=*) echo "${line#state=}" ;; esac; done <"$f"; else echo inactive; fi
`

func (j *job) unit(ctx context.Context, name string) error {
	out, err := j.ask(ctx, j.machine, unitScript, name)
	if err != nil {
		return err
	}
	if state := lastLine(out); state != "active" {
		return fmt.Errorf("it is %s", or(state, "unknown"))
	}
	return nil
}

// dial connects to where the check says: as seen from the host, or from here.
func (j *job) dial(ctx context.Context, c *schema.Check, addr string) (net.Conn, error) {
	if !strings.Contains(addr, ":") {
		addr = ":" + addr
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if c.FromHere {
		if host == "" {
			host = j.step.Host.Address
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	}
	if host == "" {
		host = "localhost"
	}
	d, ok := j.machine.(interface {
		Dial(ctx context.Context, addr string) (net.Conn, error)
	})
	if !ok {
		return nil, errors.New("this connection carries no others")
	}
	return d.Dial(ctx, net.JoinHostPort(host, port))
}

// http asks for a page. Any status below 400 will do where none is given.
func (j *job) http(ctx context.Context, c *schema.Check) error {
	client := &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       func(ctx context.Context, _, addr string) (net.Conn, error) { return j.dial(ctx, c, addr) },
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.HTTP, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	io.CopyN(io.Discard, resp.Body, 1<<20)
	if c.Status == 0 && resp.StatusCode >= 400 || c.Status != 0 && resp.StatusCode != c.Status {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
