package schema

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newHost has a field of every kind, and texts that each language has to quote.
var newHost = &NewHost{
	Name: "web-2", Comment: "Adopted from root@192.0.2.7.",
	Fields: []NewField{
		{Name: "host", Value: "192.0.2.7", Comment: "the address that muster adopt connected to"},
		{Name: "port", Value: 2222},
		{Name: "host_keys", Value: []string{"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"}},
		{Name: "tags", Value: []string{}},
		{Name: "disks", Value: []NewField{
			{Name: "vda", Comment: "40 GB", Value: []NewField{{Name: "device", Value: "/dev/disk/by-id/virtio-1"}, {Name: "boot", Value: true}}},
		}},
		{Name: "meta", Value: []NewField{
			{Name: `a"b${c}.d`, Value: `"""\(x) '''${y}` + "\u00e9 # // /*"},
			{Name: "no", Value: []string{"yes", "1", "- x", "{{", `\`}},
		}},
	},
}

// A host that is added to an inventory of any language is the host that was meant, and
// what was there is there, with its comments.
func TestAddHost(t *testing.T) {
	tests := []struct{ name, file, src string }{
		{"cue", "hosts.cue", "package fleet\n\n// The fleet.\nnixpkgs: unpinned: true // for now\n\nhosts: {\n\tweb1: host: \"192.0.2.1\"\n}\n"},
		{"cue without a newline", "hosts.cue", "nixpkgs: unpinned: true\nhosts: web1: host: \"192.0.2.1\""},
		{"cue with the schema", "hosts.cue", "package fleet\n\nimport \"muster.internal/schema\"\n\nnixpkgs: schema.#Nixpkgs & {unpinned: true}\nhosts: schema.#Hosts & {web1: schema.#Host & {host: \"192.0.2.1\"}}\n"},
		{"new cue", "hosts.cue", ""},
		{"toml", "hosts.toml", "# The fleet.\nnixpkgs.unpinned = true\n[hosts.web1]\nhost = \"192.0.2.1\" # here"},
		{"toml with dots", "hosts.toml", "hosts.web1.host = \"192.0.2.1\"\nnixpkgs.unpinned = true\n"},
		{"new toml", "hosts.toml", ""},
		{"yaml", "hosts.yaml", "# The fleet.\nnixpkgs: {unpinned: true}\nhosts:\n    # the first\n    web1:\n        host: 192.0.2.1\nmeta: {}\n"},
		{"yaml without hosts", "hosts.yaml", "nixpkgs: {unpinned: true}\n"},
		{"new yaml", "hosts.yml", ""},
		{"json", "hosts.json", "{\n  \"nixpkgs\": {\"unpinned\": true},\n  \"hosts\": {\n    \"web1\": {\"host\": \"192.0.2.1\"}\n  }\n}\n"},
		{"json on a line", "hosts.json", `{"hosts":{"web1":{"host":"192.0.2.1","meta":{"hosts":{}}}}}`},
		{"new json", "hosts.json", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, tt.file)
			load := func(text string) *Fleet {
				t.Helper()
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
				fleet, err := Load(t.Context(), file, Options{})
				if err != nil {
					t.Fatalf("%v\n%s", err, text)
				}
				return fleet
			}
			var before []*Host
			if tt.src != "" && tt.name != "yaml without hosts" {
				before = load(tt.src).Hosts
			}
			out, err := AddHost(tt.file, []byte(tt.src), newHost)
			if err != nil {
				t.Fatal(err)
			}
			fleet := load(string(out))
			if len(fleet.Hosts) != len(before)+1 {
				t.Fatalf("%d hosts\n%s", len(fleet.Hosts), out)
			}
			for _, h := range before {
				if got := fleet.Host(h.Name); got == nil || got.Address != h.Address {
					t.Errorf("%s is not as it was\n%s", h.Name, out)
				}
			}
			h := fleet.Host("web-2")
			if h == nil {
				t.Fatalf("no web-2\n%s", out)
			}
			type plain struct {
				Address  string
				Port     int
				HostKeys []string
				Disk     string
				Boot     bool
				Odd, No  any
			}
			got := plain{h.Address, h.Port, h.HostKeys, h.Disks[0].Device, h.Disks[0].Boot, textsIn(h.Meta.Fields[0]), textsIn(h.Meta.Fields[1])}
			want := plain{"192.0.2.7", 2222, newHost.Fields[2].Value.([]string), "/dev/disk/by-id/virtio-1", true,
				`a"b${c}.d=` + newHost.Fields[5].Value.([]NewField)[0].Value.(string), "no=yes;1;- x;{{;\\;"}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s\n%s", diff, out)
			}
		})
	}
}

func textsIn(f Field) string {
	text := f.Name + "="
	switch v := f.Value.(type) {
	case String:
		text += v.V
	case List:
		for _, e := range v.Elems {
			text += e.(String).V + ";"
		}
	}
	return text
}

// Where it is not clear how to add a host, nothing is added.
func TestAddHostByHand(t *testing.T) {
	for _, tt := range []struct{ file, src string }{
		{"hosts.yaml", "{hosts: {web1: {host: 192.0.2.1}}}\n"},
		{"hosts.yaml", "hosts: {web1: {host: 192.0.2.1}}\n"},
		{"hosts.yaml", "hosts: *all\n"},
		{"hosts.json", "[]"},
		{"hosts.json", `{"hosts": 1}`},
		{"hosts.json", `{"hosts": `},
		{"hosts.ini", ""},
	} {
		if out, err := AddHost(tt.file, []byte(tt.src), newHost); err == nil {
			t.Errorf("%s: %q became\n%s", tt.file, tt.src, out)
		}
	}
	bad := &NewHost{Name: "x", Fields: []NewField{{Name: "host", Value: "a\nb"}}}
	if _, err := AddHost("hosts.cue", nil, bad); err == nil {
		t.Error("a text of two lines was taken")
	}
}
