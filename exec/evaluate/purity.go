package evaluate

import (
	"path"
	"slices"
	"strings"

	"muster/compile"
	"muster/compile/syntax"
	"muster/schema"
)

// Systems of flakes are evaluated as nix build does: purely. Those of modules and of Nix files are evaluated as
// nix-build does. The two have different builtins, so that a fleet of both kinds is evaluated by two evaluators, one
// after the other. They have nothing in common but the driver.

// isPure reports whether a host is evaluated purely.
func (o Options) isPure(h *schema.Host) bool {
	return !o.Impure && ofFlake(h)
}

// ofFlake reports whether the system of a host is an output of a flake.
func ofFlake(h *schema.Host) bool { return h.Flake != nil && h.Flake.File == "" }

// eachPurity evaluates the hosts that are evaluated purely, as isPure has it, and the others, and returns the results in the order of the
// hosts. Those of hosts that an interrupt has left out are as none makes them.
func eachPurity[R any](isPure func(*schema.Host) bool, hosts []*schema.Host, evaluate func([]*schema.Host, bool) ([]R, error), none func(*schema.Host) R) ([]R, error) {
	impure := slices.DeleteFunc(slices.Clone(hosts), isPure)
	switch len(impure) {
	case len(hosts):
		return evaluate(hosts, false)
	case 0:
		return evaluate(hosts, true)
	}
	pure := slices.DeleteFunc(slices.Clone(hosts), func(h *schema.Host) bool { return !isPure(h) })
	evaluateGroup := func(group []*schema.Host) ([]R, error) { return evaluate(group, isPure(group[0])) }
	return eachGroup(hosts, [][]*schema.Host{impure, pure}, evaluateGroup, none)
}

// eachGroup evaluates groups of hosts one after the other, and returns the results in the order of the hosts. An error
// ends it; the results that there are then are returned with it.
func eachGroup[R any](hosts []*schema.Host, groups [][]*schema.Host, evaluate func([]*schema.Host) ([]R, error), none func(*schema.Host) R) ([]R, error) {
	found := map[*schema.Host]R{}
	var problem error
	for _, group := range groups {
		results, err := evaluate(group)
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
	return inOrderOf(hosts, found, none), problem
}

// inOrderOf returns the results of hosts in their order; none makes those that are missing.
func inOrderOf[R any](hosts []*schema.Host, found map[*schema.Host]R, none func(*schema.Host) R) []R {
	all := make([]R, len(hosts))
	for i, h := range hosts {
		r, ok := found[h]
		if !ok {
			r = none(h)
		}
		all[i] = r
	}
	return all
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

// pathsIn are the paths that an expression in a directory names, which a pure evaluation may read: see readWith.
func pathsIn(e syntax.Expr, dir string) (paths []string) {
	eachPath(e, dir, func(name string, _ func(string)) { paths = append(paths, readWith(name)) })
	slices.Sort(paths)
	return slices.Compact(paths)
}

// eachPath visits the paths that an expression in a directory names, with what writes another absolute path there. One
// that no literal can name is a string behind the root, as package compile writes it.
func eachPath(e syntax.Expr, dir string, visit func(name string, replace func(string))) {
	syntax.Walk(e, func(e syntax.Expr) bool {
		if b, ok := e.(*syntax.Binary); ok && b.Op == syntax.Add {
			root, isPath := b.X.(*syntax.Path)
			rest, isString := b.Y.(*syntax.String)
			if isPath && isString && len(rest.Parts) == 1 && rest.Parts[0].Expr == nil && strings.HasPrefix(rest.Parts[0].Text, "/") {
				part := &rest.Parts[0]
				visit(path.Join(absolute(root.Parts[0].Text, dir), part.Text), func(name string) { root.Parts[0].Text, part.Text = "/.", name })
				return false
			}
		}
		if p, ok := e.(*syntax.Path); ok && !strings.HasPrefix(p.Parts[0].Text, "~") {
			visit(absolute(p.Parts[0].Text, dir), func(name string) { p.Parts[0].Text = name })
		}
		return true
	})
}

func absolute(name, dir string) string {
	if path.IsAbs(name) {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// readWith is what may be read with a path that the inventory names: itself, or the directory of a file of Nix, since a
// module imports others beside it.
func readWith(name string) string {
	if path.Ext(name) == ".nix" {
		return path.Dir(name)
	}
	return name
}
