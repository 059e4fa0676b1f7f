package schema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// blog is the unchanged inventory of the blog post about muster.
const blog = `[kluster]
master = "il"
[hosts.il]
disk_uuid = "01b3bcba-c0ef-4538-8dd2-f7dee2952322"
host = "192.168.10.121"
[hosts.ee]
disk_uuid = "7278ee48-598d-40fd-9765-a0b0db9ba1d9"
host = "192.168.10.122"
[hosts.sam]
disk_uuid = "f433b748-e485-4668-a7fd-fc5d92fbd682"
host = "192.168.10.123"
`

const blogCUE = `package fleet

kluster: master: "il"
hosts: [Name=_]: system: "x86_64-linux"
hosts: {
	il: {disk_uuid: "01b3bcba-c0ef-4538-8dd2-f7dee2952322", host: "192.168.10.121"}
	ee: {disk_uuid: "7278ee48-598d-40fd-9765-a0b0db9ba1d9", host: "192.168.10.122"}
	sam: {disk_uuid: "f433b748-e485-4668-a7fd-fc5d92fbd682", host: "192.168.10.123"}
}
`

// loadFiles writes files and loads the first as an inventory.
func loadFiles(t testing.TB, files ...string) (*Fleet, error) {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i+1 < len(files); i += 2 {
		if files[i+1] == "" && filepath.Ext(files[i]) == "" && !strings.Contains(files[i], "/") {
			continue // a directory to load
		}
		name := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Load(context.Background(), files[0], Options{Dir: dir})
}

func messages(err error) string {
	var l Errors
	if errors.As(err, &l) {
		return l.Invalid().Error()
	}
	if err != nil {
		return "unexpected: " + err.Error()
	}
	return ""
}

func TestBlogInventoryLoads(t *testing.T) {
	for _, tt := range []struct{ name, text string }{{"hosts.toml", blog}, {"hosts.cue", blogCUE}} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := loadFiles(t, tt.name, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, h := range f.Hosts {
				got = append(got, strings.Join([]string{h.Name, h.Address, h.DiskUUID, h.System, string(h.Privilege), string(h.Policy), strings.Join(h.Roles, "+")}, " "))
			}
			want := []string{
				"il 192.168.10.121 01b3bcba-c0ef-4538-8dd2-f7dee2952322 x86_64-linux root required kubernetes-master+kubernetes-node",
				"ee 192.168.10.122 7278ee48-598d-40fd-9765-a0b0db9ba1d9 x86_64-linux root required kubernetes-node",
				"sam 192.168.10.123 f433b748-e485-4668-a7fd-fc5d92fbd682 x86_64-linux root required kubernetes-node",
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			if !f.Nixpkgs.Unpinned || len(f.Warnings) == 0 {
				t.Errorf("nixpkgs %+v, warnings %v: want unpinned with a warning", f.Nixpkgs, f.Warnings)
			}
		})
	}
}

func TestEverythingAtOnce(t *testing.T) {
	const toml = `[kluster]
master = "ill"
[hosts.il]
disk_uuid = "x"
host = "192.168.10.1233"
tag = ["a"]
[hosts.ee]
port = 70000
roles = ["kubernetes-nod"]
`
	_, err := loadFiles(t, "hosts.toml", toml)
	want := `hosts.toml:2:10: kluster.master: no host named "ill"; did you mean "il"?
hosts.toml:4:13: hosts.il.disk_uuid: got "x", want a UUID such as 01b3bcba-c0ef-4538-8dd2-f7dee2952322
hosts.toml:5:8: hosts.il.host: got "192.168.10.1233", want an IPv4 or IPv6 address or a domain name
hosts.toml:6:1: hosts.il.tag: unknown field "tag"; did you mean "tags"?
hosts.toml:8:8: hosts.ee.port: got 70000, want a port number, 1 to 65535
hosts.toml:9:10: hosts.ee.roles[0]: no role named "kubernetes-nod"; did you mean "kubernetes-node"?`
	if d := cmp.Diff(want, messages(err)); d != "" {
		t.Error(d)
	}
	const cue = `package fleet
import "muster.internal/schema"
hosts: schema.#Hosts
hosts: [string]: user: string
_web: roles: ["web"]
hosts: il: _web & {host: "10.0.0.300", prot: 22}
hosts: ee: host: "a.example.org" & "b.example.org"
hosts: sam: {host: "c.example.org", policy: "x" | "y", user: "root"}
hosts: sam: policy: "z"
`
	_, err = loadFiles(t, "hosts.cue", cue)
	want = `hosts.cue:4:24: hosts.ee.user: not concrete: only known to be string; want a user name
hosts.cue:5:15: hosts.il.roles[0]: no role named "web"; known roles: kubernetes-master, kubernetes-node, kubernetes-load-balancer; roles at the top of the inventory defines others
hosts.cue:6:26: hosts.il.host: got "10.0.0.300", want an IPv4 or IPv6 address or a domain name
hosts.cue:6:40: hosts.il.prot: unknown field "prot"; did you mean "port"?
hosts.cue:7:36: hosts.ee.host: conflicting values "b.example.org" and "a.example.org"; see also hosts.cue:7:18
hosts.cue:9:21: hosts.sam.policy: got "z", want "x" or "y"`
	if d := cmp.Diff(want, messages(err)); d != "" {
		t.Error(d)
	}
}

// An element that is listed twice is told, however long the list is.
func TestRepeatedInALongList(t *testing.T) {
	var tags []string
	for i := range 200 {
		tags = append(tags, fmt.Sprintf("%q", fmt.Sprintf("t%d", i%190)))
	}
	fleet, err := loadFiles(t, "hosts.toml", "nixpkgs.unpinned = true\n[hosts.a]\nhost = \"192.0.2.1\"\ntags = ["+strings.Join(tags, ", ")+"]\n")
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, w := range fleet.Warnings {
		if w.Rule == "repeated" {
			told++
		}
	}
	if told != 10 {
		t.Errorf("told %d times, want 10:\n%v", told, fleet.Warnings)
	}
}
