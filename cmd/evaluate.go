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

	"github.com/spf13/pflag"

	"muster/compile"
	"muster/compile/eval"
	"muster/compile/store"
	"muster/compile/syntax"
	"muster/exec"
	"muster/exec/nixcmd"
	"muster/schema"
)

// An evaluation says how a fleet is evaluated.
type evaluation struct {
	evaluator  string
	trace      bool
	noCache    bool
	searchPath []string // in front of $NIX_PATH
}

func (o *evaluation) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.evaluator, "evaluator", "embedded", "evaluate with `what`: embedded, nix, or both, which compares them")
	fs.BoolVar(&o.trace, "show-trace", false, "say how evaluation came to an error")
	fs.BoolVar(&o.noCache, "no-eval-cache", false, "evaluate every host, whatever is known of it")
}

func (o *evaluation) check() error {
	switch o.evaluator {
	case "embedded", "nix", "both":
		return nil
	}
	return usageError{fmt.Errorf("--evaluator %s: there is embedded, nix and both", o.evaluator)}
}

// systems finds the systems of some of the fleet's hosts, and says to warn what
// NixOS warns of. errs holds the hosts that have no system. With a Nix, their
// derivations are in its store afterwards; without, only their names are known.
func (o *evaluation) systems(ctx context.Context, nix *nixcmd.Nix, fleet *schema.Fleet, hosts []*schema.Host, warn io.Writer) (map[string]exec.System, map[string]error, error) {
	var found map[string]nixcmd.System
	var errs map[string]error
	var err error
	switch o.evaluator {
	case "nix":
		found, errs, err = o.byNix(ctx, nix, fleet, hosts, warn)
	case "both":
		found, errs, err = o.byBoth(ctx, nix, fleet, hosts, warn)
	default:
		found, errs, err = o.byEmbedded(ctx, nix, fleet, hosts, warn)
	}
	if err != nil {
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
		if err := e.instantiate(ctx, nix, found); err != nil {
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
		case a.Drv == "":
			theirErrs[h.Name] = fmt.Errorf("the evaluators differ: Nix finds %s, the embedded one: %w", b.Drv, ourErrs[h.Name])
		case b.Drv == "":
			theirErrs[h.Name] = fmt.Errorf("the evaluators differ: the embedded one finds %s, Nix: %w", a.Drv, theirErrs[h.Name])
		default:
			theirErrs = with(theirErrs, h.Name, fmt.Errorf("the evaluators differ: Nix finds %s, the embedded one %s", b.Drv, a.Drv))
		}
		if theirErrs[h.Name] != nil {
			delete(theirs, h.Name)
		}
	}
	return theirs, theirErrs, nil
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
		return values, o.blamed(fleet, nixcmd.Network{}, errs), err
	}
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
	return nixcmd.Network{File: file, Driver: compile.Driver, Hosts: names(hosts), SearchPath: o.searchPath, Trace: o.trace, Warn: plainWriter{warn}}, nil
}

// printWarnings says each warning once, with the hosts it is about, in the
// order of the inventory.
func printWarnings(w io.Writer, hosts []*schema.Host, warnings map[string][]string) {
	var said []string
	for _, h := range hosts {
		for text, about := range warnings {
			if about[0] == h.Name {
				said = append(said, fmt.Sprintf("%s: warning: %s\n", few(about), strings.TrimSpace(plain(text))))
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
			e.message, e.detail = plain(own.Msg), plain(own.Detail())
			e.blames = append(compile.Blames(fleet, host, e.message), inInventory(fleet, own)...)
			if len(e.blames) == 0 {
				e.blames = inFiles(fleet, own)
			}
		case errors.As(err, &exit):
			e.message, e.detail = plain(exit.Message()), plain(strings.TrimSpace(exit.Stderr))
			e.blames = compile.Blames(fleet, host, e.message)
			var text bytes.Buffer
			if syntax.Fprint(&text, net.File) == nil {
				e.blames = append(e.blames, compile.Traced(fleet, exit.Stderr, nixcmd.NetworkFile, text.Bytes())...)
			}
		}
		if !o.trace {
			e.detail = ""
		}
		out[host] = e
	}
	return out
}

// inInventory are the places of an error that are the user's own: what was
// generated carries the places it came from.
func inInventory(fleet *schema.Fleet, err *eval.Error) []compile.Blame {
	ours := map[string]bool{}
	for _, h := range fleet.Hosts {
		ours[h.At.File] = true
	}
	var blames []compile.Blame
	add := func(p syntax.Pos) {
		if p.IsValid() && ours[p.File()] {
			blames = append(blames, compile.Blame{Pos: schema.Pos{File: p.File(), Line: int(p.Line), Col: int(p.Col)}})
		}
	}
	add(err.Pos)
	for _, t := range err.Trace {
		add(t.Pos)
	}
	return blames
}

// inFiles are the places of an error in the user's own Nix files.
func inFiles(fleet *schema.Fleet, err *eval.Error) []compile.Blame {
	places := []syntax.Pos{err.Pos}
	for _, t := range err.Trace {
		places = append(places, t.Pos)
	}
	for _, p := range places {
		if p.IsValid() && strings.HasPrefix(p.File(), fleet.Dir+string(filepath.Separator)) {
			file := p.File()
			if cwd, err := os.Getwd(); err == nil {
				if rel, err := filepath.Rel(cwd, file); err == nil && !strings.HasPrefix(rel, "..") {
					file = rel
				}
			}
			return []compile.Blame{{Pos: schema.Pos{File: file, Line: int(p.Line), Col: int(p.Col)}}}
		}
	}
	return nil
}

// An evalError is an evaluation error about something in the inventory.
type evalError struct {
	err     error
	blames  []compile.Blame
	message string
	detail  string // the whole trace, where it was asked for
}

func (e *evalError) Error() string {
	var b strings.Builder
	if len(e.blames) > 0 {
		fmt.Fprintf(&b, "%v: ", e.blames[0].Pos)
		if e.blames[0].Option != "" {
			fmt.Fprintf(&b, "%s: ", e.blames[0].Option)
		}
	}
	b.WriteString(strings.TrimSpace(e.message))
	if e.detail != "" {
		b.WriteString("\n" + e.detail)
	}
	return b.String()
}

func (e *evalError) Unwrap() error { return e.err }
