package human_test

import (
	"testing"

	"muster/exec/human"
)

// What is said of two hosts is alike where only their names, places, addresses and times differ.
func TestImpersonal(t *testing.T) {
	for _, tt := range []struct{ name, a, b string }{
		{"names", "a: cannot reach a", "bastion: cannot reach bastion"},
		{"places", "hosts.json:1:43: file 'nixpkgs' was not found", "hosts.json:12:113: file 'nixpkgs' was not found"},
		{"places of two files", "hosts/a.cue:1:43: no", "hosts/bastion.cue:2:1: no"},
		{"addresses", "connect to 192.0.2.1:22: refused", "connect to [2001:db8::1]:22: refused"},
		{"times", "no answer within 1.5 s", "no answer within 2 s"},
		{"digests", "/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-hello", "/nix/store/x6c6fjp1icwk07gjbjfw9izjfa797vsw-hello"},
	} {
		if a, b := human.Impersonal("a", tt.a), human.Impersonal("bastion", tt.b); a != b {
			t.Errorf("%s: %q, %q", tt.name, a, b)
		}
	}
	for _, tt := range []struct{ a, b string }{
		{"unit nginx.service failed", "unit postgresql.service failed"},
	} {
		if human.Impersonal("a", tt.a) == human.Impersonal("bastion", tt.b) {
			t.Errorf("alike: %q, %q", tt.a, tt.b)
		}
	}
}
