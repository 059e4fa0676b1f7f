package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"muster/compile"
	"muster/compile/eval"
	"muster/compile/eval/collector"
	"muster/compile/store"
	"muster/compile/syntax"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/schema"
)

// An embedded evaluates a fleet in this process, without Nix.
type embedded struct {
	ev    *eval.Evaluator
	fleet *schema.Fleet
	file  *syntax.File
	warn  io.Writer
	cache *evalCache // nil: every host is evaluated
}

// evaluatorOptions are those of an evaluator that sees what Nix would: the
// search path, the environment and the settings, and those given as NAME=VALUE.
// What it cannot do itself it has Nix do.
func evaluatorOptions(how *evaluation, warn io.Writer) (eval.Options, error) {
	settings := readNixSettings()
	for _, g := range how.settings {
		name, value, ok := strings.Cut(g, "=")
		if !ok {
			return eval.Options{}, usageError{fmt.Errorf("--option %s: want a name and a value", g)}
		}
		settings.set(name, value)
	}
	home, _ := os.UserHomeDir()
	behind := &nixBehind{log: warn, settings: how.settings}
	o := eval.Options{
		World:      behind,
		NixPath:    settings.searchPath(how.searchPath),
		System:     currentSystem(),
		Home:       home,
		MaxMemory:  how.maxMemory << 20,
		NixVersion: how.nixVersion,
		// As Nix's setting abort-on-warn is given in the environment.
		AbortOnWarn: slices.Contains([]string{"1", "true", "yes"}, os.Getenv("NIX_ABORT_ON_WARN")),
		Trace:       plainWriter{warn},
	}
	if err := settings.apply(&o); err != nil {
		return eval.Options{}, usageError{err}
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = collector.Memory() / 4 * 3
	}
	if o.MaxMemory > 0 {
		// Garbage does not count: near the limit it is looked for.
		debug.SetMemoryLimit(o.MaxMemory)
	}
	return o, nil
}

// currentSystem is this machine's, as Nix calls it.
func currentSystem() string {
	cpu := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "386": "i686"}[runtime.GOARCH]
	if cpu == "" {
		cpu = runtime.GOARCH
	}
	return cpu + "-" + runtime.GOOS
}

// hostNames is the name of the part of a network that is the names of its
// hosts; no host is called so.
const hostNames = "host names"

func newEmbedded(fleet *schema.Fleet, o *evaluation, warn io.Writer) (*embedded, error) {
	file, err := compile.Network(fleet, compile.Options{Absolute: true})
	if err != nil {
		return nil, err
	}
	e := &embedded{fleet: fleet, file: file, warn: warn}
	opts, err := evaluatorOptions(o, warn)
	if err != nil {
		return nil, err
	}
	if !o.noCache {
		common, hosts := compile.Parts(file)
		opts.Record, opts.Parts = true, map[string]string{hostNames: keyOf(names(fleet.Hosts)...)}
		for name, text := range hosts {
			opts.Parts[name] = keyOf(text)
		}
		e.cache = openEvalCache(fleet.Dir, common, compile.Driver, fmt.Sprintln(opts.NixPath, opts.System, opts.Home, opts.AbortOnWarn,
			opts.Features, opts.Pure, opts.Restricted, opts.TraceVerbose, opts.NoImportFromDerivation, opts.MaxDepth, opts.Lints))
	}
	e.ev = eval.New(opts)
	return e, nil
}

// driver is the driver applied to the network: a set of what each host is.
func (e *embedded) driver(ctx context.Context, hosts []*schema.Host, attr []string) (eval.Value, error) {
	driver, err := syntax.ParseFile("driver.nix", []byte(compile.Driver), syntax.Options{})
	if err != nil {
		return eval.Value{}, err
	}
	given := map[string]syntax.Expr{
		"network": e.file.Expr,
		"hosts":   nixStrings(names(hosts)),
		"apart":   &syntax.Ident{Name: "true"},
	}
	if attr != nil {
		given["attr"] = nixStrings(attr)
	}
	args := map[string]eval.Value{"part": e.ev.Part()}
	for name, expr := range given {
		if args[name], err = e.ev.Tree(ctx, expr, e.fleet.Dir); err != nil {
			return eval.Value{}, err
		}
	}
	f, err := e.ev.Tree(ctx, driver.Expr, e.fleet.Dir)
	if err != nil {
		return eval.Value{}, err
	}
	return f.AutoCall(ctx, args)
}

