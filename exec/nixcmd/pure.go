package nixcmd

import (
	"fmt"
	"strconv"
	"strings"

	"muster/compile/store"
	"muster/compile/syntax"
)

// A Purity says how a [Network] of systems of one flake is evaluated as nix build
// evaluates: by nix eval, which locks the flake and gives an output of it to the driver.
// Pure evaluation reads only the store, so all files are there.
type Purity struct {
	Flake  string      // reference to the flake, as the network expression has it
	Output string      // the output of the flake that has the systems, such as nixosConfigurations
	Dir    store.Path  // holds the driver and the network expression, which [PureFiles] writes
	Copies []StoreCopy // what may be read beside the flake: Dir, and what the inventory names

	Overrides []Override // other references for inputs of the flake
	Impure    bool       // evaluation may read what is not in the store
}

// An Override is a flake reference that takes the place of that of an input.
type Override struct{ Input, Ref string }

// A StoreCopy is a copy of a file or directory in the store.
type StoreCopy struct {
	Of   string // the file; "" if it is of no interest to the user
	Path store.Path
	Hash store.Hash // of the archive of the copy
}

// PureFiles returns the files of the directory [Purity.Dir]. The network is a function
// of the builtins that it sees: getFlake among them returns the flake that nix eval has
// locked, for pure evaluation takes no flake that is not.
func PureFiles(file *syntax.File, driver string) (map[string]string, error) {
	var text strings.Builder
	text.WriteString("builtins: ") // the first line is a comment: positions stay what they are
	if err := syntax.Fprint(&text, file); err != nil {
		return nil, fmt.Errorf("write the network expression: %v", err)
	}
	return map[string]string{NetworkFile: text.String(), driverFile: driver}, nil
}

// command is nix with its arguments.
func (p *Purity) command(hosts, attr []string) (name string, argv []string) {
	argv = []string{
		"eval", "--extra-experimental-features", "nix-command flakes", "--json", "--show-trace", "--no-write-lock-file",
		"--option", "eval-cache", "false", "--option", "pure-eval", strconv.FormatBool(!p.Impure),
	}
	for _, o := range p.Overrides {
		argv = append(argv, "--override-input", o.Input, o.Ref)
	}
	return "nix", append(argv, p.Flake+"#"+p.Output, "--apply", p.apply(hosts, attr))
}

// apply is the function of the flake's output that applies the driver.
func (p *Purity) apply(hosts, attr []string) string {
	var b strings.Builder
	quote := func(s string) string { return syntax.FormatExpr(&syntax.String{Parts: []syntax.Part{{Text: s}}}) }
	b.WriteString("output: builtins.deepSeq [\n")
	for _, c := range p.Copies {
		// Nix does not read what has this hash and is in the store: it lets it be read.
		fmt.Fprintf(&b, "  (builtins.path { path = %s; name = %s; sha256 = %s; })\n", quote(string(c.Path)), quote(c.Path.Name()), quote(c.Hash.SRI()))
	}
	fmt.Fprintf(&b, "] (import %s {\n", quote(string(p.Dir)+"/"+driverFile))
	fmt.Fprintf(&b, "  network = import %s (builtins // {\n", quote(string(p.Dir)+"/"+NetworkFile))
	fmt.Fprintf(&b, "    getFlake = ref: if ref == %s then { %s = output; } else builtins.getFlake ref;\n  });\n", quote(p.Flake), quote(p.Output))
	fmt.Fprintf(&b, "  hosts = %s;\n", nixStrings(hosts))
	if attr != nil {
		fmt.Fprintf(&b, "  attr = %s;\n", nixStrings(attr))
	}
	b.WriteString("})")
	return b.String()
}

// plainNames writes messages with the names of the files that copies in the store are of.
func (p *Purity) plainNames(text string) string {
	for _, c := range p.Copies {
		if c.Path == p.Dir {
			text = strings.ReplaceAll(text, string(c.Path)+"/", "")
		} else {
			text = strings.ReplaceAll(text, string(c.Path), c.Of)
		}
	}
	return text
}
