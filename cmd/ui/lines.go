package ui

import (
	"fmt"
	"io"
	"strings"

	"muster/exec"
)

// NewLines returns a reporter that shows what commands print, each line with its
// host: as it comes or, if ordered, the lines of each host together and the hosts
// in their order.
func NewLines(out, errs io.Writer, hint Hint, hosts []string, ordered bool) Reporter {
	l := &lines{out: out, errs: errs, hint: hint, ordered: ordered, held: map[string][]string{}, next: hosts, ended: map[string]*exec.Outcome{}}
	for _, h := range hosts {
		l.width = max(l.width, len(h))
	}
	return l
}

type lines struct {
	out, errs io.Writer
	hint      Hint
	ordered   bool
	width     int // of the longest host name

	held  map[string][]string      // what hosts printed that are not yet next
	next  []string                 // hosts that are not yet shown, in order
	ended map[string]*exec.Outcome // hosts that are done
}

func (l *lines) Doing(string, ...any) {}

func (l *lines) Note(string, ...any) {}

func (l *lines) Begin(Run) {}

func (l *lines) Event(e exec.Event) {
	switch e := e.(type) {
	case exec.Said:
		if l.ordered {
			l.held[e.Host] = append(l.held[e.Host], e.Line)
		} else {
			l.line(e.Host, e.Line)
		}
	case exec.HostEnded:
		if l.ordered {
			l.ended[e.Outcome.Host] = &e.Outcome
			l.release()
		} else {
			l.failure(&e.Outcome)
		}
	}
}

// release shows the hosts that are next and done.
func (l *lines) release() {
	for len(l.next) > 0 && l.ended[l.next[0]] != nil {
		host := l.next[0]
		for _, line := range l.held[host] {
			l.line(host, line)
		}
		l.failure(l.ended[host])
		l.next = l.next[1:]
		delete(l.held, host)
	}
}

func (l *lines) line(host, text string) {
	fmt.Fprintf(l.out, "%-*s  %s\n", l.width, host, Printable(text))
}

// failure shows why a host failed, if it did.
func (l *lines) failure(o *exec.Outcome) {
	if o.Err == nil {
		return
	}
	fmt.Fprintf(l.errs, "%s: %s\n", o.Host, strings.TrimSpace(Printable(o.Err.Error())))
	if h := l.hint(o.Host, o.Err); h != "" {
		fmt.Fprintf(l.errs, "hint: %s\n", h)
	}
}

func (l *lines) End([]exec.Outcome) {}

func (l *lines) Interrupted() {}

func (l *lines) Around(errs io.Writer) io.Writer { return errs }

func (l *lines) Asking(ask func() error) error { return ask() }

func (l *lines) Close() {}
