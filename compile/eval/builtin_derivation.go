package eval

import (
	"fmt"
	"slices"
	"strings"

	"muster/compile/store"
)

// derivationBuiltins turn attributes into build recipes.
var derivationBuiltins = []*builtin{
	fn1("derivationStrict", derivationStrict),
	leftToNix("outputOf", 2, "dynamic-derivations"),
}

// derivationStrict computes a derivation's path and those of its outputs. All
// attributes are evaluated, and what they refer to are the inputs.
func derivationStrict(th *thread, x value) value {
	attrs := th.wantSet(x, 0)
	nameAttr := find(attrs, symName)
	if nameAttr == nil {
		th.fail(0, "attribute 'name' missing")
	}
	r := recipe{th: th, outputs: []string{"out"}, flag: map[symbol]bool{}}
	r.drv = &store.Derivation{
		Name:      th.wantPlainString(nameAttr.v, nameAttr.pos),
		Outputs:   map[string]store.Output{},
		InputDrvs: map[store.Path][]string{},
		Env:       map[string]string{},
	}
	th.checkName(r.drv.Name, "invalid derivation name", ". Please pass a different 'name'.")
	for _, sym := range []symbol{symStructuredAttrs, symIgnoreNulls} {
		if a := find(attrs, sym); a != nil {
			r.flag[sym] = th.wantBool(a.v, a.pos)
		}
	}
	name := r.drv.Name
	th.notes = append(th.notes, note{th.depth, len(th.running), func(*thread) string { return "while evaluating derivation '" + name + "'" }})
	for _, a := range byName(attrs) {
		r.attribute(a)
	}
	th.notes = th.notes[:len(th.notes)-1]
	if r.flag[symStructuredAttrs] {
		r.drv.Env["__json"] = "{" + r.th.finish(&r.json) + "}"
	}
	r.inputs()
	r.check()
	return r.finish()
}

// A recipe is a derivation being put together.
type recipe struct {
	th      *thread
	drv     *store.Derivation
	flag    map[symbol]bool
	context references
	outputs []string
	json    jsonWriter // of structured attributes, without the braces

	hash      *string // outputHash
	hashAlgo  string
	recursive bool // of outputHashMode
}

// attribute adds one attribute to the recipe.
func (r *recipe) attribute(a attr) {
	th := r.th
	switch {
	case a.sym == symIgnoreNulls:
		return
	case r.flag[symIgnoreNulls] && th.force(a.v).kind() == kindNull:
		return
	case a.sym == symContentAddressed && th.wantBool(a.v, a.pos):
		th.leaveToNix("ca-derivations", a.pos)
	case a.sym == symImpure && th.wantBool(a.v, a.pos):
		th.leaveToNix("impure-derivations", a.pos)
	case a.sym == symArgs:
		for _, x := range th.wantList(a.v, a.pos) {
			r.drv.Args = append(r.drv.Args, th.coerce(x, &r.context, a.pos, coerceMore|copyPaths))
		}
		return
	case r.flag[symStructuredAttrs]:
		r.structured(a)
		return
	}
	s := th.coerce(a.v, &r.context, a.pos, coerceMore|copyPaths)
	r.drv.Env[a.sym.String()] = s
	if a.sym == symOutputs {
		r.setOutputs(strings.Fields(s), a.pos)
	} else {
		r.special(a.sym, s)
	}
}

// structured adds an attribute in JSON; those that Nix itself looks at are
// taken apart as well.
func (r *recipe) structured(a attr) {
	if a.sym == symStructuredAttrs {
		return
	}
	th := r.th
	if r.json.Len() > 0 {
		r.json.WriteByte(',')
	}
	th.writeJSONString(&r.json, a.sym.String())
	r.json.WriteByte(':')
	th.writeJSON(&r.json, a.v, &r.context)
	switch a.sym {
	case symBuilder:
		s := th.wantString(a.v, a.pos)
		r.context = r.context.union(s.context())
		r.special(a.sym, s.str())
	case symSystem, symOutputHash, symOutputHashAlgo, symOutputHashMode:
		r.special(a.sym, th.wantPlainString(a.v, a.pos))
	case symOutputs:
		var names []string
		for _, x := range th.wantList(a.v, a.pos) {
			names = append(names, th.wantPlainString(x, a.pos))
		}
		r.setOutputs(names, a.pos)
	}
}

func (r *recipe) special(sym symbol, s string) {
	switch sym {
	case symBuilder:
		r.drv.Builder = s
	case symSystem:
		r.drv.Platform = s
	case symOutputHash:
		r.hash = &s
	case symOutputHashAlgo:
		r.hashAlgo = s
	case symOutputHashMode:
		switch s {
		case "flat":
		case "recursive", "nar":
			r.recursive = true
		default:
			r.th.fail(0, "invalid value '%s' for 'outputHashMode' attribute", s)
		}
	}
}

