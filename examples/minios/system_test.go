package minios_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// host is a Nix expression for a machine made of modules.
func host(modules string) string {
	return fmt.Sprintf(`import %s/nixos/lib/eval-config.nix {
		system = "x86_64-linux";
		modules = [ ({ lib, ... }: { _file = "base.nix"; fileSystems."/".device = lib.mkDefault "/dev/vda"; }) ] ++ %s;
	}`, here(), modules)
}

// optionTests: what modules say, and what becomes of it in the configuration
// (attr, below config) or what is wrong with it.
var optionTests = []struct {
	name    string
	modules string
	attr    string
	want    string
	errs    []string
}{
	{name: "ports are sorted and unique", modules: `[ { networking.firewall.allowedTCPPorts = [ 443 80 80 ]; } ]`, attr: "networking.firewall.allowedTCPPorts", want: "[80,443]"},
	{name: "sshd opens its port", modules: `[ { services.openssh.enable = true; services.openssh.ports = [ 2222 ]; } ]`, attr: "networking.firewall.allowedTCPPorts", want: "[2222]"},
	{name: "hosts", modules: `[ { networking.hostName = "ee"; networking.extraHosts = "192.168.10.121 il"; } ]`, attr: "environment.etc.hosts.text", want: `"127.0.0.1 localhost\n127.0.0.2 ee\n::1 localhost\n192.168.10.121 il"`},
	{name: "fstab with swap", modules: `[ { fileSystems."/".fsType = "ext4"; swapDevices = [ { device = "/var/swap"; size = 2048; } ]; } ]`, attr: "environment.etc.fstab.text", want: `"/dev/vda / ext4 defaults 0 1\n/var/swap none swap defaults\n"`},
	{name: "a master is everything", modules: `[ { services.kubernetes = { roles = [ "master" "node" ]; masterAddress = "il"; }; } ]`, attr: `services.kubernetes.apiserverAddress`, want: `"https://il:6443"`},
	{name: "a node is no master", modules: `[ { services.kubernetes = { roles = [ "node" ]; masterAddress = "il"; }; } ]`, attr: `services.kubernetes.apiserver.enable`, want: `false`},
	{name: "a master runs etcd", modules: `[ { services.kubernetes = { roles = [ "master" ]; masterAddress = "il"; }; } ]`, attr: `services.etcd.enable`, want: `true`},
	{name: "containers become services", modules: `[ { virtualisation.oci-containers.containers.ghost = { image = "ghost:5"; ports = [ "127.0.0.1:2368:2368" ]; environment.url = "https://example.org"; }; } ]`, attr: `systemd.services.podman-ghost.script`, want: `"exec podman run --rm --name=ghost --log-driver=journald -e 'url=https://example.org' -p 127.0.0.1:2368:2368 ghost:5 \n"`},
	{name: "valgrind's documentation", modules: `[ ({ pkgs, ... }: { services.httpd.enable = true; services.httpd.adminAddr = "a@example.org"; services.httpd.virtualHosts.localhost.documentRoot = "${pkgs.valgrind.doc}/share"; }) ]`, attr: `services.httpd.virtualHosts.localhost.adminAddr`, want: `null`},
	{name: "old names still work", modules: `[ { boot.cleanTmpDir = true; services.openssh.permitRootLogin = "yes"; } ]`, attr: `warnings`, want: "[\"The option `services.openssh.permitRootLogin' defined in `<unknown-file>' has been renamed to `services.openssh.settings.PermitRootLogin'.\",\"The option `boot.cleanTmpDir' defined in `<unknown-file>' has been renamed to `boot.tmp.cleanOnBoot'.\"]"},
	{name: "old names set the new", modules: `[ { services.openssh.permitRootLogin = "yes"; } ]`, attr: `services.openssh.settings.PermitRootLogin`, want: `"yes"`},
	{name: "extraUsers", modules: `[ { users.extraUsers.joe = { isNormalUser = true; }; } ]`, attr: `users.users.joe.home`, want: `"/home/joe"`},
	{name: "sshd settings take anything sshd does", modules: `[ { services.openssh.settings.MaxAuthTries = 3; } ]`, attr: `services.openssh.settings.MaxAuthTries`, want: `3`},
	{name: "hostPlatform", modules: `[ { nixpkgs.hostPlatform = "aarch64-linux"; } ({ pkgs, ... }: { system.name = pkgs.system; }) ]`, attr: `system.name`, want: `"aarch64-linux"`},
	{name: "buildPlatform", modules: `[ { nixpkgs.hostPlatform = "aarch64-linux"; nixpkgs.buildPlatform = "x86_64-linux"; } ({ pkgs, ... }: { system.name = "${pkgs.system}-on-${pkgs.hello.system}"; }) ]`, attr: `system.name`, want: `"aarch64-linux-on-x86_64-linux"`},
	{name: "overlays", modules: `[ { nixpkgs.overlays = [ (final: prev: { hello = prev.hello // { pname = "hullo"; }; }) ]; } ({ pkgs, ... }: { system.name = pkgs.hello.pname; }) ]`, attr: `system.name`, want: `"hullo"`},
	{name: "modulesPath", modules: `[ ({ modulesPath, ... }: { imports = [ (modulesPath + "/profiles/qemu-guest.nix") (modulesPath + "/installer/scan/not-detected.nix") ]; }) ]`, attr: `boot.initrd.kernelModules`, want: `["virtio_balloon"]`},
	{name: "a variant is a system", modules: `[ { networking.hostName = "a"; specialisation.b.configuration.networking.hostName = "b"; } ]`, attr: `specialisation.b.configuration.networking.hostName`, errs: []string{"The option `networking.hostName' has conflicting definition values:"}},
	{name: "a variant overrides", modules: `[ { networking.hostName = "a"; specialisation.b.configuration = { lib, ... }: { networking.hostName = lib.mkForce "b"; }; } ]`, attr: `specialisation.b.configuration.networking.hostName`, want: `"b"`},
	{name: "WireGuard", modules: `[ { networking.wireguard.interfaces.wg0 = { ips = [ "10.9.0.1/24" ]; listenPort = 51820; privateKeyFile = "/etc/wg.key"; peers = [ { publicKey = "k"; allowedIPs = [ "10.9.0.2/32" ]; endpoint = "h:51820"; } ]; }; } ]`, attr: `networking.wireguard.enable`, want: `true`},
	{name: "a service with startAt has a timer", modules: `[ { systemd.services.x = { script = "true"; startAt = "daily"; }; } ]`, attr: `systemd.timers.x.timerConfig`, want: `{"OnCalendar":["daily"]}`},
	{name: "a module's name for its definitions", modules: `[ { _file = "hosts.cue (host web1)"; services.opensh.enable = true; } ]`, attr: `networking.hostName`, errs: []string{"The option `services.opensh' does not exist. Definition values:\n", "- In `hosts.cue (host web1)':\n"}},
	{name: "a string is no boolean", modules: `[ { _file = "f.nix"; services.openssh.enable = "yes"; } ]`, attr: `services.openssh.enable`, errs: []string{"A definition for option `services.openssh.enable' is not of type `boolean'. Definition values:\n", "- In `f.nix': \"yes\""}},
	{name: "not a port", modules: `[ { networking.firewall.allowedTCPPorts = [ 70000 ]; } ]`, attr: `networking.firewall.allowedTCPPorts`, errs: []string{"is not of type `16 bit unsigned integer; between 0 and 65535 (both inclusive)'"}},
	{name: "not a role", modules: `[ { services.kubernetes.roles = [ "nod" ]; } ]`, attr: `services.kubernetes.roles`, errs: []string{"is not of type `one of \"master\", \"node\"'"}},
	{name: "not a host name", modules: `[ { networking.hostName = "a_b.c"; } ]`, attr: `networking.hostName`, errs: []string{"A definition for option `networking.hostName' is not of type `string matching the pattern"}},
	{name: "an option that went", modules: `[ { services.httpd.documentRoot = "/srv"; } ]`, attr: `system.build.toplevel.drvPath`, errs: []string{"Failed assertions:\n", "- The option definition `services.httpd.documentRoot' in `<unknown-file>' no longer has any effect; please remove it.\n", "virtualHosts"}},
	{name: "all failed assertions at once", modules: `[ { services.httpd.enable = true; users.users.joe = { }; } ]`, attr: `system.build.toplevel.drvPath`, errs: []string{"Failed assertions:\n", "- services.httpd.adminAddr must be set", "- Exactly one of users.users.joe.isSystemUser and users.users.joe.isNormalUser must be set."}},
}

