package cmd

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"muster/exec"
	"muster/exec/nixcmd"
	"muster/exec/remote"
	"muster/schema"
)

// sshOfBuilders is how Nix reaches builders: those that are hosts of the inventory, as muster
// does.
func sshOfBuilders(ctx context.Context, f *sshFlags, plan *exec.Plan) (nixcmd.SSHConfig, error) {
	if f == nil {
		f = &sshFlags{config: os.Getenv("MUSTER_SSH_CONFIG"), connectTimeout: 10 * time.Second} // of a verb that connects to no hosts
	}
	config := nixcmd.SSHConfig{File: f.config}
	dialer := remote.NewDialer(remoteConfig(f, nil))
	defer dialer.Close()
	for _, h := range plan.BuilderHosts {
		name := nameOfBuilder(plan.Builders, h)
		if name == "" {
			continue // other builders were named than those of the inventory
		}
		if byDaemon() {
			if h.Port != 0 && h.Port != 22 || h.Jump != "" || name != h.Address {
				return config, fmt.Errorf("builder %s: Nix's daemon connects to it, with root's SSH configuration: muster gives it no port and no jump host: set url to a name of that configuration, or run muster as root", h.Name)
			}
			continue
		}
		pins := ""
		if len(h.HostKeys) > 0 {
			var err error
			if pins, err = writePins(plan.Dir, h); err != nil {
				return config, err
			}
		}
		block, err := dialer.SSHBlock(ctx, name, target(h, h.Ways()[0]), pins)
		if err != nil {
			return config, fmt.Errorf("builder %s: %w", h.Name, err)
		}
		config.Hosts += block
	}
	return config, nil
}

// nameOfBuilder is by which name the lines of builders have a host, "" if they do not.
func nameOfBuilder(lines []string, h *schema.Host) string {
	var names []string
	for _, line := range lines {
		if fields := strings.Fields(line); len(fields) > 0 {
			if u, err := url.Parse(fields[0]); err == nil {
				names = append(names, u.Hostname())
			}
		}
	}
	for _, name := range []string{h.Name, h.Address} {
		if slices.Contains(names, name) {
			return name
		}
	}
	return ""
}

// byDaemon reports whether Nix's daemon builds for this user.
func byDaemon() bool { return os.Geteuid() != 0 || os.Getenv("NIX_REMOTE") == "daemon" }
