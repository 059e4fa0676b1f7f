package exec

import (
	"context"
	"fmt"

	"muster/exec/host"
)

// brokenMeshes are the meshes whose interfaces are not as the host's configuration says,
// though the host has the right system.
func (j *job) brokenMeshes() []host.Mesh {
	var broken []host.Mesh
	if j.action() != Switch && j.action() != Test {
		return nil
	}
	for _, m := range j.seen.Facts.Meshes {
		if m.State != host.MeshRight {
			broken = append(broken, m)
		}
	}
	return broken
}

// mendMeshes brings the interfaces of meshes to what the configuration of a host says, which
// is reached by its own address meanwhile. A host that is activated needs none of this.
func mendMeshes(ctx context.Context, j *job) error {
	for _, m := range j.brokenMeshes() {
		if err := j.conn.ask().MendMesh(ctx, m.Name); err != nil {
			return fmt.Errorf("mesh %s: the interface is not as the configuration says (%s), and cannot be mended: %w", m.Name, m.State, err)
		}
		j.out.changed = true
		j.note(Finding{Check: "mesh", Text: fmt.Sprintf("mesh %s: the interface was not as the configuration says (%s): mended", m.Name, m.State)})
	}
	return nil
}
