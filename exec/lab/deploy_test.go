package lab

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// systems builds the systems of testdata/systems.nix with this machine's Nix and returns their paths.
func systems(t *testing.T) map[string]string {
	t.Helper()
	nix := func(name string, args ...string) []byte {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out
	}
	nix("nix-build", "--no-out-link", "--quiet", "testdata/systems.nix")
	var paths map[string]string
	must(t, json.Unmarshal(nix("nix-instantiate", "--eval", "--strict", "--json", "-E", "builtins.mapAttrs (_: s: s.outPath) (import ./testdata/systems.nix)"), &paths))
	return paths
}

// A deployer deploys by hand, as the NixOS manual shows.
type deployer struct {
	t    *testing.T
	host *Host
}

// push copies a system to the host and makes it the profile's next generation.
func (d deployer) push(system string) {
	d.t.Helper()
	cmd := exec.Command("nix-copy-closure", "--to", d.host.Name, system)
	cmd.Env = append(os.Environ(), "NIX_SSHOPTS=-F "+d.host.lab.SSHConfig)
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("nix-copy-closure: %v\n%s", err, out)
	}
	mustSSH(d.t, d.host.lab, d.host.Name, "nix-env --profile /nix/var/nix/profiles/system --set "+system)
}

// act runs switch-to-configuration and returns the lines it prints, without those systemctl status prints of failed units,
// and its exit status.
func (d deployer) act(system, action string) (lines []string, status int) {
	d.t.Helper()
	out, err := sshTo(d.t, d.host.lab, d.host.Name, system+"/bin/switch-to-configuration", action)
	if err != nil {
		status = err.(*exec.ExitError).ExitCode()
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "×") || strings.HasPrefix(line, "●") {
			break
		}
		// Of our own session, which has only just begun.
		lines = append(lines, strings.ReplaceAll(strings.TrimSpace(line), "run-user-0.mount, ", ""))
	}
	return lines, status
}

// told returns what the services have told since it was last asked, in alphabetical order.
func (d deployer) told() []string {
	d.t.Helper()
	lines := strings.Split(strings.TrimSpace(run(d.t, d.host, "sh", "-c", "cat /var/log/told; : >/var/log/told")), "\n")
	slices.Sort(lines)
	return lines
}

