package eval

import (
	"fmt"
	"slices"
	"strings"

	"muster/compile/store"
)

// derivationBuiltins make derivations of attributes.
var derivationBuiltins = []*builtin{
	fn1("derivationStrict", derivationStrict),
	leftToNix("outputOf", 2, "dynamic-derivations"),
}

// derivationStrict computes the path of a derivation and those of its outputs.
// It evaluates all attributes; what they refer to becomes the inputs.
func derivationStrict(th *thread, x value) value {
	attrs := th.wantSet(x, 0)
	nameAttr := find(attrs, symName)
	if nameAttr == nil {
		th.fail(0, "attribute 'name' missing")
	}
	asm := derivationAssembler{th: th, outputs: []string{"out"}, flag: map[symbol]bool{}, json: jsonWriter{textBuilder: textBuilder{th: th}}}
	asm.drv = &store.Derivation{
		Name:      th.wantPlainString(nameAttr.v, nameAttr.pos),
		Outputs:   map[string]store.Output{},
		InputDrvs: map[store.Path][]string{},
		Env:       map[string]string{},
	}
	th.checkName(asm.drv.Name, "invalid derivation name", ". Please pass a different 'name'.")
	for _, sym := range []symbol{symStructuredAttrs, symIgnoreNulls} {
		if a := find(attrs, sym); a != nil {
			asm.flag[sym] = th.wantBool(a.v, a.pos)
		}
	}
	name := asm.drv.Name
	th.notes = append(th.notes, note{th.depth, len(th.running), func(*thread) string { return "while evaluating derivation '" + name + "'" }})
	for _, a := range th.byName(attrs) {
		asm.attribute(a)
	}
	th.notes = th.notes[:len(th.notes)-1]
	if asm.flag[symStructuredAttrs] {
		asm.drv.Env["__json"] = "{" + asm.th.finish(&asm.json) + "}"
	}
	asm.inputs()
	asm.check()
	return asm.finish()
}

// A derivationAssembler makes a derivation of attributes.
type derivationAssembler struct {
	th      *thread
	drv     *store.Derivation
	flag    map[symbol]bool
	context references
	outputs []string
	json    jsonWriter // of structured attributes, without the braces
	size    int        // bytes of the environment

	hash      *string // outputHash
	hashAlgo  string
	recursive bool // of outputHashMode
}

// attribute adds one attribute.
func (asm *derivationAssembler) attribute(a attr) {
	th := asm.th
	switch {
	case a.sym == symIgnoreNulls:
		return
	case asm.flag[symIgnoreNulls] && th.force(a.v).kind() == kindNull:
		return
	case a.sym == symContentAddressed && th.wantBool(a.v, a.pos):
		th.leaveToNix("ca-derivations", a.pos)
	case a.sym == symImpure && th.wantBool(a.v, a.pos):
		th.leaveToNix("impure-derivations", a.pos)
	case (a.sym == symContentAddressed || a.sym == symImpure) && th.ev.compat.dropsFalse:
		return
	case a.sym == symArgs:
		for _, x := range th.wantList(a.v, a.pos) {
			asm.drv.Args = append(asm.drv.Args, th.coerce(x, &asm.context, a.pos, coerceMore|copyPaths))
		}
		return
	case asm.flag[symStructuredAttrs]:
		asm.structured(a)
		return
	}
	s := th.coerce(a.v, &asm.context, a.pos, coerceMore|copyPaths)
	asm.drv.Env[a.sym.String()] = s
	asm.size += len(s)
	if a.sym == symOutputs {
		asm.setOutputs(strings.Fields(s), a.pos)
	} else {
		asm.special(a.sym, s)
	}
}

// structured adds an attribute to the JSON of structured attributes. Attributes
// that Nix itself interprets are set in the derivation as well.
func (asm *derivationAssembler) structured(a attr) {
	if a.sym == symStructuredAttrs {
		return
	}
	th := asm.th
	if asm.json.Len() > 0 {
		asm.json.WriteByte(',')
	}
	th.writeJSONString(&asm.json, a.sym.String())
	asm.json.WriteByte(':')
	th.writeJSON(&asm.json, a.v, &asm.context)
	switch a.sym {
	case symBuilder:
		s := th.wantString(a.v, a.pos)
		asm.context = asm.context.union(s.context())
		asm.special(a.sym, s.str())
	case symSystem, symOutputHash, symOutputHashAlgo, symOutputHashMode:
		asm.special(a.sym, th.wantPlainString(a.v, a.pos))
	case symOutputs:
		var names []string
		for _, x := range th.wantList(a.v, a.pos) {
			names = append(names, th.wantPlainString(x, a.pos))
		}
		asm.setOutputs(names, a.pos)
	}
}

