package syntax

import "iter"

// A File is one parsed or generated Nix file.
type File struct {
	Name string
	Expr Expr
	// Comment is above the expression, as in [Note].
	Comment []string
	// End is below the expression.
	End []string
	// Notes are the notes of nodes other than bindings: any Expr, *Formal,
	// *Formals. The parser keeps them with [Options.Comments].
	Notes map[any]*Note
	// Rest are bindings that are made while the file is printed. They follow the
	// others of their set. Only the printer knows of them.
	Rest map[*Attrs]Bindings
}

// Bindings makes bindings one after the other, each with the notes of its nodes.
type Bindings = iter.Seq2[Binding, map[any]*Note]

// An Expr is a Nix expression: one of [*Ident], [*Int], [*Float], [*String],
// [*Path], [*SearchPath], [*List], [*Attrs], [*Select], [*HasAttr], [*Apply],
// [*Lambda], [*Let], [*LegacyLet], [*With], [*If], [*Assert], [*Unary] or
// [*Binary]. Trees are immutable once built: several readers may share one.
type Expr interface {
	// Pos is the start of the expression; for an operation, the position that
	// Nix gives in errors: the operator.
	Pos() Pos
	expr()
}

// An Ident is a variable: x. __curPos and or are identifiers too.
type Ident struct {
	At   Pos
	Name string
}

// An Int is an integer literal: 42.
type Int struct {
	At    Pos
	Value int64
}

// A Float is a floating-point literal: 1.5, .5e3.
type Float struct {
	At    Pos
	Value float64
}

// A String is "…", ”…” (two single quotes) or a bare URI. The parts are the
// value of the string: escapes are resolved and the common indentation of an
// indented string is removed. Like Nix's scanner, the parser splits the text of an
// indented string at escapes; [JoinText] joins it.
type String struct {
	At       Pos
	Parts    []Part
	Indented bool // written as an indented string; printed as one unless it is short
	URI      bool // written as a bare URI: https://example.org; printed in quotes
	Lines    bool // "…" with its newlines written as newlines, not as \\n
}

// A Part of a string or path is a piece of text or an interpolation ${Expr}.
type Part struct {
	At   Pos
	Text string // if Expr is nil
	Expr Expr
}

// A Path is ./x, ../x, a/b, /x, ~/x, also with interpolation: ./${name}.nix.
// The text is as written; nothing is resolved.
type Path struct {
	At    Pos
	Parts []Part
}

// A SearchPath is <nixpkgs> or <nixpkgs/lib>; Name has no angle brackets.
type SearchPath struct {
	At   Pos
	Name string
}

// A List is [ a b ].
type List struct {
	At    Pos
	Elems []Expr
}

// Attrs is an attribute set: { a.b = 1; inherit c; } or rec { … }.
type Attrs struct {
	At       Pos
	Rec      bool
	Bindings []Binding
}

// A Binding is one entry of an attribute set or let: [*Attr] or [*Inherit].
type Binding interface {
	Pos() Pos
	binding()
}

// An Attr is a.b.${c} = Value;
type Attr struct {
	At    Pos
	Path  AttrPath
	Value Expr
	Note  *Note
}

// An Inherit is inherit a b; or inherit (From) a b;
type Inherit struct {
	At    Pos
	From  Expr // nil means the enclosing scope
	Names []AttrName
	Note  *Note
}

// A Note is the comments and blank lines at a node. A comment is its text without
// "# ", or a whole /*…*/.
type Note struct {
	Before []string // comments above it
	After  string   // a comment after it on its line
	Blank  bool     // a blank line above it
	Inside []string // comments before its closing bracket
}

// An AttrPath is a.b."c d".${e}. It has at least one name.
type AttrPath []AttrName

// An AttrName is one name of a path: Name if Expr is nil (printed in quotes if
// necessary), else ${Expr}, or "…${x}…" if Expr is a [*String].
type AttrName struct {
	At   Pos
	Name string
	Expr Expr
}

// A Select is X.a.b or X.a.b or Default.
type Select struct {
	At      Pos // where X begins, with its parentheses
	X       Expr
	Path    AttrPath
	Default Expr // may be nil
}

// A HasAttr is X ? a.b.
type HasAttr struct {
	At   Pos
	X    Expr
	Path AttrPath
}

// An Apply is F a b. It has at least one argument. (f a) b and f a b are the same
// tree.
type Apply struct {
	At   Pos // where F begins, with its parentheses
	F    Expr
	Args []Expr
}

