package evaluate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"time"

	"muster/compile"
	"muster/compile/eval"
	"muster/compile/store"
	"muster/compile/syntax"
	"muster/exec/nixcmd"
	"muster/schema"
)

// An Embedded is the [Evaluator] that evaluates in this process. Hosts of which
// nothing has changed come from a cache.
type Embedded struct {
	Options
	Environment Environment
	CacheDir    string      // holds the caches of all fleets; "" if every host is to be evaluated
	FirstDone   func()      // called when the first host is evaluated, and with it what hosts share; may be nil
	Log         io.Writer   // is told why the cache is not used; may be nil
	Store       *nixcmd.Nix // the derivations are written to its store; nil if their names suffice
}

// Systems implements [Evaluator].
func (e Embedded) Systems(ctx context.Context, hosts []*schema.Host) ([]Result, error) {
	return eachPurity(e.isPure, hosts, func(hosts []*schema.Host, pure bool) ([]Result, error) {
		return e.systems(ctx, hosts, pure)
	}, func(h *schema.Host) Result { return Result{Host: h} })
}

func (e Embedded) systems(ctx context.Context, hosts []*schema.Host, pure bool) ([]Result, error) {
	ev, err := e.open(e.CacheDir, pure)
	if err != nil {
		return nil, err
	}
	defer ev.done()
	var valid func([]store.Path) (map[store.Path]bool, error)
	if e.Store != nil {
		valid = func(paths []store.Path) (map[store.Path]bool, error) { return validIn(ctx, e.Store, paths) }
	}
	results, err := ev.systems(ctx, hosts, valid)
	if err != nil && results == nil {
		return nil, fmt.Errorf("evaluate the fleet: %w", err)
	}
	e.worktrees = ev.ev.WorkTrees()
	var drvs []store.Path
	for i, r := range results {
		if r.Err == nil {
			drvs = append(drvs, r.System.Drv)
		}
		results[i].Err = e.hostError(r.Host, ev.file, r.Err)
	}
	if e.Store == nil {
		return results, err
	}
	if err != nil {
		// What was found before the interrupt is written all the same: else the
		// cache has systems that the next run cannot use.
		var end context.CancelFunc
		ctx, end = context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
		defer end()
	}
	if problem := instantiate(ctx, e.Store, ev.ev, drvs); problem != nil {
		return nil, cmp.Or(err, problem)
	}
	return results, err
}

// lastWrites is how long writing derivations may take after an interrupt.
const lastWrites = 20 * time.Second

// Query implements [Evaluator]. The cache holds systems only, so every host is
// evaluated.
func (e Embedded) Query(ctx context.Context, hosts []*schema.Host, attr []string) ([]Value, error) {
	return eachPurity(e.isPure, hosts, func(hosts []*schema.Host, pure bool) ([]Value, error) {
		return e.query(ctx, hosts, attr, pure)
	}, func(h *schema.Host) Value { return Value{Host: h} })
}

func (e Embedded) query(ctx context.Context, hosts []*schema.Host, attr []string, pure bool) ([]Value, error) {
	ev, err := e.open("", pure)
	if err != nil {
		return nil, err
	}
	defer ev.done()
	values, err := ev.query(ctx, hosts, attr)
	e.worktrees = ev.ev.WorkTrees()
	for i, v := range values {
		values[i].Err = e.hostError(v.Host, ev.file, v.Err)
	}
	return values, err
}

// An evaluation is one evaluation of a fleet's network expression.
type evaluation struct {
	ev    *eval.Evaluator
	done  func()
	fleet *schema.Fleet
	file  *syntax.File
	trace io.Writer
	cache *cache // nil if every host is to be evaluated
	log   func(format string, args ...any)

	firstDone func()
}

// hostNames names the part of a network expression that is the names of its
// hosts. No host has this name.
const hostNames = "host names"