func (r *recipe) setOutputs(names []string, pos posID) {
	for i, name := range names {
		switch {
		case slices.Contains(names[:i], name):
			r.th.fail(pos, "duplicate derivation output '%s'", name)
		case name == "drvPath", name == "drv" && r.th.ev.compat.noDrvOutput:
			r.th.fail(pos, "invalid derivation output name '%s'", name)
		}
	}
	if len(names) == 0 {
		r.th.fail(pos, "derivation cannot have an empty set of outputs")
	}
	r.outputs = names
}

// inputs makes inputs of all that was referred to.
func (r *recipe) inputs() {
	sources := map[store.Path]bool{}
	outputs := map[store.Path]map[string]bool{}
	use := func(drv store.Path, output string) {
		if outputs[drv] == nil {
			outputs[drv] = map[string]bool{}
		}
		outputs[drv][output] = true
	}
	for _, ref := range r.context {
		p, output, deep := ref.split()
		switch {
		case output != "":
			use(p, output)
		case deep:
			r.th.closure(p, func(q store.Path) {
				sources[q] = true
				if d := r.th.ev.derivations.get(q); d != nil {
					for name := range d.Outputs {
						use(q, name)
					}
				}
			})
		default:
			sources[p] = true
		}
	}
	for p := range sources {
		r.drv.InputSrcs = append(r.drv.InputSrcs, p)
	}
	slices.Sort(r.drv.InputSrcs)
	for p, names := range outputs {
		for name := range names {
			r.drv.InputDrvs[p] = append(r.drv.InputDrvs[p], name)
		}
		slices.Sort(r.drv.InputDrvs[p])
	}
}

func (r *recipe) check() {
	th := r.th
	switch {
	case r.drv.Builder == "":
		th.fail(0, "required attribute 'builder' missing")
	case r.drv.Platform == "":
		th.fail(0, "required attribute 'system' missing")
	case strings.HasSuffix(r.drv.Name, ".drv"):
		th.fail(0, "derivation names are allowed to end in '.drv' only if they produce a single derivation file")
	}
	if r.hash == nil {
		for _, name := range r.outputs {
			r.drv.Outputs[name] = store.Output{}
			r.drv.Env[name] = ""
		}
		return
	}
	if len(r.outputs) != 1 || r.outputs[0] != "out" {
		th.fail(0, "multiple outputs are not supported in fixed-output derivations")
	}
	r.drv.Outputs["out"] = store.FixedOutput(r.fixedHash(), r.recursive)
	r.drv.Env["out"] = ""
}

// fixedHash reads outputHash; an empty one is all zeros, for people to find out
// the right one.
func (r *recipe) fixedHash() store.Hash {
	var algo store.Algo
	if r.hashAlgo != "" {
		a, err := store.ParseAlgo(r.hashAlgo)
		if err != nil {
			r.th.fail(0, "unknown hash algorithm '%s'", r.hashAlgo)
		}
		algo = a
	}
	var h store.Hash
	var err error
	if *r.hash == "" {
		if algo == "" {
			r.th.fail(0, "empty hash requires explicit hash algorithm")
		}
		h, err = store.NewHash(algo, make([]byte, algo.Size()))
	} else {
		h = r.th.parseHash(*r.hash, algo, 0)
	}
	if err != nil {
		r.th.fail(0, "derivation '%s': %v", r.drv.Name, err)
	}
	return h
}

// finish computes all paths and returns { drvPath, out, … }.
func (r *recipe) finish() value {
	th := r.th
	all := &th.ev.derivations
	if err := r.drv.FillOutputs(all.modulo); err != nil {
		th.failCause(0, err, "derivation '%s': %v", r.drv.Name, err)
	}
	p, err := r.drv.Path()
	if err == nil {
		err = all.add(p, r.drv)
	}
	if err != nil {
		th.failCause(0, err, "derivation '%s': %v", r.drv.Name, err)
	}
	attrs := []attr{{sym: symDrvPath, v: contextValue(string(p), references{deepReference(p)})}}
	for name, o := range r.drv.Outputs {
		attrs = append(attrs, attr{sym: intern(name), v: contextValue(string(o.Path), references{outputReference(p, name)})})
	}
	return sortedSet(attrs...)
}

// checkName refuses names no store path can have.
func (th *thread) checkName(name, what, advice string) {
	problem := ""
	switch {
	case name == "":
		problem = "name must not be empty"
	case len(name) > 211:
		problem = fmt.Sprintf("name '%s' must be no longer than 211 characters", name)
	case store.CheckName(name) != nil:
		problem = fmt.Sprintf("name '%s' is not valid", name)
		for _, c := range name {
			if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-._?=", c) {
				problem = fmt.Sprintf("name '%s' contains illegal character '%c'", name, c)
				break
			}
		}
	default:
		return
	}
	th.fail(0, "%s: %s%s", what, problem, advice)
}
