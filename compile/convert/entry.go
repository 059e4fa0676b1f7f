package convert

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/exec/ondemand"
	"muster/schema"
)

// An entry is one host of the inventory in the making.
type entry struct {
	name, source string // of the inventory, and of the source
	attr         []string

	host, user, jump, buildOn, privilege string
	port                                 int
	local, only                          bool
	substitute                           *bool
	tags, roles                          []string
	secrets                              []secret
	health                               [][]schema.NewField
	about                                string // a description

	command               []string // that makes the user root, where privilege does not say it
	noEscalation          func()   // notes that privilege is other than the source's
	confirm, activate     string   // time limits
	noGuard, noRollback   string   // why they are off
	keepForeign, explicit bool     // replace_foreign and allow_all are false
	ssh, sshMore          []schema.NewField
	profiles              []profile
	order                 []string // of profiles, by their names in the source
	names                 []string // of all profiles in the source
	bare                  bool     // it has profiles only
	addressed             bool     // somebody says host
	refused               bool     // the address that is said is none
	guessed               bool     // host is an address that no deployer says
	alias                 bool     // host is a name of ssh_config, which says who logs in
	variantOf             string   // the host whose machine it is another system of
	platform              string
	builder               *buildHost // the machine that builds; nil where none is named

	c *Conversion
}

// A secret is one of the host. Fields are those of the inventory.
type secret struct {
	name   string
	text   *string // its content, which the inventory may not have; nil if it is elsewhere
	fields []schema.NewField
}

// list notes that a setting is not carried over.
func (e *entry) list(s *Setting, text string, args ...any) {
	e.c.note(e.source, s, fmt.Sprintf(text, args...))
}

// octal matches permissions.
var octal = ondemand.Regexp(`^0?[0-7]{3}$`)

// isAddress reports whether a text can be host of the inventory.
func isAddress(text string) bool {
	if a, err := netip.ParseAddr(text); err == nil {
		return a.Zone() == "" || a.Is6()
	}
	return schema.Fits("Domain", text) || schema.Fits("Alias", text)
}

// targetHost takes an address in any of the forms that ssh takes: with a user in front,
// with a port behind, and as a URL.
func (e *entry) targetHost(s *Setting) {
	text, ok := into[string](s)
	if !ok || text == "" {
		if s.Name == "deployment.targetHost" && string(s.Value) == "null" {
			e.only, e.host = true, ""
		}
		return
	}
	t := parseTarget(text)
	if t.user != "" {
		e.setUser(s, t.user)
	}
	if t.port != 0 {
		e.port = t.port
	}
	if e.refused = !isAddress(t.host); e.refused {
		e.list(s, "%q is no address that muster takes: the host is built, and not connected to until host says where it is", text)
		return
	}
	e.host, e.addressed = t.host, s.Set
	for _, option := range strings.FieldsFunc(t.options, func(r rune) bool { return r == '&' }) {
		if name, value, _ := strings.Cut(option, "="); !e.sshOption(s, strings.ToLower(name), value) {
			e.list(s, "ssh's option %s: say it for the host in ssh_config, which muster reads", option)
		}
	}
}

// A target is an address with the user that logs in and the port, where they are given.
type target struct {
	user, host string
	port       int
	options    string // of ssh, as clan has them behind a question mark
}

// parseTarget takes an address in any of the forms that ssh takes.
func parseTarget(text string) (t target) {
	text, t.options, _ = strings.Cut(text, "?")
	text = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(text, "ssh-ng://"), "ssh://"), "/")
	if user, rest, ok := strings.Cut(text, "@"); ok {
		t.user, text = user, rest
	}
	if rest, port, ok := cutPort(text); ok {
		t.port, text = port, rest
	}
	t.host = strings.Trim(text, "[]")
	return t
}

// cutPort splits host:port and [address]:port.
func cutPort(text string) (host string, port int, ok bool) {
	at := strings.LastIndexByte(text, ':')
	if at < 1 || strings.Count(text, ":") > 1 && text[at-1] != ']' {
		return text, 0, false
	}
	n, err := strconv.ParseUint(text[at+1:], 10, 16)
	return text[:at], int(n), err == nil && n > 0
}

// sshConfigHost is a name of ssh_config, which says the address, the port and who logs in.
func (e *entry) sshConfigHost(s *Setting) {
	e.targetHost(s)
	e.alias = e.addressed
}

func (e *entry) targetPort(s *Setting) {
	port, ok := into[int](s)
	if text, isText := into[string](s); isText {
		n, err := strconv.Atoi(text)
		port, ok = n, err == nil
	}
	if ok && port > 0 && port < 1<<16 && (s.Set || port != 22) {
		e.port = port
	}
}

func (e *entry) targetUser(s *Setting) {
	if user, ok := into[string](s); ok && user != "" {
		e.setUser(s, user)
	}
}

func (e *entry) setUser(s *Setting, user string) {
	if !schema.Fits("User", user) {
		e.list(s, "%q is no user name that muster takes: the SSH configuration says who logs in", user)
		return
	}
	e.user = user
}

func (e *entry) setTags(s *Setting) {
	tags, _ := into[[]string](s)
	for _, tag := range tags {
		plain := tag
		if !schema.Fits("Tag", tag) {
			if plain = plainName(tag, 63); plain == "" {
				e.list(s, "the tag %q has characters that muster does not take: it is left out", tag)
				continue
			}
			e.list(s, "the tag %q has characters that muster does not take: it is %q", tag, plain)
		}
		if !slices.Contains(e.tags, plain) {
			e.tags = append(e.tags, plain)
		}
	}
}

