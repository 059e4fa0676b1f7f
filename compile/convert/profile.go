package convert

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"muster/schema"
)

// A profile of deploy-rs beside a system, or without one.
type profile struct {
	Name, User, SSHUser string
	Path                string   // of its link
	Others              []string // names of what else is said of it alone
	called              string   // by the inventory
	setting             *Setting
}

// activateProfile is the activation of deploy-rs, which is part of every profile that
// its functions make.
const activateProfile = `PROFILE="$PWD" ./deploy-rs-activate`

func (e *entry) profile(s *Setting) {
	p, ok := into[profile](s)
	if !ok {
		return
	}
	if noAttr(p.Name) || noAttr(e.source) {
		e.list(s, "no attribute path can have the name of the profile %q: it is left out", p.Name)
		return
	}
	if p.called = p.Name; !isProfileName(p.Name) {
		p.called = e.freeProfile(cmp.Or(plainName(p.Name, 60), "profile"))
		e.list(s, "the profile %q is called %s: muster takes letters, digits, hyphens and underscores", p.Name, p.called)
	}
	if p.User = cmp.Or(p.User, p.SSHUser); p.User != "" && !schema.Fits("User", p.User) {
		e.list(s, "%q is no user name that muster takes: the profile %s is left out", p.User, p.Name)
		return
	}
	if p.Path != "" && !strings.HasPrefix(p.Path, "/") {
		e.list(s, "the path %q of the profile %s is not absolute: it is the one that Nix has by default", p.Path, p.Name)
		p.Path = ""
	}
	if p.SSHUser != "" && p.SSHUser != cmp.Or(e.user, p.SSHUser) {
		e.list(s, "for the profile %s, muster logs in as %s, and not as %s", p.Name, e.user, p.SSHUser)
	}
	p.setting = s
	for _, name := range p.Others {
		e.list(s, "%s of the profile %s: muster has it for the whole host only", name, p.Name)
	}
	e.profiles = append(e.profiles, p)
}

// profilesOrder is the order of all profiles, with the system's.
func (e *entry) profilesOrder(s *Setting) {
	e.order, _ = into[[]string](s)
	if at := slices.Index(e.order, "system"); at > 0 {
		e.list(s, "muster deploys the system before the profiles")
	}
}

// ownProfiles reports whether the host has profiles only, and all of them are of the
// user that logs in: it takes no root.
func (e *entry) ownProfiles() bool {
	return e.bare && !slices.ContainsFunc(e.profiles, func(p profile) bool { return p.User != "" && p.User != e.user })
}

// finishProfiles puts profiles in order, and leaves out what muster does anyway.
func (e *entry) finishProfiles() {
	for i := range e.profiles {
		p := &e.profiles[i]
		if p.Path = p.link(); p.Path != "" && !schema.Fits("ProfilePath", p.Path) {
			e.list(p.setting, "the path %q of the profile %s is none that muster takes: it is %s", p.Path, p.Name, schema.ProfilePath(p.called))
			p.Path = ""
		}
		if p.User == e.user {
			p.User = ""
		}
	}
	place := func(p profile) int {
		if at := slices.Index(e.order, p.Name); at >= 0 {
			return at
		}
		return len(e.order)
	}
	slices.SortStableFunc(e.profiles, func(a, b profile) int { return cmp.Compare(place(a), place(b)) })
}

// profileFields are the profiles as the inventory has them.
func (e *entry) profileFields() []schema.NewField {
	var all []schema.NewField
	for _, p := range e.profiles {
		fields := []schema.NewField{{Name: "flake", Value: fmt.Sprintf("%s#deploy.nodes.%s.profiles.%s.path", e.c.source.Here, attrOf(e.source), attrOf(p.Name))}}
		if p.User != "" {
			fields = append(fields, schema.NewField{Name: "user", Value: p.User})
		}
		if p.Path != "" {
			fields = append(fields, schema.NewField{Name: "path", Value: p.Path})
		}
		fields = append(fields, schema.NewField{Name: "activate", Value: activateProfile})
		all = append(all, schema.NewField{Name: p.called, Value: fields})
	}
	return all
}

// link is the path of the profile's link where it is not the one that Nix has by default.
func (p *profile) link() string {
	switch {
	case p.Path == "" && p.User != "root" && p.called != p.Name:
		return schema.ProfilePath(p.Name)
	case p.Path != "" || p.User != "root":
		return p.Path
	case p.Name == "system":
		return "/nix/var/nix/profiles/system"
	}
	return "/nix/var/nix/profiles/per-user/root/" + p.Name
}

// freeProfile is a name that no profile of the host has: the name, or one with a number.
func (e *entry) freeProfile(name string) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(e.profiles, func(p profile) bool { return p.called == name || p.Name == name }) || slices.Contains(e.names, name)
	}
	free := name
	for i := 2; taken(free); i++ {
		free = fmt.Sprintf("%s-%d", name, i)
	}
	return free
}

// isProfileName reports whether a text can be the name of a profile of the inventory.
func isProfileName(text string) bool {
	return len(text) <= 63 && !strings.HasPrefix(text, "_") && !strings.HasPrefix(text, "-") && strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && r != '-' && plainName(string(r), 1) == ""
	}) < 0
}