func TestOptions(t *testing.T) {
	for _, test := range optionTests {
		t.Run(test.name, func(t *testing.T) {
			got, errs := eval(t, "("+host(test.modules)+").config."+test.attr)
			checkResult(t, got, errs, test.want, test.errs)
		})
	}
}

func TestWarningsAreShown(t *testing.T) {
	_, errs := eval(t, "("+host(`[ { boot.cleanTmpDir = true; } ]`)+").config.system.build.toplevel.drvPath")
	if want := "evaluation warning: The option `boot.cleanTmpDir' defined in `<unknown-file>' has been renamed to `boot.tmp.cleanOnBoot'."; !strings.Contains(errs, want) {
		t.Errorf("no %q in:\n%s", want, errs)
	}
}

// The examples in default.nix, flake.nix and nixos/default.nix are what other tools enter by.
func TestEntrances(t *testing.T) {
	for _, expr := range []string{
		`(import %s { system = "x86_64-linux"; }).hello.name`,
		`((import %s { system = "x86_64-linux"; }).nixos { fileSystems."/".device = "/dev/vda"; }).pkgs.hello.name`,
		`(import %s/nixos { system = "x86_64-linux"; configuration = { fileSystems."/".device = "/dev/vda"; }; }).pkgs.hello.name`,
		`((import %s/flake.nix).outputs { self = { }; }).legacyPackages.aarch64-linux.hello.name`,
		`(((import %s/flake.nix).outputs { self = { }; }).lib.nixosSystem { system = "x86_64-linux"; modules = [ ]; }).pkgs.hello.name`,
		`(((import %s/flake.nix).outputs { self = { }; }).lib.nixosSystem { modules = [ { nixpkgs.hostPlatform = "x86_64-linux"; } ]; }).pkgs.hello.name`,
	} {
		got, errs := eval(t, fmt.Sprintf(expr, here()))
		checkResult(t, got, errs, `"hello-2.12.1"`, nil)
	}
}

