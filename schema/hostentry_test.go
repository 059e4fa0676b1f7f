package schema

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	oldPin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	newPin = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg"
)

// A host of an inventory of any language and layout gets the keys that were meant, and
// what was there is there, with its comments. In src, OLD is a key.
func TestSetHostKeys(t *testing.T) {
	keys := []HostKeys{{"web1", []string{newPin}}}
	for _, tt := range []struct{ name, file, src, want string }{
		{"cue", "hosts.cue", "nixpkgs: unpinned: true\nhosts: {\n\t// The first.\n\tweb1: {\n\t\thost: \"192.0.2.1\" // here\n\t\tuser: \"root\"\n\t}\n\tweb2: host: \"192.0.2.2\"\n}\n",
			"\t\thost: \"192.0.2.1\" // here\n\t\thost_keys: [\"NEW\"]\n\t\tuser: \"root\"\n"},
		{"cue on a line", "hosts.cue", "nixpkgs: unpinned: true\nhosts: web1: {host: \"192.0.2.1\", user: \"root\"}\nhosts: web2: host: \"192.0.2.2\"\n",
			`hosts: web1: {host: "192.0.2.1", host_keys: ["NEW"], user: "root"}`},
		{"cue without braces", "hosts.cue", "nixpkgs: unpinned: true\nhosts: web1: host: \"192.0.2.1\"\nhosts: web2: host: \"192.0.2.2\"\n", "\nhosts: web1: host_keys: [\"NEW\"]\n"},
		{"cue by a comprehension", "hosts.cue", "nixpkgs: unpinned: true\nhosts: {for i in [1, 2] {\"web\\(i)\": host: \"192.0.2.\\(i)\"}}\n", "\nhosts: web1: host_keys: [\"NEW\"]\n"},
		{"cue with templates", "hosts.cue", "nixpkgs: unpinned: true\n_web: user: \"root\"\nhosts: {\n\tweb1: _web & {\n\t\tport: 22\n\t}\n\tweb1: host: \"192.0.2.1\"\n\tweb2: host: \"192.0.2.2\"\n}\n", "host_keys: [\"NEW\"]\n"},
		{"cue, other keys", "hosts.cue", "nixpkgs: unpinned: true\nhosts: web1: {\n\thost: \"192.0.2.1\"\n\thost_keys: [\n\t\t\"OLD\",\n\t] // old\n}\nhosts: web2: host: \"192.0.2.2\"\n", "host_keys: [\"NEW\"] // old"},
		{"cue, quoted and not formatted", "hosts.cue", "nixpkgs: unpinned: true\nhosts: {\"web1\":{ \"host\":  \"192.0.2.1\"}\n  web2: host: \"192.0.2.2\"}\n", `"host":  "192.0.2.1", host_keys: ["NEW"]}`},
		{"cue without an address", "hosts.cue", "nixpkgs: unpinned: true\ndefaults: ssh: alias: true\nhosts: web1: {\n\tuser: \"root\"\n}\nhosts: web2: {}\n", "host_keys: [\"NEW\"]\n"},
		{"toml", "hosts.toml", "nixpkgs.unpinned = true\n[hosts.web1]\nhost = \"192.0.2.1\" # here\nuser = \"root\"\n[hosts.web2]\nhost = \"192.0.2.2\"", "host = \"192.0.2.1\" # here\nhost_keys = [\"NEW\"]\nuser"},
		{"toml, last line", "hosts.toml", "nixpkgs.unpinned = true\n[hosts.web2]\nhost = \"192.0.2.2\"\n[hosts.web1]\nhost = \"192.0.2.1\"", "host = \"192.0.2.1\"\nhost_keys = [\"NEW\"]"},
		{"toml with dots", "hosts.toml", "nixpkgs.unpinned = true\nhosts.web1.host = \"192.0.2.1\"\nhosts.web2.host = \"192.0.2.2\"\n", "hosts.web1.host_keys = [\"NEW\"]\n"},
		{"toml with dots in a table", "hosts.toml", "nixpkgs.unpinned = true\n[hosts]\n  'web1'.host = \"192.0.2.1\"\n  web2.host = \"192.0.2.2\"\n", "  'web1'.host_keys = [\"NEW\"]\n"},
		{"toml inline", "hosts.toml", "nixpkgs.unpinned = true\n[hosts]\nweb1 = {host = \"192.0.2.1\", user = \"root\"}\nweb2 = {host = \"192.0.2.2\"}\n", "{host = \"192.0.2.1\", host_keys = [\"NEW\"], user"},
		{"toml, a list of addresses", "hosts.toml", "nixpkgs.unpinned = true\n[hosts.web1]\nhost = [\n  \"192.0.2.1\", # ]\n  \"192.0.2.9\",\n]\n[hosts.web2]\nhost = \"192.0.2.2\"\n", "]\nhost_keys = [\"NEW\"]\n[hosts.web2]"},
		{"toml, other keys", "hosts.toml", "nixpkgs.unpinned = true\n[hosts.web1]\nhost_keys = [\n  'OLD', # old ]\n] # kept\nhost = \"192.0.2.1\"\n[hosts.web2]\nhost = \"192.0.2.2\"\n", "host_keys = [\"NEW\"] # kept\n"},
		{"toml without an address", "hosts.toml", "nixpkgs.unpinned = true\ndefaults.ssh.alias = true\n[hosts.web1] # here\n[hosts.web2]\n", "[hosts.web1] # here\nhost_keys = [\"NEW\"]\n"},
		{"yaml", "hosts.yaml", "nixpkgs: {unpinned: true}\nhosts:\n    # the first\n    web1:\n        host: 192.0.2.1 # here\n        user: root\n    web2:\n        host: 192.0.2.2\n", "        host: 192.0.2.1 # here\n        host_keys:\n          - \"NEW\"\n        user"},
		{"yaml, last line", "hosts.yaml", "nixpkgs: {unpinned: true}\nhosts:\n  web2: {host: 192.0.2.2}\n  web1:\n    host: 192.0.2.1", "host: 192.0.2.1\n    host_keys:\n      - \"NEW\"\n"},
		{"yaml on a line", "hosts.yaml", "nixpkgs: {unpinned: true}\nhosts:\n  web1: {host: 192.0.2.1}\n  web2: {host: 192.0.2.2}\n", "web1: {host_keys: [\"NEW\"], host: 192.0.2.1}"},
		{"yaml, other keys", "hosts.yaml", "nixpkgs: {unpinned: true}\nhosts:\n  web1:\n    host_keys:\n    - OLD # old\n    - OLD\n    host: 192.0.2.1\n  web2: {host: 192.0.2.2}\n", "    host_keys:\n    - \"NEW\"\n    host"},
		{"yaml, other keys on a line", "hosts.yaml", "nixpkgs: {unpinned: true}\nhosts:\n  web1:\n    host_keys: [ 'OLD' ] # old\n    host: 192.0.2.1\n  web2: {host: 192.0.2.2}\n", "host_keys: [\"NEW\"] # old\n"},
		{"yaml, a list of addresses", "hosts.yaml", "nixpkgs: {unpinned: true}\nhosts:\n  web1:\n    host:\n    - 192.0.2.1\n    - 192.0.2.9\n  web2: {host: 192.0.2.2}\n", "    host_keys:\n      - \"NEW\"\n    host:\n"},
		{"json", "hosts.json", "{\n  \"nixpkgs\": {\"unpinned\": true},\n  \"hosts\": {\n    \"web1\": {\n      \"host\": \"192.0.2.1\",\n      \"user\": \"root\"\n    },\n    \"web2\": {\"host\": \"192.0.2.2\"}\n  }\n}\n", "\"192.0.2.1\",\n      \"host_keys\": [\"NEW\"],\n      \"user\""},
		{"json on a line", "hosts.json", `{"nixpkgs":{"unpinned":true},"hosts":{"web1":{"host":"192.0.2.1"},"web2":{"host":"192.0.2.2"}}}`, `{"host":"192.0.2.1", "host_keys": ["NEW"]}`},
		{"json, other keys", "hosts.json", `{"nixpkgs":{"unpinned":true},"hosts":{"web1":{"host_keys":["OLD","OLD"],"host":"192.0.2.1"},"web2":{"host":"192.0.2.2"}}}`, `{"host_keys":["NEW"],"host"`},
		{"json without an address", "hosts.json", `{"nixpkgs":{"unpinned":true},"defaults":{"ssh":{"alias":true}},"hosts":{"web1":{"user":"root"},"web2":{}}}`, `{"host_keys": ["NEW"], "user"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fill := strings.NewReplacer("OLD", oldPin, "NEW", newPin).Replace
			file := filepath.Join(t.TempDir(), tt.file)
			src := []byte(fill(tt.src))
			if err := os.WriteFile(file, src, 0o644); err != nil {
				t.Fatal(err)
			}
			before, err := Load(t.Context(), file, Options{})
			if err != nil {
				t.Fatal(err)
			}
			out, err := SetHostKeys(file, src, true, keys)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(strings.Fields(string(out)), " "), strings.Join(strings.Fields(fill(tt.want)), " ")) {
				t.Errorf("want %s in\n%s", fill(tt.want), out)
			}
			for line := range strings.Lines(string(src)) {
				if _, comment, ok := strings.Cut(line, "//"); ok && !strings.Contains(string(out), strings.TrimSpace(comment)) {
					t.Errorf("the comment %q is lost", comment)
				}
			}
			fleet, err := Load(t.Context(), file, Options{Texts: map[string][]byte{file: out}})
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if diff := cmp.Diff([]string{newPin}, fleet.Host("web1").HostKeys); diff != "" {
				t.Errorf("%s\n%s", diff, out)
			}
			for _, h := range before.Hosts {
				if got := fleet.Host(h.Name); got == nil || !cmp.Equal(got.Ways(), h.Ways()) || h.Name == "web2" && len(got.HostKeys) > 0 {
					t.Errorf("%s is not as it was\n%s", h.Name, out)
				}
			}
			again, err := SetHostKeys(file, out, true, keys)
			if err != nil || string(again) != string(out) {
				t.Errorf("set twice: %v\n%s", err, again)
			}
			both, err := SetHostKeys(file, src, true, append(keys, HostKeys{"web2", []string{oldPin}}))
			if err != nil {
				t.Fatal(err)
			}
			fleet, err = Load(t.Context(), file, Options{Texts: map[string][]byte{file: both}})
			if err != nil {
				t.Fatalf("%v\n%s", err, both)
			}
			got := [][]string{fleet.Host("web1").HostKeys, fleet.Host("web2").HostKeys}
			if diff := cmp.Diff([][]string{{newPin}, {oldPin}}, got); diff != "" {
				t.Errorf("both hosts: %s\n%s", diff, both)
			}
		})
	}
}

// Where it is not clear where the keys belong, nothing is set.
func TestSetHostKeysByHand(t *testing.T) {
	for _, tt := range []struct{ file, src string }{
		{"hosts.yaml", "hosts: *all\n"},
		{"hosts.yaml", "hosts:\n  web1:\n"},
		{"hosts.yaml", "hosts:\n  web1: {host: 1, host_keys: *keys}\n"},
		{"hosts.toml", "[hosts.web2]\nhost = 1\n"},
		{"hosts.toml", "[[hosts.web1]]\nhost = 1\n"},
		{"hosts.toml", "[hosts.web1\n"},
		{"hosts.json", `{"hosts": {"web1": 1}}`},
		{"hosts.json", `{"hosts": {"web2": {}}}`},
		{"hosts.cue", "hosts: {"},
		{"hosts.nix", "{ }"},
	} {
		if out, err := SetHostKeys(tt.file, []byte(tt.src), true, []HostKeys{{"web1", []string{newPin}}}); err == nil {
			t.Errorf("%s: %q became\n%s", tt.file, tt.src, out)
		}
	}
	if _, err := SetHostKeys("hosts.cue", nil, true, []HostKeys{{"web1", []string{"a\nb"}}}); err == nil {
		t.Error("a text of two lines was taken")
	}
}
