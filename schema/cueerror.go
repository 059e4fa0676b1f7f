package schema

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/errors"

	"muster/exec/ondemand"
)

// translate reports CUE's errors in the user's terms. The errors that CUE gives
// for the alternatives of a disjunction become one.
func (c *cueReader) translate(err error, v cue.Value) {
	list := errors.Errors(err)
	disjunctions := make(map[string]*disjunction) // by path
	for _, e := range list {
		if isEmptyDisjunction(e) {
			disjunctions[pathKey(e)] = new(disjunction)
		}
	}
	for _, e := range list {
		if e == error(errSeen) || strings.Contains(e.Error(), "reported already") || isEmptyDisjunction(e) {
			continue
		}
		if d := disjunctions[pathKey(e)]; d != nil {
			d.add(c, e)
		} else {
			c.reportError(e, v)
		}
	}
	for _, e := range list {
		if d := disjunctions[pathKey(e)]; d != nil && d.failed {
			delete(disjunctions, pathKey(e))
			c.reportDisjunction(d, e.Path(), v)
		}
	}
}

func pathKey(e errors.Error) string { return strings.Join(e.Path(), ".") }

func isEmptyDisjunction(e errors.Error) bool {
	return strings.Contains(message(e), "in empty disjunction")
}

// reportError reports one error of CUE.
func (c *cueReader) reportError(e errors.Error, v cue.Value) {
	pos, others := c.positions(e)
	if !pos.IsValid() {
		pos = c.lookup(v, e.Path())
	}
	path := showPath(e.Path())
	if !v.Exists() {
		path = "" // a load error: the path is that of CUE's module, not a field
	}
	msg := message(e)
	if m := bound().FindStringSubmatch(msg); m != nil {
		pos, others = c.valueFirst(m[1], pos, others)
	}
	what, mend := c.explain(pos, msg)
	msg, rule := reword(msg)
	if what != "" {
		msg = what
	}
	if secretPath(e.Path()) {
		msg = "conflicting or unsuitable values; they are not shown because the name is that of a secret"
	}
	x := c.report.add(pos, path, rule, "%s", msg)
	x.Hint = mend
	if len(others) > 0 && others[0] != pos {
		x.Hint = strings.TrimPrefix(mend+"; see also "+others[0].String(), "; ")
	}
}

// A disjunction collects the errors of one whose alternatives all failed.
type disjunction struct {
	failed bool     // an alternative failed
	values []string // pairs of a given value and an alternative, in either order
	places []Pos
}

// add adds the error of one alternative.
func (d *disjunction) add(c *cueReader, e errors.Error) {
	d.failed = true
	msg := message(e)
	if m := conflict().FindStringSubmatch(msg); m != nil {
		d.values = append(d.values, m[1], m[2])
	} else if m := bound().FindStringSubmatch(msg); m != nil {
		d.values = append(d.values, m[1], m[2])
	}
	if pos, others := c.positions(e); pos.IsValid() {
		d.places = append(append(d.places, others...), pos)
	}
}

// reportDisjunction reports a disjunction whose alternatives all failed.
func (c *cueReader) reportDisjunction(d *disjunction, path []string, v cue.Value) {
	got, want := common(d.values)
	pos := c.lookup(v, path)
	if len(d.places) > 0 {
		pos, _ = c.valueFirst(got, d.places[0], d.places[1:])
	}
	if got == "" || secretPath(path) {
		c.report.add(pos, showPath(path), "conflict", "no alternative matches")
		return
	}
	c.report.add(pos, showPath(path), "conflict", "got %s, want %s", got, strings.Join(want, " or "))
}

// secretPath reports whether the last name of a path is that of a secret.
func secretPath(path []string) bool {
	return len(path) > 0 && secretName().MatchString(unquote(path[len(path)-1]))
}

var (
	conflict = ondemand.Regexp(`^conflicting values (.*?) and (.*?)( \(mismatched types .*\))?$`)
	// incomplete is the message of an if or for that cannot be decided.
	incomplete = ondemand.Regexp(`^(?:incomplete (?:bool|list|struct|string|value|int|number)[^:]*: |invalid interpolation: non-concrete value |key value of dynamic field must be concrete, found )(.*?)(?: \(type .*\))?$`)
	bound      = ondemand.Regexp(`^invalid value (.*) \(out of bound (.*)\)$`)
)

// message returns the text of an error and of the errors it wraps, without path
// and position.
func message(e errors.Error) string {
	var parts []string
	for err := error(e); err != nil; err = errors.Unwrap(err) {
		text := err.Error()
		if ce, ok := err.(errors.Error); ok {
			format, args := ce.Msg()
			text = fmt.Sprintf(format, args...)
		}
		if text != "" && (len(parts) == 0 || !strings.Contains(parts[len(parts)-1], text)) {
			parts = append(parts, text)
		}
	}
	return strings.Join(parts, ": ")
}

// reword turns a message of CUE into one for the user, and returns its rule.
func reword(msg string) (text, rule string) {
	if m := bound().FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("got %s, want %s", shorten(m[1]), shorten(m[2])), "type"
	}
	if m := incomplete().FindStringSubmatch(msg); m != nil && !strings.HasPrefix(m[1], "_|_") {
		return "depends on a value that is not concrete, only known to be " + shorten(m[1]), "no-value"
	}
	switch {
	case strings.HasPrefix(msg, "@embed: "):
		return "cannot embed: " + embedFailed(strings.TrimPrefix(msg, "@embed: ")), "embed"
	case strings.HasPrefix(msg, "import failed"):
		return importFailed(msg), "import"
	case strings.HasPrefix(msg, "conflicting values"):
		return oneLine(msg), "conflict"
	case strings.Contains(msg, "field not allowed"):
		return "unknown field: a definition in the inventory does not allow it", "unknown-field"
	case strings.Contains(msg, "required but not present"):
		return "missing field: a definition in the inventory requires it", "missing-field"
	}
	msg = strings.ReplaceAll(msg, "incomplete value", "not concrete:")
	return oneLine(msg), "cue"
}

// embedFailed returns the reason why a file cannot be embedded.
func embedFailed(msg string) string {
	switch {
	case strings.Contains(msg, "parent directory"), strings.Contains(msg, "only relative"):
		return "want a file below the directory of the CUE file"
	}
	return oneLine(msg)
}

// importFailed returns the reason why an import failed, without mentioning
// registries: muster uses none.
func importFailed(msg string) string {
	if strings.Contains(msg, "relative import") {
		return "import failed: CUE has no relative imports"
	}
	if m := importPath().FindStringSubmatch(msg); m != nil {
		return fmt.Sprintf("import failed: no package %s in the inventory's module; put packages of other modules below cue.mod/pkg, muster fetches none", m[1])
	}
	return oneLine(msg)
}

var importPath = ondemand.Regexp(`(?:package |module providing package |find package )("?[^\s":]+"?)`)

// oneLine puts a message on one line of at most 300 bytes.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// common returns the value that all pairs have in common, and the others.
func common(pairs []string) (string, []string) {
	count := make(map[string]int)
	for _, v := range pairs {
		count[v]++
	}
	got := ""
	for _, v := range pairs {
		if count[v]*2 == len(pairs) {
			got = v
		}
	}
	var want []string
	for _, v := range pairs {
		if v != got && !slices.Contains(want, v) {
			want = append(want, v)
		}
	}
	if len(want) == 0 {
		return "", nil
	}
	return got, want
}
