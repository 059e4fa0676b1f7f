package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A PinnedMachine is a machine that OpenTofu or Terraform has made, as muster provision
// writes it to a file beside the inventory:
//
//	{
//	  "version": 1,
//	  "hosts": {
//	    "web1": {"target": "hetzner", "id": "4711", "address": "192.0.2.7", "done": "install"}
//	  }
//	}
//
// The hosts of the inventory have the addresses and host keys of their machines.
type PinnedMachine struct {
	Host     string            `json:"-"`
	Target   ProvisionTarget   `json:"target"`
	ID       string            `json:"id"`
	Address  string            `json:"address"`
	HostKeys []string          `json:"host_keys,omitempty"`
	Disks    map[string]string `json:"disks,omitempty"`
	// Done is what became of the machine after it was made; "" for nothing yet.
	Done AfterProvision `json:"done,omitempty"`
}

// defaultPinned is the file of machines where the inventory names none.
const defaultPinned = "./provision.json"

// pinnedVersion is the version of the file of machines.
const pinnedVersion = 1

// PinnedText is the text of a file of machines, which are sorted by name.
func PinnedText(machines []PinnedMachine) []byte {
	hosts := map[string]PinnedMachine{}
	for _, m := range machines {
		hosts[m.Host] = m
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(struct {
		Version int                      `json:"version"`
		Hosts   map[string]PinnedMachine `json:"hosts"`
	}{pinnedVersion, hosts})
	if err != nil {
		panic(err) // texts always encode
	}
	return b.Bytes()
}

// addProvisioned gives the hosts whose machines are made their addresses and host keys.
func (l *loader) addProvisioned() {
	file, hosts := l.tree.get("provision").get("pinned"), l.tree.get("hosts")
	name := filepath.Join(l.fleet.Dir, defaultPinned)
	if text(file) != "" {
		if name = file.text; !filepath.IsAbs(name) {
			name = filepath.Join(l.dirOf(file.at), name)
		}
	} else if !l.provisions() {
		return
	}
	if _, given := l.texts[name]; !given {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return // no machine is made yet
		}
	}
	l.fleet.Files, l.pinnedFile = append(l.fleet.Files, name), l.show(name)
	e := &hostReader{loader: l}
	n := e.data(name)
	if n == nil {
		return
	}
	if version := n.get("version"); version == nil || version.kind != intKind || version.num != pinnedVersion {
		l.report.add(n.at, "", "version", "want a file that muster provision wrote, of version %d", pinnedVersion).Hint = "provision.pinned names another file"
		return
	}
	renamed := madeAs(hosts)
	for _, f := range n.get("hosts").sub() {
		m := l.pinnedMachine(f)
		if m == nil {
			continue
		}
		h := hosts.get(f.name)
		if now, ok := renamed[f.name]; ok && n.get("hosts").get(now.name) == nil {
			m.Host, h = now.name, now.val
		}
		l.pinned = append(l.pinned, *m)
		if h != nil && h.kind == structKind {
			takePinned(l.tree, h, f.val)
		}
	}
}

// madeAs are the hosts that have been renamed since their machines were made, by the names
// that they had.
func madeAs(hosts *node) map[string]field {
	renamed := map[string]field{}
	for _, h := range hosts.sub() {
		if h.val.kind != structKind {
			continue
		}
		if was := text(h.val.get("provision").get("made_as")); was != "" {
			renamed[was] = h
		}
	}
	return renamed
}

// provisions reports whether a machine of a host is made.
func (l *loader) provisions() bool {
	return slices.ContainsFunc(l.tree.get("hosts").sub(), func(h field) bool { return machineFields(l.tree, h.val) != nil })
}

// sub are the fields of a node, which may be nil.
func (n *node) sub() []field {
	if n == nil || n.kind != structKind {
		return nil
	}
	return n.fields
}

// takePinned gives a host what is known of its machine.
func takePinned(tree, host, pinned *node) {
	all := machineFields(tree, host)
	if target := text(all.get("target")); target == "" || target == string(noTarget) || host.get("host") != nil {
		return
	}
	if v := pinned.get("address"); text(v) != "" {
		host.set("host", v.at, v)
	}
	if v := pinned.get("host_keys"); len(texts(v)) > 0 && host.get("host_keys") == nil {
		host.set("host_keys", v.at, v)
	}
}

// pinnedMachine reads one machine; nil where that fails, which is reported.
func (l *loader) pinnedMachine(f field) *PinnedMachine {
	path := join("hosts", f.name)
	for _, name := range []string{"target", "id", "address"} {
		if v := f.val.get(name); v == nil || v.kind != stringKind {
			l.report.add(f.at, path, "missing-field", "missing field %q, want text", name).Hint = "remove the file: muster provision apply writes it anew"
			return nil
		}
	}
	m := &PinnedMachine{
		Host: f.name, Target: ProvisionTarget(text(f.val.get("target"))), ID: text(f.val.get("id")), Address: text(f.val.get("address")),
		HostKeys: texts(f.val.get("host_keys")), Done: AfterProvision(text(f.val.get("done"))),
	}
	for _, d := range f.val.get("disks").sub() {
		if m.Disks == nil {
			m.Disks = map[string]string{}
		}
		m.Disks[d.name] = text(d.val)
	}
	if strings.ContainsAny(m.ID, "\x00\n") {
		l.report.add(f.at, path, "type", "got %s, want an id", fmt.Sprintf("%q", clip(m.ID)))
		return nil
	}
	return m
}