// A network as a deployment tool evaluates it, with hosts that read each other's configurations.
func TestNetwork(t *testing.T) {
	got, errs := eval(t, fmt.Sprintf(`builtins.mapAttrs (_: n: {
		inherit (n.config.deployment) targetHost;
		inherit (n.config.services.kubernetes) roles masterAddress apiserverAddress;
		peers = n.config.environment.etc.peers.text or null;
		root = n.config.fileSystems."/".device;
		hosts = n.config.networking.extraHosts;
	}) (import %s/testdata/network/eval.nix { }).nodes`, here()))
	checkResult(t, got, errs, `{
		"il": {"targetHost": "192.168.10.121", "roles": ["master", "node"], "masterAddress": "il", "apiserverAddress": "https://il:6443", "peers": "ee sam", "root": "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322", "hosts": "192.168.10.121 il"},
		"ee": {"targetHost": "192.168.10.122", "roles": ["node"], "masterAddress": "il", "apiserverAddress": "https://il:6443", "peers": null, "root": "/dev/disk/by-uuid/7278ee48-598d-40fd-9765-a0b0db9ba1d9", "hosts": "192.168.10.121 il"},
		"sam": {"targetHost": "192.168.10.123", "roles": ["node"], "masterAddress": "il", "apiserverAddress": "https://il:6443", "peers": null, "root": "/dev/disk/by-uuid/f433b748-e485-4668-a7fd-fc5d92fbd682", "hosts": ""}
	}`, nil)
}

// What the hosts of whole fleets come to: their systems build, and these lines
// are somewhere in the files they put on a machine.
func TestNetworksBuild(t *testing.T) {
	for _, test := range []struct {
		network string
		hosts   map[string][]string // what `grep -rh` of the system's /etc and its units finds
	}{
		{"network.nix", map[string][]string{
			"il":  {"192.168.10.121 il", "ee sam", "--fail-swap-on=false", "/bin/etcd"},
			"ee":  {"192.168.10.121 il", "/bin/kubelet", `"server":"https://il:6443"`},
			"sam": {"/bin/kubelet", "127.0.0.2 sam"},
		}},
		{"webserver.nix", map[string][]string{
			"webserver": {"/bin/httpd -DFOREGROUND", "PasswordAuthentication no", "/var/swap none swap defaults"},
		}},
		{"blog.nix", map[string][]string{
			"blog": {"blog.example.org www.example.org {", "reverse_proxy 127.0.0.1:2368", "Container ghost", "Europe/Berlin", "nameserver 9.9.9.9", "OnCalendar=weekly", "trusted-users = @wheel"},
		}},
	} {
		t.Run(test.network, func(t *testing.T) {
			m := newMachine(t, newStore(t))
			for host, want := range test.hosts {
				top := buildExpr(t, m, fmt.Sprintf("(import %s/testdata/network/eval.nix { network = %s/testdata/network/%s; }).toplevels.%s", here(), here(), test.network, host))
				if !strings.HasSuffix(top, "-nixos-system-"+host+"-24.11.minios") {
					t.Errorf("%s: toplevel is %s", host, top)
				}
				files := m.sh("find -L " + top + "/etc -type f -exec cat {} +")
				for _, line := range want {
					if !strings.Contains(files, line) {
						t.Errorf("%s: no %q in /etc", host, line)
					}
				}
			}
		})
	}
}

