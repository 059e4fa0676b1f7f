package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A .drv file is one term without white space:
//
//	Derive([("out","/nix/store/…","","")],[("/nix/store/….drv",["out"])],["/nix/store/…"],"system","builder",["arg"],[("k","v")])
//
// It has outputs, input derivations, input sources, platform, builder, arguments and environment; all but the arguments
// are sorted. Strings are bytes without an encoding, in which \" \\ \n \r \t are escaped and nothing else.

// ATerm writes a derivation as Nix does.
func (d *Derivation) ATerm() []byte { return appendATerm(nil, d, d.ownInputs(), false) }

func (d *Derivation) ownInputs() map[string][]string {
	inputs := make(map[string][]string, len(d.InputDrvs))
	for p, outputs := range d.InputDrvs {
		inputs[string(p)] = outputs
	}
	return inputs
}

// texts are buffers of terms that are hashed and not kept.
var texts = sync.Pool{New: func() any { return new([]byte) }}

// hashATerm returns the hash of the term that appendATerm writes.
func hashATerm(d *Derivation, inputs map[string][]string, mask bool) Hash {
	b := texts.Get().(*[]byte)
	defer texts.Put(b)
	*b = appendATerm((*b)[:0], d, inputs, mask)
	return HashBytes(SHA256, *b)
}

// appendATerm writes d with the given inputs in place of its own, and with empty output paths if mask is set.
func appendATerm(b []byte, d *Derivation, inputs map[string][]string, mask bool) []byte {
	b = slices.Grow(b, d.roughSize())
	b = append(b, "Derive("...)
	b = appendList(b, d.OutputNames(), func(b []byte, name string) []byte {
		o := d.Outputs[name]
		path := string(o.Path)
		if mask {
			path = ""
		}
		return appendTuple(b, name, path, o.HashAlgo, o.Hash)
	})
	b = append(b, ',')
	b = appendList(b, sortedKeys(inputs), func(b []byte, key string) []byte {
		b = appendString(append(b, '('), key)
		b = appendList(append(b, ','), sortedSet(inputs[key]), appendString)
		return append(b, ')')
	})
	b = append(b, ',')
	b = appendList(b, sortedSet(d.InputSrcs), func(b []byte, p Path) []byte { return appendString(b, string(p)) })
	b = appendString(append(b, ','), d.Platform)
	b = appendString(append(b, ','), d.Builder)
	b = appendList(append(b, ','), d.Args, appendString)
	b = append(b, ',')
	b = appendList(b, sortedKeys(d.Env), func(b []byte, key string) []byte {
		value := d.Env[key]
		if _, isOutput := d.Outputs[key]; mask && isOutput {
			value = ""
		}
		return appendTuple(b, key, value)
	})
	return append(b, ')')
}

// roughSize estimates the length of the text.
func (d *Derivation) roughSize() int {
	n := 128 + 128*len(d.Outputs) + 96*(len(d.InputDrvs)+len(d.InputSrcs))
	for k, v := range d.Env {
		n += len(k) + len(v) + len(v)/16 + 7
	}
	for _, a := range d.Args {
		n += len(a) + 4
	}
	return n
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func sortedSet[S ~string](list []S) []S {
	if slices.IsSorted(list) && len(slices.Compact(slices.Clone(list))) == len(list) {
		return list
	}
	sorted := slices.Clone(list)
	slices.Sort(sorted)
	return slices.Compact(sorted)
}

func appendList[T any](b []byte, list []T, each func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, x := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = each(b, x)
	}
	return append(b, ']')
}

func appendTuple(b []byte, list ...string) []byte {
	b = append(b, '(')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, s)
	}
	return append(b, ')')
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	plain := 0 // where the text begins that is not appended yet
	for i := range len(s) {
		switch s[i] {
		case '"', '\\', '\n', '\r', '\t':
			b = append(b, s[plain:i]...)
			b = append(b, '\\', escapeLetter(s[i]))
			plain = i + 1
		}
	}
	return append(append(b, s[plain:]...), '"')
}

func escapeLetter(c byte) byte {
	switch c {
	case '\n':
		return 'n'
	case '\r':
		return 'r'
	case '\t':
		return 't'
	}
	return c
}

// ParseDerivation parses the text of the derivation stored at p. It accepts what Nix writes, and ATerm returns the same
// bytes again.
func ParseDerivation(p Path, text []byte) (*Derivation, error) {
	name, ok := strings.CutSuffix(p.Name(), drvExt)
	if !ok {
		return nil, fmt.Errorf("parse derivation %s: want a path that ends in %s", p, drvExt)
	}
	d := &Derivation{Name: name}
	r := atermReader{text: string(text)}
	if err := r.derivation(d); err != nil {
		return nil, fmt.Errorf("parse derivation %s: byte %d: %w", p, r.at, err)
	}
	return d, nil
}

type atermReader struct {
	text string
	at   int
}

