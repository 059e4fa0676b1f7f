package schema

// A Value is the value of a NixOS option in the inventory: one of [Null], [Bool],
// [Int], [Float], [String], [List], [*Attrs], [Path], [Pkg], [SecretPath],
// [InputRef], [Expr], [Template] or [Mark]. Nothing in a String is interpreted as Nix.
type Value interface {
	// Pos is the position of the value in the inventory.
	Pos() Pos
	value()
}

// Null is null.
type Null struct{ At Pos }

// A Bool is true or false.
type Bool struct {
	At Pos
	V  bool
}

// An Int is an integer of 64 bits, as in Nix.
type Int struct {
	At Pos
	V  int64
}

// A Float is a finite floating-point number.
type Float struct {
	At Pos
	V  float64
}

// A String is text. It contains no NUL byte: Nix has none in strings.
type String struct {
	At Pos
	V  string
}

// A List is a list.
type List struct {
	At    Pos
	Elems []Value
}

// Attrs is a set of named values, in the order of the inventory.
type Attrs struct {
	At     Pos
	Fields []Field
}

// A Field is one attribute of an [Attrs]; At is the position of its name.
type Field struct {
	At    Pos
	Name  string
	Value Value
}

// A Path is a file or directory: $path: "./www". Name is relative to the
// inventory's directory, or absolute.
type Path struct {
	At   Pos
	Name string
}

// A Pkg is a package; Name is its attribute path in pkgs: $pkg: "valgrind.doc".
type Pkg struct {
	At   Pos
	Name string
}

// A SecretPath is the path of a secret on the host, a string: $secret: "db-password".
// The content of the secret is not part of the configuration.
type SecretPath struct {
	At   Pos
	Name string
}

// An InputRef is an attribute of an input, or a file of its tree; with neither, the
// input: $input: "sops", attr: "nixosModules.sops". In imports the attribute is
// called module.
type InputRef struct {
	At   Pos
	Name string
	Attr string // names with dots between them
	Path string
}

// An Expr is a Nix expression as written: $expr: "pkgs.kubectl". config, inputs,
// lib, pkgs, name and nodes are in scope.
type Expr struct {
	At   Pos
	Text string
	Args bool // it is in special_args, where inputs, name and nixpkgs are in scope
}

// A Template is a string with Nix interpolation:
// $str: "${pkgs.valgrind.doc}/share".
type Template struct {
	At   Pos
	Text string
	Args bool // as in an Expr
}

// A Mark is a value with a property of the NixOS module system, such as mkForce.
type Mark struct {
	At   Pos
	Kind MarkKind
	// Cond is the condition of If, a Nix expression. Priority is that of
	// Override and Order. Values has one element, for Merge any number.
	Cond     string
	Priority int
	Values   []Value
}

// A MarkKind is the property that a [Mark] adds.
type MarkKind uint8

// The kinds, with their notation in an inventory and in Nix.
const (
	Force    MarkKind = iota + 1 // $force: v                     mkForce v
	Default                      // $default: v                   mkDefault v
	If                           // $if: "expr", $then: v         mkIf expr v
	Merge                        // $merge: [v, v]                mkMerge [ v v ]
	Before                       // $before: v                    mkBefore v
	After                        // $after: v                     mkAfter v
	Override                     // $override: v, $priority: n    mkOverride n v
	Order                        // $order: v, $priority: n       mkOrder n v
)

func (v Null) Pos() Pos       { return v.At }
func (v Bool) Pos() Pos       { return v.At }
func (v Int) Pos() Pos        { return v.At }
func (v Float) Pos() Pos      { return v.At }
func (v String) Pos() Pos     { return v.At }
func (v List) Pos() Pos       { return v.At }
func (v *Attrs) Pos() Pos     { return v.At }
func (v Path) Pos() Pos       { return v.At }
func (v Pkg) Pos() Pos        { return v.At }
func (v InputRef) Pos() Pos   { return v.At }
func (v SecretPath) Pos() Pos { return v.At }
func (v Expr) Pos() Pos       { return v.At }
func (v Template) Pos() Pos   { return v.At }
func (v Mark) Pos() Pos       { return v.At }

func (Null) value()       {}
func (Bool) value()       {}
func (Int) value()        {}
func (Float) value()      {}
func (String) value()     {}
func (List) value()       {}
func (*Attrs) value()     {}
func (Path) value()       {}
func (Pkg) value()        {}
func (InputRef) value()   {}
func (SecretPath) value() {}
func (Expr) value()       {}
func (Template) value()   {}
func (Mark) value()       {}
