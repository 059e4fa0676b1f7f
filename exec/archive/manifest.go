package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/compile/store"
	"muster/exec/ondemand"
)

const manifestVersion = 1

// A Manifest says what an archive is for.
type Manifest struct {
	Version int          `json:"version"`
	Hosts   []Host       `json:"hosts,omitempty"`
	Paths   []store.Path `json:"paths,omitempty"` // to import besides the hosts' systems
	// ScanDiffers has the paths whose recorded references are not those that their contents mention, and which paths they
	// differ by: a build may discard references, and a source may mention a path without needing it. Sorted. Export fills
	// it; Open takes no other differences.
	ScanDiffers map[store.Path][]store.Path `json:"scan_differs,omitempty"`
}

// A Host is a host and its system.
type Host struct {
	Name   string     `json:"name"`
	Drv    store.Path `json:"drv,omitempty"`
	System store.Path `json:"system"`
}

// text is the manifest as Export writes it.
func (m *Manifest) text() ([]byte, error) {
	text, err := json.MarshalIndent(m, "", "  ")
	return append(text, '\n'), err
}

// parse reads and checks what text writes, and nothing else.
func (m *Manifest) parse(text []byte) error {
	var any struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &any); err != nil {
		return damaged("%s: %v", manifestName, err)
	}
	if any.Version != manifestVersion {
		return fmt.Errorf("%s: version %d, want %d", manifestName, any.Version, manifestVersion)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(m)
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return damaged("%s: %v", manifestName, err)
	}
	if again, err := m.text(); err != nil || !bytes.Equal(again, text) {
		return damaged("%s: not written as muster export writes it", manifestName)
	}
	return nil
}

// hostName is schema's rule for the names of hosts.
var hostName = ondemand.Regexp(`^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$`)

// check checks each field by itself.
func (m *Manifest) check() error {
	seen := make(map[string]bool)
	for _, h := range m.Hosts {
		if !hostName().MatchString(h.Name) {
			return fmt.Errorf("%.80q is not the name of a host", h.Name)
		}
		if seen[h.Name] {
			return fmt.Errorf("duplicate host %s", h.Name)
		}
		seen[h.Name] = true
		if err := checkPath(h.System, false); err != nil {
			return fmt.Errorf("system of %s: %w", h.Name, err)
		}
		if h.Drv == "" {
			continue
		}
		if err := checkPath(h.Drv, true); err != nil {
			return fmt.Errorf("drv of %s: %w", h.Name, err)
		}
	}
	for _, p := range m.Paths {
		if _, err := store.ParsePath(string(p)); err != nil {
			return fmt.Errorf("paths: %w", err)
		}
		if seen[string(p)] {
			return fmt.Errorf("paths: duplicate path %s", p)
		}
		seen[string(p)] = true
	}
	if len(seen) == 0 {
		return errors.New("neither hosts nor paths")
	}
	return nil
}

func checkPath(p store.Path, drv bool) error {
	if _, err := store.ParsePath(string(p)); err != nil {
		return err
	}
	if p.IsDerivation() != drv {
		return fmt.Errorf("%s: want a derivation for drv and what it makes for system", p)
	}
	return nil
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
