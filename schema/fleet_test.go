package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Hosts and roles are found in a fleet that was loaded, in one with some of its hosts, and in
// one that was made otherwise.
func TestFleetFindsHostsAndRoles(t *testing.T) {
	loaded, err := loadFiles(t, "hosts.toml", `nixpkgs.unpinned = true
[roles.a.config]
[roles.b.config]
[roles.c.config]
[hosts.one]
host = "192.0.2.1"
roles = ["c", "a", "c"]
[hosts.two]
host = "192.0.2.2"
roles = ["b"]
[hosts.three]
host = "192.0.2.3"
`)
	if err != nil {
		t.Fatal(err)
	}
	some := *loaded
	some.Hosts = loaded.Hosts[1:]
	others := *loaded
	others.Hosts, others.Roles = []*Host{{Name: "one"}, {Name: "four", Roles: []string{"d"}}, {Name: "three"}}, []*Role{{Name: "b"}, {Name: "d"}, {Name: "c"}}
	made := &Fleet{Hosts: loaded.Hosts, Roles: loaded.Roles}
	type found struct{ Hosts, Roles []string }
	find := func(f *Fleet) (all found) {
		for _, name := range []string{"one", "two", "three", "four", ""} {
			if h := f.Host(name); h != nil {
				all.Hosts = append(all.Hosts, h.Name)
				for _, r := range f.RolesOf(h) {
					all.Roles = append(all.Roles, h.Name+" "+r.Name)
				}
			}
		}
		return all
	}
	for _, tt := range []struct {
		name  string
		fleet *Fleet
		want  found
	}{
		{"loaded", loaded, found{[]string{"one", "two", "three"}, []string{"one a", "one c", "two b"}}},
		{"some hosts", &some, found{[]string{"two", "three"}, []string{"two b"}}},
		{"other hosts and roles", &others, found{[]string{"one", "three", "four"}, []string{"four d"}}},
		{"made", made, found{[]string{"one", "two", "three"}, []string{"one a", "one c", "two b"}}},
		{"empty", &Fleet{}, found{}},
	} {
		if d := cmp.Diff(tt.want, find(tt.fleet)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}
