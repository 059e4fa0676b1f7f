package schema

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A builder that is a host of the inventory has its address, or its name where that is not one
// that all versions of Nix read, or where another builder has the address too.
func TestBuildersThatAreHosts(t *testing.T) {
	fleet := loadText(t, "hosts.cue", []byte(`
nixpkgs: path: "."
build: machines: {
	plain: {}
	twin: {jobs: 2}
	six: {}
	two: {}
	own: {url: "ssh-ng://elsewhere"}
	other: {}
}
hosts: {
	plain: {host: "192.0.2.1", user: "nix", host_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJYfqESaiQlOrL3Wm1Q9s9q8b4mjj2nIuyqCZub5aGPi"]}
	twin: {host: "192.0.2.1", port: 2222}
	six: {host: "2001:db8::1", system: "aarch64-linux"}
	two: {host: "192.0.2.3", host_keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDAeNIqEpMBSSpZaDQDcorE8DKY625THIPmIFZSqIOUg", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJYfqESaiQlOrL3Wm1Q9s9q8b4mjj2nIuyqCZub5aGPi"]}
	own: {host: "192.0.2.4"}
}
`))
	want := []string{
		"ssh://nix@192.0.2.1 x86_64-linux - 1 1 - - c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUpZZnFFU2FpUWxPckwzV20xUTlzOXE4YjRtamoybkl1eXFDWnViNWFHUGk=",
		"ssh://twin x86_64-linux - 2 1 - - -",
		"ssh://six aarch64-linux - 1 1 - - -",
		"ssh://192.0.2.3 x86_64-linux - 1 1 - - -",
		"ssh-ng://elsewhere x86_64-linux - 1 1 - - -",
		"ssh://other - - 1 1 - - -",
	}
	if diff := cmp.Diff(want, fleet.Builders); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
