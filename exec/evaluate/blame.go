package evaluate

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"muster/compile"
	"muster/compile/eval"
	"muster/compile/syntax"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/schema"
)

// An Error is the error of a host's evaluation, with the place in the inventory
// that it is about:
//
//	hosts.cue:22:47: networking.hostNme: The option `networking.hostNme' does not exist.
type Error struct {
	Blame   compile.Blame // zero if the error is not about the inventory
	Message string
	Trace   string // the evaluator's trace; "" unless Options.ShowTrace is set
	Err     error  // an [*eval.Error] or a [*nixcmd.ExitError]
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Blame.Pos.IsValid() {
		fmt.Fprintf(&b, "%v: ", e.Blame.Pos)
		if e.Blame.Option != "" {
			fmt.Fprintf(&b, "%s: ", e.Blame.Option)
		}
	}
	b.WriteString(strings.TrimSpace(e.Message))
	if e.Trace != "" {
		b.WriteString("\n" + e.Trace)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// hostError returns what an evaluator says about a host as an [*Error]; nil if
// err is nil. The network expression is the one that Nix evaluated.
func (o Options) hostError(h *schema.Host, network *syntax.File, err error) error {
	if err == nil {
		return nil
	}
	message, trace := err.Error(), ""
	var steps []compile.Step
	var embedded *eval.Error
	var nix *nixcmd.ExitError
	switch {
	case errors.As(err, &embedded):
		message, trace, steps = embedded.Msg, embedded.Detail(), embeddedSteps(embedded)
	case errors.As(err, &nix):
		message, trace, steps = nix.Message(), strings.TrimSpace(nix.Stderr), nixSteps(o.Fleet, network, nix)
	default:
		return &Error{Message: message, Err: err}
	}
	e := &Error{
		Blame:   o.blame(h, compile.Witness{Message: message, Steps: steps}),
		Message: human.Plain(message),
		Err:     err,
	}
	if at := positionOf(embedded); !e.Blame.Pos.IsValid() && at.IsValid() {
		e.Blame.Pos = o.relative(at)
	}
	if o.ShowTrace {
		e.Trace = human.Plain(trace)
	}
	return e
}

// blame is [compile.BlameFor], with files named relative to the working
// directory if they are below it.
func (o Options) blame(h *schema.Host, w compile.Witness) compile.Blame {
	b, _ := compile.BlameFor(o.Fleet, h.Name, w)
	b.Pos = o.relative(b.Pos)
	return b
}

// relative returns a position with its file named relative to the working directory
// if it is below.
func (o Options) relative(p schema.Pos) schema.Pos {
	if o.WorkDir != "" && filepath.IsAbs(p.File) {
		if rel, err := filepath.Rel(o.WorkDir, p.File); err == nil && !strings.HasPrefix(rel, "..") {
			p.File = rel
		}
	}
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
	return steps
}

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
	return steps
}
