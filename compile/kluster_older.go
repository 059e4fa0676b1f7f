package compile

import (
	"fmt"
	"strings"

	"muster/schema"
)

// olderModule returns what to do about an error in an option that muster sets for k3s or
// RKE2, where the nixpkgs of the host is older than the option; "" for any other error.
func olderModule(f *schema.Fleet, option, message string) string {
	k := f.Kluster
	if k == nil || k.Distribution == schema.Kubernetes {
		return ""
	}
	path := splitOption(option)
	if len(path) < 2 || path[0] != "services" || path[1] != string(k.Distribution) {
		return ""
	}
	missing := strings.Contains(message, "does not exist")
	switch {
	case missing && len(path) == 2:
		return fmt.Sprintf("this nixpkgs has no services.%s: kluster.distribution %q needs NixOS 24.11 or later", k.Distribution, k.Distribution)
	case missing && path[2] == "manifests":
		return fmt.Sprintf("this nixpkgs has no services.%s.manifests: %s needs NixOS %s or later with %s", k.Distribution, manifestsOf(k), manifestsSince(k), k.Distribution)
	case !missing && len(path) == 3 && path[2] == "extraFlags" && strings.Contains(message, "is not of type `string'"):
		return fmt.Sprintf("the services.%s.extraFlags of this nixpkgs is one text: kluster.distribution %q needs NixOS 24.11 or later", k.Distribution, k.Distribution)
	}
	return ""
}

// manifestsSince is the NixOS whose module has manifests.
func manifestsSince(k *schema.Kluster) string {
	if k.Distribution == schema.RKE2 {
		return "25.11"
	}
	return "24.11"
}

// manifestsOf is what of the inventory becomes manifests.
func manifestsOf(k *schema.Kluster) string {
	if len(k.Manifests) == 0 {
		return "kluster.mesh"
	}
	return "kluster.manifests"
}
