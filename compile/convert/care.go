package convert

import (
	"fmt"

	"muster/schema"
)

// A block is a field of a host that is moved to the defaults where all hosts have the
// same.
type block struct {
	field schema.NewField
	drop  func()
}

// blocks are those that the host has.
func (e *entry) blocks() []block {
	var blocks []block
	add := func(name string, value any, has bool, drop func()) {
		if has {
			blocks = append(blocks, block{field: schema.NewField{Name: name, Value: value}, drop: drop})
		}
	}
	off := func(why string) []schema.NewField { return []schema.NewField{{Name: "off", Value: why}} }
	add("privilege", e.command, e.command != nil, func() { e.command = nil })
	add("ssh", e.sshFields(), len(e.ssh)+len(e.sshMore) > 0, func() { e.ssh, e.sshMore = nil, nil })
	add("timeouts", e.timeouts(), e.confirm+e.activate != "", func() { e.confirm, e.activate = "", "" })
	add("guard", off(e.noGuard), e.noGuard != "", func() { e.noGuard = "" })
	add("rollback", off(e.noRollback), e.noRollback != "", func() { e.noRollback = "" })
	add("replace_foreign", false, e.keepForeign, func() { e.keepForeign = false })
	add("allow_all", false, e.explicit, func() { e.explicit = false })
	add("health", e.health, len(e.health) > 0, func() { e.health = nil })
	return blocks
}

func (e *entry) sshFields() []schema.NewField {
	if len(e.sshMore) == 0 {
		return e.ssh
	}
	return append(e.ssh[:len(e.ssh):len(e.ssh)], schema.NewField{Name: "options", Value: e.sshMore})
}

func (e *entry) timeouts() []schema.NewField {
	var fields []schema.NewField
	if e.activate != "" {
		fields = append(fields, schema.NewField{Name: "activate", Value: e.activate})
	}
	if e.confirm != "" {
		fields = append(fields, schema.NewField{Name: "confirm", Value: e.confirm})
	}
	return fields
}

func (e *entry) confirmTimeout(s *Setting) { e.setTimeout(s, &e.confirm) }

func (e *entry) activationTimeout(s *Setting) { e.setTimeout(s, &e.activate) }

// setTimeout takes a number of seconds.
func (e *entry) setTimeout(s *Setting, to *string) {
	seconds, ok := into[int](s)
	switch {
	case !ok || seconds < 1:
		e.list(s, "%s is no time limit: that of the command line counts", s.Value)
	case seconds%60 == 0:
		*to = fmt.Sprintf("%dm", seconds/60)
	default:
		*to = fmt.Sprintf("%ds", seconds)
	}
}

func (e *entry) magicRollback(s *Setting) { e.setOff(s, &e.noGuard) }

func (e *entry) autoRollback(s *Setting) { e.setOff(s, &e.noRollback) }

// setOff gives the source as the reason why something is off.
func (e *entry) setOff(s *Setting, why *string) {
	if on, ok := into[bool](s); ok && !on && !e.bare {
		*why = fmt.Sprintf("%s: %s = false", string(e.c.kind), s.Name)
	}
}

func (e *entry) replaceUnknown(s *Setting) {
	if on, ok := into[bool](s); ok && !on {
		e.keepForeign = true
	}
}

// explicitUpdate is that a host is updated only by its name.
func (e *entry) explicitUpdate(s *Setting) { e.explicit, _ = into[bool](s) }
