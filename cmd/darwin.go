package cmd

import (
	"fmt"

	"muster/exec"
	"muster/schema"
)

// refuseDarwin refuses to activate a system of nix-darwin, which activates itself on its
// machine.
func refuseDarwin(hosts []*schema.Host, action exec.Action) error {
	if action == exec.BuildOnly || action == exec.Push {
		return nil
	}
	for _, h := range hosts {
		if f := h.Flake; f != nil && len(f.Attr) > 1 && f.Attr[0] == "darwinConfigurations" {
			return fmt.Errorf("%s: host %s is a system of nix-darwin, which muster builds and does not activate: leave it out with --on '!%s', and run darwin-rebuild switch --flake on the machine", f.At, h.Name, h.Name)
		}
	}
	return nil
}
