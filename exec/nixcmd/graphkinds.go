package nixcmd

import (
	"context"
	"slices"
	"strings"

	"muster/compile/store"
)

// A PlacelessError is about a derivation that no machine can build.
type PlacelessError struct {
	Drv store.Path
	Msg string
}

func (e *PlacelessError) Error() string { return e.Msg }

// placed ends the wants that need a derivation of a system for which there is no machine, and
// returns the others. Nix finds that out when it comes to the derivation, which may be after
// hours. Only the systems themselves are looked at: what is built for them is asked of Nix
// where one has no machine, as it may be substituted.
func (b *graphBuild) placed(wants []*wanted) []*wanted {
	known := b.systems()
	if known == nil {
		return wants
	}
	var odd []string
	b.mu.Lock()
	for _, w := range wants {
		if !slices.Contains(known, b.derivation(w.Drv).platform) {
			odd = append(odd, string(w.Drv))
		}
	}
	b.mu.Unlock()
	if len(odd) == 0 {
		return wants
	}
	missing, err := b.graph.nix.toBuild(b.ctx, odd)
	if err != nil {
		return wants // Nix says so when it builds
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, drv := range missing {
		if p := b.derivation(drv).platform; !slices.Contains(known, p) {
			needs := machineKind{systems: []string{p}, features: b.derivation(drv).features}
			b.failPlaceless(drv, needs, machineKind{systems: b.graph.Own})
		}
	}
	return slices.DeleteFunc(wants, (*wanted).isDone)
}

// systems are those that some machine builds for, nil where that is not known.
func (b *graphBuild) systems() []string {
	if b.graph.Own == nil || b.machines == nil {
		return nil
	}
	known := []string{"builtin"}
	if b.graph.Here {
		known = append(known, b.graph.Own...)
	}
	b.machines.mu.Lock()
	defer b.machines.mu.Unlock()
	for _, m := range b.machines.list {
		if systems := m.list(machineSystems); systems != nil {
			known = append(known, systems...)
		} else {
			known = append(known, b.graph.Own[0]) // as Nix does
		}
	}
	return known
}

// toBuild are the derivations that have to be built for some.
func (n *Nix) toBuild(ctx context.Context, drvs []string) (list []store.Path, err error) {
	_, err = n.output(ctx, nil, func(line string) {
		if path, ok := strings.CutPrefix(line, "  "+store.Dir); ok && strings.HasSuffix(path, ".drv") {
			list = append(list, store.Path(store.Dir+path))
		}
	}, "nix-store", append([]string{"--realise", "--dry-run"}, drvs...)...)
	return list, err
}
