package ui

import (
	"fmt"
	"io"
	"strings"

	"muster/exec"
	"muster/exec/human"
)

// An Arrangement is how lines of several hosts are put in order.
type Arrangement int

// The arrangements.
const (
	AsTheyCome Arrangement = iota // each line with its host
	HostByHost                    // the lines of each host together, and the hosts in their order
	Grouped                       // hosts that print the same together, when all have ended
)

// NewLines returns a reporter that shows what commands print, and in the end, of several hosts,
// how many ran and which failed.
func NewLines(out, errs io.Writer, hint Hint, hosts []string, how Arrangement) Reporter {
	l := &lines{out: out, errs: errs, hint: hint, how: how, hosts: hosts, held: map[string][]string{}, next: hosts, ended: map[string]*exec.Outcome{}}
	for _, h := range hosts {
		l.width = max(l.width, len(h))
	}
	return l
}

type lines struct {
	out, errs io.Writer
	hint      Hint
	how       Arrangement
	width     int // of the longest host name
	hosts     []string

	held  map[string][]string      // what hosts printed that is not yet shown
	next  []string                 // hosts that are not yet shown, in order
	ended map[string]*exec.Outcome // hosts that are done
}

func (l *lines) Doing(string, ...any) {}

func (l *lines) Note(string, ...any) {}

func (l *lines) Begin(Run) {}

func (l *lines) Event(e exec.Event) {
	switch e := e.(type) {
	case exec.Said:
		if l.how == AsTheyCome {
			l.line(e.Host, e.Line)
		} else {
			l.held[e.Host] = append(l.held[e.Host], e.Line)
		}
	case exec.HostEnded:
		switch l.how {
		case AsTheyCome:
			l.failure(&e.Outcome)
		case HostByHost:
			l.ended[e.Outcome.Host] = &e.Outcome
			l.release()
		}
	}
}

// group shows what hosts printed, once for all that printed the same.
func (l *lines) group() {
	var order []string
	groups := map[string][]string{}
	for _, host := range l.hosts {
		text := strings.Join(l.held[host], "\n")
		if groups[text] == nil {
			order = append(order, text)
		}
		groups[text] = append(groups[text], host)
	}
	p := newPage(l.out, ColorAuto)
	for _, text := range order {
		title := line{}.and(strong, abbreviate(groups[text], mostNamed))
		if n := len(groups[text]); n > 1 {
			title = append(line{}.and(strong, human.Count(n, "host")+": "), title...)
		}
		lines := l.held[groups[text][0]]
		if len(lines) == 0 {
			p.print(title.and(faint, ": no output"))
			continue
		}
		p.print(title)
		for _, said := range lines {
			p.print(say("  " + Printable(said)))
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

// End says how many hosts ran the command, where there are several.
func (l *lines) End(outcomes []exec.Outcome) {
	p := newPage(l.errs, ColorAuto)
	if l.how == Grouped {
		l.group()
		printFailures(p, outcomes, nil, Run{}, l.hint)
	}
	if len(outcomes) > 1 {
		p.print(countLine(outcomes))
	}
}

func (l *lines) Interrupted() {}

func (l *lines) Around(errs io.Writer) io.Writer { return errs }

func (l *lines) Asking(ask func() error) error { return ask() }

func (l *lines) Close() {}
