package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"muster/exec/human"
)

// A MeshState is what a host says of one of its meshes.
type MeshState struct {
	Mesh  string     `json:"mesh"`
	State string     `json:"state"` // right, differs or down
	Peers []MeshPeer `json:"peers,omitempty"`
}

// A MeshPeer is a member that the host reaches without another in between.
type MeshPeer struct {
	Name string `json:"host"`
	// Handshake is the time since the last handshake, in nanoseconds; absent where there was
	// none.
	Handshake *time.Duration `json:"handshake_ns,omitempty"`
}

// broken reports whether the interface is not as the host's configuration says.
func (m *MeshState) broken() bool { return m.State != "right" }

func (s *HostState) meshBroken() bool {
	return slices.ContainsFunc(s.Meshes, func(m MeshState) bool { return m.broken() })
}

// printMeshes prints a line for each host and mesh: how long ago the last handshakes were.
func printMeshes(w io.Writer, all []HostState) {
	if !slices.ContainsFunc(all, func(s HostState) bool { return len(s.Meshes) > 0 }) {
		return
	}
	table := NewReport(w, "host", "mesh", "interface", "last handshakes")
	for _, s := range all {
		for _, m := range s.Meshes {
			table.Row(s.Host, m.Mesh, m.State, m.handshakes())
		}
	}
	table.Flush()
}

// handshakes names the peers without a handshake, and the others with the age of theirs,
// the oldest first.
func (m *MeshState) handshakes() string {
	var never, parts []string
	var met []MeshPeer
	for _, p := range m.Peers {
		if p.Handshake == nil {
			never = append(never, p.Name)
		} else {
			met = append(met, p)
		}
	}
	if len(never) > 0 {
		parts = append(parts, "none with "+few(never))
	}
	slices.SortStableFunc(met, func(a, b MeshPeer) int { return int(*b.Handshake - *a.Handshake) })
	var ages []string
	for _, p := range met {
		ages = append(ages, fmt.Sprintf("%s %s ago", p.Name, human.Duration(*p.Handshake)))
	}
	if len(ages) > 0 {
		parts = append(parts, few(ages))
	}
	return strings.Join(parts, "; ")
}

// few is a list of which at most eight are named.
func few(list []string) string {
	const most = 8
	if len(list) > most {
		list = append(slices.Clone(list[:most]), fmt.Sprintf("%d more", len(list)-most))
	}
	return strings.Join(list, ", ")
}
