package ui_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/cmd/ui"
)

// The status of hosts in a mesh says whom each has not met, and how long ago it met the
// others; an interface that is not as it should be is a difference.
func TestStatusOfMeshes(t *testing.T) {
	ago := func(d time.Duration) *time.Duration { return &d }
	all := []ui.HostState{
		{Host: "a", State: ui.InSync, Meshes: []ui.MeshState{{Mesh: "wg0", State: "right", Peers: []ui.MeshPeer{{Name: "b", Handshake: ago(2 * time.Second)}, {Name: "c"}, {Name: "d", Handshake: ago(2 * time.Minute)}}}}},
		{Host: "b", State: ui.InSync, Meshes: []ui.MeshState{{Mesh: "wg0", State: "down"}}},
		{Host: "x", State: ui.InSync},
	}
	var out bytes.Buffer
	ui.PrintStates(&out, all)
	want := `HOST  STATE    GENERATION  DETAIL
a     in sync
b     in sync              mesh wg0: the interface is not as the configuration says (down)
x     in sync
HOST  MESH  INTERFACE  LAST HANDSHAKES
a     wg0   right      none with c; d 2m ago, b 2.0 s ago
b     wg0   down
3 hosts: 3 in sync
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for i, drifted := range []bool{false, true, false} {
		if got := all[i].Drifted(); got != drifted {
			t.Errorf("%s drifted: %v, want %v", all[i].Host, got, drifted)
		}
	}
}