func (e *entry) group(s *Setting) {
	if group, ok := into[string](s); ok && group != "default" {
		raw, _ := json.Marshal([]string{group})
		e.setTags(&Setting{Name: s.Name, At: s.At, Files: s.Files, Value: raw})
	}
}

// plainName replaces what a name may not have by hyphens.
func plainName(text string, most int) string {
	plain := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '-'
	}, text)
	return strings.Trim(plain[:min(len(plain), most)], "-")
}

// escalation is the command that makes a user root.
func (e *entry) escalation(s *Setting) {
	words, ok := into[[]string](s)
	if !ok {
		return
	}
	switch p := privilegeOf(words); {
	case p != "":
		e.privilege, e.command = p, nil
	case len(words) == 0 || strings.HasPrefix(words[0], "-") || strings.Contains(words[0], "=") || slices.Contains(words, ""):
		e.privilege = string(schema.Sudo)
		e.noEscalation = func() { e.list(s, "muster runs sudo, and not %q", strings.Join(words, " ")) }
	default:
		e.privilege, e.command = "", words
	}
}

// sudoForUser is the command of deploy-rs, which ends before the name of the user.
func (e *entry) sudoForUser(s *Setting) {
	text, _ := into[string](s)
	if words := strings.Fields(text); privilegeOf(words) == "" && len(words) > 0 {
		text += " root"
	}
	raw, _ := json.Marshal(text)
	e.sudoCommand(&Setting{Name: s.Name, At: s.At, Files: s.Files, Value: raw})
}

func (e *entry) sudoCommand(s *Setting) {
	text, ok := into[string](s)
	if !ok {
		return
	}
	raw, _ := json.Marshal(strings.Fields(text))
	e.escalation(&Setting{Name: s.Name, At: s.At, Files: s.Files, Value: raw})
}

// privilegeOf is the privilege of a command without arguments that change who it makes
// of the user; "" for any other.
func privilegeOf(words []string) string {
	if len(words) == 0 {
		return ""
	}
	for i, w := range words[1:] {
		if !slices.Contains([]string{"-H", "-n", "-E", "--", "-u", "root"}, w) || w == "root" && words[i] != "-u" {
			return ""
		}
	}
	switch name := path.Base(words[0]); name {
	case "sudo", "doas", "run0":
		return name
	}
	return ""
}

func (e *entry) sudoEnabled(s *Setting) {
	if on, ok := into[bool](s); ok && !on {
		e.privilege, e.command = "", nil
	}
}

// profileUser is the user that deploy-rs activates as.
func (e *entry) profileUser(s *Setting) {
	if user, ok := into[string](s); ok && user != "root" && !e.bare {
		e.list(s, "muster activates systems as root, and not as %s", user)
	}
}

func (e *entry) interactiveSudo(s *Setting) {
	if on, _ := into[bool](s); on {
		e.privilege, e.command = string(schema.SudoPassword), nil
	}
}

func (e *entry) allowLocal(s *Setting) { e.local, _ = into[bool](s) }

func (e *entry) buildOnTarget(s *Setting) {
	if on, _ := into[bool](s); on {
		e.buildOn = string(schema.BuildTarget)
	}
}

// buildOnSetting is nixinate's.
func (e *entry) buildOnSetting(s *Setting) {
	switch where, _ := into[string](s); where {
	case "local":
		e.buildOn = ""
	case "remote":
	default:
		e.list(s, "%q is no place that nixinate knows: the host builds", where)
	}
}

func (e *entry) substitutes(s *Setting) {
	if on, ok := into[bool](s); ok {
		e.substitute = &on
	}
}

// fastConnection is that nothing is fetched from binary caches.
func (e *entry) fastConnection(s *Setting) {
	if fast, ok := into[bool](s); ok {
		slow := !fast
		e.substitute = &slow
	}
}

func (e *entry) buildOnly(s *Setting) {
	if on, _ := into[bool](s); on {
		e.only = true
	}
}

func (e *entry) description(s *Setting) {
	text, _ := into[string](s)
	e.about = inALine(text)
}

// inALine is a text in one line, as descriptions of the inventory are.
func inALine(text string) string { return strings.Join(strings.Fields(text), " ") }

// hetzner is a server of Hetzner, whose address NixOps is told.
func (e *entry) hetzner(s *Setting) {
	at, _ := into[struct{ MainIPv4 string }](s)
	if isAddress(at.MainIPv4) && !e.addressed {
		e.host = at.MainIPv4
	}
	if string(s.Value) != "{}" {
		e.list(s, noCloud)
	}
}

// clanDeploy is deploy of a machine in clan's inventory.
func (e *entry) clanDeploy(s *Setting) {
	deploy, _ := into[struct{ TargetHost, BuildHost json.RawMessage }](s)
	at := *s
	if at.Value = deploy.TargetHost; e.host == "" {
		e.targetHost(&at)
	}
	if at.Value = deploy.BuildHost; e.builder == nil && len(at.Value) > 0 {
		e.buildsOn(&at)
	}
}

// file is the path of a file for the inventory.
func (e *entry) file(name string) string {
	name = e.c.places.inTree(name)
	if rel, err := filepath.Rel(e.c.source.Dir, name); err == nil && filepath.IsAbs(name) && !strings.HasPrefix(rel, "../../") {
		if !strings.HasPrefix(rel, "../") {
			rel = "./" + rel
		}
		return rel
	}
	return name
}
