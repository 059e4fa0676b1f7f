package compile

import (
	"fmt"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// roleNames returns the names of the let-bound modules that a host imports.
func (w *writer) roleNames(h *schema.Host) []string {
	var names []string
	switch {
	case h.HasRole(schema.RoleMaster):
		names = append(names, masterModule)
	case h.HasRole(schema.RoleNode):
		names = append(names, nodeModule)
	}
	for _, r := range w.fleet.RolesOf(h) {
		names = append(names, w.roleIdents[r.Name])
	}
	if h.KnownHosts {
		names = append(names, knownHostsModule)
	}
	if h.ExtraHosts {
		names = append(names, extraHostsModule)
	}
	if len(h.AllSecrets) > 0 {
		names = append(names, secretsModule)
	}
	if len(w.meshesOf(h)) > 0 {
		names = append(names, meshModule, membersModule)
	}
	if w.site(h) != "" {
		names = append(names, peersModule, sitesModule)
	}
	if h.Upgrades != nil {
		names = append(names, upgradeModule)
	}
	if h.Pulls != nil {
		names = append(names, pullModule)
	}
	if h.Install.InPlace {
		names = append(names, lustrateModule)
	}
	return names
}

// roles returns the let bindings of the roles in use. What hosts share is written
// once.
func (w *writer) roles(used map[string]bool) []syntax.Binding {
	var lets []syntax.Binding
	bind := func(name string, at schema.Pos, m module) {
		b := attr(name, w.module(m))
		if b.Value == nil {
			b.Value = &syntax.Attrs{}
		}
		b.At = pos(at)
		b.Note = &syntax.Note{Before: []string{place(at)}, Blank: len(lets) > 0}
		lets = append(lets, b)
	}
	if used[masterModule] {
		bind(masterModule, w.fleet.Kluster.At, module{own: w.kluster(true)})
	}
	if used[nodeModule] {
		bind(nodeModule, w.fleet.Kluster.At, module{own: w.kluster(false)})
	}
	for _, r := range w.fleet.Roles {
		if name := w.roleIdents[r.Name]; used[name] {
			bind(name, r.At, module{own: &schema.Attrs{}, user: []schema.Module{r.Module}})
		}
	}
	if used[knownHostsModule] {
		bind(knownHostsModule, w.firstWith(func(h *schema.Host) bool { return h.KnownHosts }, "known_hosts"), module{own: w.knownHosts()})
	}
	if used[extraHostsModule] {
		bind(extraHostsModule, w.firstWith(func(h *schema.Host) bool { return h.ExtraHosts }, "extra_hosts"), module{own: w.extraHosts()})
	}
	if used[secretsModule] {
		b := attr(secretsModule, secretsText())
		b.Note = &syntax.Note{Before: []string{"how the secrets of the inventory reach memory"}, Blank: len(lets) > 0}
		lets = append(lets, b)
	}
	if used[meshModule] {
		b := attr(meshModule, meshText())
		b.Note = &syntax.Note{Before: []string{"how the interfaces of meshes get their peers"}, Blank: len(lets) > 0}
		lets = append(lets, b)
		bind(membersModule, w.fleet.Meshes[0].At, module{own: w.meshMembers()})
	}
	if used[peersModule] {
		b := attr(peersModule, peersText())
		b.Note = &syntax.Note{Before: []string{"how hosts of a site let each other fetch store paths"}, Blank: len(lets) > 0}
		lets = append(lets, b)
		bind(sitesModule, w.fleet.Cache.At, module{own: w.siteAddresses()})
	}
	if used[upgradeModule] {
		b := attr(upgradeModule, upgradeText())
		b.Note = &syntax.Note{Before: []string{"how hosts upgrade themselves to what the fleet has"}, Blank: len(lets) > 0}
		lets = append(lets, b)
	}
	if used[pullModule] {
		b := attr(pullModule, pullText())
		b.Note = &syntax.Note{Before: []string{"how hosts take releases from where they are published"}, Blank: len(lets) > 0}
		lets = append(lets, b)
	}
	if used[lustrateModule] {
		b := attr(lustrateModule, lustrateText())
		b.Note = &syntax.Note{Before: []string{"how NixOS takes the place of another Linux"}, Blank: len(lets) > 0}
		lets = append(lets, b)
	}
	return lets
}

// roleIdents returns the name of the let binding of each of the user's roles:
// webServerRole for web-server. The suffix prevents clashes with Nix's keywords and
// with the arguments of modules.
func roleIdents(roles []*schema.Role) map[string]string {
	idents := map[string]string{}
	taken := map[string]bool{masterModule: true, nodeModule: true, secretsModule: true, upgradeModule: true, pullModule: true, lustrateModule: true, knownHostsModule: true, extraHostsModule: true, meshModule: true, membersModule: true, peersModule: true, sitesModule: true}
	for _, r := range roles {
		base := camel(r.Name) + "Role"
		name := base
		for n := 2; taken[name]; n++ {
			name = fmt.Sprint(base, n)
		}
		taken[name] = true
		idents[r.Name] = name
	}
	return idents
}

// camel turns web-server into webServer. The result consists of letters and digits
// and begins with a letter.
func camel(name string) string {
	var b strings.Builder
	up := false
	for _, r := range name {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		switch {
		case !letter && !('0' <= r && r <= '9'):
			up = b.Len() > 0
		case b.Len() == 0 && !letter:
			b.WriteString("r")
			b.WriteRune(r)
		case up:
			b.WriteString(strings.ToUpper(string(r)))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
