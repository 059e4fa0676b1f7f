package evaluate

import (
	"path"
	"slices"

	"muster/compile"
	"muster/compile/syntax"
	"muster/schema"
)

// Systems of flakes are evaluated as nix build does: purely. Those of modules and of Nix files are evaluated as
// nix-build does. The two have different builtins, so that a fleet of both kinds is evaluated by two evaluators, one
// after the other. They have nothing in common but the driver.

// isPure reports whether a host is evaluated purely.
func (e Embedded) isPure(h *schema.Host) bool {
	return !e.Impure && h.Flake != nil && h.Flake.File == ""
}

// eachPurity evaluates the hosts that are evaluated purely, and the others, and returns the results in the order of the
// hosts. Those of hosts that an interrupt has left out are as none makes them.
func eachPurity[R any](e Embedded, hosts []*schema.Host, evaluate func([]*schema.Host, bool) ([]R, error), none func(*schema.Host) R) ([]R, error) {
	impure := slices.DeleteFunc(slices.Clone(hosts), e.isPure)
	switch len(impure) {
	case len(hosts):
		return evaluate(hosts, false)
	case 0:
		return evaluate(hosts, true)
	}
	pure := slices.DeleteFunc(slices.Clone(hosts), func(h *schema.Host) bool { return !e.isPure(h) })
	found := map[*schema.Host]R{}
	var problem error
	for _, group := range [][]*schema.Host{impure, pure} {
		results, err := evaluate(group, e.isPure(group[0]))
		for i, r := range results {
			found[group[i]] = r
		}
		if problem = err; err != nil {
			break
		}
	}
	if problem != nil && len(found) == 0 {
		return nil, problem
	}
	all := make([]R, len(hosts))
	for i, h := range hosts {
		r, ok := found[h]
		if !ok {
			r = none(h)
		}
		all[i] = r
	}
	return all, problem
}

// ownFlakes are the references to the flakes that define systems.
func ownFlakes(fleet *schema.Fleet) (refs []string) {
	for _, h := range fleet.FlakeHosts() {
		if h.Flake.File == "" {
			refs = append(refs, compile.FlakeRef(fleet, h.Flake))
		}
	}
	slices.Sort(refs)
	return slices.Compact(refs)
}

// pathsIn are the paths that an expression names, which a pure evaluation may read, and the directories of files among
// them: a module of the inventory imports others beside it.
func pathsIn(e syntax.Expr) (paths []string) {
	syntax.Walk(e, func(e syntax.Expr) bool {
		if p, ok := e.(*syntax.Path); ok && path.IsAbs(p.Parts[0].Text) {
			name := p.Parts[0].Text
			if path.Ext(name) == ".nix" {
				name = path.Dir(name)
			}
			paths = append(paths, name)
		}
		return true
	})
	slices.Sort(paths)
	return slices.Compact(paths)
}
