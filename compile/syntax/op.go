package syntax

// Precedences, from the loosest to the tightest. Functions, let, with, assert and
// if are loosest: they extend as far to the right as possible.
const (
	precExpr = iota
	precPipe
	precImplies
	precOr
	precAnd
	precEq
	precCompare
	precUpdate
	precNot
	precAdd
	precMul
	precConcat
	precHasAttr
	precNegate
	precApply
	precSelect
	precSimple
)

type assoc uint8

const (
	assocNone assoc = iota
	assocLeft
	assocRight
)

// ops describes all operators, as in Nix's parser.y.
var ops = [...]struct {
	text  string
	prec  uint8
	assoc assoc
}{
	PipeTo:    {"|>", precPipe, assocLeft},
	PipeFrom:  {"<|", precPipe, assocRight},
	Implies:   {"->", precImplies, assocRight},
	Or:        {"||", precOr, assocLeft},
	And:       {"&&", precAnd, assocLeft},
	Eq:        {"==", precEq, assocNone},
	Neq:       {"!=", precEq, assocNone},
	Less:      {"<", precCompare, assocNone},
	LessEq:    {"<=", precCompare, assocNone},
	Greater:   {">", precCompare, assocNone},
	GreaterEq: {">=", precCompare, assocNone},
	Update:    {"//", precUpdate, assocRight},
	Not:       {"!", precNot, assocNone},
	Add:       {"+", precAdd, assocLeft},
	Sub:       {"-", precAdd, assocLeft},
	Mul:       {"*", precMul, assocLeft},
	Div:       {"/", precMul, assocLeft},
	Concat:    {"++", precConcat, assocRight},
	Negate:    {"-", precNegate, assocNone},
}

// String returns the operator as it is written.
func (op Op) String() string {
	if op == 0 || int(op) >= len(ops) {
		return "?"
	}
	return ops[op].text
}
