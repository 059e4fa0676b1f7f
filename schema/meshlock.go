package schema

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

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

// ParseMeshLock reads the content of the file. Its error is a *[MeshLockError].
func ParseMeshLock(text []byte) (MeshLock, error) {
	wrong := func(offset int, format string, args ...any) (MeshLock, error) {
		before := text[:min(max(offset, 0), len(text))]
		return MeshLock{}, &MeshLockError{
			Line: 1 + bytes.Count(before, []byte("\n")), Col: len(before) - bytes.LastIndexByte(before, '\n'),
			Why: fmt.Sprintf(format, args...),
		}
	}
	if at := conflictMarker(text); at >= 0 {
		return wrong(at, "it has marks of a merge, want the addresses of one side: muster mesh assign gives the members of the other side new ones")
	}
	if at, host := repeatedKey(text); at >= 0 {
		return wrong(at, "%s is in it twice: keep the one that is deployed", quote(host))
	}
	var l MeshLock
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		at := int(d.InputOffset())
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = int(syntax.Offset) - 1
		} else if errors.Is(err, io.ErrUnexpectedEOF) {
			at = len(text)
		}
		return wrong(at, "want JSON as muster mesh assign writes it")
	}
	switch rest := bytes.TrimSpace(text[d.InputOffset():]); {
	case len(rest) > 0:
		return wrong(bytes.LastIndex(text, rest), "want JSON as muster mesh assign writes it, and nothing after it")
	case l.Version != meshLockVersion:
		return wrong(0, "it is of another version of muster")
	}
	return l, nil
}

// A MeshLockError says what is wrong with mesh.lock, and where.
type MeshLockError struct {
	Line, Col int
	Why       string
}

func (e *MeshLockError) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Why) }

// conflictMarker is where a mark of a merge conflict begins a line, or -1.
func conflictMarker(text []byte) int {
	for _, mark := range []string{"<<<<<<<", "=======", ">>>>>>>"} {
		if bytes.HasPrefix(text, []byte(mark)) {
			return 0
		}
		if i := bytes.Index(text, []byte("\n"+mark)); i >= 0 {
			return i + 1
		}
	}
	return -1
}

// repeatedKey is where an object has a key that it had before, and the key; -1 where none has.
// What is no JSON has none.
func repeatedKey(text []byte) (int, string) {
	d := json.NewDecoder(bytes.NewReader(text))
	var open []map[string]bool // the keys of the objects around; nil for a list
	key := false               // a key of an object is next
	for {
		token, err := d.Token()
		if err != nil {
			return -1, ""
		}
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			key = len(open) > 0 && open[len(open)-1] != nil
			continue
		case string:
			if key {
				keys := open[len(open)-1]
				if keys[t] {
					return bytes.LastIndexByte(text[:d.InputOffset()-1], '"'), t
				}
				keys[t] = true
				key = false
				continue
			}
		}
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}

// meshLock reads mesh.lock. What is wrong with its text is reported in it, and what is wrong
// with the file at the meshes.
func (d *decoder) meshLock(n *node) MeshLock {
	name := filepath.Join(d.fleet.Dir, MeshLockFile)
	content, err := foreign.ReadFile(name, foreign.Limits{Size: MaxFileSize, Time: foreign.Time, Links: true})
	if errors.Is(err, fs.ErrNotExist) {
		return MeshLock{}
	}
	lock, at := MeshLock{}, n.at
	if err == nil {
		lock, err = ParseMeshLock(content)
	}
	if err == nil {
		d.fleet.meshLock, d.fleet.meshLockText = lock, content
		return lock
	}
	what := fmt.Sprintf("read %s: %v", MeshLockFile, err)
	if wrong, ok := errors.AsType[*MeshLockError](err); ok {
		at, what = Pos{File: filepath.Join(filepath.Dir(n.at.File), MeshLockFile), Line: wrong.Line, Col: wrong.Col}, wrong.Why
	}
	d.report.add(at, "mesh", "mesh-lock", "%s", what).Hint = "version control has it as it was: without it, members get other addresses"
	return lock
}

// lockPlace is where mesh.lock has the address of a host in a mesh.
func (f *Fleet) lockPlace(m *Mesh, host string) Pos {
	at := Pos{File: filepath.Join(filepath.Dir(m.At.File), MeshLockFile), Line: 1, Col: 1}
	text := f.meshLockText
	from := bytes.Index(text, []byte(strconv.Quote(m.Name)))
	if from < 0 {
		return at
	}
	i := bytes.Index(text[from:], []byte(strconv.Quote(host)))
	if i < 0 {
		return at
	}
	before := text[:from+i]
	at.Line, at.Col = 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')
	return at
}

// meshLocked warns of addresses in mesh.lock that members cannot have.
func (c *checker) meshLocked(m *Mesh, path string) {
	hosts := c.fleet.meshLock.Meshes[m.Name]
	for _, member := range m.Members {
		for i, network := range m.Networks() {
			if i >= len(hosts[member.Host]) || member.given[i] || !network.IsValid() {
				continue
			}
			a := hosts[member.Host][i]
			if a == member.Addresses[i] || !a.IsValid() {
				continue
			}
			warn := func(format string, args ...any) {
				e := c.report.warn(c.fleet.lockPlace(m, member.Host), path, "mesh-lock", format, args...)
				e.Hint = "muster mesh assign gives host " + quote(member.Host) + " another address"
			}
			if !usable(network, a) {
				warn("%s of host %s is no address of a host in %s, the %s of the mesh", a, quote(member.Host), network, meshField(i))
				continue
			}
			for _, other := range m.Members {
				if other != member && other.Addresses[i] == a {
					warn("%s is the address of hosts %s and %s", a, quote(other.Host), quote(member.Host))
				}
			}
		}
	}
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
	if errors.Is(err, syscall.ENOTDIR) {
		return "" // the folder is reported
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
	return err == nil && strings.Trim(string(b), "\x00") != "" // which stands for no key
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
