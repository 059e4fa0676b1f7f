package eval

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"muster/compile/store"
)

// derivations are all derivations and sources that an evaluation made.
// Evaluation writes nothing, so they stay here until something is built.
type derivations struct {
	mu      sync.Mutex
	made    map[store.Path]owned[*store.Derivation]
	sources map[store.Path]owned[Source]
	modulo  *store.Modulo
	files   store.Files
}

// An owned object was made by a single host so far, or by none in particular. If the
// host fails because memory is short, its objects go with it. See heap.go for what
// belongs to a host.
type owned[T any] struct {
	object T
	host   uint64 // thread.host; 0 is no single host
}

// put adds an object unless it is known, and reports whether it was.
func put[T any](objects map[store.Path]owned[T], p store.Path, object T, host uint64) (known bool) {
	o, known := objects[p]
	if known && o.host == host {
		return true
	}
	if known {
		object, host = o.object, 0
	}
	objects[p] = owned[T]{object, host}
	return known
}

// drop forgets what only one host has made.
func (d *derivations) drop(host uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.made, func(_ store.Path, o owned[*store.Derivation]) bool { return o.host == host })
	maps.DeleteFunc(d.sources, func(_ store.Path, o owned[Source]) bool { return o.host == host })
}

// A Source is a store object that is not a derivation: a copied file or
// directory, or a text.
type Source struct {
	File       string          // the path to copy; "" for a text
	Flat       bool            // the store path is made of the file's content alone, not of its archive
	Omit       map[string]bool // paths below File that are not copied
	Text       string          // the text if File is ""
	References []store.Path
}

func (d *derivations) init(files store.Files) {
	d.files = files
	d.made = map[store.Path]owned[*store.Derivation]{}
	d.sources = map[store.Path]owned[Source]{}
	d.modulo = store.NewModulo(d.read)
}

// read returns a derivation, from the store if this evaluator did not make it.
func (d *derivations) read(p store.Path) (*store.Derivation, error) {
	if drv := d.get(p); drv != nil {
		return drv, nil
	}
	b, err := readFileOf(d.files, string(p))
	if err != nil {
		return nil, fmt.Errorf("derivation '%s' is not known", p)
	}
	return store.ParseDerivation(p, b)
}

func (d *derivations) get(p store.Path) *store.Derivation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.made[p].object
}

func (d *derivations) add(p store.Path, drv *store.Derivation, host uint64) error {
	d.mu.Lock()
	known := put(d.made, p, drv, host)
	d.mu.Unlock()
	if known {
		return nil
	}
	return d.modulo.Add(p, drv)
}

func (d *derivations) addSource(p store.Path, s Source, host uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	put(d.sources, p, s, host)
}

// Derivation returns a derivation that this evaluator made, else nil.
func (ev *Evaluator) Derivation(p store.Path) *store.Derivation { return ev.derivations.get(p) }

// Source returns the source with a store path, if this evaluator made it.
func (ev *Evaluator) Source(p store.Path) (Source, bool) {
	ev.derivations.mu.Lock()
	defer ev.derivations.mu.Unlock()
	s, ok := ev.derivations.sources[p]
	return s.object, ok
}

// closure visits p and everything it refers to, each path once.
func (th *thread) closure(p store.Path, visit func(store.Path)) {
	seen := map[store.Path]bool{}
	var walk func(p store.Path)
	walk = func(p store.Path) {
		if seen[p] {
			return
		}
		seen[p] = true
		visit(p)
		if p.IsDerivation() {
			d, err := th.ev.derivations.read(p)
			if err != nil {
				th.fail(0, "%v", err)
			}
			for _, r := range d.References() {
				walk(r)
			}
			return
		}
		if s, ok := th.ev.Source(p); ok {
			for _, r := range s.References {
				walk(r)
			}
		}
	}
	walk(p)
}

// mustGoOn ends the evaluation if its context has ended. What the world answers
// then is no answer.
func (th *thread) mustGoOn() {
	if th.ctx.Err() != nil {
		th.canceled(false)
	}
}

// realise builds the outputs in a context that do not exist, so that they can
// be read.
func (th *thread) realise(c references) {
	var missing []DerivationOutput
	for _, r := range c {
		p, output, _ := r.split()
		if output == "" {
			continue
		}
		th.ev.readable.built.Store(true)
		d, err := th.ev.derivations.read(p)
		if err != nil {
			th.fail(0, "%v", err)
		}
		out := d.Outputs[output].Path
		if !th.ev.world.Built(th.ctx, out) {
			missing = append(missing, DerivationOutput{p, output, out})
		}
	}
	th.mustGoOn()
	if len(missing) == 0 {
		return
	}
	if th.ev.opts.NoImportFromDerivation {
		th.fail(0, "cannot build '%s' during evaluation because the option 'allow-import-from-derivation' is disabled", missing[0])
	}
	err := th.ev.world.Realise(th.ctx, th.ev, missing)
	th.mustGoOn()
	if errors.Is(err, ErrUnsupported) {
		th.failAs(UnsupportedError, 0, "cannot build '%s' during evaluation: import from derivation is not available here", missing[0])
	}
	if err != nil {
		th.failCause(0, err, "build '%s' during evaluation: %v", missing[0], err)
	}
}

// referencesOfFile returns the context of a file's content. If the file is in
// the store, it is those references of its store object that occur in the
// content.
func (th *thread) referencesOfFile(p, content string) references {
	if !inside(p, store.Dir) {
		return nil
	}
	sp, _, err := store.SplitPath(p)
	if err != nil {
		return nil
	}
	var all []store.Path
	if s, ok := th.ev.Source(sp); ok {
		all = s.References
	} else {
		all, _ = th.ev.world.References(th.ctx, sp)
		th.mustGoOn()
	}
	var refs references
	for _, r := range all {
		if th.ev.compat.allReferences || strings.Contains(content, r.Digest()) {
			refs = refs.with(pathReference(r))
		}
	}
	return refs
}
