package host

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What a host says of its meshes is taken line by line; what is no such line is passed over.
func TestMeshLines(t *testing.T) {
	out := "time 1\npeer wg0 early 3\nmesh wg0 right\npeer wg0 h2 12\npeer wg0 h3 -\npeer wg0 h4 -7\npeer wg1 h5 1\nmesh wg1 odd\nmesh wg2\nmesh wg3 down\n"
	in, err := parseInspection(out, time.Unix(1, 0), time.Unix(1, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := []Mesh{
		{Name: "wg0", State: MeshRight, Peers: []MeshPeer{{"h2", 12 * time.Second}, {"h3", -1}, {"h4", 0}}},
		{Name: "wg3", State: MeshDown},
	}
	if diff := cmp.Diff(want, in.Facts.Meshes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
