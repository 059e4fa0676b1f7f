package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"muster/cmd/ui"
	"muster/compile"
	"muster/compile/eval"
	"muster/compile/store"
	"muster/compile/syntax"
	"muster/exec"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/schema"
)

// An evaluation says how a fleet is evaluated.
type evaluation struct {
	evaluator  string
	trace      bool
	noCache    bool
	maxMemory  int64    // in MB; 0 is three quarters of what there is
	searchPath []string // in front of $NIX_PATH
	settings   []string // NAME=VALUE: Nix settings over those of its files
	nixVersion string   // of the Nix to be like; "" is the evaluator's own choice
}

// systems finds the systems of some of the fleet's hosts, and says to warn what
// NixOS warns of. errs holds the hosts that have no system. With a Nix, their
// derivations are in its store afterwards; without, only their names are known.
func (o *evaluation) systems(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, warn io.Writer) (map[string]exec.System, map[string]error, error) {
	var found map[string]nixcmd.System
	var errs map[string]error
	var err error
	held := &heldWarnings{w: warn}
	switch o.evaluator {
	case "nix":
		found, errs, err = o.byNix(ctx, nix, fleet, hosts, held)
	case "both":
		found, errs, err = o.byBoth(ctx, nix, fleet, hosts, held)
	default:
		found, errs, err = o.byEmbedded(ctx, nix, fleet, hosts, held)
		if err == nil {
			err = leave(ctx, nix, hosts, found, errs, held, func(nix *nixcmd.Nix, left []*schema.Host) (map[string]nixcmd.System, map[string]error, error) {
				return o.byNix(ctx, nix, fleet, left, held)
			})
		}
	}
	if err != nil {
		held.release(nil)
		return nil, nil, err
	}
	systems := map[string]exec.System{}
	warnings := map[string][]string{}
	for _, h := range hosts {
		s, ok := found[h.Name]
		if !ok {
			continue
		}
		systems[h.Name] = exec.System{Drv: s.Drv, Out: s.Out}
		for _, w := range s.Warnings {
			warnings[w] = append(warnings[w], h.Name)
		}
	}
	held.release(warnings)
	printWarnings(warn, hosts, warnings)
	return systems, errs, nil
}

func (o *evaluation) byEmbedded(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, warn io.Writer) (map[string]nixcmd.System, map[string]error, error) {
	e, err := newEmbedded(fleet, o, warn)
	if err != nil {
		return nil, nil, err
	}
	var valid func([]store.Path) (map[store.Path]bool, error)
	if nix != nil {
		valid = func(paths []store.Path) (map[store.Path]bool, error) { return validIn(ctx, nix, paths) }
	}
	found, errs, err := e.systems(ctx, hosts, valid)
	if err != nil {
		return nil, nil, fmt.Errorf("evaluate the fleet: %w", err)
	}
	if nix != nil && len(found) > 0 {
		var drvs []store.Path
		for _, s := range found {
			drvs = append(drvs, s.Drv)
		}
		if err := instantiate(ctx, nix, e.ev, drvs); err != nil {
			return nil, nil, err
		}
	}
	return found, o.blamed(fleet, nixcmd.Network{}, errs), nil
}

func (o *evaluation) byNix(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, warn io.Writer) (map[string]nixcmd.System, map[string]error, error) {
	if nix == nil {
		return nil, nil, nixcmd.ErrNoNix
	}
	net, err := o.network(fleet, hosts, warn)
	if err != nil {
		return nil, nil, err
	}
	found, errs, err := nix.Evaluate(ctx, net)
	if err != nil {
		return nil, nil, fmt.Errorf("evaluate the fleet: %w", err)
	}
	return found, o.blamed(fleet, net, errs), nil
}

// byBoth evaluates twice, and insists on the same derivations.
func (o *evaluation) byBoth(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, warn io.Writer) (map[string]nixcmd.System, map[string]error, error) {
	afresh := *o
	afresh.noCache = true
	if nix != nil {
		version, err := nix.Version(ctx)
		if err != nil {
			return nil, nil, err
		}
		afresh.nixVersion = version
	}
	ours, ourErrs, err := afresh.byEmbedded(ctx, nil, fleet, hosts, io.Discard)
	if err != nil {
		return nil, nil, err
	}
	theirs, theirErrs, err := o.byNix(ctx, nix, fleet, hosts, warn)
	if err != nil {
		return nil, nil, err
	}
	for _, h := range hosts {
		a, b := ours[h.Name], theirs[h.Name]
		switch {
		case a.Drv == b.Drv && a.Out == b.Out:
		case isUnsupported(ourErrs[h.Name]):
			fmt.Fprintf(warn, "%s: evaluated by Nix only: %v\n", h.Name, ourErrs[h.Name])
		case a.Drv == "":
			theirErrs = with(theirErrs, h.Name, fmt.Errorf("the evaluators differ: Nix finds %s, the embedded one: %w", b.Drv, ourErrs[h.Name]))
		case b.Drv == "":
			theirErrs = with(theirErrs, h.Name, fmt.Errorf("the evaluators differ: the embedded one finds %s, Nix: %w", a.Drv, theirErrs[h.Name]))
		default:
			theirErrs = with(theirErrs, h.Name, fmt.Errorf("the evaluators differ: Nix finds %s, the embedded one %s", b.Drv, a.Drv))
		}
		if theirErrs[h.Name] != nil {
			delete(theirs, h.Name)
		}
	}
	return theirs, theirErrs, nil
}