// A Lambda is x: Body, { a, b ? 1, ... }: Body, or both: args@{ a }: Body.
type Lambda struct {
	At      Pos
	Param   string // "" if there are only formals
	ParamAt Pos
	Formals *Formals // nil for x: Body
	AtLast  bool     // written { a }@args rather than args@{ a }
	Body    Expr
}

// Formals is { a, b ? 1, ... }.
type Formals struct {
	At       Pos
	List     []Formal
	Ellipsis bool
}

// A Formal is a or a ? Default.
type Formal struct {
	At      Pos
	Name    string
	Default Expr // nil for a required argument
}

// A Let is let a = 1; in Body.
type Let struct {
	At       Pos
	Bindings []Binding
	Body     Expr
}

// A LegacyLet is let { a = 1; body = a; }.
type LegacyLet struct {
	At       Pos
	Bindings []Binding
}

// A With is with Scope; Body.
type With struct {
	At    Pos
	Scope Expr
	Body  Expr
}

// An If is if Cond then Then else Else.
type If struct {
	At               Pos
	Cond, Then, Else Expr
}

// An Assert is assert Cond; Body.
type Assert struct {
	At   Pos
	Cond Expr
	Body Expr
}

// A Unary is -X or !X.
type Unary struct {
	At Pos
	Op Op
	X  Expr
}

// A Binary is X op Y.
type Binary struct {
	At       Pos
	Op       Op
	X, Y     Expr
	XAt, YAt Pos // where the operands begin, with their parentheses
}

// An Op is an operator.
type Op uint8

// The operators, from the loosest to the tightest group; see [Op.String].
const (
	PipeTo    Op = iota + 1 // |> (experimental)
	PipeFrom                // <| (experimental)
	Implies                 // ->
	Or                      // ||
	And                     // &&
	Eq                      // ==
	Neq                     // !=
	Less                    // <
	LessEq                  // <=
	Greater                 // >
	GreaterEq               // >=
	Update                  // //
	Not                     // ! (unary)
	Add                     // +
	Sub                     // -
	Mul                     // *
	Div                     // /
	Concat                  // ++
	Negate                  // - (unary)
)

func (e *Ident) Pos() Pos      { return e.At }
func (e *Int) Pos() Pos        { return e.At }
func (e *Float) Pos() Pos      { return e.At }
func (e *String) Pos() Pos     { return e.At }
func (e *Path) Pos() Pos       { return e.At }
func (e *SearchPath) Pos() Pos { return e.At }
func (e *List) Pos() Pos       { return e.At }
func (e *Attrs) Pos() Pos      { return e.At }
func (e *Select) Pos() Pos     { return e.At }
func (e *HasAttr) Pos() Pos    { return e.At }
func (e *Apply) Pos() Pos      { return e.At }
func (e *Lambda) Pos() Pos     { return e.At }
func (e *Let) Pos() Pos        { return e.At }
func (e *LegacyLet) Pos() Pos  { return e.At }
func (e *With) Pos() Pos       { return e.At }
func (e *If) Pos() Pos         { return e.At }
func (e *Assert) Pos() Pos     { return e.At }
func (e *Unary) Pos() Pos      { return e.At }
func (e *Binary) Pos() Pos     { return e.At }

func (*Ident) expr()      {}
func (*Int) expr()        {}
func (*Float) expr()      {}
func (*String) expr()     {}
func (*Path) expr()       {}
func (*SearchPath) expr() {}
func (*List) expr()       {}
func (*Attrs) expr()      {}
func (*Select) expr()     {}
func (*HasAttr) expr()    {}
func (*Apply) expr()      {}
func (*Lambda) expr()     {}
func (*Let) expr()        {}
func (*LegacyLet) expr()  {}
func (*With) expr()       {}
func (*If) expr()         {}
func (*Assert) expr()     {}
func (*Unary) expr()      {}
func (*Binary) expr()     {}

func (b *Attr) Pos() Pos    { return b.At }
func (b *Inherit) Pos() Pos { return b.At }

func (*Attr) binding()    {}
func (*Inherit) binding() {}

// LastName is the last name of a function that is named, such as mkIf of lib.mkIf; "" for
// another expression.
func LastName(e Expr) string {
	switch e := e.(type) {
	case *Ident:
		return e.Name
	case *Select:
		return e.Path[len(e.Path)-1].Name
	}
	return ""
}
