package evaluate

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/compile/eval"
	"muster/compile/flake/fetch"
	"muster/compile/store"
	"muster/schema"
)

// Profiles finds what the profiles of hosts are. The hosts of the results are parts:
// see [schema.Host.Part].
func (e Embedded) Profiles(ctx context.Context, parts []*schema.Host) ([]Result, error) {
	if len(parts) == 0 {
		return nil, nil
	}
	// A profile may come from a flake, and any expression may fetch one.
	e.Environment.Settings.ExperimentalFeatures = append(slices.Clone(e.Environment.Settings.ExperimentalFeatures), flakeFeatures...)
	i, err := e.Interpreter(ctx)
	if err != nil {
		return nil, fmt.Errorf("evaluate the profiles: %w", err)
	}
	defer i.Close()
	results := make([]Result, len(parts))
	var drvs []store.Path
	for n, part := range parts {
		system, err := i.profile(ctx, e.Fleet, part)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		results[n] = Result{Host: part, System: system, Err: e.hostError(part, i.evaluation.file, err)}
		if err == nil {
			drvs = append(drvs, system.Drv)
		}
	}
	if e.Store == nil {
		return results, nil
	}
	return results, instantiate(ctx, e.Store, i.evaluation.ev, drvs)
}

// profile finds the derivation of one profile.
func (i *Interpreter) profile(ctx context.Context, fleet *schema.Fleet, part *schema.Host) (System, error) {
	v, err := i.profileValue(ctx, fleet, part.Profile, part.System)
	if err != nil {
		return System{}, err
	}
	drv, err := v.Drv(ctx)
	if err != nil {
		return System{}, err
	}
	out, err := v.Select(ctx, "outPath", nil)
	if err != nil {
		return System{}, err
	}
	text, _, err := out.Text(ctx)
	if err != nil {
		return System{}, err
	}
	s := System{}
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
