package convert

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"muster/exec/foreign"
	"muster/schema"
)

// Inventory is the inventory, as CUE. Recipients may decrypt the files of its secrets.
func (c *Conversion) Inventory(recipients []string) ([]byte, error) {
	f := &schema.NewFleet{Package: "fleet", Comment: c.comment()}
	f.Add(c.about...)
	if len(recipients) > 0 {
		f.Add(schema.NewField{Name: "secret_recipients", Value: recipients})
	}
	shared := c.share()
	f.Add(shared...)
	f.Add(c.order()...)
	f.Each = c.each()
	for _, e := range c.entries {
		f.Hosts = append(f.Hosts, schema.NewHost{Name: e.name, Fields: e.fields(f.Each == nil)})
	}
	return f.CUE()
}

// comment is the head of the file: where it comes from and what is not carried over.
func (c *Conversion) comment() []string {
	from := c.source.Here
	if from == "" || from == "." {
		from = "flake.nix"
	}
	if len(c.source.Files) > 0 {
		var names []string
		for _, f := range c.source.Files {
			names = append(names, c.shown(f))
		}
		from = strings.Join(names, ", ")
	}
	lines := []string{fmt.Sprintf("%s from %s, %s. It is yours: edit it.", Header, from, c.kind)}
	if len(c.Notes) > 0 {
		lines = append(lines, "", "Not carried over:")
		for _, n := range c.Notes {
			lines = append(lines, "  "+n.String())
		}
	}
	return lines
}

// aboutFields are what the source says of the whole fleet.
func (c *Conversion) aboutFields() []schema.NewField {
	var fields, network []schema.NewField
	for i := range c.facts.About {
		s := &c.facts.About[i]
		text, isText := into[string](s)
		on, _ := into[bool](s)
		switch r, known := AboutRules[s.Name]; {
		case s.Failed && !r.Always:
			c.note("", s, "its value does not evaluate, and is not carried over")
		case s.Name == "description" && isText && inALine(text) != "":
			network = append(network, schema.NewField{Name: "description", Value: inALine(text)})
		case s.Name == "enableRollback" && on:
			network = append(network, schema.NewField{Name: "enable_rollback", Value: true})
		case s.Name == "machinesFile" && isText && text != "":
			if machines := c.machines(s, text); len(machines) > 0 {
				fields = append(fields, schema.NewField{Name: "builders", Value: machines})
			}
		case s.Name == "resources" && string(s.Value) == "[]":
		case known && (r.Always || r.Field != ""):
		case known:
			c.note("", s, r.Instead)
		default:
			c.note("", s, "muster has no such setting")
		}
	}
	if len(network) > 0 {
		fields = append([]schema.NewField{{Name: "network", Value: network}}, fields...)
	}
	return fields
}

// machines are the build machines of a file.
func (c *Conversion) machines(s *Setting, name string) []string {
	text, err := foreign.ReadFile(name, foreign.Limits{Size: 1 << 20, Time: foreign.Time, Links: true})
	if err != nil {
		c.note("", s, "the file cannot be read: builders are those of nix.conf")
		return nil
	}
	var machines []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.Join(strings.Fields(line), " "); line != "" && !strings.Contains(line, ";") {
			machines = append(machines, line)
		}
	}
	return machines
}

// findOrder finds the order of a deployment. An inventory takes no tag that no host has,
// and none twice.
func (c *Conversion) findOrder() {
	for i := range c.facts.About {
		s := &c.facts.About[i]
		if s.Name != "ordering" {
			continue
		}
		ordering, _ := into[struct{ Tags []string }](s)
		for _, tag := range ordering.Tags {
			plain := plainTag(tag)
			has := func(e *entry) bool { return slices.Contains(e.tags, plain) }
			switch selector := schema.TagSelector(plain); {
			case !slices.ContainsFunc(c.entries, has):
				c.note("", s, fmt.Sprintf("no host has the tag %q: it is left out", tag))
			case !slices.Contains(c.ordered, selector):
				c.ordered = append(c.ordered, selector)
			}
		}
	}
}

// order is the order of a deployment.
func (c *Conversion) order() []schema.NewField {
	if len(c.ordered) == 0 {
		return nil
	}
	return []schema.NewField{{Name: "rollout", Value: []schema.NewField{{Name: "order", Value: c.ordered}}}}
}

