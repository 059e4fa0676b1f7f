package compile

import (
	"slices"
	"strings"

	"muster/compile/syntax"
	"muster/exec/ondemand"
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
		value := a.Value
		name := a.Path[0].Name
		if name == "network" || name == "meta" {
			value = withoutHosts(value, func(of, host string, e syntax.Expr) {
				hosts[host] += of + " = " + withLets(exprText(e), lets) + ";\n"
			})
		}
		text := withLets(exprText(value), lets)
		switch name {
		case "network", "meta", "defaults":
			common += name + " = " + text + ";\n"
		default:
			hosts[name] += text
		}
	}
	return common, hosts
}

// withoutHosts returns what a network says about itself without what it says about single
// hosts, which goes to own. Only what evaluates a host looks at that.
func withoutHosts(e syntax.Expr, own func(of, host string, e syntax.Expr)) syntax.Expr {
	about, ok := e.(*syntax.Attrs)
	if !ok || about.Rec {
		return e
	}
	rest := *about
	rest.Bindings = nil
	for _, b := range about.Bindings {
		of, set, ok := binding(b)
		switch of {
		case "systems", "nodeSpecialArgs", "nodeNixpkgs":
		default:
			ok = false
		}
		hosts, isSet := set.(*syntax.Attrs)
		if !ok || !isSet || hosts.Rec || !slices.ContainsFunc(hosts.Bindings, isBinding) {
			rest.Bindings = append(rest.Bindings, b)
			continue
		}
		others := *hosts
		others.Bindings = nil
		for _, b := range hosts.Bindings {
			if host, value, ok := binding(b); ok {
				own(of, host, value)
			} else {
				others.Bindings = append(others.Bindings, b)
			}
		}
		if len(others.Bindings) > 0 {
			rest.Bindings = append(rest.Bindings, &syntax.Attr{Path: attrPath(of), Value: &others})
		}
	}
	return &rest
}

// binding returns the name and the value of name = value.
func binding(b syntax.Binding) (name string, value syntax.Expr, ok bool) {
	a, ok := b.(*syntax.Attr)
	if !ok || len(a.Path) != 1 || a.Path[0].Expr != nil {
		return "", nil, false
	}
	return a.Path[0].Name, a.Value, true
}

func isBinding(b syntax.Binding) bool {
	_, _, ok := binding(b)
	return ok
}

// exprText returns the text of an expression.
func exprText(e syntax.Expr) string { return string(syntax.Format(&syntax.File{Expr: e})) }

var word = ondemand.Regexp(`[A-Za-z_][A-Za-z0-9_'-]*`)

// withLets appends to a text the bindings that it refers to, directly or not.
func withLets(text string, lets map[string]string) string {
	seen := map[string]bool{}
	var out strings.Builder
	var add func(text string)
	add = func(text string) {
		out.WriteString(text)
		for _, w := range word().FindAllString(text, -1) {
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
