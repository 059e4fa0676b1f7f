package exec_test

import (
	"encoding/json"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"sync"
	"testing"

	"muster/compile/store"
)

// The systems the lab's hosts are taken from and to: minios, with a fault each.
// They are built once for all tests.
//
// A lab host has no systemd that would see to it that sshd runs and that the
// network is up, so every system does that itself when it is activated, as a
// NixOS would.
const systemsExpr = `
let
  nixos = import %s { };
  system = name: module: (import %s {
    system = builtins.currentSystem;
    modules = [ {
      networking.hostName = "lab";
      fileSystems."/" = { device = "/dev/sda1"; fsType = "ext4"; };
      environment.etc."system-name".text = name;
      system.activationScripts.aa-services.text = ''
        [ -z "$BOOTING$MINIOS_BOOTING" ] || exit 0 # the host's own first process does the rest
        ip link set eth0 up
        rmdir /boot/loader/loader.conf.tmp 2>/dev/null || true
        if [ "$(cat /proc/1/comm)" = systemd ]; then
          # What is started here would end with the guard, which is a unit.
          systemctl unmask --quiet --runtime sshd.service
          systemctl start sshd.service
          exit 0
        fi
        pid=$(cat /run/sshd.pid 2>/dev/null) && kill -0 $pid 2>/dev/null || setsid /usr/sbin/sshd -D -e </dev/null >/dev/null 2>&1 &
        sleep 0.1
      '';
    } module ];
  }).config.system.build.toplevel;
  oneshot = script: { wantedBy = [ "multi-user.target" ]; serviceConfig.Type = "oneshot"; inherit script; };
  # counting systems write their number to a file for each thing that they do.
  counting = n: more: system "counts${n}" {
    imports = [ more ];
    users.users.joe = { isNormalUser = true; linger = true; };
    system.activationScripts.count.text = "mkdir -p /count && chmod 1777 /count && echo ${n} >>/count/script";
    systemd.services.count = oneshot "echo ${n} >>/count/oneshot";
    systemd.services.migration = oneshot "echo ${n} >>/count/migration; mkdir /count/migrated-${n}";
    systemd.user.services.nixos-activation = { serviceConfig.Type = "oneshot"; script = "echo ${n} >>/count/user"; };
  };
in {
  counts1 = counting "1" { };
  counts2 = counting "2" { };
  counts3 = counting "3" { systemd.services.broken = oneshot "exit 1"; };
  counts4 = counting "4" { };
  counts5 = counting "5" { system.activationScripts.zz.text = "mkdir -p /boot/loader/loader.conf.tmp"; };
  counts6 = counting "6" { };
  old = system "old" { };
  new = system "new" { };
  newer = system "newer" { };
  fails = system "fails" { minios.activation.fail = true; };
  hangs = system "hangs" { minios.activation.hang = true; };
  slow = system "slow" { minios.activation.hang = 3; };
  prints = system "prints" { minios.activation.print = 100; };
  talks = system "talks" { system.activationScripts.zz.text = "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do echo said $i; sleep 0.02; done"; };
  unitfails = system "unitfails" { services.httpd.enable = true; services.httpd.adminAddr = "a@b.c"; minios.failUnits = [ "httpd.service" ]; };
  web = system "web" { services.httpd.enable = true; services.httpd.adminAddr = "a@b.c"; };
  web2 = system "web2" { services.httpd.enable = true; services.httpd.adminAddr = "d@e.f"; };
  nosshd = system "nosshd" { system.activationScripts.zz.text = "[ ! -d /run/systemd/system ] || systemctl mask --quiet --runtime --now sshd.service; kill $(cat /run/sshd.pid) || true; for p in /proc/[0-9]*; do grep -qs ^sshd: $p/cmdline && kill -9 \${p#/proc/}; done; true"; };
  firewall = system "firewall" { system.activationScripts.zz.text = "ip link set eth0 down"; };
  noboot = system "noboot" { system.activationScripts.zz.text = "mkdir -p /boot/loader/loader.conf.tmp"; };
  takesrestart = system "takesrestart" { minios.initInterfaceVersion = 3; };
  unitfails2 = system "unitfails2" { services.httpd.enable = true; services.httpd.adminAddr = "d@e.f"; minios.failUnits = [ "httpd.service" ]; };
  crashes = system "crashes" { system.activationScripts.zz.text = "reboot; sleep 60"; };
  kernel = system "kernel" ({ pkgs, ... }: { boot.kernelPackages = pkgs.linuxPackages_6_12; });
  big = system "big" { environment.etc."ballast".source = builtins.toFile "ballast" (builtins.concatStringsSep "" (builtins.genList (i: builtins.hashString "sha512" (toString i)) 60000)); };
}`

var systems struct {
	sync.Once
	paths map[string]store.Path
	err   error
}

// nixConfig makes the Nix of this machine build minios: see examples/minios/README.md.
const nixConfig = "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group ="

// system returns one of the systems above, built.
func system(t testing.TB, name string) store.Path {
	t.Helper()
	systems.Do(func() { systems.paths, systems.err = buildSystems() })
	if systems.err != nil {
		t.Fatal(systems.err)
	}
	p, ok := systems.paths[name]
	if !ok {
		t.Fatalf("no system %s", name)
	}
	return p
}

func buildSystems() (map[string]store.Path, error) {
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		return nil, err
	}
	expr := fmt.Sprintf(systemsExpr, minios, minios+"/nixos/lib/eval-config.nix")
	run := func(argv ...string) ([]byte, error) {
		cmd := osexec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), nixConfig)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", argv[0], err)
		}
		return out, nil
	}
	if _, err := run("nix-build", "--no-out-link", "--quiet", "-E", expr); err != nil {
		return nil, err
	}
	out, err := run("nix-instantiate", "--eval", "--strict", "--json", "-E", "builtins.mapAttrs (_: s: s.outPath) ("+expr+")")
	if err != nil {
		return nil, err
	}
	var paths map[string]store.Path
	return paths, json.Unmarshal(out, &paths)
}