func plainTag(tag string) string {
	if schema.Fits("Tag", tag) {
		return tag
	}
	return plainName(tag, 63)
}

// share moves what hosts have in common to the defaults and to roles, and returns those.
func (c *Conversion) share() []schema.NewField {
	var defaults []schema.NewField
	for _, f := range []struct {
		name string
		of   func(*entry) any
		drop func(*entry)
	}{
		{"port", func(e *entry) any { return e.port }, func(e *entry) { e.port = 0 }},
		{"user", func(e *entry) any { return e.user }, func(e *entry) { e.user = "" }},
		{"jump", func(e *entry) any { return e.jump }, func(e *entry) { e.jump = "" }},
		{"privilege", func(e *entry) any { return e.privilege }, func(e *entry) { e.privilege = "" }},
		{"local", func(e *entry) any { return e.local }, func(e *entry) { e.local = false }},
		{"build_on", func(e *entry) any { return e.buildOn }, func(e *entry) { e.buildOn = "" }},
		{"substitute", func(e *entry) any { return e.substitute != nil && *e.substitute }, func(e *entry) { e.substitute = nil }},
	} {
		if v, ok := c.common(f.of); ok {
			defaults = append(defaults, schema.NewField{Name: f.name, Value: v})
			for _, e := range c.entries {
				if f.of(e) == v {
					f.drop(e)
				}
			}
		}
	}
	if !slices.ContainsFunc(defaults, func(f schema.NewField) bool { return f.Name == "substitute" }) {
		for _, e := range c.entries {
			if e.substitute != nil && !*e.substitute {
				e.substitute = nil
			}
		}
	}
	if all := c.sharedSecrets(c.entries); len(all) > 0 {
		defaults = append(defaults, secretsField(all))
	}
	defaults = append(defaults, c.sharedBlocks()...)
	for i := range c.facts.About {
		if s := &c.facts.About[i]; s.Name == "allowApplyAll" && string(s.Value) == "false" {
			defaults = append(defaults, schema.NewField{Name: "allow_all", Value: false})
		}
	}
	var fields []schema.NewField
	if len(defaults) > 0 {
		fields = append(fields, schema.NewField{Name: "defaults", Value: defaults})
	}
	if roles := c.roles(); len(roles) > 0 {
		fields = append(fields, schema.NewField{Name: "roles", Value: roles})
	}
	return fields
}

// common is the value of a field that most hosts have, if all have one.
func (c *Conversion) common(of func(*entry) any) (any, bool) {
	count := map[any]int{}
	for _, e := range c.entries {
		v := of(e)
		if v == "" || v == 0 || v == false {
			return nil, false
		}
		count[v]++
	}
	var most any
	for _, e := range c.entries {
		if v := of(e); count[v] > count[most] {
			most = v
		}
	}
	return most, len(c.entries) > 1 && count[most] > 1
}

// sharedSecrets are the secrets that all of some hosts have, which are taken from them.
func (c *Conversion) sharedSecrets(of []*entry) []secret {
	if len(of) < 2 {
		return nil
	}
	var shared []secret
	for _, s := range of[0].secrets {
		has := func(e *entry) bool {
			return slices.ContainsFunc(e.secrets, func(o secret) bool { return o.same(&s) })
		}
		if !slices.ContainsFunc(of, func(e *entry) bool { return !has(e) }) {
			shared = append(shared, s)
		}
	}
	for _, e := range of {
		e.secrets = slices.DeleteFunc(slices.Clone(e.secrets), func(o secret) bool {
			return slices.ContainsFunc(shared, func(s secret) bool { return s.same(&o) })
		})
	}
	return shared
}

// sharedBlocks are the fields with fields of their own that are the same for all hosts,
// from which they are taken.
func (c *Conversion) sharedBlocks() []schema.NewField {
	if len(c.entries) < 2 {
		return nil
	}
	var shared []schema.NewField
	for _, b := range c.entries[0].blocks() {
		same := func(e *entry) bool {
			return slices.ContainsFunc(e.blocks(), func(o block) bool { return reflect.DeepEqual(o.field, b.field) })
		}
		if slices.ContainsFunc(c.entries, func(e *entry) bool { return !same(e) }) {
			continue
		}
		shared = append(shared, b.field)
	}
	for _, f := range shared {
		for _, e := range c.entries {
			at := slices.IndexFunc(e.blocks(), func(b block) bool { return b.field.Name == f.Name })
			e.blocks()[at].drop()
		}
	}
	return shared
}

