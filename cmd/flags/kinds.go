package flags

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// boolType is what pflag and cobra call the type of a flag that needs no value.
const boolType = "bool"

const wantBool = "true or false"

// Bool is true where the flag is given without a value.
func Bool(variable *bool, standard bool) Value {
	return Of(variable, strconv.FormatBool(standard), Kind[bool]{
		Name:  boolType,
		Want:  wantBool,
		Words: []string{"true", "false"},
		Parse: func(text string) (bool, error) {
			b, err := strconv.ParseBool(text)
			return b, refusedIf(err != nil)
		},
	})
}

// OneOf is one of some words. The first is the default.
func OneOf[T ~string](variable *T, words ...T) Value {
	return Of(variable, string(words[0]), Words(words...))
}

// Words are one of some words.
func Words[T ~string](words ...T) Kind[T] {
	var texts []string
	for _, w := range words {
		texts = append(texts, string(w))
	}
	return Kind[T]{
		Name:  "word",
		Want:  either(texts),
		Words: texts,
		Parse: func(text string) (T, error) {
			return T(text), refusedIf(!slices.Contains(texts, text))
		},
	}
}

// either is "a, b or c".
func either(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Number is a whole number from least to most. A default that is not among them,
// such as 0 where numbers count from 1, is not shown.
func Number[T ~int | ~int64](variable *T, standard, least, most T) Value {
	*variable = standard
	shown := ""
	if least <= standard && standard <= most {
		shown = fmt.Sprint(standard)
	}
	return Of(variable, shown, Kind[T]{
		Name: fmt.Sprintf("number from %d", least),
		Want: fmt.Sprintf("a number from %d to %d", least, most),
		Parse: func(text string) (T, error) {
			n, err := strconv.ParseInt(text, 10, 64)
			return T(n), refusedIf(err != nil || n < int64(least) || n > int64(most))
		},
	})
}

// Positive is a duration above 0.
func Positive(variable *time.Duration, standard time.Duration) Value {
	return duration(variable, standard, time.Nanosecond, "duration above 0")
}

// NotNegative is a duration of 0 or more.
func NotNegative(variable *time.Duration, standard time.Duration) Value {
	return duration(variable, standard, 0, "duration of 0 or more")
}

func duration(variable *time.Duration, standard, least time.Duration, name string) Value {
	// 10m0s reads better as 10m, and 336h0m0s as 336h.
	shown := standard.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(shown, zero) {
			shown = shown[:len(shown)-2]
		}
	}
	return Of(variable, shown, Kind[time.Duration]{
		Name: name,
		Want: "a " + name + ", such as 30s or 10m",
		Parse: func(text string) (time.Duration, error) {
			d, err := time.ParseDuration(text)
			if meant := meantDuration(text); err != nil && meant != "" {
				return d, errors.New(meant)
			}
			return d, refusedIf(err != nil || d < least)
		},
	})
}

// meantDuration says how a duration is written that has no unit, or one that Go does not
// have; "" if nothing tells.
func meantDuration(text string) string {
	unit := strings.TrimLeft(text, "0123456789")
	n, err := strconv.Atoi(strings.TrimSuffix(text, unit))
	if err != nil || n > 1_000_000 {
		return ""
	}
	switch unit = strings.ToLower(strings.TrimSpace(unit)); {
	case unit == "":
		return fmt.Sprintf("it has no unit: %[1]ds, %[1]dm or %[1]dh", n)
	case isUnit(unit, "second"):
		return fmt.Sprintf("that is written %ds", n)
	case isUnit(unit, "minute"):
		return fmt.Sprintf("that is written %dm", n)
	case isUnit(unit, "hour"):
		return fmt.Sprintf("that is written %dh", n)
	case isUnit(unit, "day"):
		return fmt.Sprintf("days are written as hours: %dh", n*24)
	case isUnit(unit, "week"):
		return fmt.Sprintf("weeks are written as hours: %dh", n*7*24)
	}
	return ""
}

// isUnit reports whether a word is the name of a unit of time, one or many of it, or short
// for it: m, min, mins, minute and minutes.
func isUnit(word, unit string) bool {
	return strings.HasPrefix(unit, word) || len(word) > 2 && strings.HasPrefix(unit, strings.TrimSuffix(word, "s")) || word == "hrs" && unit == "hour"
}

// Existing is the kind of a file or directory that is there and can be read.
func Existing() Kind[string] {
	return Kind[string]{
		Name:  "existing file",
		Want:  "a file that can be read",
		Names: AnyFile,
		Parse: func(text string) (string, error) {
			info, err := os.Stat(text)
			if err == nil && (info.Mode().IsRegular() || info.IsDir()) { // a pipe is not opened twice
				var f *os.File
				if f, err = os.Open(text); err == nil {
					f.Close()
				}
			}
			return text, bare(err)
		},
	}
}

// NewFile is the kind of a file that will be written, whether it exists or not.
func NewFile() Kind[string] {
	return Kind[string]{
		Name:  "new file",
		Want:  "a file in a directory that exists",
		Free:  "a new file may have any name",
		Names: AnyFile,
		Parse: func(text string) (string, error) {
			if info, err := os.Stat(text); err == nil && info.IsDir() {
				return "", errors.New("it is a directory")
			}
			return text, isDirectory(filepath.Dir(text))
		},
	}
}

// NewDirectory is the kind of a directory that will be written to, and made
// where it is missing.
func NewDirectory() Kind[string] {
	return Kind[string]{
		Name:  "new directory",
		Want:  "a directory, or the name of one to make",
		Free:  "a new directory may have any name",
		Names: Directories,
		Parse: func(text string) (string, error) {
			dir := filepath.Clean(text)
			for {
				err := isDirectory(dir)
				if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
					return text, err
				}
				dir = filepath.Dir(dir)
			}
		},
	}
}

// isDirectory returns an error unless a directory of that name exists.
func isDirectory(name string) error {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, bare(err))
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", name)
	}
	return nil
}

// A Pair is a value NAME=VALUE.
type Pair struct{ Name, Value string }

func (p Pair) String() string { return p.Name + "=" + p.Value }

// NameValue is the kind of a pair whose name is as isName says.
func NameValue(want string, isName func(string) bool) Kind[Pair] {
	return Kind[Pair]{
		Name:  "pair",
		Want:  want,
		Lines: true,
		Parse: func(text string) (Pair, error) {
			name, value, ok := strings.Cut(text, "=")
			return Pair{Name: name, Value: value}, refusedIf(!ok || !isName(name))
		},
	}
}

// Text is the kind of a text that nothing can be said about before it is used,
// for the reason given.
func Text(want, reason string) Kind[string] {
	return Kind[string]{
		Name:  "text",
		Want:  want,
		Free:  reason,
		Parse: func(text string) (string, error) { return text, nil },
	}
}

// refusedIf returns [ErrRefused] where a value is wrong.
func refusedIf(wrong bool) error {
	if wrong {
		return ErrRefused
	}
	return nil
}

// bare is an error of the file system without the name of the file, which stands
// beside it.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
