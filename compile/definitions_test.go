package compile

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/schema"
)

// The NixOS of a host is its own, or that of its role, or that of the fleet.
func TestDefinitionsHaveTheNixpkgsOfTheHost(t *testing.T) {
	role := &schema.Role{Name: "old", Module: schema.Module{Nixpkgs: &schema.Nixpkgs{Rev: "role"}}}
	f := &schema.Fleet{
		Dir: "/fleet", Nixpkgs: schema.Nixpkgs{Rev: "fleet"}, Roles: []*schema.Role{role},
		Hosts: []*schema.Host{
			{Name: "plain"},
			{Name: "aged", Roles: []string{"old"}},
			{Name: "own", Roles: []string{"old"}, Module: schema.Module{Nixpkgs: &schema.Nixpkgs{Rev: "host"}}},
		},
	}
	got := map[string]string{}
	for name, system := range Definitions(f, f.Hosts) {
		got[name] = system.Pins["nixpkgs"]
	}
	if d := cmp.Diff(map[string]string{"plain": "fleet", "aged": "role", "own": "host"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