// roles are made of tags whose hosts have the same secrets.
func (c *Conversion) roles() []schema.NewField {
	var tags []string
	for _, e := range c.entries {
		for _, t := range e.tags {
			if !slices.Contains(tags, t) {
				tags = append(tags, t)
			}
		}
	}
	var roles []schema.NewField
	for _, tag := range tags {
		var of []*entry
		for _, e := range c.entries {
			if slices.Contains(e.tags, tag) {
				of = append(of, e)
			}
		}
		if !schema.Fits("RoleName", tag) {
			continue
		}
		if shared := c.sharedSecrets(of); len(shared) > 0 {
			roles = append(roles, schema.NewField{Name: tag, Value: []schema.NewField{secretsField(shared)}})
			for _, e := range of {
				e.roles = append(e.roles, tag)
			}
		}
	}
	return roles
}

func secretsField(secrets []secret) schema.NewField {
	var list []schema.NewField
	for _, s := range secrets {
		list = append(list, schema.NewField{Name: s.name, Value: s.fields})
	}
	return schema.NewField{Name: "secrets", Value: list}
}

// each is the field that says for every host by its name where its system is, or nil
// where names differ.
func (c *Conversion) each() *schema.EachHost {
	if len(c.entries) == 0 || slices.ContainsFunc(c.entries, func(e *entry) bool { return e.bare }) {
		return nil
	}
	field, value := c.entries[0].system()
	prefix, ok := strings.CutSuffix(value, c.entries[0].name)
	for _, e := range c.entries {
		_, v := e.system()
		ok = ok && v == prefix+e.name
	}
	if !ok || len(c.entries) < 2 {
		return nil
	}
	return &schema.EachHost{Field: field, Prefix: prefix}
}

// system is the field that says where the host's system is.
func (e *entry) system() (field, value string) {
	if e.attr == nil {
		return "nixos", "./" + NodesFile + "#" + attrOf(e.source)
	}
	var names []string
	for _, n := range e.attr {
		names = append(names, attrOf(n))
	}
	if len(names) == 2 && names[0] == "nixosConfigurations" {
		names = names[1:]
	}
	return "flake", e.c.source.Here + "#" + strings.Join(names, ".")
}

// attrOf is a name in the path of an attribute.
func attrOf(name string) string {
	if strings.ContainsAny(name, `." `) {
		return `"` + name + `"`
	}
	return name
}

// fields are the fields of a host.
func (e *entry) fields(withSystem bool) []schema.NewField {
	var fields []schema.NewField
	add := func(name string, value any, has bool) {
		if has {
			fields = append(fields, schema.NewField{Name: name, Value: value})
		}
	}
	if e.bare {
		add("nixos", false, true)
		add("system", e.platform, e.platform != "" && e.platform != "x86_64-linux")
	} else if withSystem {
		field, value := e.system()
		add(field, value, true)
	}
	add("host", e.host, e.host != "")
	add("variant_of", e.variantOf, e.variantOf != "")
	add("port", e.port, e.port != 0)
	add("user", e.user, e.user != "")
	add("jump", e.jump, e.jump != "")
	add("privilege", e.privilege, e.privilege != "")
	add("local", true, e.local)
	add("build_on", e.buildOn, e.buildOn != "")
	if e.substitute != nil {
		add("substitute", *e.substitute, true)
	}
	add("roles", e.roles, len(e.roles) > 0)
	add("tags", e.tags, len(e.tags) > 0)
	if len(e.secrets) > 0 {
		fields = append(fields, secretsField(e.secrets))
	}
	for _, b := range e.blocks() {
		fields = append(fields, b.field)
	}
	add("profiles", e.profileFields(), len(e.profiles) > 0)
	if e.about != "" {
		add("meta", []schema.NewField{{Name: "description", Value: e.about}}, true)
	}
	return fields
}