func (d deployer) check(what string, got, want any) {
	d.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		d.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// states asks systemd for the state of units.
func (d deployer) states(units ...string) []string {
	d.t.Helper()
	return strings.Fields(run(d.t, d.host, append([]string{"systemctl", "show", "--property=ActiveState", "--value", "--"}, units...)...))
}

func (d deployer) ssh(command string) string { return mustSSH(d.t, d.host.lab, d.host.Name, command) }

func TestSystemdRunsMinios(t *testing.T) {
	RequireLab(t)
	systems := systems(t)
	l := NewSystemd(t, "il")
	il := l.Host("il")
	d := deployer{t, il}
	awaitUp(t, il)

	d.push(systems["first"])
	lines, status := d.act(systems["first"], "switch")
	d.check("first switch: status", status, 0)
	d.check("first switch", lines, []string{
		"updating the boot menu...",
		"activating the configuration...",
		"reloading user units for root...",
		"reloading user units for joe...",
		"restarting sysinit-reactivation.target",
		"restarting the following units: sshd.service, systemd-tmpfiles-clean.timer",
		"starting the following units: asked.service",
		"the following new units were started: again.service, asked.service, batch.slice, by-socket.socket, data.mount, data\\x2d1.mount, " +
			"described.service, firewall.service, httpd.service, kept.service, left.service, mnt-data.mount, needs.service, once.service, " +
			"refuses.service, reload-triggered.service, reloaded.service, removed-1.service, restarted.service, run-user-1000.mount, " +
			"sliced.service, sysinit-reactivation.target, system-worker.slice, ticking.timer, triggered.service, user-1000.slice, " +
			"user-runtime-dir@1000.service, user@1000.service, watched.path, worker@a.service",
	})
	d.check("units run", d.states("httpd.service", "kept.service", "firewall.service", "ticking.timer", "by-socket.socket", "mnt-data.mount", "sshd.service", "again.service"),
		slices.Repeat([]string{"active"}, 8))
	d.told()

	d.push(systems["second"])
	lines, _ = d.act(systems["second"], "dry-activate")
	d.check("dry-activate", lines, []string{
		"would stop the following units: again.service, data\\x2d1.mount, httpd.service, removed-1.service, triggered.service, worker@a.service",
		"would NOT stop the following changed units: left.service, refuses.service",
		"would activate the configuration...",
		"would reload the following units: data.mount, firewall.service, mnt-data.mount, reload-triggered.service, reloaded.service",
		"would restart the following units: restarted.service, systemd-tmpfiles-clean.timer, ticking.timer, watched.path",
		"would start the following units: again.service, httpd.service, triggered.service, worker@a.service",
	})
	start := time.Now()
	lines, status = d.act(systems["second"], "test")
	t.Logf("test took %v", time.Since(start))
	d.check("second test: status", status, 0)
	d.check("second test", lines, []string{
		"stopping the following units: again.service, data\\x2d1.mount, httpd.service, removed-1.service, triggered.service, worker@a.service",
		"NOT restarting the following changed units: left.service, refuses.service",
		"activating the configuration...",
		"reloading user units for root...",
		"reloading user units for joe...",
		"restarting sysinit-reactivation.target",
		"reloading the following units: data.mount, firewall.service, mnt-data.mount, reload-triggered.service, reloaded.service",
		"restarting the following units: asked.service, restarted.service, systemd-tmpfiles-clean.timer, ticking.timer, watched.path",
		"starting the following units: again.service, httpd.service, triggered.service, worker@a.service",
		"the following new units were started: data\\x2d2.mount, removed-2.service",
	})
	d.check("told", d.told(), []string{
		"reload reload-triggered", "reload reloaded", "run again", "start asked", "start needs", "start removed-2", "start restarted", "start triggered",
		"start worker", "stop asked", "stop needs", "stop removed-1", "stop restarted", "stop triggered", "stop worker",
	})
	d.check("firewall", strings.Contains(d.ssh("cat /run/firewall"), "accept tcp 8002\n"), true)
	d.check("mount", strings.TrimSpace(d.ssh("findmnt --noheadings --output=SIZE /mnt/data")), "2M")
	d.check("user unit", strings.TrimSpace(d.ssh("setpriv --reuid=joe --regid=users --init-groups env XDG_RUNTIME_DIR=/run/user/$(id -u joe) systemctl --user is-active hello.service")), "active")

	d.push(systems["fails"])
	lines, status = d.act(systems["fails"], "test")
	d.check("failing unit: status", status, 4)
	d.check("failing unit", lines, []string{
		"stopping the following units: httpd.service",
		"activating the configuration...",
		"reloading user units for root...",
		"reloading user units for joe...",
		"restarting sysinit-reactivation.target",
		"restarting the following units: asked.service",
		"starting the following units: httpd.service",
		"Failed to start httpd.service",
		"warning: the following units failed: httpd.service",
	})
	d.check("failed units", run(t, il, "systemctl", "list-units", "--failed", "--plain", "--no-legend"), "httpd.service loaded failed failed Apache HTTPD\n")
	lines, status = d.act(systems["second"], "test")
	d.check("after the failure: status", status, 0)
	d.check("after the failure", lines, []string{
		"activating the configuration...",
		"reloading user units for root...",
		"reloading user units for joe...",
		"restarting sysinit-reactivation.target",
		"restarting the following units: asked.service",
	})
	d.check("units run", d.states("httpd.service", "kept.service", "removed-1.service", "by-socket.service"), []string{"active", "active", "inactive", "inactive"})

	// A service behind a socket is stopped with it, and only the socket starts again.
	run(t, il, "perl", "-MIO::Socket::UNIX", "-e", `IO::Socket::UNIX->new("/run/by-socket") or die`)
	// systemd starts it on its own after the connection.
	run(t, il, "timeout", "20", "sh", "-c", "until systemctl is-active --quiet by-socket.service; do sleep 0.1; done")
	d.check("by socket", d.states("by-socket.service"), []string{"active"})
	lines, status = d.act(systems["first"], "test")
	d.check("back to the first: status", status, 0)
	d.check("back to the first", lines[0], "stopping the following units: again.service, by-socket.service, by-socket.socket, data\\x2d2.mount, httpd.service, removed-2.service, triggered.service, worker@a.service")
	d.check("back to the first", slices.Contains(lines, "starting the following units: again.service, by-socket.socket, httpd.service, triggered.service, worker@a.service"), true)
	d.check("by socket", d.states("by-socket.service", "by-socket.socket"), []string{"inactive", "active"})
	_, status = d.act(systems["second"], "test")
	d.check("second again: status", status, 0)

	// NixOS calls a unit failed that systemd is about to start again.
	d.push(systems["flaky"])
	lines, status = d.act(systems["flaky"], "test")
	d.check("flaky unit: status", status, 4)
	d.check("flaky unit", lines[len(lines)-1], "warning: the following units failed: flaky.service")
	run(t, il, "sh", "-c", "until systemctl is-active --quiet flaky.service; do sleep 0.1; done")
	_, status = d.act(systems["second"], "test")
	d.check("second again: status", status, 0)

	// What may not go on while it runs.
	must(t, il.WriteFile("/run/hold", nil, 0o644))
	run(t, il, "systemd-run", "--quiet", "--collect", "flock", "/run/nixos/switch-to-configuration.lock", "sh", "-c", "while [ -e /run/hold ]; do sleep 0.05; done")
	run(t, il, "sh", "-c", "while flock -n /run/nixos/switch-to-configuration.lock true; do sleep 0.05; done")
	lines, status = d.act(systems["second"], "test")
	d.check("locked: status", status, 11)
	d.check("locked", lines, []string{"Could not acquire lock"})
	run(t, il, "rm", "/run/hold")
	run(t, il, "flock", "/run/nixos/switch-to-configuration.lock", "true")

	d.push(systems["interface"])
	lines, status = d.act(systems["interface"], "test")
	d.check("another init: status", status, 100)
	d.check("another init", lines[:1], []string{"Warning: the new NixOS configuration has an ‘init’ that is"})
	d.check("current system", d.ssh("readlink /run/current-system"), systems["second"]+"\n")

	// The boot default decides what a restart brings.
	lines, status = d.act(systems["interface"], "boot")
	d.check("boot: status", status, 0)
	d.check("boot", lines, []string{"updating the boot menu..."})
	before := bootID(t, il)
	sshTo(t, l, "il", "systemctl reboot")
	comesBack(t, il, before)
	d.check("after the restart", awaitUp(t, il), "running")
	d.check("booted", d.ssh("readlink /run/booted-system /run/current-system"), strings.Repeat(systems["interface"]+"\n", 2))
	d.check("units after the restart", d.states("httpd.service", "kept.service", "ticking.timer", "removed-2.service", "removed-1.service", "sshd.service"),
		[]string{"active", "active", "active", "active", "inactive", "active"})
	d.check("console", strings.Contains(il.Log(), "minios: stage 2 of "+systems["interface"]), true)
}
