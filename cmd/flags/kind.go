package flags

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unicode"
)

// A Kind says what the value of a flag may be.
//
// Whatever the kind, a value has no NUL byte; it is not empty and has no control
// character unless Empty or Lines say that it may.
type Kind[T any] struct {
	Name string // such as "duration"
	Want string // completes "want ", as "a duration such as 30s or 10m"

	// Parse reads a value. It returns [ErrRefused] for one that Want explains, and
	// any other error for one that needs an explanation of its own.
	Parse func(text string) (T, error)

	Free  string   // why Parse refuses nothing; "" where it does
	Words []string // all the values there are, if they can be listed
	Names Names    // what files a value may name
	// Suggest returns values that begin with a word, for a command line that has these
	// arguments; nil where Words and Names say all.
	Suggest func(args []string, word string) []string
	Empty   bool // the empty text is a value
	Lines   bool // a value may have several lines
	Secret  bool // a default in the environment may hold a password or a token: errors do not show it
}

// Names says what files a value names, for the completion of the shell.
type Names int

const (
	NoFiles Names = iota
	AnyFile
	Directories
)

// ErrRefused says that a value is not of its kind, and that Kind.Want says all
// there is to say about it.
var ErrRefused = errors.New("refused")

// A reason is why a value was refused, beyond what its kind says.
type reason struct{ text string }

func (r *reason) Error() string { return r.text }

// read parses a value and checks what holds for all kinds.
func (k *Kind[T]) read(text string) (T, error) {
	var none T
	control := func(r rune) bool { return unicode.IsControl(r) && !(k.Lines && r != 0) }
	if text == "" && !k.Empty || strings.ContainsFunc(text, control) {
		return none, ErrRefused
	}
	value, err := k.Parse(text)
	if err != nil && !errors.Is(err, ErrRefused) {
		err = &reason{err.Error()}
	}
	return value, err
}

// Of returns the value of a flag that is given once. The variable holds the
// default until then: what the text means, or what it holds already if the text
// is empty. The help shows the text.
func Of[T any](variable *T, text string, kind Kind[T]) Value {
	if text != "" {
		value, err := kind.read(text)
		if err != nil {
			panic(fmt.Sprintf("the default %q is not %s", text, kind.Want))
		}
		*variable = value
	}
	return &one[T]{properties: kind.properties(), variable: variable, text: text, kind: kind}
}

// FromEnvironment is [Of] for a flag whose default stands in an environment
// variable. The default is read and checked like a value.
func FromEnvironment[T any](variable *T, name string, kind Kind[T]) Value {
	v := &one[T]{properties: kind.properties(), variable: variable, kind: kind}
	if text := os.Getenv(name); text != "" {
		value, err := kind.read(text)
		if *variable = value; err != nil {
			said := quoted(text)
			if kind.Secret {
				said = "its value, which may be a secret"
			}
			v.fault = fmt.Errorf("(from $%s) %s: want %s", name, said, kind.Want)
		}
	}
	return v
}

// ListOf returns the value of a flag that may be given several times.
func ListOf[T any](variable *[]T, kind Kind[T]) Value {
	return &list[T]{properties: kind.properties(), variable: variable, kind: kind}
}

// properties are what a Value says of its kind.
type properties struct {
	name, want, free string
	words            []string
	names            Names
	suggest          func(args []string, word string) []string
	fault            error // what is wrong with the default
}

func (k *Kind[T]) properties() properties {
	return properties{name: k.Name, want: k.Want, free: k.Free, words: k.Words, names: k.Names, suggest: k.Suggest}
}

func (p *properties) Type() string    { return p.name }
func (p *properties) Want() string    { return p.want }
func (p *properties) Free() string    { return p.free }
func (p *properties) Words() []string { return p.words }
func (p *properties) Names() Names    { return p.names }
func (p *properties) Suggest() func(args []string, word string) []string {
	return p.suggest
}
func (p *properties) wrong() error { return p.fault }

// one is the value of a flag that is given once.
type one[T any] struct {
	properties
	variable *T
	text     string
	kind     Kind[T]
}

func (v *one[T]) String() string { return v.text }

func (v *one[T]) Set(text string) error {
	value, err := v.kind.read(text)
	if err != nil {
		return err
	}
	*v.variable, v.text, v.fault = value, text, nil
	return nil
}

// list is the value of a flag that may be given several times.
type list[T any] struct {
	properties
	variable *[]T
	kind     Kind[T]
}

func (v *list[T]) String() string { return "" }

func (v *list[T]) Set(text string) error {
	value, err := v.kind.read(text)
	if err != nil {
		return err
	}
	*v.variable = append(*v.variable, value)
	return nil
}
