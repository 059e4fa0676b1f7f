// Package flags declares the flags of a command line so that none can go
// unchecked. Each flag has a [Kind], which says in one place what its value may
// be: for the help, for the error message and for the completion of the shell.
//
//	var jobs int
//	set := flags.New(command.Flags())
//	set.VarP(flags.Number(&jobs, 10, 1, 1000), "jobs", "j", "work on at most `n` hosts at once")
//
// A [Set] takes nothing but values made by this package, and they refuse a wrong
// value while the command line is parsed, before any work.
package flags

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/pflag"
)

// A Value is the value of a flag: one made by [Of], [ListOf] or a function of
// this package that calls them.
type Value interface {
	pflag.Value

	// Want says what the value may be, such as "embedded, nix or both".
	Want() string
	// Free says why any text is a value; "" for a value that is checked.
	Free() string
	// Words are all the values there are, nil where they are too many to list.
	Words() []string
	// Names says what files the value may name.
	Names() Names
	// Suggest returns values that begin with a word; nil where Words and Names say all.
	Suggest() func(args []string, word string) []string

	// wrong is what is wrong with the default, which may come from the environment.
	wrong() error
}

// A Set is the flags of one command.
type Set struct {
	flags *pflag.FlagSet
}

// New returns a set that adds its flags to those of a command.
func New(flags *pflag.FlagSet) *Set { return &Set{flags: flags} }

// Var adds a flag. In usage, %s stands for what the value may be.
func (s *Set) Var(v Value, name, usage string) { s.VarP(v, name, "", usage) }

// VarP adds a flag that a single letter stands for too.
func (s *Set) VarP(v Value, name, letter, usage string) {
	f := s.flags.VarPF(v, name, letter, strings.ReplaceAll(usage, "%s", v.Want()))
	if v.Type() == boolType {
		f.NoOptDefVal = "true"
	}
}

// Check returns what is wrong with a default. A value that the user gave has
// been checked when it was parsed.
func (s *Set) Check() error {
	var wrong error
	s.flags.VisitAll(func(f *pflag.Flag) {
		if v, ok := f.Value.(Value); ok && wrong == nil && v.wrong() != nil {
			wrong = fmt.Errorf("--%s %w", f.Name, v.wrong())
		}
	})
	return wrong
}

// Explain rewrites an error of pflag about a value, so that it names the flag,
// the value, and what the value may be.
func Explain(err error) error {
	var invalid *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	switch {
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s %s: want %s", invalid.GetFlag().Name, quoted(invalid.GetValue()), wanted(invalid.GetFlag(), invalid))
	case errors.As(err, &missing):
		return fmt.Errorf("--%s needs a value: want %s", missing.GetFlag().Name, wanted(missing.GetFlag(), nil))
	}
	return err
}

// wanted says what the value of a flag may be, and why one was refused where
// that is not plain.
func wanted(f *pflag.Flag, err error) string {
	v, ok := f.Value.(Value)
	if !ok { // a flag of cobra's own, which are all of this type
		return wantBool
	}
	var why *reason
	if errors.As(err, &why) {
		return fmt.Sprintf("%s (%s)", v.Want(), why.text)
	}
	return v.Want()
}

// quoted writes a value as it was given where that is one readable line, and
// quoted otherwise. A very long value is cut.
func quoted(value string) string {
	const most = 60
	if r := []rune(value); len(r) > most {
		value = string(r[:most]) + "…"
	}
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Sprintf("%q", value)
	}
	return value
}
