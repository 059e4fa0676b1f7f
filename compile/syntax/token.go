package syntax

// A token is a kind of lexical element.
type token uint8

const (
	tokEOF token = iota
	tokInvalid
	tokIdent
	tokInt
	tokFloat
	tokString   // the quote that opens "…"
	tokIndented // the quotes that open ”…” (two single quotes)
	tokPath
	tokHomePath
	tokSearchPath
	tokURI
	tokDollarCurly // ${

	tokIf
	tokThen
	tokElse
	tokAssert
	tokWith
	tokLet
	tokIn
	tokRec
	tokInherit
	tokOr

	tokAssign    // =
	tokSemicolon // ;
	tokColon     // :
	tokComma     // ,
	tokDot       // .
	tokQuestion  // ?
	tokAt        // @
	tokEllipsis  // ...
	tokLParen
	tokRParen
	tokLBrace
	tokRBrace
	tokLBracket
	tokRBracket

	tokNot
	tokEq
	tokNeq
	tokLess
	tokLessEq
	tokGreater
	tokGreaterEq
	tokAnd
	tokOrOr
	tokImplies
	tokUpdate
	tokConcat
	tokPlus
	tokMinus
	tokStar
	tokSlash
	tokPipeTo
	tokPipeFrom

	// Only in lists of expected tokens:
	tokIndentedText
	tokIndentedEnd
)

// tokenNames are the names of tokens in Nix's error messages.
var tokenNames = [...]string{
	tokEOF: "end of file", tokInvalid: "invalid token", tokIdent: "identifier",
	tokInt: "integer", tokFloat: "floating-point literal", tokString: `'"'`,
	tokIndented: "start of an indented string", tokPath: "path", tokHomePath: "'~/…' path",
	tokSearchPath: "'<…>' path", tokURI: "URI", tokDollarCurly: "'${'",
	tokIf: "'if'", tokThen: "'then'", tokElse: "'else'", tokAssert: "'assert'", tokWith: "'with'",
	tokLet: "'let'", tokIn: "'in'", tokRec: "'rec'", tokInherit: "'inherit'", tokOr: "'or'",
	tokAssign: "'='", tokSemicolon: "';'", tokColon: "':'", tokComma: "','", tokDot: "'.'",
	tokQuestion: "'?'", tokAt: "'@'", tokEllipsis: "'...'", tokLParen: "'('", tokRParen: "')'",
	tokLBrace: "'{'", tokRBrace: "'}'", tokLBracket: "'['", tokRBracket: "']'",
	tokNot: "'!'", tokEq: "'=='", tokNeq: "'!='", tokLess: "'<'", tokLessEq: "'<='",
	tokGreater: "'>'", tokGreaterEq: "'>='", tokAnd: "'&&'", tokOrOr: "'||'", tokImplies: "'->'",
	tokUpdate: "'//'", tokConcat: "'++'", tokPlus: "'+'", tokMinus: "'-'", tokStar: "'*'",
	tokSlash: "'/'", tokPipeTo: "'|>'", tokPipeFrom: "'<|'",
	tokIndentedText: "indented string", tokIndentedEnd: "end of an indented string",
}

func (t token) String() string { return tokenNames[t] }

// keywordOf returns the keyword s, or tokIdent.
func keywordOf(s string) token {
	if len(s) < 2 || len(s) > 7 {
		return tokIdent
	}
	switch s {
	case "if":
		return tokIf
	case "then":
		return tokThen
	case "else":
		return tokElse
	case "assert":
		return tokAssert
	case "with":
		return tokWith
	case "let":
		return tokLet
	case "in":
		return tokIn
	case "rec":
		return tokRec
	case "inherit":
		return tokInherit
	case "or":
		return tokOr
	}
	return tokIdent
}

// operators maps tokens to binary operators, and others to zero.
var operators = [tokPipeFrom + 1]Op{
	tokEq: Eq, tokNeq: Neq, tokLess: Less, tokLessEq: LessEq, tokGreater: Greater,
	tokGreaterEq: GreaterEq, tokAnd: And, tokOrOr: Or, tokImplies: Implies, tokUpdate: Update,
	tokConcat: Concat, tokPlus: Add, tokMinus: Sub, tokStar: Mul, tokSlash: Div,
	tokPipeTo: PipeTo, tokPipeFrom: PipeFrom,
}
