package eval

import (
	"context"
	"fmt"
	"strings"
)

// Output finds an output of a flake that [Evaluator.Flake] has evaluated, as nix eval
// does: the first of some attribute paths that there is. Name is what messages call the
// flake.
func (v Value) Output(ctx context.Context, name string, paths []string) (Value, error) {
	return v.ev.run(ctx, func(th *thread) value {
		outputs := th.wantAttr(th.wantSet(v.v, 0), symOutputs)
		for _, p := range paths {
			if found, ok := th.along(outputs, th.splitPath(strings.TrimSuffix(p, "."))); ok {
				return th.force(found)
			}
		}
		th.fail(0, "flake '%s' does not provide attribute %s", name, alternatives(paths))
		return value{}
	})
}

// along follows an attribute path, through sets only.
func (th *thread) along(v value, names []string) (value, bool) {
	for i, name := range names {
		v = th.force(v)
		if v.kind() != kindSet {
			th.fail(0, "'%s' is not an attribute set", strings.Join(names[:i], "."))
		}
		a := find(v.attrs(), lookup(name))
		if a == nil {
			return value{}, false
		}
		v = a.v
	}
	return v, true
}

// alternatives spells 'a', 'b' or 'c'.
func alternatives(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "'%s'", w)
	}
	return b.String()
}

// OutputPaths are where nix eval looks for what the user names behind a flake's #.
func OutputPaths(fragment, system string) []string {
	if i := strings.LastIndexByte(fragment, '^'); i >= 0 && isOutputs(fragment[i+1:]) {
		fragment = fragment[:i] // an evaluation has no use for outputs of a derivation
	}
	if fragment == "" {
		return []string{"packages." + system + ".default", "defaultPackage." + system}
	}
	if whole, ok := strings.CutPrefix(fragment, "."); ok {
		return []string{whole}
	}
	return []string{"packages." + system + "." + fragment, "legacyPackages." + system + "." + fragment, fragment}
}

// isOutputs reports whether a text names outputs of a derivation, as out,dev does.
func isOutputs(text string) bool {
	if text == "*" {
		return true
	}
	for name := range strings.SplitSeq(text, ",") {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._?=") != "" {
			return false
		}
	}
	return true
}

// Raw returns the text of a string, or of what can be converted to one, as nix eval
// --raw prints it.
func (v Value) Raw(ctx context.Context) (string, error) {
	out, err := v.ev.run(ctx, func(th *thread) value {
		var c references
		return stringValue(th.coerce(v.v, &c, 0, copyPaths))
	})
	if err != nil {
		return "", err
	}
	return out.v.str(), nil
}

// PlainJSON is JSON for nix eval --json, which does not copy paths to the store.
func (v Value) PlainJSON(ctx context.Context) (string, error) {
	out, err := v.ev.run(ctx, func(th *thread) value {
		b := jsonWriter{textBuilder: textBuilder{th: th}, plain: true}
		var c references
		th.writeJSON(&b, v.v, &c)
		return stringValue(th.finish(&b))
	})
	if err != nil {
		return "", err
	}
	return out.v.str(), nil
}

// Drv returns the path of the derivation that the value is.
func (v Value) Drv(ctx context.Context) (string, error) {
	out, err := v.ev.run(ctx, func(th *thread) value {
		set := th.wantSet(v.v, 0)
		if kind := find(set, symType); kind == nil || th.force(kind.v).kind() != kindString || th.force(kind.v).str() != "derivation" {
			th.fail(0, "expected a derivation but found %s", th.describe(th.force(v.v)))
		}
		return th.wantString(th.wantAttr(set, symDrvPath), 0)
	})
	if err != nil {
		return "", err
	}
	return out.v.str(), nil
}
