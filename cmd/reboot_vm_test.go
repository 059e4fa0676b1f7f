package cmd

import (
	"flag"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"muster/exec/lab"
)

var rebootVM = flag.String("reboot-vm", "", "restart a virtual machine (qemu) that systemd boots on Debian's kernel of this `version`")

// newDebianMachine is a machine that runs the Debian of the lab's systemd hosts: its disk
// has the whole of it, and its kernel is given to it at each start.
func newDebianMachine(t *testing.T, version string) *virtualMachine {
	t.Helper()
	lab.RequireLab(t)
	tree, done, err := lab.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	v := &virtualMachine{t: t, dir: t.TempDir(), port: freePort(t), down: make(chan struct{}), disks: []vmDisk{{"disk.img", "MUSTER01"}}, patience: 10 * time.Minute}
	v.boot = func(int) []string {
		return []string{"-kernel", filepath.Join(v.dir, "bzImage"), "-initrd", filepath.Join(v.dir, "initrd"), "-append", "console=ttyS0 quiet no_timer_check"}
	}
	for _, name := range []string{"host", "user", "thief"} {
		v.local("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", filepath.Join(v.dir, name))
	}
	script, err := filepath.Abs("testdata/vm/disk.sh")
	if err != nil {
		t.Fatal(err)
	}
	v.local(script, v.dir, tree, version)
	v.local("age-keygen", "-o", filepath.Join(v.dir, "id.key"))
	v.write("ssh.conf", "Host *\n  IdentityFile "+filepath.Join(v.dir, "user")+"\n  UserKnownHostsFile /dev/null\n")
	t.Cleanup(v.turnOff)
	return v
}

// debianHost is the inventory of a machine that newDebianMachine has made, with more
// lines for its host.
func (v *virtualMachine) debianHost(more string) {
	v.t.Helper()
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		v.t.Fatal(err)
	}
	hostKey, _, _ := strings.Cut(v.read("host.pub"), " host")
	v.write("hosts.cue", fmt.Sprintf(`package fleet

nixpkgs: path: %q
hosts: vm: {
	host: "127.0.0.1"
	port: %d
	user: "root"
	host_keys: [%q]
	file_systems: "/": {device: "/dev/vda", fs_type: "ext4"}
	config: {
		boot: loader: {"systemd-boot": enable: true, grub: enable: false}
		users: users: root: openssh: authorizedKeys: keys: [%q]
	}
	%s
}
`, minios, v.port, hostKey, v.read("user.pub"), more))
}

// rebootedSecrets are the secrets of the machine, and the units that need them.
const rebootedSecrets = `secrets: {
		token: {env: "TOKEN", restart: ["app.service"]}
		link: {command: ["echo", "another secret of the machine"], path: "/etc/link", restart: ["app.service"]}
		early: {command: ["echo", "needed before all services"], restart: ["first.service"]}
		ram: {command: ["echo", "in memory, and only there"], volatile: true}
	}
	nix: #"""
		{ pkgs, ... }: {
		  systemd.services.app = {
		    wantedBy = [ "multi-user.target" ];
		    script = ''
		      cat /run/muster-secrets/token /etc/link >/run/app-saw
		      exec sleep infinity
		    '';
		  };
		  systemd.services.first = {
		    wantedBy = [ "sysinit.target" ];
		    before = [ "sysinit.target" ];
		    unitConfig.DefaultDependencies = false;
		    serviceConfig.Type = "oneshot";
		    serviceConfig.RemainAfterExit = true;
		    script = "cat /run/muster-secrets/early >/run/first-saw";
		  };
		}
		"""#`

// restarted waits until the machine has booted again since it had a boot ID.
func (v *virtualMachine) restarted(before string) {
	v.t.Helper()
	for v.ssh("cat /proc/sys/kernel/random/boot_id") == before {
		time.Sleep(time.Second)
	}
	v.ssh("systemctl is-system-running --wait >/dev/null 2>&1; true")
}

