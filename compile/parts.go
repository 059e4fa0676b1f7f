package compile

import (
	"regexp"
	"strings"

	"muster/compile/syntax"
)

// Parts returns the text that all hosts of a network expression depend on, and for
// each host the text that only it depends on. The latter includes the let bindings
// that the host refers to, such as roles. Positions and comments are left out.
func Parts(file *syntax.File) (common string, hosts map[string]string) {
	hosts = map[string]string{}
	lets := map[string]string{}
	body := file.Expr
	if let, ok := body.(*syntax.Let); ok {
		for _, b := range let.Bindings {
			a, ok := b.(*syntax.Attr)
			if !ok || len(a.Path) != 1 || a.Path[0].Expr != nil {
				return exprText(body), hosts
			}
			lets[a.Path[0].Name] = exprText(a.Value)
		}
		body = let.Body
	}
	set, ok := body.(*syntax.Attrs)
	if !ok || set.Rec {
		return exprText(file.Expr), hosts
	}
	for _, b := range set.Bindings {
		a, ok := b.(*syntax.Attr)
		if !ok || len(a.Path) != 1 || a.Path[0].Expr != nil {
			return exprText(file.Expr), map[string]string{}
		}
		text := withLets(exprText(a.Value), lets)
		switch name := a.Path[0].Name; name {
		case "network", "meta", "defaults":
			common += name + " = " + text + ";\n"
		default:
			hosts[name] = text
		}
	}
	return common, hosts
}

// exprText returns the text of an expression.
func exprText(e syntax.Expr) string { return string(syntax.Format(&syntax.File{Expr: e})) }

var word = regexp.MustCompile(`[A-Za-z_][A-Za-z0-9_'-]*`)

// withLets appends to a text the bindings that it refers to, directly or not.
func withLets(text string, lets map[string]string) string {
	seen := map[string]bool{}
	var out strings.Builder
	var add func(text string)
	add = func(text string) {
		out.WriteString(text)
		for _, w := range word.FindAllString(text, -1) {
			if value, ok := lets[w]; ok && !seen[w] {
				seen[w] = true
				out.WriteString(w + " = ")
				add(value)
			}
		}
	}
	add(text)
	return out.String()
}
