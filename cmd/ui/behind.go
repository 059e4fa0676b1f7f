package ui

import (
	"fmt"
	"time"
)

// A Behindness is what a host that is on another system than the inventory's says of that.
type Behindness struct {
	Since  time.Time `json:"since,omitzero"`              // when its generation was made the current one
	Run    string    `json:"deployed_by,omitempty"`       // that deployed the system it is on
	Wanted int       `json:"wanted_generation,omitempty"` // that has the inventory's system; 0 for none
	Newest int       `json:"newest_generation,omitempty"`
}

// detail says what the host is behind and since when: it was taken back from the inventory's
// system, or has not had it yet.
func (b *Behindness) detail(generation int) string {
	if b == nil || b.Since.IsZero() {
		return ""
	}
	since := "since " + atTime(b.Since)
	const unseen = "; the inventory's system is new to it"
	switch {
	case b.Wanted > generation:
		return fmt.Sprintf("%s, taken back from the inventory's generation %d", since, b.Wanted)
	case b.Wanted > 0:
		return fmt.Sprintf("%s; the inventory's is generation %d", since, b.Wanted)
	case b.Newest > generation:
		return fmt.Sprintf("%s, taken back from generation %d", since, b.Newest) + unseen
	case b.Run != "":
		return fmt.Sprintf("%s, by run %s", since, b.Run) + unseen
	}
	return since + unseen
}
