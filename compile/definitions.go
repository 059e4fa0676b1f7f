package compile

import (
	"path/filepath"

	"muster/compile/definitions"
	"muster/compile/syntax"
	"muster/exec/foreign"
	"muster/schema"
)

// Definitions returns what the modules of each of some hosts define, by the hosts' names: the modules of the inventory,
// those that muster adds, and the files that they import. Modules of inputs and of nixpkgs are not read: their pins say
// which they are.
func Definitions(f *schema.Fleet, hosts []*schema.Host) map[string]*definitions.System {
	w := newWriter(f, Options{})
	p := w.parts()
	r := definitions.Reader{Read: readModule, Dir: w.dir, Lets: map[string]syntax.Expr{}}
	for _, b := range p.roles {
		if name, value, ok := binding(b); ok {
			r.Lets[name] = value
		}
	}
	all := map[string]*definitions.System{}
	for _, h := range hosts {
		if h.NoSystem || h.Profile != nil {
			continue
		}
		w.notes = map[any]*syntax.Note{}
		system := r.System(p.defaults, w.hostModule(0, h))
		system.Pins = w.pins(h)
		all[h.Name] = system
	}
	return all
}

func readModule(name string) ([]byte, error) {
	return foreign.ReadFile(name, foreign.Limits{Size: maxModule, Time: foreign.Time, Links: true})
}

// pins are the versions of nixpkgs and of inputs that the inventory itself names for a host.
func (w *writer) pins(h *schema.Host) map[string]string {
	all := map[string]string{}
	add := func(name string, texts ...string) {
		for _, text := range texts {
			if text != "" {
				all[name] = text
				return
			}
		}
	}
	nixpkgs := w.fleet.Nixpkgs
	if own := w.ownNixpkgs(h); own != nil {
		nixpkgs = *own
	}
	input := nixpkgs.Input
	if input != "" {
		input = "input " + input
	}
	add("nixpkgs", nixpkgs.Rev, nixpkgs.Path, input)
	for _, p := range nixpkgs.Patches {
		add("patch "+filepath.Base(p.Path), p.Path)
	}
	for _, i := range w.fleet.Inputs {
		add(i.Name, i.Rev, i.Hash, i.Path, i.Ref)
	}
	return all
}