// leave leaves to Nix, where there is one, the hosts that need what the embedded
// evaluator does not do; by evaluates them. What comes of it replaces their
// errors.
func leave[T any](ctx context.Context, nix *nixcmd.Nix, hosts []*schema.Host, found map[string]T, errs map[string]error, warn io.Writer,
	by func(*nixcmd.Nix, []*schema.Host) (map[string]T, map[string]error, error)) error {
	var left []*schema.Host
	for _, h := range hosts {
		if isUnsupported(errs[h.Name]) {
			left = append(left, h)
		}
	}
	if len(left) == 0 {
		return nil
	}
	if nix == nil {
		var err error
		nix, err = wireNix()
		if errors.Is(err, nixcmd.ErrNoNix) {
			return nil // the errors say what it is that needs Nix
		}
		if err != nil {
			return err
		}
	}
	for _, h := range left {
		fmt.Fprintf(warn, "%s: evaluated by Nix: %s\n", h.Name, human.Plain(errs[h.Name].Error()))
	}
	theirs, theirErrs, err := by(nix, left)
	if err != nil {
		return err
	}
	for _, h := range left {
		delete(errs, h.Name)
		if err := theirErrs[h.Name]; err != nil {
			errs[h.Name] = err
		}
		if v, ok := theirs[h.Name]; ok {
			found[h.Name] = v
		}
	}
	return nil
}

// isUnsupported reports whether an evaluation ended at something that only Nix
// does.
func isUnsupported(err error) bool {
	var own *eval.Error
	return errors.As(err, &own) && own.Kind == eval.UnsupportedError
}

// with is errs with one more.
func with(errs map[string]error, host string, err error) map[string]error {
	if errs == nil {
		errs = map[string]error{}
	}
	errs[host] = err
	return errs
}

// query evaluates an attribute of each host to its JSON.
func (o *evaluation) query(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, attr []string, warn io.Writer) (map[string]json.RawMessage, map[string]error, error) {
	if o.evaluator == "embedded" {
		asked := *o
		asked.noCache = true // it holds systems
		e, err := newEmbedded(fleet, &asked, warn)
		if err != nil {
			return nil, nil, err
		}
		values, errs, err := e.query(ctx, hosts, attr)
		if err != nil {
			return nil, nil, err
		}
		errs = o.blamed(fleet, nixcmd.Network{}, errs)
		err = leave(ctx, nix, hosts, values, errs, warn, func(nix *nixcmd.Nix, left []*schema.Host) (map[string]json.RawMessage, map[string]error, error) {
			return o.queryNix(ctx, nix, fleet, left, attr, warn)
		})
		return values, errs, err
	}
	return o.queryNix(ctx, nix, fleet, hosts, attr, warn)
}

func (o *evaluation) queryNix(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, attr []string, warn io.Writer) (map[string]json.RawMessage, map[string]error, error) {
	if nix == nil {
		return nil, nil, nixcmd.ErrNoNix
	}
	net, err := o.network(fleet, hosts, warn)
	if err != nil {
		return nil, nil, err
	}
	values, errs, err := nix.Query(ctx, net, attr)
	return values, o.blamed(fleet, net, errs), err
}

// network is what Nix needs to know of a fleet.
func (o *evaluation) network(fleet *schema.Fleet, hosts []*schema.Host, warn io.Writer) (nixcmd.Network, error) {
	file, err := compile.Network(fleet, compile.Options{Absolute: true})
	if err != nil {
		return nixcmd.Network{}, err
	}
	return nixcmd.Network{File: file, Driver: compile.Driver, Hosts: names(hosts), SearchPath: o.searchPath, Warn: ui.PlainWriter{W: warn}}, nil
}