// hasSecrets checks that the machine has its secrets, and had them before the units that
// need them began.
func (v *virtualMachine) hasSecrets(when string) {
	v.t.Helper()
	got := v.ssh("cat /run/app-saw /run/first-saw; systemctl is-active app.service first.service; stat -f -c %T /run/muster-secrets.d; systemctl list-units --failed --plain --no-legend 'muster*' | sed /muster-secret-ram/d")
	want := vmToken + "another secret of the machine\nneeded before all services\nactive\nactive\nramfs\n"
	if got != want {
		v.t.Errorf("%s the host has\n%s\nwant\n%s", when, got, want)
	}
	for secret, unit := range map[string]string{"token": "app", "link": "app", "early": "first"} {
		there := v.monotonic("muster-secret-"+secret+".service", "ActiveEnterTimestampMonotonic")
		needed := v.monotonic(unit+".service", "ExecMainStartTimestampMonotonic")
		if there == 0 || there > needed {
			v.t.Errorf("%s secret %s was there at %d µs, and %s started at %d µs", when, secret, there, unit, needed)
		}
	}
}

// eventually is what muster prints when the machine answers it: an emulated processor may
// be slower than a host may be.
func (v *virtualMachine) eventually(args ...string) string {
	v.t.Helper()
	for range 8 {
		out, err := v.command(args...).CombinedOutput()
		if !strings.Contains(string(out), "no answer") {
			if err != nil && args[0] != "status" {
				v.t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
			}
			return string(out)
		}
	}
	v.t.Fatalf("muster %s: no answer", strings.Join(args, " "))
	return ""
}

// monotonic is a time of a unit, in microseconds since the machine has booted.
func (v *virtualMachine) monotonic(unit, property string) int64 {
	v.t.Helper()
	text := strings.TrimSpace(v.ssh("systemctl show --value -p " + property + " " + unit))
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		v.t.Errorf("%s of %s: %q", property, unit, text)
	}
	return n
}

// debugfs changes or reads a disk of the machine, which must be off.
func (v *virtualMachine) debugfs(disk string, commands ...string) {
	v.t.Helper()
	cmd := osexec.Command("debugfs", "-w", "-f", "/dev/stdin", filepath.Join(v.dir, disk))
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		v.t.Fatalf("debugfs %s: %v\n%s", disk, err, out)
	}
}

// powerOff has the machine shut down, and waits until it is off.
func (v *virtualMachine) powerOff() {
	v.t.Helper()
	v.mu.Lock()
	v.off = true
	v.mu.Unlock()
	v.ssh("(sleep 1; systemctl poweroff) >/dev/null 2>&1 &")
	select {
	case <-v.down:
	case <-time.After(v.patience):
		v.t.Fatal("the machine does not power off")
	}
}

// turnOn starts a machine again that was turned off.
func (v *virtualMachine) turnOn() {
	v.off, v.down = false, make(chan struct{})
	v.start()
}