func nixStrings(words []string) *syntax.List {
	l := &syntax.List{}
	for _, w := range words {
		s := &syntax.String{}
		if w != "" {
			s.Parts = []syntax.Part{{Text: w}}
		}
		l.Elems = append(l.Elems, s)
	}
	return l
}

// collectFrom is how large the heap becomes before garbage is collected.
const collectFrom = 512 << 20

// systems finds the systems of hosts: those that nothing changed for in the
// cache, the others by evaluating them side by side. The derivations of the
// former are not known to this evaluator; valid says which of them are in the
// store, where that matters.
func (e *embedded) systems(ctx context.Context, hosts []*schema.Host, valid func([]store.Path) (map[store.Path]bool, error)) (map[string]nixcmd.System, map[string]error, error) {
	systems, errs := map[string]nixcmd.System{}, map[string]error{}
	cached := map[string]cachedHost{}
	if e.cache != nil {
		cached = e.cache.current(names(hosts), e.ev.Look())
		if len(cached) > 0 && valid != nil {
			have, err := valid(drvs(cached))
			if err != nil {
				return nil, nil, err
			}
			maps.DeleteFunc(cached, func(_ string, h cachedHost) bool { return !have[h.System.Drv] })
		}
	}
	var rest []*schema.Host
	for _, h := range hosts {
		if c, ok := cached[h.Name]; ok {
			systems[h.Name] = c.System
		} else {
			rest = append(rest, h)
		}
	}
	var said []string
	if len(rest) > 0 {
		var err error
		if said, err = e.evaluate(ctx, rest, systems, errs); err != nil {
			return nil, nil, err
		}
	}
	e.repeat(hosts, cached, said)
	return systems, errs, nil
}

// repeat says again what was traced when hosts were evaluated, except what was
// said by now.
func (e *embedded) repeat(hosts []*schema.Host, cached map[string]cachedHost, said []string) {
	seen := map[string]bool{}
	for _, line := range said {
		seen[line] = true
	}
	for _, h := range hosts {
		for _, line := range cached[h.Name].Said {
			if !seen[line] {
				seen[line] = true
				fmt.Fprintln(plainWriter{e.warn}, strings.TrimSuffix(line, "\n"))
			}
		}
	}
}

