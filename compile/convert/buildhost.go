package convert

import (
	"net/netip"
	"strings"

	"muster/schema"
)

// A buildHost is the machine that builds a host's system, as a setting names it.
type buildHost struct {
	setting Setting
	target
}

// buildsOn takes the machine that builds. Which host of the inventory it is shows once
// all hosts are known.
func (e *entry) buildsOn(s *Setting) {
	text, ok := into[string](s)
	if t := parseTarget(text); ok && text != "" {
		e.builder = &buildHost{setting: *s, target: t}
	}
}

// buildHosts has hosts be built where their settings say, as far as that is here, on the
// host itself or on another host.
func (c *Conversion) buildHosts() {
	for _, e := range c.entries {
		if e.builder == nil || e.builder.here() {
			continue
		}
		switch o := c.hostAt(e.builder.target); {
		case o == e:
			e.buildOn = string(schema.BuildTarget)
		case o == nil:
			e.list(&e.builder.setting, "%q builds, which is no host of the inventory: the system is built where muster runs, until build_on names a host, or builders has that machine", e.builder.host)
		default:
			e.buildOn = o.name
		}
	}
	for _, e := range c.entries {
		if e.builder != nil && c.inCircle(e) {
			e.list(&e.builder.setting, "the host builds for %s itself: its system is built where muster runs", e.buildOn)
			e.buildOn = ""
		}
	}
}

// here reports whether the machine is the one where the deployer runs.
func (t target) here() bool {
	a, err := netip.ParseAddr(t.host)
	return t.host == "localhost" || err == nil && a.IsLoopback()
}

// hostAt is the host with an address, or of a name; nil for none.
func (c *Conversion) hostAt(t target) *entry {
	for _, e := range c.entries {
		if e.host != "" && e.variantOf == "" && strings.EqualFold(e.host, t.host) && (t.port == 0 || e.port == 0 || t.port == e.port) {
			return e
		}
	}
	for _, e := range c.entries {
		if e.host != "" && (e.source == t.host || e.name == t.host) {
			return e
		}
	}
	return nil
}

// inCircle reports whether a host builds, by way of others or not, for the one that
// builds for it.
func (c *Conversion) inCircle(e *entry) bool {
	at := e
	for range c.entries {
		if at = c.named(at.buildOn); at == nil || at == e {
			break
		}
	}
	return at == e
}

func (c *Conversion) named(name string) *entry {
	for _, e := range c.entries {
		if e.name == name {
			return e
		}
	}
	return nil
}
