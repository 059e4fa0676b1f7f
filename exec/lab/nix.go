package lab

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// InstallNix gives the host another Nix, in front of this machine's. dir has all that a nix-bin package needs, unpacked, its
// libc included, as just test-nix gets it from Debian.
func (h *Host) InstallNix(dir string) error {
	if out, err := exec.Command("cp", "-a", dir, filepath.Join(h.Root(), "nixroot")).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, name := range []string{"nix", "nix-store", "nix-env"} {
		script := fmt.Sprintf("#!/bin/sh\nR=/nixroot\nexec $R/usr/lib64/ld-linux-x86-64.so.2 --library-path $R/usr/lib/x86_64-linux-gnu:$R/usr/lib/nix $R/usr/bin/%s \"$@\"\n", name)
		if err := h.WriteFile("/usr/local/bin/"+name, []byte(script), 0o755); err != nil {
			return err
		}
	}
	return nil
}
