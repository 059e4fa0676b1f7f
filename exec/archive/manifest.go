package archive

import (
	"fmt"
	"slices"
	"strings"

	"muster/compile/store"
)

const (
	manifestName    = "muster.json"
	manifestVersion = 1
)

// A Manifest says what an archive is for.
type Manifest struct {
	Version int          `json:"version"`
	Hosts   []Host       `json:"hosts,omitempty"`
	Paths   []store.Path `json:"paths,omitempty"` // to import besides the hosts' systems
}

// A Host is a host and its system.
type Host struct {
	Name   string     `json:"name"`
	Drv    store.Path `json:"drv,omitempty"`
	System store.Path `json:"system"`
}

// Host returns the host with a name, nil if the archive is not for it.
func (m *Manifest) Host(name string) *Host {
	for i := range m.Hosts {
		if m.Hosts[i].Name == name {
			return &m.Hosts[i]
		}
	}
	return nil
}

// roots are the paths whose closures an archive holds.
func (m *Manifest) roots() []store.Path {
	roots := slices.Clone(m.Paths)
	for _, h := range m.Hosts {
		roots = append(roots, h.System)
	}
	slices.Sort(roots)
	return slices.Compact(roots)
}

const readmeName = "README"

// readme tells the person at the machine what to do.
func (m *Manifest) readme() []byte {
	var b strings.Builder
	b.WriteString(`This is a binary cache made by muster export. On the machine, as root, with muster:

    muster import ARCHIVE

It checks everything before it touches the machine, loads what is missing, sets
the system profile and switches to it.

With Nix alone, in the unpacked directory:

    sha256sum --check --quiet --strict SHA256SUMS
`)
	load := func(p store.Path) {
		fmt.Fprintf(&b, "    nix --extra-experimental-features nix-command copy --no-check-sigs --from \"file://$PWD\" %s\n", p)
	}
	for _, p := range m.Paths {
		load(p)
	}
	for _, h := range m.Hosts {
		fmt.Fprintf(&b, "\nand on the host %s:\n\n", h.Name)
		load(h.System)
		fmt.Fprintf(&b, "    nix-env --profile /nix/var/nix/profiles/system --set %[1]s\n    %[1]s/bin/switch-to-configuration switch\n", h.System)
	}
	return []byte(b.String())
}