// A machine that systemd boots has its secrets back after a restart and after a power
// cut, before the units that need them and without the deployer. From a copy of its disk
// without the host key nothing is had.
func TestRebootVirtualMachine(t *testing.T) {
	if *rebootVM == "" {
		t.Skip("off without -reboot-vm: just test-vm")
	}
	v := newDebianMachine(t, *rebootVM)
	v.debianHost(rebootedSecrets)
	v.start()
	before := v.ssh("cat /proc/sys/kernel/random/boot_id")
	began := time.Now()
	step := func(what string) {
		t.Logf("%s after %v", what, time.Since(began).Round(time.Second))
	}
	v.eventually("deploy", "--confirm-timeout", "5m")
	v.ssh("systemctl start first.service") // it is for the next boot, and is not restarted by a deployment
	v.hasSecrets("after its deployment")
	step("deployed")

	v.ssh("(sleep 1; systemctl reboot) >/dev/null 2>&1 &")
	v.restarted(before)
	v.hasSecrets("after a restart")
	if out := v.eventually("status"); !strings.Contains(out, "secret ram: new") {
		t.Errorf("muster status after a restart:\n%s", out)
	}
	v.eventually("secrets", "push")
	if out := v.eventually("status"); !strings.Contains(out, "in sync") {
		t.Errorf("muster status:\n%s", out)
	}
	step("restarted")

	// The power is cut: nothing was unmounted.
	before = v.ssh("cat /proc/sys/kernel/random/boot_id")
	v.mu.Lock()
	v.qemu.Process.Kill()
	v.mu.Unlock()
	v.restarted(before)
	v.hasSecrets("after a power cut")
	step("power cut and back")

	v.powerOff()
	search := secretsOfVM()
	v.local("cp", "--sparse=always", filepath.Join(v.dir, "disk.img"), filepath.Join(v.dir, "copy.img"))
	v.searched(search)
	step("searched")

	// The thief's copy has all but the host key. What its journal has would undo changes.
	v.local("e2fsck", "-fp", filepath.Join(v.dir, "copy.img"))
	v.debugfs("copy.img", "cd /etc/ssh", "rm ssh_host_ed25519_key", "rm ssh_host_ed25519_key.pub", "write "+v.dir+"/thief ssh_host_ed25519_key", "write "+v.dir+"/thief.pub ssh_host_ed25519_key.pub")
	v.disks[0].file = "copy.img"
	v.turnOn()
	got := v.ssh("systemctl is-system-running --wait >/dev/null 2>&1; ls -A /run/muster-secrets/ /etc/link 2>&1 | sort; systemctl is-failed muster-secret-token.service app.service; cat /run/app-saw /run/first-saw 2>/dev/null; true")
	for _, secret := range []string{vmToken, "another secret", "needed before", "in memory"} {
		if strings.Contains(got, secret) {
			t.Errorf("without the host key the copy has %q:\n%s", secret, got)
		}
	}
	t.Logf("without the host key:\n%s", got)
	out := v.ssh("for f in $(find /var/lib/muster/secrets -type f); do age -d -i /etc/ssh/ssh_host_ed25519_key $f >/dev/null 2>&1 && echo open $f; done; find /var/lib/muster/secrets -type f | wc -l")
	if n, err := strconv.Atoi(strings.TrimSpace(out)); err != nil || n < 3 {
		t.Errorf("of the files of secrets in the copy: %q", out)
	}
	step("the copy has booted")
	v.turnOff()
}

// searched looks for secrets on the disk of the machine: in its bytes, and in its files,
// which may be compressed.
func (v *virtualMachine) searched(s *secretSearch) {
	v.t.Helper()
	raw, err := os.ReadFile(filepath.Join(v.dir, "disk.img"))
	if err != nil {
		v.t.Fatal(err)
	}
	s.in("disk.img", raw)
	files := filepath.Join(v.dir, "files")
	if err := os.Mkdir(files, 0o700); err != nil {
		v.t.Fatal(err)
	}
	for _, dir := range []string{"/etc", "/var", "/nix", "/root", "/tmp", "/boot"} {
		v.debugfs("copy.img", "rdump "+dir+" "+files)
	}
	if err := s.below("vm", files, time.Time{}); err != nil {
		v.t.Error(err)
	}
	if len(s.found) > 0 {
		v.t.Errorf("the disk has secrets:\n%s", strings.Join(s.found, "\n"))
	}
	v.t.Logf("%d bytes searched, %d files", s.bytes, s.files)

	// The search finds what is there.
	s.in("itself", []byte(vmToken))
	if len(s.found) == 0 {
		v.t.Error("the search finds nothing")
	}
}

// replacedLinux are the disks and the installation of a machine whose Debian NixOS
// replaces. What minios takes of the Debian that it runs on stays.
const replacedLinux = `disks: main: {device: "/dev/vda", boot: true}
	install: {
		in_place: true
		keep: ["/usr", "/bin", "/lib", "/lib64", "/sbin", "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/pam.d", "/etc/security", "/etc/ld.so.cache",
			"/etc/ssh/sshd_config", "/etc/nix", "/etc/nsswitch.conf", "/etc/login.defs", "/etc/debian_version", "/srv/kept"]
	}
	`

