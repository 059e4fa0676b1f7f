package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSetAddresses(t *testing.T) {
	const inventory = `package fleet
nixpkgs: path: "./nixpkgs"
hosts: {
	fixed: host: "192.0.2.1"
	one: {host: {$config: "networking.fqdn"}, port: 22, user: "root"}
	two: host: $config: "networking.fqdn"
}
`
	for _, tt := range []struct {
		name, one, two string
		want           string
	}{
		{"names", "one.example.org", "two.example.org", "one root@one.example.org:22, two @two.example.org:0"},
		{"user and port in front", "deploy@one.example.org:2222", "ssh://two.example.org:23", "one deploy@one.example.org:2222, two @two.example.org:23"},
		{"addresses", "2001:db8::1", "192.0.2.2", "one root@2001:db8::1:22, two @192.0.2.2:0"},
		{"none", "", "two.example.org", `one: got "", want`},
		{"no address", "a b", "two.example.org", `one: got "a b", want`},
		{"of no one machine", "0.0.0.0", "ff02::1", `one: "0.0.0.0" is not the address of one machine, two: "ff02::1" is not the address of one machine`},
		{"shared by both", "a.example.org", "A.example.org", `one: host "two" has the address "a.example.org" too, two: host "one" has the address "A.example.org" too`},
		{"of a host that has it already", "192.0.2.1", "two.example.org", `one: host "fixed" has the address "192.0.2.1" too, two @two.example.org:0`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := loadFiles(t, "hosts.cue", inventory, "nixpkgs/default.nix", "{ }")
			if err != nil {
				t.Fatal(err)
			}
			one, two := f.Hosts[1], f.Hosts[2]
			failed := f.SetAddresses(map[*Host]string{one: tt.one, two: tt.two})
			var got []string
			for _, h := range []*Host{one, two} {
				if err := failed[h]; err != nil {
					got = append(got, fmt.Sprintf("%s: %v", h.Name, err))
					if h.Address != "" {
						t.Errorf("%s keeps the address %s", h.Name, h.Address)
					}
					continue
				}
				got = append(got, fmt.Sprintf("%s %s@%s:%d", h.Name, h.User, h.Address, h.Port))
			}
			if text := strings.Join(got, ", "); !strings.HasPrefix(text, tt.want) {
				t.Error(cmp.Diff(tt.want, text))
			}
			if f.Hosts[0].Address != "192.0.2.1" {
				t.Errorf("fixed has the address %q now", f.Hosts[0].Address)
			}
		})
	}
}