// evaluate evaluates hosts, notes what came out, and returns what was traced.
func (e *embedded) evaluate(ctx context.Context, hosts []*schema.Host, systems map[string]nixcmd.System, errs map[string]error) ([]string, error) {
	defer collector.Hold(collectFrom)()
	set, err := e.driver(ctx, hosts, nil)
	if err != nil {
		return nil, err
	}
	evaluated := map[string]evaluatedHost{}
	var said []string
	e.ev.Fleet(ctx, set, names(hosts), "summary", runtime.GOMAXPROCS(0), func(h eval.Host) {
		said = append(said, h.Said...)
		if h.Err != nil {
			errs[h.Name] = h.Err
			return
		}
		var s struct {
			Drv, Out string
			Warnings []string
		}
		if err := json.Unmarshal([]byte(h.Text), &s); err != nil {
			errs[h.Name] = fmt.Errorf("read the host's system: %v", err)
			return
		}
		system := nixcmd.System{Drv: store.Path(s.Drv), Out: store.Path(s.Out), Warnings: s.Warnings}
		systems[h.Name] = system
		evaluated[h.Name] = evaluatedHost{system, h.Inputs, h.Said}
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	shared, sharedSaid := e.ev.Shared()
	if e.cache != nil {
		e.cache.save(names(e.fleet.Hosts), evaluated, shared, sharedSaid)
	}
	return append(said, sharedSaid...), nil
}

// query evaluates an attribute of each host to its JSON.
func (e *embedded) query(ctx context.Context, hosts []*schema.Host, attr []string) (map[string]json.RawMessage, map[string]error, error) {
	defer collector.Hold(collectFrom)()
	set, err := e.driver(ctx, hosts, attr)
	if err != nil {
		return nil, nil, err
	}
	values, errs := map[string]json.RawMessage{}, map[string]error{}
	e.ev.Fleet(ctx, set, names(hosts), "", runtime.GOMAXPROCS(0), func(h eval.Host) {
		if h.Err != nil {
			errs[h.Name] = h.Err
			return
		}
		values[h.Name] = json.RawMessage(h.Text)
	})
	return values, errs, ctx.Err()
}

// validIn says which of some paths are in the local store.
func validIn(ctx context.Context, nix *nixcmd.Nix, paths []store.Path) (map[store.Path]bool, error) {
	process, err := nix.Serve(ctx, false)
	if err != nil {
		return nil, err
	}
	client, err := nixserve.New(ctx, process)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	list, err := client.QueryValidPaths(ctx, paths, false, false)
	valid := map[store.Path]bool{}
	for _, p := range list {
		valid[p] = true
	}
	return valid, err
}

// instantiate writes derivations an evaluator made, and all they need, to the
// local store.
func instantiate(ctx context.Context, nix *nixcmd.Nix, ev *eval.Evaluator, drvs []store.Path) error {
	process, err := nix.Serve(ctx, true)
	if err != nil {
		return err
	}
	client, err := nixserve.New(ctx, process)
	if err != nil {
		return err
	}
	defer client.Close()

	objects := &recipes{ev: ev, seen: map[store.Path]bool{}}
	for _, drv := range drvs {
		if err := objects.add(drv); err != nil {
			return err
		}
	}
	valid, err := client.QueryValidPaths(ctx, objects.order, true, false)
	if err != nil {
		return err
	}
	have := map[store.Path]bool{}
	for _, p := range valid {
		have[p] = true
	}
	var infos []nixserve.PathInfo
	archives := map[store.Path][]byte{}
	for _, p := range objects.order {
		if have[p] {
			continue
		}
		info, archive, err := objects.object(p)
		if err != nil {
			return fmt.Errorf("write %s to the store: %w", p, err)
		}
		infos = append(infos, info)
		if archive != nil {
			archives[p] = archive
		}
	}
	_, err = client.Send(ctx, infos, func(_ context.Context, info nixserve.PathInfo, w io.Writer) error {
		if archive, ok := archives[info.Path]; ok {
			_, err := w.Write(archive)
			return err
		}
		return objects.dump(info.Path, w)
	}, nil)
	if err != nil {
		return fmt.Errorf("write derivations to the store: %w", err)
	}
	return nil
}

// recipes are the store objects that some derivations are made of, references
// first.
type recipes struct {
	ev    *eval.Evaluator
	seen  map[store.Path]bool
	order []store.Path
}

// add collects a path and, before it, all that it refers to.
func (r *recipes) add(p store.Path) error {
	if r.seen[p] {
		return nil
	}
	r.seen[p] = true
	var refs []store.Path
	if d := r.ev.Derivation(p); d != nil {
		refs = d.References()
	} else if s, ok := r.ev.Source(p); ok {
		refs = s.References
	} else {
		return nil // somebody else's, in the store already
	}
	for _, ref := range refs {
		if err := r.add(ref); err != nil {
			return err
		}
	}
	r.order = append(r.order, p)
	return nil
}

// object is a path's registration, and its archive where that is small.
func (r *recipes) object(p store.Path) (nixserve.PathInfo, []byte, error) {
	info := nixserve.PathInfo{Path: p}
	var text []byte
	if d := r.ev.Derivation(p); d != nil {
		text, info.References = d.ATerm(), d.References()
	} else {
		s, _ := r.ev.Source(p)
		info.References = s.References
		if s.File != "" {
			h, size, err := r.hash(p)
			info.NARHash, info.NARSize = h, size
			info.CA = store.FixedCA(h, true)
			if s.Flat && err == nil {
				var content []byte
				content, err = os.ReadFile(s.File)
				info.CA = store.FixedCA(store.HashBytes(store.SHA256, content), false)
			}
			return info, nil, err
		}
		text = []byte(s.Text)
	}
	var archive bytes.Buffer
	sum := store.NewHashWriter(store.SHA256, &archive)
	if err := store.DumpFile(sum, text, false); err != nil {
		return info, nil, err
	}
	info.NARHash, info.NARSize = sum.Sum(), sum.Size()
	info.CA = store.TextCA(string(text))
	return info, archive.Bytes(), nil
}

func (r *recipes) hash(p store.Path) (store.Hash, int64, error) {
	sum := store.NewHashWriter(store.SHA256, io.Discard)
	err := r.dump(p, sum)
	return sum.Sum(), sum.Size(), err
}

// dump writes the archive of a copied file or directory.
func (r *recipes) dump(p store.Path, w io.Writer) error {
	s, ok := r.ev.Source(p)
	if !ok {
		return fmt.Errorf("%s is not known here", p)
	}
	return store.Dump(w, s.File, func(path string, _ store.FileType) (bool, error) { return !s.Omit[path], nil })
}