// Every package builds, its programs run, and a second build is the same.
func TestPackagesBuild(t *testing.T) {
	s := newStore(t)
	m := newMachine(t, s)
	path := buildExpr(t, m, fmt.Sprintf(`
		let
		  pkgs = import %s { system = "x86_64-linux"; };
		  all = pkgs.lib.filterAttrs (_: p: pkgs.lib.isDerivation p) (import %s/pkgs/packages.nix { inherit pkgs; inherit (pkgs) lib; });
		in pkgs.symlinkJoin { name = "everything"; paths = builtins.attrValues all ++ [ pkgs.valgrind.doc ]; }`, here(), here()))
	if got := m.sh(path + "/bin/hello"); got != "Hello, world!" {
		t.Errorf("hello says %q", got)
	}
	if got := m.sh(path + "/bin/kube-apiserver --version"); got != "kube-apiserver 1.31.2 (minios stand-in) --version" {
		t.Errorf("kube-apiserver says %q", got)
	}
	// Where the machine has the program itself, the stand-in is that.
	if got := m.sh(path + "/bin/cat " + path + "/bin/hello"); !strings.HasPrefix(got, "#!/bin/sh\n") {
		t.Errorf("cat says %q", got)
	}
	m.sh("test -s " + path + "/share/doc/valgrind/html/index.html")
	if _, errs, status := m.run("nix-store", "--realise", "--check", m.sh("nix-store -q --deriver "+path)); status != 0 {
		t.Errorf("the second build differs:\n%s", errs)
	}
}

