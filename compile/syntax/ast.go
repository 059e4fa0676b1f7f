package syntax

// A File is one parsed or generated Nix file.
type File struct {
	Name string
	Expr Expr
	// Comment stands before the expression, as in [Note].
	Comment []string
	// End stands behind it.
	End []string
	// Notes are beside nodes other than bindings: any Expr, *Formal, *Formals.
	// [Options.Comments] asks for them.
	Notes map[any]*Note
}

// An Expr is a Nix expression: one of [*Ident], [*Int], [*Float], [*String],
// [*Path], [*SearchPath], [*List], [*Attrs], [*Select], [*HasAttr], [*Apply],
// [*Lambda], [*Let], [*LegacyLet], [*With], [*If], [*Assert], [*Unary] or
// [*Binary]. Trees are immutable once built: several readers may share one.
type Expr interface {
	// Pos is where the expression begins; for an operator, where Nix says the
	// error is (the operator itself).
	Pos() Pos
	expr()
}

// An Ident is a variable: x. __curPos and the word or are identifiers too.
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

// A String is "…", ”…” (two single quotes) or a bare URI. The parts are what
// the string means: escapes are resolved and the common indentation of an
// indented string is gone. The parser gives an indented string's texts as Nix's
// scanner cuts them, at escapes too; [JoinText] joins them.
type String struct {
	At       Pos
	Parts    []Part
	Indented bool // written as an indented string, and printed so unless it is short
	URI      bool // written as a bare URI: https://example.org; printed in quotes
	Lines    bool // "…" with its newlines written as newlines, not as \\n
}

// A Part of a string or path is a piece of text or an interpolation ${Expr}.
type Part struct {
	At   Pos
	Text string // where Expr is nil
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
	From  Expr // nil: from the enclosing scope
	Names []AttrName
	Note  *Note
}

// A Note is what a person reads beside a node; it means nothing to Nix. A
// comment is given as text, without "# "; one of the form /*…*/ stays that.
type Note struct {
	Before []string // comments above it
	After  string   // a comment behind it on its line
	Blank  bool     // an empty line above it
	Inside []string // comments at its end, before the closing bracket
}

// An AttrPath is a.b."c d".${e}: one name or more.
type AttrPath []AttrName

// An AttrName is one name of a path: Name where Expr is nil (printed quoted
// where it must be), else ${Expr}, or "…${x}…" where Expr is a [*String].
type AttrName struct {
	At   Pos
	Name string
	Expr Expr
}

// A Select is X.a.b or X.a.b or Default.
type Select struct {
	At      Pos
	X       Expr
	Path    AttrPath
	Default Expr // nil where there is none
}

// A HasAttr is X ? a.b.
type HasAttr struct {
	At   Pos
	X    Expr
	Path AttrPath
}

// An Apply is F a b: one argument or more. (f a) b and f a b are one tree.
type Apply struct {
	At   Pos
	F    Expr
	Args []Expr
}

// A Lambda is x: Body, { a, b ? 1, ... }: Body, or both: args@{ a }: Body.
type Lambda struct {
	At      Pos
	Param   string // "" where only formals are written
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
	Default Expr // nil where it is required
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
	At   Pos
	Op   Op
	X, Y Expr
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
