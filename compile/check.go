package compile

import "muster/schema"

// CheckNix returns the error in a piece of Nix in the inventory, or nil. It does
// not run Nix. As [schema.Options.Nix] it makes schema.Load report errors in Nix
// together with all others.
func CheckNix(v schema.Value, module bool) *schema.Error {
	w := newWriter(&schema.Fleet{}, Options{})
	switch v := v.(type) {
	case schema.Expr:
		if module {
			w.snippet(schema.Snippet{At: v.At, Text: v.Text})
		} else {
			w.value(v)
		}
	case schema.Template:
		w.template(v)
	case schema.Mark:
		if v.Kind == schema.If {
			w.nix(v.At, v.Cond, moduleScope)
		}
	}
	if len(w.errs) == 0 {
		return nil
	}
	return w.errs[0]
}
