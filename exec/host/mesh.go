package host

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// MeshProgram is the program on a host that looks after its meshes (compile/mesh.sh).
const MeshProgram = "/etc/muster/mesh"

// A Mesh is what a host says of one of its meshes.
type Mesh struct {
	Name  string     `json:"mesh"`
	State MeshState  `json:"state"`
	Peers []MeshPeer `json:"peers,omitempty"`
}

// A MeshState is how the interface of a mesh stands to the host's configuration.
type MeshState string

// The states. An interface that differs has other peers, keys or addresses.
const (
	MeshRight   MeshState = "right"
	MeshDiffers MeshState = "differs"
	MeshDown    MeshState = "down"
)

// A MeshPeer is a member of a mesh that a host reaches without another in between.
type MeshPeer struct {
	Name      string        `json:"name"`
	Handshake time.Duration `json:"handshake_ns"` // since the last one; -1 where there was none
}

// maxMeshes and maxMeshPeers bound what is taken from a host.
const (
	maxMeshes    = 100
	maxMeshPeers = 10000
)

// addMesh takes in a line of inspect.sh; it reports false for one that is of something
// else.
func (f *Facts) addMesh(name, value string) bool {
	words := strings.Fields(value)
	switch {
	case name == "mesh" && len(words) == 2 && len(f.Meshes) < maxMeshes:
		switch s := MeshState(words[1]); s {
		case MeshRight, MeshDiffers, MeshDown:
			f.Meshes = append(f.Meshes, Mesh{Name: words[0], State: s})
		}
	case name == "peer" && len(words) == 3 && len(f.Meshes) > 0:
		m := &f.Meshes[len(f.Meshes)-1]
		if m.Name == words[0] && len(m.Peers) < maxMeshPeers {
			m.Peers = append(m.Peers, MeshPeer{Name: words[1], Handshake: sinceHandshake(words[2])})
		}
	default:
		return name == "mesh" || name == "peer"
	}
	return true
}

// sinceHandshake reads a number of seconds, or - for never.
func sinceHandshake(s string) time.Duration {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return -1
	}
	return time.Duration(max(n, 0)) * time.Second
}

// MendMesh brings the interface of a mesh to what the host's configuration says.
func (h *Host) MendMesh(ctx context.Context, mesh string) error {
	_, err := h.ask(ctx, mendMeshScript, mesh)
	return err
}