func TestToplevelLayout(t *testing.T) {
	s := newStore(t)
	m := newMachine(t, s)
	top := build(t, s, `[ { specialisation.quiet.configuration.boot.consoleLogLevel = 3; boot.kernelParams = [ "quiet" ]; } ]`)
	if !strings.HasSuffix(top, "-nixos-system-web-24.11.minios") {
		t.Errorf("toplevel is %s", top)
	}
	want := strings.Fields(`activate bin bin/switch-to-configuration boot.json etc init init-interface-version initrd kernel kernel-modules
		kernel-params lib lib/switch-units.pl nixos-version specialisation specialisation/quiet sw system systemd`)
	got := strings.Fields(m.sh("cd " + top + " && find . -mindepth 1 | sed 's,^./,,' | sort"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for path, want := range map[string]string{
		"nixos-version":                      "24.11.minios",
		"system":                             "x86_64-linux",
		"kernel-params":                      "quiet loglevel=4",
		"etc/hostname":                       "web",
		"specialisation/quiet/kernel-params": "quiet loglevel=3",
	} {
		if got := m.sh("cat " + top + "/" + path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	// The closure is a closure: nothing in it refers to the sources or the build.
	if n := len(strings.Fields(m.sh("nix-store -qR " + top))); n < 30 {
		t.Errorf("%d paths in the closure: is it split?", n)
	}
	m.sh("nix-store --verify --check-contents")
}

// machineDirs are the directories a machine has of its own.
// (/run comes last: mount itself writes there.)
var machineDirs = []string{"/etc", "/boot", "/var", "/nix/var/nix/profiles", "/run"}

// generation makes a system the profile's generation n.
func (m *machine) generation(n int, system string) {
	m.sh(fmt.Sprintf("cd /nix/var/nix/profiles && ln -sfn %s system-%d-link && ln -sfn system-%d-link system", system, n, n))
}

// act runs switch-to-configuration and checks what it says and its exit status.
func (m *machine) act(system, action string, wantStatus int, want ...string) {
	m.t.Helper()
	_, errs, status := m.run(system+"/bin/switch-to-configuration", action)
	if status != wantStatus {
		m.t.Errorf("%s: exit status %d, want %d:\n%s", action, status, wantStatus, errs)
	}
	said := strings.Split(strings.TrimSuffix(errs, "\n"), "\n")
	if diff := cmp.Diff(want, said); diff != "" {
		m.t.Errorf("%s says (-want +got)\n%s", action, diff)
	}
}

func (m *machine) is(script, want string) {
	m.t.Helper()
	if got := m.sh(script); got != want {
		m.t.Errorf("%s: %q, want %q", script, got, want)
	}
}

func TestFourActions(t *testing.T) {
	s := newStore(t)
	first := build(t, s, `[ {
		services.httpd.enable = true;
		services.httpd.adminAddr = "a@example.org";
		services.caddy.enable = true;
		services.redis.enable = true;
		environment.etc.motd.text = "one\n";
		environment.etc.gone.text = "soon";
		environment.etc.secret = { text = "s"; mode = "0600"; };
		systemd.tmpfiles.rules = [ "d /var/lib/shop 0750 root root -" ];
	} ]`)
	second := build(t, s, `[ {
		services.httpd.enable = true;
		services.httpd.adminAddr = "b@example.org";
		services.caddy.enable = true;
		services.caddy.extraConfig = ":81";
		services.postgresql.enable = true;
		environment.etc.motd.text = "two\n";
	} ]`)
	m := newMachine(t, s, machineDirs...)
	m.generation(1, first)
	m.sh("echo mine > /etc/mine")

	m.act(first, "dry-activate", 0,
		"would activate the configuration...",
		"would start the following units: caddy.service, firewall.service, httpd.service, redis.service")
	m.is("find /run /boot /var /etc -mindepth 1", "/etc/mine")

	m.act(first, "switch", 0,
		"updating the boot menu...",
		"activating the configuration...",
		"starting the following units: caddy.service, firewall.service, httpd.service, redis.service")
	m.is("readlink /run/current-system", first)
	m.is("readlink /run/booted-system", first)
	m.is("cat /etc/motd /etc/hostname", "one\nweb")
	m.is("readlink /etc/motd", "/etc/static/motd")
	m.is("stat -c %a,%F /etc/secret", "600,regular file")
	m.is("stat -c %a /var/lib/shop", "750")
	m.is("cat /boot/loader/loader.conf", "timeout 5\ndefault nixos-generation-1.conf")
	m.is("grep -c . /var/log/minios/activations", "1")

	// The same again changes nothing.
	m.act(first, "dry-activate", 0, "would activate the configuration...")

	m.generation(2, second)
	before := m.sh("find /run /boot /var /etc | xargs ls -ld --time-style=full-iso")
	m.act(second, "dry-activate", 0,
		"would stop the following units: redis.service",
		"would activate the configuration...",
		"would reload the following units: caddy.service",
		"would restart the following units: httpd.service",
		"would start the following units: postgresql.service")
	m.is("find /run /boot /var /etc | xargs ls -ld --time-style=full-iso", before)

	m.act(second, "test", 0,
		"stopping the following units: redis.service",
		"activating the configuration...",
		"reloading the following units: caddy.service",
		"restarting the following units: httpd.service",
		"starting the following units: postgresql.service")
	m.is("readlink /run/current-system", second)
	m.is("readlink /run/booted-system", first)
	m.is("cat /boot/loader/loader.conf", "timeout 5\ndefault nixos-generation-1.conf")
	m.is("cat /etc/motd /etc/mine", "two\nmine")
	m.is("ls /etc/gone /etc/secret 2>&1 | grep -c 'No such file'", "2")
	m.is("ls /run/minios/units | xargs", "caddy.service firewall.service httpd.service postgresql.service")
	m.is("sed -n 's/^unit=//p' /run/minios/units/httpd.service", m.sh("readlink -f "+second+"/etc/systemd/system/httpd.service"))

	m.act(second, "boot", 0, "updating the boot menu...")
	m.is("cat /boot/loader/loader.conf", "timeout 5\ndefault nixos-generation-2.conf")
	m.is("ls /boot/loader/entries | xargs", "nixos-generation-1.conf nixos-generation-2.conf")
	m.is("sed -n 's/^options init=//p' /boot/loader/entries/nixos-generation-2.conf", second+"/init loglevel=4")

	m.is("sed 's/time=[^ ]* //; s,toplevel=[^ ]* ,,' /var/log/minios/activations", strings.Join([]string{
		"action=switch status=0 stop= restart= reload= start=caddy.service,firewall.service,httpd.service,redis.service failed=",
		"action=test status=0 stop=redis.service restart=httpd.service reload=caddy.service start=postgresql.service failed=",
		"action=boot status=0 ",
	}, "\n"))

	m.act(second, "nonsense", 1, strings.Split(`Usage: `+second+`/bin/switch-to-configuration [switch|boot|test|dry-activate]

switch:       make the configuration the boot default and activate now
boot:         make the configuration the boot default
test:         activate the configuration, but don't make it the boot default
dry-activate: show what would be done if this configuration were activated`, "\n")...)
}

func TestFaultsOnRequest(t *testing.T) {
	s := newStore(t)
	good := build(t, s, `[ { services.redis.enable = true; } ]`)
	fails := build(t, s, `[ { services.redis.enable = true; minios.activation.fail = true; } ]`)
	unit := build(t, s, `[ { services.redis.enable = true; minios.failUnits = [ "redis.service" ]; } ]`)
	prints := build(t, s, `[ { services.redis.enable = true; minios.activation.print = 2; } ]`)
	hangs := build(t, s, `[ { services.redis.enable = true; minios.activation.hang = true; } ]`)
	m := newMachine(t, s, machineDirs...)
	m.generation(1, good)
	m.act(good, "switch", 0,
		"updating the boot menu...",
		"activating the configuration...",
		"starting the following units: firewall.service, redis.service")
	m.act(fails, "test", 2,
		"activating the configuration...",
		"minios: this activation was told to fail",
		"Activation script snippet 'minios-fail' failed (1)")
	m.act(unit, "test", 4,
		"activating the configuration...",
		"restarting the following units: redis.service",
		"warning: the following units failed: redis.service")
	m.is("sed -n 's/^state=//p' /run/minios/units/redis.service", "failed")
	m.act(good, "test", 0,
		"activating the configuration...",
		"starting the following units: redis.service")
	if out, _, status := m.run(prints+"/bin/switch-to-configuration", "test"); status != 0 || len(out) != 2<<20 {
		t.Errorf("printed %d bytes, exit status %d", len(out), status)
	}
	// While one hangs another is refused, and nothing claims to be activated.
	before := m.sh("cat /var/log/minios/activations")
	hung := m.sh("setsid " + hangs + "/bin/switch-to-configuration test >/dev/null 2>/run/hung & echo $!")
	m.sh("for i in $(seq 200); do grep -q 'activating the configuration' /run/hung && exit 0; sleep 0.05; done; cat /run/hung >&2; exit 1")
	m.act(good, "test", 1, "Could not acquire lock")
	m.sh("kill -- -" + hung)
	m.is("cat /var/log/minios/activations", before)
}

// Evaluation must stay light: CI evaluates many hosts.
func BenchmarkToplevel(b *testing.B) {
	for b.Loop() {
		if _, errs := eval(b, "("+host(`[ { services.kubernetes = { roles = [ "master" "node" ]; masterAddress = "il"; }; services.openssh.enable = true; } ]`)+").config.system.build.toplevel.drvPath"); strings.Contains(errs, "error:") {
			b.Fatal(errs)
		}
	}
}

func TestReadmeNamesEveryFile(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".nix" || strings.HasPrefix(path, "testdata/") {
			return err
		}
		if !strings.Contains(string(readme), filepath.Base(path)) {
			t.Errorf("README.md does not mention %s", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A system is the same wherever minios lies: it is embedded in muster, checked out, or fetched.
func TestLocationDoesNotMatter(t *testing.T) {
	const system = `builtins.unsafeDiscardStringContext (import %s/testdata/network/eval.nix { }).toplevels.il.drvPath`
	elsewhere := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(elsewhere, os.DirFS(here())); err != nil {
		t.Fatal(err)
	}
	want, errs := eval(t, fmt.Sprintf(system, here()))
	if want == "" {
		t.Fatal(errs)
	}
	if got, errs := eval(t, fmt.Sprintf(system, elsewhere)); got != want {
		t.Errorf("%s in a copy, %s here\n%s", got, want, errs)
	}
}
