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
	switch {
	case b.Wanted > generation:
		return fmt.Sprintf("taken back from generation %d, which is what the inventory says, %s", b.Wanted, since)
	case b.Wanted > 0:
		return fmt.Sprintf("on this generation %s; generation %d is what the inventory says", since, b.Wanted)
	case b.Newest > generation:
		return fmt.Sprintf("taken back from generation %d, %s; it has not had what the inventory says", b.Newest, since)
	case b.Run != "":
		return fmt.Sprintf("on what run %s deployed, %s; it has not had what the inventory says", b.Run, since)
	}
	return since + "; it has not had what the inventory says"
}