// open prepares an evaluation. Pure is that of systems of flakes.
func (e Embedded) open(cacheDir string, pure bool) (*evaluation, error) {
	file, err := e.network()
	if err != nil {
		return nil, err
	}
	opts, done := e.Environment.options(e.Options)
	if pure {
		opts.Pure, opts.OwnFlakes, opts.Allowed = true, ownFlakes(e.Fleet), pathsIn(file.Expr, e.Fleet.Dir)
	}
	ev := &evaluation{done: done, fleet: e.Fleet, file: file, trace: opts.Trace, log: e.log, firstDone: e.FirstDone}
	if cacheDir != "" {
		common, hosts := compile.Parts(file)
		opts.Record, opts.Parts = true, map[string]string{hostNames: keyOf(names(e.Fleet.Hosts)...)}
		for name, text := range hosts {
			opts.Parts[name] = keyOf(text)
		}
		ev.cache, err = openCache(cacheDir, e.Fleet.Dir, common, compile.Driver, settingsKey(opts))
		if err != nil {
			opts.Record, opts.Parts = false, nil
			e.log("note: the evaluation cache is not used: %v\n", err)
		}
	}
	ev.ev = eval.New(opts)
	return ev, nil
}

// settingsKey is everything besides files that the options of an evaluator tell a
// program. It is quoted: a=b c and a b=c are different search paths.
func settingsKey(o eval.Options) string {
	return fmt.Sprintf("%#v", []any{o.NixPath, o.System, o.NixVersion, o.Home, o.AbortOnWarn, o.Features, o.Pure, o.Restricted, o.Allowed, o.OwnFlakes,
		o.TraceVerbose, o.NoImportFromDerivation, o.MaxDepth, o.Lints, o.Overrides})
}

func (e Embedded) log(format string, args ...any) {
	if e.Log != nil {
		fmt.Fprintf(e.Log, format, args...)
	}
}

// systems finds the systems of hosts. It takes unchanged hosts from the cache
// and evaluates the others side by side. If valid is given, a cached host counts
// as unchanged only if its derivation is valid: in the store.
func (e *evaluation) systems(ctx context.Context, hosts []*schema.Host, valid func([]store.Path) (map[store.Path]bool, error)) ([]Result, error) {
	cached, err := e.unchanged(hosts, valid)
	if err != nil {
		return nil, err
	}
	var changed []*schema.Host
	for _, h := range hosts {
		if _, ok := cached[h.Name]; !ok {
			changed = append(changed, h)
		}
	}
	var fresh map[string]Result
	var traced []string
	if len(changed) > 0 {
		if fresh, traced, err = e.evaluate(ctx, changed); err != nil && fresh == nil {
			return nil, err
		}
	}
	results := make([]Result, len(hosts))
	for i, h := range hosts {
		r, ok := fresh[h.Name]
		if !ok {
			c := cached[h.Name]
			r = Result{System: c.System, Warnings: c.Warnings}
		}
		r.Host = h
		results[i] = r
	}
	e.repeatTraces(hosts, cached, traced)
	return results, err
}

// unchanged returns the hosts that the cache holds the systems of.
func (e *evaluation) unchanged(hosts []*schema.Host, valid func([]store.Path) (map[store.Path]bool, error)) (map[string]cachedHost, error) {
	if e.cache == nil {
		return nil, nil
	}
	cached := e.cache.unchanged(names(hosts), e.ev.Look())
	if len(cached) == 0 || valid == nil {
		return cached, nil
	}
	have, err := valid(derivations(cached))
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(cached, func(_ string, h cachedHost) bool { return !have[h.System.Drv] })
	return cached, nil
}

// repeatTraces writes what was traced when the cached hosts were evaluated,
// except the lines traced by now.
func (e *evaluation) repeatTraces(hosts []*schema.Host, cached map[string]cachedHost, traced []string) {
	seen := map[string]bool{}
	for _, line := range traced {
		seen[line] = true
	}
	for _, h := range hosts {
		for _, line := range cached[h.Name].Traced {
			if !seen[line] {
				seen[line] = true
				fmt.Fprintln(e.trace, strings.TrimSuffix(line, "\n"))
			}
		}
	}
}