// A heldWarnings hands on what evaluation traces, but holds back warnings until
// it is known which of them are the hosts' own, said with their names.
type heldWarnings struct {
	w io.Writer

	mu   sync.Mutex
	held []string
}

func (h *heldWarnings) Write(b []byte) (int, error) {
	// "trace: " comes before it where Nix, or nixpkgs, is old.
	text, warning := strings.CutPrefix(strings.TrimPrefix(string(b), "trace: "), "evaluation warning: ")
	if !warning {
		return h.w.Write(b)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if text = strings.TrimSpace(text); !slices.Contains(h.held, text) {
		h.held = append(h.held, text)
	}
	return len(b), nil
}

// release says the warnings that are not among the hosts'.
func (h *heldWarnings) release(hosts map[string][]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, text := range h.held {
		known := false
		for w := range hosts {
			// Of a warning of many lines Nix traces the first.
			known = known || strings.HasPrefix(strings.TrimSpace(human.Plain(w)), text)
		}
		if !known {
			fmt.Fprintf(h.w, "evaluation warning: %s\n", text)
		}
	}
	h.held = nil
}

// printWarnings says each warning once, with the hosts it is about, in the
// order of the inventory.
func printWarnings(w io.Writer, hosts []*schema.Host, warnings map[string][]string) {
	var said []string
	for _, h := range hosts {
		for text, about := range warnings {
			if about[0] == h.Name {
				said = append(said, fmt.Sprintf("%s: warning: %s\n", few(about), strings.TrimSpace(human.Plain(text))))
			}
		}
		slices.Sort(said)
		io.WriteString(w, strings.Join(said, ""))
		said = nil
	}
}

// few is "a, b and 3 more".
func few(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
}

// blamed puts in front of each evaluation error where in the inventory it comes
// from. Net is what Nix evaluated.
func (o *evaluation) blamed(fleet *schema.Fleet, net nixcmd.Network, errs map[string]error) map[string]error {
	out := map[string]error{}
	for host, err := range errs {
		e := &evalError{err: err, message: err.Error()}
		var exit *nixcmd.ExitError
		var own *eval.Error
		switch {
		case errors.As(err, &own):
			e.message, e.detail = human.Plain(own.Msg), human.Plain(own.Detail())
			e.blame = blameFor(fleet, host, compile.Witness{Message: own.Msg, Steps: embeddedSteps(own)})
		case errors.As(err, &exit):
			e.message, e.detail = human.Plain(exit.Message()), human.Plain(strings.TrimSpace(exit.Stderr))
			e.blame = blameFor(fleet, host, compile.Witness{Message: exit.Message(), Steps: nixSteps(fleet, net, exit)})
		}
		if !o.trace {
			e.detail = ""
		}
		out[host] = e
	}
	return out
}

// blameFor is compile.BlameFor with files called as the user would.
func blameFor(fleet *schema.Fleet, host string, w compile.Witness) compile.Blame {
	b, _ := compile.BlameFor(fleet, host, w)
	if cwd, err := os.Getwd(); err == nil && filepath.IsAbs(b.Pos.File) {
		if rel, err := filepath.Rel(cwd, b.Pos.File); err == nil && !strings.HasPrefix(rel, "..") {
			b.Pos.File = rel
		}
	}
	return b
}

// embeddedSteps is the way to an error of the embedded evaluator. What was
// generated carries the places in the inventory it came from.
func embeddedSteps(err *eval.Error) []compile.Step {
	steps := []compile.Step{{At: err.Pos}}
	for _, t := range err.Trace {
		steps = append(steps, compile.Step{Text: t.Text, At: t.Pos})
	}
	return steps
}

// nixSteps is the way to an error of Nix's, places in the network expression
// being told as the places in the inventory they came from.
func nixSteps(fleet *schema.Fleet, net nixcmd.Network, exit *nixcmd.ExitError) []compile.Step {
	var text bytes.Buffer
	if syntax.Fprint(&text, net.File) != nil {
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

// An evalError is an evaluation error about something in the inventory.
type evalError struct {
	err     error
	blame   compile.Blame
	message string
	detail  string // the whole trace, where it was asked for
}

func (e *evalError) Error() string {
	var b strings.Builder
	if e.blame.Pos.IsValid() {
		fmt.Fprintf(&b, "%v: ", e.blame.Pos)
		if e.blame.Option != "" {
			fmt.Fprintf(&b, "%s: ", e.blame.Option)
		}
	}
	b.WriteString(strings.TrimSpace(e.message))
	if e.detail != "" {
		b.WriteString("\n" + e.detail)
	}
	return b.String()
}

func (e *evalError) Unwrap() error { return e.err }