// special sets what Nix itself interprets.
func (asm *derivationAssembler) special(sym symbol, s string) {
	switch sym {
	case symBuilder:
		asm.drv.Builder = s
	case symSystem:
		asm.drv.Platform = s
	case symOutputHash:
		asm.hash = &s
	case symOutputHashAlgo:
		asm.hashAlgo = s
	case symOutputHashMode:
		switch s {
		case "flat":
		case "recursive", "nar":
			asm.recursive = true
		case "git":
			asm.th.leaveToNix("git-hashing", 0)
		case "text":
			asm.th.leaveToNix("dynamic-derivations", 0)
		default:
			asm.th.fail(0, "invalid value '%s' for 'outputHashMode' attribute", s)
		}
	}
}

func (asm *derivationAssembler) setOutputs(names []string, pos posID) {
	for i, name := range names {
		switch {
		case slices.Contains(names[:i], name):
			asm.th.fail(pos, "duplicate derivation output '%s'", name)
		case name == "drvPath", name == "drv" && asm.th.ev.compat.noDrvOutput:
			asm.th.fail(pos, "invalid derivation output name '%s'", name)
		}
	}
	if len(names) == 0 {
		asm.th.fail(pos, "derivation cannot have an empty set of outputs")
	}
	asm.outputs = names
}

// inputs sets the inputs of the derivation: everything in the context.
func (asm *derivationAssembler) inputs() {
	sources := map[store.Path]bool{}
	outputs := map[store.Path]map[string]bool{}
	use := func(drv store.Path, output string) {
		if outputs[drv] == nil {
			outputs[drv] = map[string]bool{}
		}
		outputs[drv][output] = true
	}
	for _, ref := range asm.context {
		p, output, deep := ref.split()
		switch {
		case output != "":
			use(p, output)
		case deep:
			asm.th.closure(p, func(q store.Path) {
				sources[q] = true
				if d := asm.th.ev.derivations.get(q); d != nil {
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
		asm.drv.InputSrcs = append(asm.drv.InputSrcs, p)
	}
	slices.Sort(asm.drv.InputSrcs)
	for p, names := range outputs {
		for name := range names {
			asm.drv.InputDrvs[p] = append(asm.drv.InputDrvs[p], name)
		}
		slices.Sort(asm.drv.InputDrvs[p])
	}
}

func (asm *derivationAssembler) check() {
	th := asm.th
	switch {
	case asm.drv.Builder == "":
		th.fail(0, "required attribute 'builder' missing")
	case asm.drv.Platform == "":
		th.fail(0, "required attribute 'system' missing")
	case strings.HasSuffix(asm.drv.Name, ".drv"):
		th.fail(0, "derivation names are allowed to end in '.drv' only if they produce a single derivation file")
	}
	if asm.hash == nil {
		for _, name := range asm.outputs {
			asm.drv.Outputs[name] = store.Output{}
			asm.drv.Env[name] = ""
		}
		return
	}
	if len(asm.outputs) != 1 || asm.outputs[0] != "out" {
		th.fail(0, "multiple outputs are not supported in fixed-output derivations")
	}
	asm.drv.Outputs["out"] = store.FixedOutput(asm.fixedHash(), asm.recursive)
	asm.drv.Env["out"] = ""
}

// fixedHash parses outputHash. An empty one means a hash of zeros, with which a
// build reports the right hash.
func (asm *derivationAssembler) fixedHash() store.Hash {
	var algo store.Algo
	if asm.hashAlgo != "" {
		a, err := store.ParseAlgo(asm.hashAlgo)
		if asm.hashAlgo == "blake3" {
			asm.th.leaveToNix("blake3-hashes", 0)
		}
		if err != nil {
			asm.th.fail(0, "unknown hash algorithm '%s'", asm.hashAlgo)
		}
		algo = a
	}
	var h store.Hash
	var err error
	if *asm.hash == "" {
		if algo == "" {
			asm.th.fail(0, "empty hash requires explicit hash algorithm")
		}
		h, err = store.NewHash(algo, make([]byte, algo.Size()))
	} else {
		h = asm.th.parseHash(*asm.hash, algo, 0)
	}
	if err != nil {
		asm.th.fail(0, "derivation '%s': %v", asm.drv.Name, err)
	}
	return h
}

// finish computes all paths and returns { drvPath, out, … }.
func (asm *derivationAssembler) finish() value {
	th := asm.th
	th.reserve(3 * (asm.size + asm.json.Len())) // the text of the derivation, with escapes
	all := &th.ev.derivations
	if err := asm.drv.FillOutputs(all.modulo); err != nil {
		th.failCause(0, err, "derivation '%s': %v", asm.drv.Name, err)
	}
	th.observeDerivation(asm.drv)
	p, err := asm.drv.Path()
	if err == nil {
		err = all.add(p, asm.drv, th.owner())
	}
	if err != nil {
		th.failCause(0, err, "derivation '%s': %v", asm.drv.Name, err)
	}
	attrs := []attr{{sym: symDrvPath, v: contextValue(string(p), references{deepReference(p)})}}
	for name, o := range asm.drv.Outputs {
		attrs = append(attrs, attr{sym: intern(name), v: contextValue(string(o.Path), references{outputReference(p, name)})})
	}
	return sortedSet(attrs...)
}

// checkName fails for names that no store path can have.
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
