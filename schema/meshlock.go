package schema

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"muster/exec/foreign"
)

// MeshLockFile is the file beside the inventory that keeps the addresses of members of
// meshes. It is not muster.lock: that one may be a flake.lock, or the file of another tool.
const MeshLockFile = "mesh.lock"

// meshLockVersion is of the file's format.
const meshLockVersion = 1

// A MeshLock is what mesh.lock holds: for each mesh the addresses of each host that is a
// member, or was one.
type MeshLock struct {
	Version int                                `json:"version"`
	Meshes  map[string]map[string][]netip.Addr `json:"meshes"`
}

// Text is the content of the file, the same for the same addresses.
func (l MeshLock) Text() []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	if err := e.Encode(l); err != nil {
		panic(err) // addresses can be written
	}
	return out.Bytes()
}

// ParseMeshLock reads the content of the file.
func ParseMeshLock(text []byte) (MeshLock, error) {
	var l MeshLock
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	switch err := d.Decode(&l); {
	case err != nil:
		return MeshLock{}, errors.New("want JSON as muster mesh assign writes it")
	case l.Version != meshLockVersion:
		return MeshLock{}, errors.New("it is of another version of muster")
	}
	return l, nil
}

// meshLock reads mesh.lock. What is wrong with it is reported at the meshes.
func (d *decoder) meshLock(n *node) MeshLock {
	content, err := foreign.ReadFile(filepath.Join(d.fleet.Dir, MeshLockFile), foreign.Limits{Size: MaxFileSize, Time: foreign.Time, Links: true})
	if errors.Is(err, fs.ErrNotExist) {
		return MeshLock{}
	}
	lock := MeshLock{}
	if err == nil {
		lock, err = ParseMeshLock(content)
	}
	if err != nil {
		e := d.report.add(n.at, "mesh", "mesh-lock", "read %s: %v", MeshLockFile, err)
		e.Hint = "take it from version control again: without it, members get other addresses"
	}
	return lock
}

// meshKey reads the public key beside a file of age; "" where there is none.
func (d *decoder) meshKey(m *Mesh, age string) string {
	file := PublicKeyFile(age)
	path := file
	if !filepath.IsAbs(path) {
		path = filepath.Join(d.fleet.Dir, path)
	}
	content, err := foreign.ReadFile(path, foreign.Limits{Size: maxPublicKey, Time: foreign.Time, Links: true})
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	key := strings.TrimSpace(string(content))
	if err == nil && !IsMeshKey(key) {
		err = errors.New("want 44 characters in base64, as wg pubkey prints them")
	}
	if err != nil {
		d.report.add(m.PosOf("keys"), join("mesh", m.Name)+".keys", "mesh", "%s is not a public key of WireGuard: %v", quote(file), err)
		return ""
	}
	return key
}

// IsMeshKey reports whether a text is a public key of WireGuard.
func IsMeshKey(key string) bool {
	b, err := base64.StdEncoding.DecodeString(key)
	if err == nil {
		_, err = ecdh.X25519().NewPublicKey(b)
	}
	return err == nil
}

// AssignMeshes gives every member of a mesh that has no address one, and returns what
// mesh.lock is to hold. Who has an address keeps it. The addresses of hosts that are no
// longer members stay theirs, so that nobody else is taken for them, until release is set.
func (f *Fleet) AssignMeshes(before MeshLock, release bool) MeshLock {
	lock := MeshLock{Version: meshLockVersion, Meshes: map[string]map[string][]netip.Addr{}}
	if !release {
		for name, hosts := range before.Meshes {
			lock.Meshes[name] = maps.Clone(hosts)
		}
	}
	for _, m := range f.Meshes {
		hosts := lock.Meshes[m.Name]
		if hosts == nil {
			hosts = map[string][]netip.Addr{}
			lock.Meshes[m.Name] = hosts
		}
		taken := m.given()
		for _, member := range m.Members {
			for _, a := range member.Addresses {
				taken[a] = true
			}
		}
		for host, addresses := range hosts {
			if m.Member(host) == nil {
				for _, a := range addresses {
					taken[a] = true
				}
			}
		}
		for i, network := range m.Networks() {
			free := network.Addr().Next()
			for _, member := range m.Members {
				if member.Addresses[i].IsValid() {
					continue
				}
				for usable(network, free) && taken[free] {
					free = free.Next()
				}
				if usable(network, free) {
					member.Addresses[i] = free
					taken[free] = true
				}
			}
		}
		for _, member := range m.Members {
			hosts[member.Host] = slices.Clone(member.Addresses)
		}
	}
	return lock
}

// usable reports whether an address of a network can be a host's: not the network's own,
// and not the one that all hosts of an IPv4 network hear.
func usable(network netip.Prefix, a netip.Addr) bool {
	return network.Contains(a) && a != network.Addr() && (a.Is6() || network.Contains(a.Next()))
}
