package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Derivation describes a build: a program to run, everything that it needs, and the paths that it makes.
type Derivation struct {
	Name      string            // without .drv; it is in the path of the file, not in the text
	Outputs   map[string]Output // by name, such as "out" and "dev"
	InputDrvs map[Path][]string // the derivations to build first, and which of their outputs are used
	InputSrcs []Path            // other store paths it needs
	Platform  string            // such as x86_64-linux
	Builder   string            // the program
	Args      []string          // its arguments
	Env       map[string]string // its environment; structured attributes are JSON in __json
}

// An Output is one of the paths that a derivation makes, in the terms of the .drv file. An output with a Hash is fixed:
// its content is known beforehand and determines the path. An output with neither hash nor algorithm is
// input-addressed: the derivation determines the path.
type Output struct {
	Path     Path   // "" while unknown
	HashAlgo string // of a fixed output: "sha256", or "r:sha256" if the hash is of the archive
	Hash     string // of a fixed output, in base 16
}

// FixedOutput describes an output of known content.
func FixedOutput(h Hash, recursive bool) Output {
	return Output{HashAlgo: methodAlgo(h.Algo(), recursive), Hash: h.Base16()}
}

// IsFixed reports whether the output's content is known beforehand.
func (o Output) IsFixed() bool { return o.HashAlgo != "" && o.Hash != "" }

// Fixed returns the hash of a fixed output, and whether it is the hash of the archive.
func (o Output) Fixed() (h Hash, recursive bool, err error) {
	algo, recursive := strings.CutPrefix(o.HashAlgo, "r:")
	a, err := ParseAlgo(algo)
	if err != nil {
		return Hash{}, false, err
	}
	h, err = ParseHash(o.Hash, a)
	return h, recursive, err
}

// IsFixed reports whether d has a single output, "out", and its content is known beforehand.
func (d *Derivation) IsFixed() bool {
	o, ok := d.Outputs["out"]
	return ok && len(d.Outputs) == 1 && o.IsFixed()
}

// OutputNames returns the names of the outputs, sorted.
func (d *Derivation) OutputNames() []string { return sortedKeys(d.Outputs) }

// References returns the store paths the .drv file refers to, sorted.
func (d *Derivation) References() []Path {
	refs := slices.Concat(slices.Collect(maps.Keys(d.InputDrvs)), d.InputSrcs)
	slices.Sort(refs)
	return slices.Compact(refs)
}

// Path returns where the derivation itself is stored. Its outputs must be filled in.
func (d *Derivation) Path() (Path, error) {
	return textPath(d.Name+drvExt, hashATerm(d, d.ownInputs(), false), d.References())
}

// OutputPaths computes the paths of the outputs, whatever they are now. The environment must have a variable for each
// output, as in every .drv file; its value does not matter. Content-addressed outputs that are not fixed have no path
// before they are built: they are an error.
func (d *Derivation) OutputPaths(m *Modulo) (map[string]Path, error) {
	if len(d.Outputs) == 0 {
		return nil, fmt.Errorf("derivation %s has no outputs", d.Name)
	}
	paths := make(map[string]Path, len(d.Outputs))
	if d.IsFixed() {
		h, recursive, err := d.Outputs["out"].Fixed()
		if err != nil {
			return nil, fmt.Errorf("derivation %s: output out: %w", d.Name, err)
		}
		paths["out"], err = FixedPath(outputName(d.Name, "out"), h, recursive)
		return paths, err
	}
	modulo, err := m.hash(d, true, nil)
	if err != nil {
		return nil, err
	}
	for name := range d.Outputs {
		if paths[name], err = OutputPath(d.Name, name, modulo[name]); err != nil {
			return nil, fmt.Errorf("derivation %s: output %s: %w", d.Name, name, err)
		}
	}
	return paths, nil
}

// FillOutputs computes the paths of the outputs and sets them in the outputs and in the environment.
func (d *Derivation) FillOutputs(m *Modulo) error {
	if d.Env == nil {
		d.Env = make(map[string]string, len(d.Outputs))
	}
	for name := range d.Outputs {
		d.Env[name] = ""
	}
	paths, err := d.OutputPaths(m)
	if err != nil {
		return err
	}
	for name, p := range paths {
		o := d.Outputs[name]
		o.Path = p
		d.Outputs[name] = o
		d.Env[name] = string(p)
	}
	return nil
}