// evaluate evaluates hosts, stores their systems in the cache, and returns the
// results by host with the lines that were traced. If ctx ends, it returns those of
// the hosts that were done by then, and the cause.
func (e *evaluation) evaluate(ctx context.Context, hosts []*schema.Host) (results map[string]Result, traced []string, err error) {
	set, err := e.apply(ctx, hosts, nil)
	if err != nil {
		return nil, nil, err
	}
	results = map[string]Result{}
	evaluated := map[string]evaluatedHost{}
	e.ev.Fleet(ctx, set, names(hosts), "summary", runtime.GOMAXPROCS(0), func(h eval.Host) {
		e.hostDone()
		traced = append(traced, h.Said...)
		r := readSummary(h)
		r.Warnings = withTraced(r.Warnings, h.Said)
		results[h.Name] = r
		if r.Err == nil {
			evaluated[h.Name] = evaluatedHost{result: r, inputs: h.Inputs, traced: h.Said}
		}
	})
	shared, sharedTraces := e.ev.Shared()
	if e.cache != nil {
		if err := e.cache.save(names(e.fleet.Hosts), evaluated, shared, sharedTraces); err != nil {
			e.log("note: the evaluation cache is not written: %v\n", err)
		}
	}
	return results, append(traced, sharedTraces...), context.Cause(ctx)
}

// hostDone is called for each host that is evaluated.
func (e *evaluation) hostDone() {
	if e.firstDone != nil {
		e.firstDone()
		e.firstDone = nil
	}
}

// withTraced adds to the warnings of a host those that it traced, as NixOS does for
// what it finds before there are any warnings, such as a missing stateVersion.
func withTraced(warnings, said []string) []string {
	known := map[string]bool{}
	for _, w := range warnings {
		known[strings.TrimSpace(w)] = true
	}
	for _, line := range said {
		if text, ok := evaluationWarning(line); ok && !known[text] {
			known[text] = true
			warnings = append(warnings, text)
		}
	}
	return warnings
}

// readSummary reads a host's summary attribute (see [compile.Driver]).
func readSummary(h eval.Host) Result {
	if h.Err != nil {
		return Result{Err: h.Err}
	}
	var s struct {
		Drv, Out store.Path
		Warnings []string
	}
	if err := json.Unmarshal([]byte(h.Text), &s); err != nil {
		return Result{Err: fmt.Errorf("read the host's system: %v", err)}
	}
	return Result{System: System{Drv: s.Drv, Out: s.Out}, Warnings: s.Warnings}
}

// query evaluates an attribute of each host to its JSON.
func (e *evaluation) query(ctx context.Context, hosts []*schema.Host, attr []string) ([]Value, error) {
	set, err := e.apply(ctx, hosts, attr)
	if err != nil {
		return nil, err
	}
	found := map[string]Value{}
	e.ev.Fleet(ctx, set, names(hosts), "", runtime.GOMAXPROCS(0), func(h eval.Host) {
		e.hostDone()
		v := Value{Err: h.Err}
		if h.Err == nil {
			v.JSON = json.RawMessage(h.Text)
		}
		found[h.Name] = v
	})
	values := make([]Value, len(hosts))
	for i, h := range hosts {
		values[i] = found[h.Name]
		values[i].Host = h
	}
	return values, context.Cause(ctx)
}

// apply applies the driver to the network expression: the value is a set with an
// attribute for each host.
func (e *evaluation) apply(ctx context.Context, hosts []*schema.Host, attr []string) (eval.Value, error) {
	return e.drive(ctx, hosts, attr, true)
}

// drive is apply, for hosts that are evaluated apart or together.
func (e *evaluation) drive(ctx context.Context, hosts []*schema.Host, attr []string, apart bool) (eval.Value, error) {
	driver, err := syntax.ParseFile("driver.nix", []byte(compile.Driver), syntax.Options{})
	if err != nil {
		return eval.Value{}, err
	}
	given := map[string]syntax.Expr{
		"network": e.file.Expr,
		"hosts":   syntax.StringList(names(hosts)),
		"apart":   &syntax.Ident{Name: strconv.FormatBool(apart)},
	}
	if attr != nil {
		given["attr"] = syntax.StringList(attr)
	}
	args := map[string]eval.Value{"part": e.ev.Part(), "pick": e.ev.Apart()}
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