// NixOS takes the place of a Debian that runs, whenever muster is killed; what could not
// be replaced is refused before anything changes.
func TestInPlaceVirtualMachine(t *testing.T) {
	if *rebootVM == "" {
		t.Skip("off without -reboot-vm: just test-vm")
	}
	v := newDebianMachine(t, *rebootVM)
	v.debianHost(replacedLinux + rebootedSecrets)
	inventory := v.read("hosts.cue")
	change := func(old, new string) {
		t.Helper()
		if !strings.Contains(inventory, old) {
			t.Fatalf("the inventory has no %q", old)
		}
		v.write("hosts.cue", strings.Replace(inventory, old, new, 1))
	}
	v.start()
	v.ssh("mkdir -p /srv/kept /srv/lost && echo kept >/srv/kept/file && echo lost >/srv/lost/file && sync")
	before := v.ssh("cat /etc/ssh/ssh_host_ed25519_key.pub /etc/machine-id")
	began := time.Now()
	step := func(what string) { t.Logf("%s after %v", what, time.Since(began).Round(time.Second)) }

	change("boot: true", "boot: false")
	v.refused("no disk of the inventory has boot: true", "install", "vm", "--in-place", "--yes")
	change(`"/": {device: "/dev/vda"`, `"/": {device: "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322"`)
	v.refused("and the machine has no such device: there it is /dev/vda", "install", "vm", "--in-place", "--yes")
	hostKey, _, _ := strings.Cut(v.read("host.pub"), " host")
	other, _, _ := strings.Cut(v.read("thief.pub"), " thief")
	change(fmt.Sprintf("host_keys: [%q]", hostKey), fmt.Sprintf("host_keys: [%q], install: host_keys: [%q]", other, hostKey))
	v.refused("in place a machine keeps its keys", "install", "vm", "--in-place", "--yes")
	v.write("hosts.cue", inventory)
	v.refused("there is no terminal to ask on: --yes agrees to it", "install", "vm", "--in-place")
	if left := v.ssh("ls -d /etc/NIXOS* /var/lib/muster /nix/var/nix/profiles/system 2>/dev/null; true"); left != "" {
		t.Fatalf("a machine that was refused has\n%s", left)
	}
	step("refused")

	install := []string{"install", "vm", "--in-place", "--yes", "--lock-timeout", "5s"}
	for _, kill := range []struct {
		stage string
		after time.Duration
	}{{"disks", 0}, {"copy", 3 * time.Second}, {"keys", time.Second}, {"install", time.Second}, {"install", 6 * time.Second}} {
		v.killAt(kill.stage, kill.after, install...)
		step(fmt.Sprintf("killed %v into %s", kill.after, kill.stage))
		if kill.stage == "copy" { // what was agreed to holds
			install = []string{"install", "vm", "--in-place", "--lock-timeout", "5s"}
		}
		time.Sleep(6 * time.Second)
	}
	v.killAt("reboot", 3*time.Second, install...)
	step("killed while it waited for the first boot")
	if out := v.eventually("resume", "--reboot-timeout", "15m"); !strings.Contains(out, "vm: installed") {
		t.Errorf("muster resume:\n%s", out)
	}
	step("installed")
	v.ssh("systemctl is-system-running --wait >/dev/null 2>&1; true")
	v.hasSecrets("after its installation")
	if out := v.eventually("status"); !strings.Contains(out, "in sync") {
		t.Errorf("muster status:\n%s", out)
	}
	if after := v.ssh("cat /etc/ssh/ssh_host_ed25519_key.pub /etc/machine-id"); after != before {
		t.Errorf("the machine is another:\n%s\nwas\n%s", after, before)
	}
	got := v.ssh("cat /srv/kept/file /old-root/srv/lost/file; ls -d /srv/lost /etc/NIXOS_LUSTRATE /old-root.new /old-root/.keep /old-root/var/lib/muster 2>/dev/null; ls -d /etc/NIXOS /old-root/etc/fstab")
	if want := "kept\nlost\n/etc/NIXOS\n/old-root/etc/fstab\n"; got != want {
		t.Errorf("after its installation the machine has\n%s\nwant\n%s", got, want)
	}
	v.refused("it runs NixOS already", "install", "vm", "--in-place", "--yes")
}

// secretsOfVM has all that the machine must not have on its disk looked for.
func secretsOfVM() *secretSearch {
	s := new(secretSearch)
	for name, text := range map[string]string{
		"token": vmToken, "link": "another secret of the machine", "early": "needed before all services", "ram": "in memory, and only there",
	} {
		s.add(name, []byte(text))
	}
	return s
}
