package schema

import (
	"slices"
	"strings"
)

// circles finds circles among hosts of which each leads to at most one other, such as the
// jump host that it is reached through.
type circles struct {
	next func(*Host) *Host // nil at the end of a way
	seen map[*Host]bool    // hosts whose ways have been followed
}

func (c *checker) circles(next func(*Host) *Host) *circles {
	return &circles{next: next, seen: make(map[*Host]bool)}
}

// from returns the circle that a host leads to, with the first of its hosts again at the
// end; nil for none, and for one that it has returned before.
func (c *circles) from(h *Host) []*Host {
	var way []*Host
	for ; h != nil && !c.seen[h]; h = c.next(h) {
		c.seen[h] = true
		way = append(way, h)
	}
	if at := slices.Index(way, h); at >= 0 {
		return append(way[at:], h)
	}
	return nil
}

// another returns the host of a name, or nil if that is h itself.
func (c *checker) another(h *Host, name string) *Host {
	if name == h.Name {
		return nil
	}
	return c.hosts[name]
}

// arrows shows a way from host to host.
func arrows(way []*Host) string {
	names := make([]string, len(way))
	for i, h := range way {
		names[i] = h.Name
	}
	return strings.Join(names, " → ")
}
