package evaluate

import (
	"context"
	_ "embed"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile/eval"
	"muster/compile/flake/fetch"
	"muster/compile/store"
	"muster/compile/syntax"
	"muster/schema"
)

// Profiles finds what the profiles of hosts are. The hosts of the results are parts:
// see [schema.Host.Part].
func (e Embedded) Profiles(ctx context.Context, parts []*schema.Host) ([]Result, error) {
	isPure := func(part *schema.Host) bool { return part.Profile.Flake != nil && !e.Impure }
	return e.derivations(ctx, parts, isPure, func(i *Interpreter, part *schema.Host) (eval.Value, error) {
		return i.profileValue(ctx, e.Fleet, part.Profile, part.System)
	})
}

// imageText finds an image of a host.
//
//go:embed image.nix
var imageText string

// Images finds images of hosts: of a kind such as iso, with the modules in some files
// besides the host's own.
func (e Embedded) Images(ctx context.Context, hosts []*schema.Host, kind string, modules []string) ([]Result, error) {
	return e.derivations(ctx, hosts, e.isPure, func(i *Interpreter, h *schema.Host) (eval.Value, error) {
		list := &syntax.List{}
		for _, name := range modules {
			i.allow(readWith(name))
			list.Elems = append(list.Elems, &syntax.Path{Parts: []syntax.Part{{Text: name}}})
		}
		files, err := i.evaluation.ev.Tree(ctx, list, "/")
		if err != nil {
			return eval.Value{}, err
		}
		find, err := i.evaluation.ev.Expr(ctx, imageText, i.dir)
		if err != nil {
			return eval.Value{}, err
		}
		nodes, err := i.scope.Select(ctx, "nodes", nil)
		if err != nil {
			return eval.Value{}, err
		}
		return find.Apply(ctx, nodes, i.evaluation.ev.String(h.Name), i.evaluation.ev.String(kind), files)
	})
}

// derivations finds a derivation for each host, and writes those to the store if there
// is one.
func (e Embedded) derivations(ctx context.Context, hosts []*schema.Host, isPure func(*schema.Host) bool, of func(*Interpreter, *schema.Host) (eval.Value, error)) ([]Result, error) {
	if len(hosts) == 0 {
		return nil, nil
	}
	// A derivation may come from a flake, and any expression may fetch one.
	e.Environment.Settings.ExperimentalFeatures = append(slices.Clone(e.Environment.Settings.ExperimentalFeatures), flakeFeatures...)
	i, err := e.Interpreter(ctx)
	if err != nil {
		return nil, fmt.Errorf("evaluate the fleet: %w", err)
	}
	defer i.Close()
	results := make([]Result, len(hosts))
	drvs := map[*Interpreter][]store.Path{}
	for n, h := range hosts {
		var system System
		by := i
		if isPure(h) {
			if by, err = i.purely(ctx); err != nil {
				return nil, fmt.Errorf("evaluate the fleet: %w", err)
			}
		}
		err := by.Do(ctx, func(i *Interpreter) error {
			by = i
			v, err := of(i, h)
			if err == nil {
				system, err = derivation(ctx, v)
			}
			return err
		})
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		results[n] = Result{Host: h, System: system, Err: e.hostError(h, i.evaluation.file, err)}
		if err == nil {
			drvs[by] = append(drvs[by], system.Drv)
		}
	}
	if e.Store == nil {
		return results, nil
	}
	for by, drvs := range drvs {
		if err := instantiate(ctx, e.Store, by.evaluation.ev, drvs); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// derivation returns the names of a derivation and of what it builds.
func derivation(ctx context.Context, v eval.Value) (s System, err error) {
	drv, err := v.Drv(ctx)
	if err != nil {
		return s, err
	}
	out, err := v.Select(ctx, "outPath", nil)
	if err != nil {
		return s, err
	}
	text, _, err := out.Text(ctx)
	if err != nil {
		return s, err
	}
	if s.Drv, err = store.ParsePath(drv); err == nil {
		s.Out, err = store.ParsePath(text)
	}
	return s, err
}

// profileValue evaluates what a profile is. A function is called with what expressions
// see.
func (i *Interpreter) profileValue(ctx context.Context, fleet *schema.Fleet, p *schema.Profile, system string) (eval.Value, error) {
	if p.Flake != nil {
		return i.flakeOutput(ctx, fleet, p.Flake, system)
	}
	var v eval.Value
	var err error
	if p.File != "" {
		v, err = i.File(ctx, within(fleet, p.File))
	} else {
		v, err = i.evaluateIn(ctx, p.Expr, within(fleet, p.Dir))
	}
	if err != nil {
		return v, err
	}
	if v, err = i.Call(ctx, v); err != nil || p.Attr == "" {
		return v, err
	}
	return v.Select(ctx, p.Attr, nil)
}

// within makes a path of the inventory absolute.
func within(fleet *schema.Fleet, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(fleet.Dir, name)
}

// flakeOutput evaluates an output of a flake. An attribute of one name is also one of
// homeConfigurations.
func (i *Interpreter) flakeOutput(ctx context.Context, fleet *schema.Fleet, f *schema.FlakeSystem, system string) (eval.Value, error) {
	text := f.Ref
	if text == "" {
		text = within(fleet, f.Dir)
	}
	ref, _, err := fetch.Locate(text, fleet.Dir)
	if err != nil {
		return eval.Value{}, err
	}
	value, err := i.evaluation.ev.Flake(ctx, ref, nil)
	if err != nil {
		return eval.Value{}, err
	}
	names := make([]string, len(f.Attr))
	for n, name := range f.Attr {
		names[n] = name
		if strings.ContainsAny(name, `."`) {
			names[n] = fmt.Sprintf("%q", name)
		}
	}
	attr := strings.Join(names, ".")
	paths := append(eval.OutputPaths(attr, system), "homeConfigurations."+attr+".activationPackage")
	return value.Output(ctx, ref.String(), paths)
}
