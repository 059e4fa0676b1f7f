package compile

import (
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// patchedName is the name of the derivation of a nixpkgs with patches.
const patchedName = "nixpkgs-patched"

// patched is the tree of a nixpkgs with patches. It is built during evaluation on the
// machine that evaluates, by the nixpkgs without them.
func (w *writer) patched(n schema.Nixpkgs) syntax.Expr {
	src := w.tree(w.plainTree(n))
	list := &syntax.List{}
	for _, p := range n.Patches {
		list.Elems = append(list.Elems, w.path(p.At, p.Path))
	}
	packages := apply(ident("import"), src, attrs(attr("system", ident("builtins.currentSystem"))))
	call := apply(&syntax.Select{At: pos(n.At), X: packages, Path: attrPath("applyPatches")},
		attrs(attr("name", str(patchedName)), attr("src", src), attr("patches", list)))
	return &syntax.Select{At: pos(n.At), X: call, Path: attrPath("outPath")}
}

// failedPatch finds the patch that a message is about: that the nixpkgs of a host could
// not be built with it. The log of the build names each patch before it is applied.
func failedPatch(f *schema.Fleet, h *schema.Host, w Witness) (schema.Pos, bool) {
	if !strings.Contains(w.Message, patchedName+".drv'") {
		return schema.Pos{}, false
	}
	var at schema.Pos
	last := -1
	for _, n := range nixpkgsOf(f, h) {
		for _, p := range n.Patches {
			name := "-" + p.Path[strings.LastIndexByte(p.Path, '/')+1:]
			if i := strings.LastIndex(w.Log, name); i > last || !at.IsValid() {
				at, last = p.At, i
			}
		}
	}
	return at, at.IsValid()
}

// nixpkgsOf are the trees that the system of a host may come from, its own first.
func nixpkgsOf(f *schema.Fleet, h *schema.Host) []*schema.Nixpkgs {
	var trees []*schema.Nixpkgs
	if h.Nixpkgs != nil {
		trees = append(trees, h.Nixpkgs)
	}
	for _, r := range f.RolesOf(h) {
		if r.Nixpkgs != nil {
			trees = append(trees, r.Nixpkgs)
		}
	}
	return append(trees, &f.Nixpkgs)
}
