package compile

import (
	"regexp"
	"strconv"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// A Blame is the place in the inventory that an evaluation error is about.
type Blame struct {
	Pos    schema.Pos
	Option string // the NixOS option, "" where only a place is known
}

// Blames finds the options that a message of Nix names and the inventory sets
// for the host. The first is the most telling; there may be none.
func Blames(f *schema.Fleet, host, message string) []Blame {
	h := f.Host(host)
	if h == nil {
		return nil
	}
	sets := newWriter(f, Options{}).optionsOf(h)
	var blames []Blame
	for _, name := range optionNames(message) {
		path := splitOption(name)
		for _, set := range sets {
			if at, depth := find(set, path); depth > 1 && at.IsValid() {
				blames = append(blames, Blame{Pos: at, Option: name})
			}
		}
	}
	return blames
}

// Traced finds where in the inventory the places of the printed network
// expression come from that a trace of Nix's names, innermost first. Network is
// the text that was evaluated, and file the name Nix has for it.
func Traced(f *schema.Fleet, trace, file string, network []byte) []Blame {
	var blames []Blame
	for _, at := range placesIn(trace, file) {
		if p := original(f, network, at); p.IsValid() {
			blames = append(blames, Blame{Pos: p})
		}
	}
	return blames
}

// optionsOf are the options the inventory gives a host, the host's own first.
func (w *writer) optionsOf(h *schema.Host) []*schema.Attrs {
	sets := []*schema.Attrs{overlay(w.host(h).own, h.Config)}
	for _, r := range w.fleet.Roles {
		if h.HasRole(r.Name) && r.Config != nil {
			sets = append(sets, r.Config)
		}
	}
	if w.fleet.Kluster != nil && (h.HasRole(schema.RoleMaster) || h.HasRole(schema.RoleNode)) {
		sets = append(sets, w.kubernetes(h.HasRole(schema.RoleMaster)))
	}
	if w.fleet.Defaults.Config != nil {
		sets = append(sets, w.fleet.Defaults.Config)
	}
	return sets
}

// An option as NixOS names one in its messages: `services.openssh.enable'; in
// assertions, bare or in quotes of any kind.
var optionName = regexp.MustCompile(`[a-zA-Z_][\w-]*(?:\.(?:"[^"\n]*"|<[\w-]+>|[\w/@+-]+))+`)

// optionNames lists what may be options in a message, the ones that are said
// to be first.
func optionNames(message string) []string {
	var named, other []string
	for _, at := range optionName.FindAllStringIndex(message, -1) {
		// `a.b."[definition 1-entry 2]"' is an element of option a.b.
		name, _, _ := strings.Cut(message[at[0]:at[1]], `."[definition`)
		before := message[max(0, at[0]-8):at[0]]
		if strings.HasSuffix(before, "option `") || strings.HasSuffix(before, "option '") {
			named = append(named, name)
		} else {
			other = append(other, name)
		}
	}
	return append(named, other...)
}

// splitOption splits fileSystems."/".device into its names.
func splitOption(name string) []string {
	var path []string
	for name != "" {
		if strings.HasPrefix(name, `"`) {
			if end := strings.IndexByte(name[1:], '"'); end >= 0 {
				path = append(path, name[1:end+1])
				name = strings.TrimPrefix(name[end+2:], ".")
				continue
			}
		}
		var first string
		first, name, _ = strings.Cut(name, ".")
		path = append(path, first)
	}
	return path
}

// find follows a path into options as far as it goes and returns the place of
// the last name, and how many names were found.
func find(set *schema.Attrs, path []string) (at schema.Pos, depth int) {
	for _, name := range path {
		var below schema.Value
		for _, f := range set.Fields {
			if f.Name == name {
				at, below = f.At, f.Value
				depth++
				break
			}
		}
		for {
			mark, ok := below.(schema.Mark)
			if !ok || len(mark.Values) != 1 {
				break
			}
			below = mark.Values[0]
		}
		next, ok := below.(*schema.Attrs)
		if !ok {
			return at, depth
		}
		set = next
	}
	return at, depth
}

// placesIn lists the places of a file that a trace names, in its order.
func placesIn(trace, file string) []syntax.Pos {
	var places []syntax.Pos
	place := regexp.MustCompile(regexp.QuoteMeta(file) + `:(\d+):(\d+)`)
	for _, m := range place.FindAllStringSubmatch(trace, -1) {
		line, _ := strconv.Atoi(m[1])
		col, _ := strconv.Atoi(m[2])
		places = append(places, syntax.NewPos(&file, line, col))
	}
	return places
}

// original finds where in the inventory the printed node came from that stands
// at a place, or the nearest before it on its line. What is printed and read
// again is the same tree, so the two are walked side by side.
func original(f *schema.Fleet, network []byte, at syntax.Pos) schema.Pos {
	printed, err := syntax.ParseFile("network.nix", network, syntax.Options{})
	if err != nil {
		return schema.Pos{}
	}
	file, err := Network(f, Options{Absolute: true})
	if err != nil {
		return schema.Pos{}
	}
	printedAt, from := places(printed.Expr), places(file.Expr)
	if len(printedAt) != len(from) {
		return schema.Pos{}
	}
	var best, bestPrinted syntax.Pos
	for i, p := range printedAt {
		if !from[i].IsValid() || after(p, at) || after(bestPrinted, p) {
			continue
		}
		best, bestPrinted = from[i], p
	}
	// A node on another line says nothing of this one.
	if !best.IsValid() || bestPrinted.Line != at.Line {
		return schema.Pos{}
	}
	return schema.Pos{File: best.File(), Line: int(best.Line), Col: int(best.Col)}
}

// places are the positions of all nodes and bindings of a tree in one order,
// the same for a tree that was generated and for its text read again.
func places(e syntax.Expr) []syntax.Pos {
	var ps []syntax.Pos
	bindings := func(bs []syntax.Binding) {
		for _, b := range bs {
			ps = append(ps, b.Pos())
		}
	}
	syntax.Walk(e, func(e syntax.Expr) bool {
		ps = append(ps, e.Pos())
		switch e := e.(type) {
		case *syntax.Attrs:
			bindings(e.Bindings)
		case *syntax.Let:
			bindings(e.Bindings)
		case *syntax.Int:
			// A negative number is read as an operator and a number.
			if e.Value < 0 {
				ps = append(ps, e.Pos())
			}
		case *syntax.Float:
			if e.Value < 0 {
				ps = append(ps, e.Pos())
			}
		}
		return true
	})
	return ps
}

// after reports whether a stands behind b in a text.
func after(a, b syntax.Pos) bool {
	return a.Line > b.Line || a.Line == b.Line && a.Col > b.Col
}
