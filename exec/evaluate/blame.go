package evaluate

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"muster/compile"
	"muster/compile/eval"
	"muster/compile/syntax"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/exec/ondemand"
	"muster/schema"
)

// An Error is the error of a host's evaluation, with the place in the inventory
// that it is about:
//
//	hosts.cue:22:47: networking.hostNme: The option `networking.hostNme' does not exist.
type Error struct {
	Blame   compile.Blame // the host if no other place is known
	Message string
	Trace   string // the evaluator's trace; "" unless Options.ShowTrace is set
	Err     error  // an [*eval.Error] or a [*nixcmd.ExitError]

	host   string
	hosts  []string // all that have the mistake; see ShareMistakes
	atHost bool     // Blame is the host itself: nothing more is known
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Blame.Pos.IsValid() {
		fmt.Fprintf(&b, "%v: ", e.Blame.Pos)
		if e.Blame.Option != "" {
			fmt.Fprintf(&b, "%s: ", e.Blame.Option)
		}
	}
	message := strings.TrimSpace(e.Message)
	b.WriteString(message)
	switch {
	case e.Blame.Hint == "":
	case strings.Contains(message, "\n"):
		b.WriteString("\n" + e.Blame.Hint)
	default:
		b.WriteString("; " + e.Blame.Hint)
	}
	if e.Trace != "" {
		b.WriteString("\n" + e.Trace)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Mistake is equal for the errors of hosts that have one mistake in common.
func (e *Error) Mistake() string {
	shared := *e
	if e.atHost {
		shared.Blame.Pos = schema.Pos{}
	}
	return strings.ReplaceAll(shared.Error(), "`host "+e.host+"'", "`host …'")
}

// Hosts returns the hosts that have the mistake, if ShareMistakes has found several.
func (e *Error) Hosts() []string { return e.hosts }

// ShareMistakes tells the errors of hosts that have one mistake in common of all of these
// hosts.
func ShareMistakes(results []Result) {
	hosts := map[string][]string{}
	each := func(do func(e *Error, mistake string)) {
		for _, r := range results {
			var e *Error
			if errors.As(r.Err, &e) {
				do(e, e.Mistake())
			}
		}
	}
	each(func(e *Error, mistake string) { hosts[mistake] = append(hosts[mistake], e.host) })
	each(func(e *Error, mistake string) { e.hosts = hosts[mistake] })
}

// hostError returns what an evaluator says about a host as an [*Error]; nil if
// err is nil. The network expression is the one that Nix evaluated.
func (o Options) hostError(h *schema.Host, network *syntax.File, err error) error {
	if err == nil {
		return nil
	}
	message, trace, log := err.Error(), "", ""
	var steps []compile.Step
	var embedded *eval.Error
	var nix *nixcmd.ExitError
	switch {
	case errors.As(err, &embedded):
		var build *loggedError
		if errors.As(err, &build) {
			log = build.log
		}
		message, trace, steps = embedded.Msg, embedded.Detail(), embeddedSteps(embedded)
	case errors.As(err, &nix):
		message, trace, steps, log = nix.Message(), strings.TrimSpace(nix.Stderr), nixSteps(o.Fleet, network, nix), nix.Stderr
	default:
		return &Error{Blame: compile.Blame{Pos: o.relative(h.At)}, Message: message, Err: err, host: h.Name, atHost: true}
	}
	trees := o.worktrees
	if nix != nil {
		trees = worktreesIn(o.Fleet, nix.Stderr)
	}
	message = inWorktrees(trees, message)
	for i := range steps {
		if at := steps[i].At; at.IsValid() {
			name := inWorktrees(trees, at.File())
			steps[i].At = syntax.NewPos(&name, int(at.Line), int(at.Col))
		}
	}
	blame, known := compile.BlameFor(o.Fleet, h.Name, compile.Witness{Message: message, Steps: steps, Log: log}, o.WorkDir)
	e := &Error{Blame: blame, Message: human.Plain(blame.Message), Err: err, host: h.Name}
	if !known {
		e.Blame.Pos, e.atHost = o.relative(h.At), true
		if at := positionOf(embedded); at.IsValid() {
			e.Blame.Pos, e.atHost = o.relative(at), false
		}
	}
	if o.ShowTrace {
		e.Trace = human.Plain(trace)
	}
	return e
}

// relative returns a position with its file named relative to the working directory
// if it is below.
func (o Options) relative(p schema.Pos) schema.Pos {
	p.File = compile.NameBelow(o.WorkDir, p.File)
	return p
}

// positionOf returns where an evaluation ran into a limit, wherever that is. It
// returns no position for other errors: those of NixOS are about options.
func positionOf(err *eval.Error) schema.Pos {
	if err == nil || err.Kind != eval.LimitError || !err.Pos.IsValid() {
		return schema.Pos{}
	}
	return schema.Pos{File: err.Pos.File(), Line: int(err.Pos.Line), Col: int(err.Pos.Col)}
}

// embeddedSteps returns the steps to an error of the embedded evaluator. Their
// positions are in the inventory: the generated expression carries them.
func embeddedSteps(err *eval.Error) []compile.Step {
	steps := []compile.Step{{At: err.Pos}}
	for _, t := range err.Trace {
		steps = append(steps, compile.Step{Text: t.Text, At: t.Pos})
	}
	return functionLast(steps, err.Msg)
}

// functionLast moves the first step behind the others if it is a function that was called with wrong arguments. The
// mistake is in the call, unless NixOS calls the function, which is a module then.
func functionLast(steps []compile.Step, message string) []compile.Step {
	if len(steps) > 0 && strings.HasPrefix(message, "function '") {
		return append(steps[1:], steps[0])
	}
	if m := calledFunction().FindStringSubmatch(message); m != nil {
		line, _ := strconv.Atoi(m[2])
		col, _ := strconv.Atoi(m[3])
		return append(steps, compile.Step{At: syntax.NewPos(&m[1], line, col)})
	}
	return steps
}

// calledFunction matches a function that older Nix says was called with wrong arguments.
var calledFunction = ondemand.Regexp(`^anonymous function at (/[^\n]*):(\d+):(\d+) called `)

// nixSteps returns the steps to an error of Nix. Positions in the text of the
// network expression are replaced by those in the inventory that they come from.
func nixSteps(fleet *schema.Fleet, network *syntax.File, exit *nixcmd.ExitError) []compile.Step {
	var text bytes.Buffer
	if syntax.Fprint(&text, network) != nil {
		return nil
	}
	origin := compile.Origins(fleet, text.Bytes())
	var steps []compile.Step
	for _, t := range exit.Trace() {
		step := compile.Step{Text: t.Text}
		switch at := syntax.NewPos(&t.File, t.Line, t.Col); {
		case t.File == nixcmd.NetworkFile:
			step.At = origin(at)
		case filepath.IsAbs(t.File):
			step.At = at
		}
		steps = append(steps, step)
	}
	return functionLast(steps, exit.Message())
}
