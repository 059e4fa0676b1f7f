package schema

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// An SSH says how the connections to a host are made, where that is not as the SSH
// configuration says.
type SSH struct {
	Alias           bool   // a host without an address is reached by its name
	Port            int    // of hosts that name none; 0 means that of the SSH configuration
	User            string // of hosts that name none; "" means that of the SSH configuration
	OwnUser         bool   // the user is that of this machine, where nothing names another
	AgentForwarding bool
	AddressFamily   string // "inet", "inet6", or "" for any
	OpenSSH         bool   // connections are made by the ssh of this machine
	// KnownKeysOnly is whether only known host keys are accepted, whatever the SSH
	// configuration says. AcceptNew is why the first key of a host is accepted where none
	// is known; "" for not.
	KnownKeysOnly bool
	AcceptNew     string
	KeepAlive     time.Duration // 0 means that of the SSH configuration
	Options       []SSHOption   // of ssh_config, sorted by name
}

// IsZero reports whether connections are made as the SSH configuration says.
func (s *SSH) IsZero() bool {
	return !s.Alias && s.Port == 0 && s.User == "" && !s.OwnUser && !s.AgentForwarding && s.AddressFamily == "" && !s.OpenSSH &&
		!s.KnownKeysOnly && s.AcceptNew == "" && s.KeepAlive == 0 && len(s.Options) == 0
}

// An SSHOption is an option of ssh_config(5).
type SSHOption struct{ Name, Value string }

// Config are the fields as options of ssh_config, where there is one for them. Those of
// Options come first, and the fields that have names of their own replace them.
func (s *SSH) Config() []SSHOption {
	options := slices.Clone(s.Options)
	set := func(name, value string) {
		same := func(o SSHOption) bool { return strings.EqualFold(o.Name, name) }
		options = append(slices.DeleteFunc(options, same), SSHOption{Name: name, Value: value})
	}
	if s.AddressFamily != "" {
		set("AddressFamily", s.AddressFamily)
	}
	if s.KeepAlive > 0 {
		set("ServerAliveInterval", fmt.Sprint(int(s.KeepAlive.Seconds())))
	}
	switch {
	case s.KnownKeysOnly:
		set("StrictHostKeyChecking", "yes")
	case s.AcceptNew != "":
		set("StrictHostKeyChecking", "accept-new")
	}
	return options
}

// ssh decodes the SSH fields of a host: each is the host's, or that of the last of its
// roles that has it, or that of the defaults. pos gets their positions.
func (d *decoder) ssh(h *Host, n, defaults *node, path string, pos map[string]Pos) (s SSH) {
	levels := d.sshLevels(h, n, defaults)
	if len(levels) == 0 {
		return SSH{}
	}
	of := func(name string) *node {
		for _, level := range levels {
			if v := level.get(name); v != nil {
				pos["ssh."+name] = v.at
				return v
			}
		}
		return nil
	}
	s.Alias, s.Port, s.User, s.OwnUser = truth(of("alias")), number32(of("port")), text(of("user")), truth(of("own_user"))
	s.AgentForwarding = truth(of("agent_forwarding"))
	if s.AddressFamily = text(of("address_family")); s.AddressFamily == "any" {
		s.AddressFamily = ""
	}
	s.OpenSSH = text(of("transport")) == "openssh"
	policy := of("host_key_policy")
	s.KnownKeysOnly, s.AcceptNew = text(policy) == "strict", text(policy.get("accept_new"))
	s.KeepAlive = d.duration(of("keep_alive"), path+".ssh.keep_alive", 0)
	for _, level := range slices.Backward(levels) {
		if options := level.get("options"); options != nil {
			for _, f := range options.fields {
				s.option(f)
				pos["ssh.options."+f.name] = f.val.at
			}
		}
	}
	return s
}

// sshLevels are the values of ssh that are about a host, the first to be asked first.
func (d *decoder) sshLevels(h *Host, n, defaults *node) []*node {
	var levels []*node
	add := func(of *node) {
		if v := of.get("ssh"); v != nil && v.kind == structKind {
			levels = append(levels, v)
		}
	}
	add(n)
	if roles := d.tree.get("roles"); roles != nil {
		for _, r := range slices.Backward(h.Roles) {
			if v := roles.get(r); v != nil {
				add(v)
			}
		}
	}
	add(defaults)
	return levels
}

// option takes up one option, in place of an earlier one of the name.
func (s *SSH) option(f field) {
	value := f.val.text
	switch f.val.kind {
	case boolKind:
		value = map[bool]string{true: "yes", false: "no"}[f.val.bool]
	case intKind:
		value = fmt.Sprint(f.val.num)
	}
	i, there := slices.BinarySearchFunc(s.Options, f.name, func(o SSHOption, name string) int { return strings.Compare(o.Name, name) })
	if there {
		s.Options[i].Value = value
		return
	}
	s.Options = slices.Insert(s.Options, i, SSHOption{Name: f.name, Value: value})
}

// privilege decodes how muster becomes root.
func (d *decoder) privilege(h *Host, n *node, path string) {
	h.Privilege = Root
	switch {
	case n == nil:
	case n.kind == listKind:
		h.Privilege, h.PrivilegeCommand = Command, texts(n)
		if len(n.elems) == 0 {
			return // reported
		}
		if first := text(n.elems[0]); strings.HasPrefix(first, "-") || strings.Contains(first, "=") {
			d.report.add(n.elems[0].at, path+"[0]", "type", "got %s, want a program such as sudo", n.elems[0])
		}
	case strings.Contains(text(n), " "):
		h.Privilege, h.PrivilegeCommand = Command, strings.Fields(n.text)
		if strings.HasPrefix(n.text, "-") {
			d.report.add(n.at, path, "type", "got %s, want a command that begins with a program such as sudo", n)
		}
	case text(n) != "":
		h.Privilege = Privilege(n.text)
	}
}

// ssh adds the SSH fields of a host.
func (r *resolver) ssh(s *SSH, of func(string) Pos) {
	if s.IsZero() {
		return
	}
	at := func(name string) Pos { return of("ssh." + name) }
	r.add("ssh", Pos{}, r.set(Pos{}, func() {
		for _, b := range []struct {
			name string
			is   bool
		}{{"alias", s.Alias}, {"own_user", s.OwnUser}, {"agent_forwarding", s.AgentForwarding}} {
			if at(b.name).IsValid() {
				r.bool(b.name, b.is, at(b.name))
			}
		}
		r.text("address_family", s.AddressFamily, at("address_family"))
		if s.OpenSSH {
			r.text("transport", "openssh", at("transport"))
		}
		switch policy := at("host_key_policy"); {
		case s.KnownKeysOnly:
			r.text("host_key_policy", "strict", policy)
		case s.AcceptNew != "":
			r.add("host_key_policy", policy, r.set(policy, func() { r.text("accept_new", s.AcceptNew, policy) }))
		}
		if s.KeepAlive > 0 {
			r.text("keep_alive", s.KeepAlive.String(), at("keep_alive"))
		}
		if len(s.Options) > 0 {
			r.add("options", Pos{}, r.set(Pos{}, func() {
				for _, o := range s.Options {
					r.text(o.Name, o.Value, at("options."+o.Name))
				}
			}))
		}
	}))
}