func (r *atermReader) derivation(d *Derivation) (err error) {
	if strings.HasPrefix(r.text, "DrvWithVersion(") {
		return errors.New("experimental formats are not supported")
	}
	if err := r.expect("Derive("); err != nil {
		return err
	}
	if err := r.outputs(d); err != nil {
		return err
	}
	if err := r.expect(","); err != nil {
		return err
	}
	if err := r.inputDrvs(d); err != nil {
		return err
	}
	if err := r.expect(","); err != nil {
		return err
	}
	if err := r.inputSrcs(d); err != nil {
		return err
	}
	for _, field := range []*string{&d.Platform, &d.Builder} {
		if err := r.expect(","); err != nil {
			return err
		}
		if *field, err = r.string(); err != nil {
			return err
		}
	}
	if err := r.expect(","); err != nil {
		return err
	}
	if d.Args, err = r.strings(); err != nil {
		return err
	}
	if err := r.expect(","); err != nil {
		return err
	}
	if err := r.env(d); err != nil {
		return err
	}
	if err := r.expect(")"); err != nil {
		return err
	}
	if r.at != len(r.text) {
		return errors.New("text after the derivation")
	}
	return nil
}

func (r *atermReader) outputs(d *Derivation) error {
	d.Outputs = make(map[string]Output)
	last := ""
	return r.list(func() error {
		var f [4]string
		if err := r.tuple(f[:]); err != nil {
			return err
		}
		if len(d.Outputs) > 0 && f[0] <= last {
			return fmt.Errorf("output %q is out of order", f[0])
		}
		last = f[0]
		o := Output{HashAlgo: f[2], Hash: f[3]}
		if f[1] != "" {
			p, err := ParsePath(f[1])
			if err != nil {
				return err
			}
			o.Path = p
		}
		d.Outputs[f[0]] = o
		return nil
	})
}

func (r *atermReader) inputDrvs(d *Derivation) error {
	d.InputDrvs = make(map[Path][]string)
	var last Path
	return r.list(func() error {
		if err := r.expect("("); err != nil {
			return err
		}
		p, err := r.path()
		if err != nil {
			return err
		}
		if p <= last {
			return fmt.Errorf("input derivation %s is out of order", p)
		}
		last = p
		if err := r.expect(","); err != nil {
			return err
		}
		outputs, err := r.strings()
		if err != nil {
			return err
		}
		if !isSortedSet(outputs) {
			return fmt.Errorf("the outputs of input derivation %s are out of order", p)
		}
		d.InputDrvs[p] = outputs
		return r.expect(")")
	})
}

func (r *atermReader) inputSrcs(d *Derivation) error {
	err := r.list(func() error {
		p, err := r.path()
		d.InputSrcs = append(d.InputSrcs, p)
		return err
	})
	if err == nil && !isSortedSet(d.InputSrcs) {
		return errors.New("the input sources are out of order")
	}
	return err
}

func (r *atermReader) env(d *Derivation) error {
	d.Env = make(map[string]string)
	last := ""
	return r.list(func() error {
		var f [2]string
		if err := r.tuple(f[:]); err != nil {
			return err
		}
		if len(d.Env) > 0 && f[0] <= last {
			return fmt.Errorf("environment variable %q is out of order", f[0])
		}
		last = f[0]
		d.Env[f[0]] = f[1]
		return nil
	})
}

func isSortedSet[S ~string](list []S) bool {
	for i := 1; i < len(list); i++ {
		if list[i] <= list[i-1] {
			return false
		}
	}
	return true
}

func (r *atermReader) path() (Path, error) {
	s, err := r.string()
	if err != nil {
		return "", err
	}
	return ParsePath(s)
}

func (r *atermReader) strings() ([]string, error) {
	var list []string
	err := r.list(func() error {
		s, err := r.string()
		list = append(list, s)
		return err
	})
	return list, err
}

func (r *atermReader) tuple(fields []string) (err error) {
	for i := range fields {
		before := ","
		if i == 0 {
			before = "("
		}
		if err := r.expect(before); err != nil {
			return err
		}
		if fields[i], err = r.string(); err != nil {
			return err
		}
	}
	return r.expect(")")
}

func (r *atermReader) list(each func() error) error {
	if err := r.expect("["); err != nil {
		return err
	}
	for i := 0; !strings.HasPrefix(r.text[r.at:], "]"); i++ {
		if i > 0 {
			if err := r.expect(","); err != nil {
				return err
			}
		}
		if err := each(); err != nil {
			return err
		}
	}
	return r.expect("]")
}

func (r *atermReader) string() (string, error) {
	if err := r.expect(`"`); err != nil {
		return "", err
	}
	var b strings.Builder
	for start := r.at; ; {
		i := strings.IndexAny(r.text[start:], "\"\\\n\r\t")
		if i < 0 {
			return "", errors.New("unterminated string")
		}
		end := start + i
		switch r.text[end] {
		case '"':
			s := r.text[start:end]
			if b.Len() > 0 {
				b.WriteString(s)
				s = b.String()
			}
			r.at = end + 1
			return s, nil
		case '\\':
			if end+1 == len(r.text) {
				return "", errors.New("unterminated string")
			}
			c, ok := unescape(r.text[end+1])
			if !ok {
				return "", fmt.Errorf("unknown escape \\%c", r.text[end+1])
			}
			b.WriteString(r.text[start:end])
			b.WriteByte(c)
			start = end + 2
		default:
			return "", fmt.Errorf("character %q must be escaped", r.text[end])
		}
	}
}

func unescape(c byte) (byte, bool) {
	switch c {
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case '"', '\\':
		return c, true
	}
	return 0, false
}

func (r *atermReader) expect(s string) error {
	if !strings.HasPrefix(r.text[r.at:], s) {
		rest := r.text[r.at:]
		return fmt.Errorf("got %q, want %q", rest[:min(len(rest), 16)], s)
	}
	r.at += len(s)
	return nil
}
