package cmd

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"muster/schema"
)

var installVM = flag.String("install-vm", "", "install a virtual machine (qemu) with Debian's kernel of this `version`, from an empty disk")

// A virtualMachine is a computer that is emulated. It starts again whenever it has gone
// down, until it is turned off.
type virtualMachine struct {
	t        *testing.T
	dir      string // of the fleet
	tree     string // see tree.sh
	port     int
	disks    []vmDisk
	patience time.Duration        // for the machine to answer
	boot     func(n int) []string // qemu's arguments for start n, from 0: where the kernel comes from
	mu       sync.Mutex
	qemu     *osexec.Cmd
	boots    int
	off      bool
	down     chan struct{}
}

// A vmDisk is a disk of a virtual machine: a file in its directory.
type vmDisk struct{ file, serial string }

const vmToken = "a-token-that-no-disk-may-hold"

// newVirtualMachine is a machine with an empty disk. It starts into a rescue system, and
// from its disk whenever it restarts, as one that was told so in a hoster's panel.
func newVirtualMachine(t *testing.T) *virtualMachine {
	t.Helper()
	v := &virtualMachine{t: t, dir: t.TempDir(), port: freePort(t), down: make(chan struct{}), patience: 10 * time.Minute}
	v.disks = []vmDisk{{"disk.img", "MUSTER01"}, {"other.img", "OTHER01"}}
	v.boot = func(n int) []string {
		if n > 0 {
			return nil
		}
		return []string{"-kernel", filepath.Join(v.tree, "rescue", "bzImage"), "-initrd", filepath.Join(v.tree, "rescue", "initrd"), "-append", "console=ttyS0 quiet no_timer_check"}
	}
	v.tree = filepath.Join(v.dir, "tree")
	source, err := filepath.Abs("testdata/install")
	if err != nil {
		t.Fatal(err)
	}
	v.local("mkdir", "-p", filepath.Join(v.tree, "keys"))
	for _, name := range []string{"rescue", "user"} {
		v.local("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", filepath.Join(v.tree, "keys", name))
	}
	v.local(filepath.Join(source, "tree.sh"), v.tree, *installVM)
	for _, name := range []string{"machine.nix", "bootloader.sh", "rc.sh", "disko.sh"} {
		v.local("cp", filepath.Join(source, name), v.dir)
	}
	v.local("age-keygen", "-o", filepath.Join(v.dir, "id.key"))
	v.local("mkdir", "-p", filepath.Join(v.dir, "image", "kexec"))
	v.local("cp", filepath.Join(v.tree, "rescue", "bzImage"), filepath.Join(v.tree, "rescue", "initrd"), filepath.Join(v.dir, "image", "kexec"))
	v.local("install", filepath.Join(source, "kexec.sh"), filepath.Join(v.dir, "image", "kexec", "run"))
	v.local("tar", "-C", filepath.Join(v.dir, "image"), "-czf", filepath.Join(v.dir, "image.tar.gz"), "kexec")
	v.write("ssh.conf", "Host *\n  IdentityFile "+filepath.Join(v.tree, "keys", "user")+"\n  UserKnownHostsFile /dev/null\n")
	for _, disk := range v.disks {
		v.local("truncate", "-s", "1G", filepath.Join(v.dir, disk.file))
	}
	t.Cleanup(v.turnOff)
	return v
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// local runs a command on this computer.
func (v *virtualMachine) local(argv ...string) string {
	v.t.Helper()
	out, err := osexec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		v.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out)
}

func (v *virtualMachine) write(name, text string) {
	v.t.Helper()
	if err := os.WriteFile(filepath.Join(v.dir, name), []byte(text), 0o600); err != nil {
		v.t.Fatal(err)
	}
}

func (v *virtualMachine) read(name string) string {
	v.t.Helper()
	text, err := os.ReadFile(filepath.Join(v.dir, name))
	if err != nil {
		v.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// inventory writes the inventory, with a serial number of its disk and a device, whose
// partitions disko may make.
func (v *virtualMachine) inventory(device, serial string, disko bool) {
	v.t.Helper()
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		v.t.Fatal(err)
	}
	recipient := v.local("age-keygen", "-y", filepath.Join(v.dir, "id.key"))
	rescue, _, _ := strings.Cut(v.read("tree/keys/rescue.pub"), " rescue")
	v.write("hosts.cue", fmt.Sprintf(`package fleet

_disko: %t
nixpkgs: path: %q
secret_recipients: [%q]
hosts: vm: {
	host: "127.0.0.1"
	port: %d
	user: "root"
	disks: main: {
		device: "/dev/disk/by-id/%s"
		serial: %q
		boot:   true
		if !_disko {
			partitions: [
				{name: "boot", size: "96M", fs: "vfat", label: "BOOT", mount: "/boot", bootable: true},
				{name: "swap", size: "64M", fs: "swap"},
				{name: "root", fs: "ext4", mount: "/", options: ["noatime"]},
			]
		}
	}
	if _disko {
		file_systems: {
			"/boot": {device: "/dev/disk/by-id/virtio-MUSTER01-part1", fs_type: "vfat"}
			"/": {device: "/dev/disk/by-id/virtio-MUSTER01-part2", fs_type: "ext4"}
		}
	}
	install: {
		disko:    _disko
		host_key: "keys/vm.age"
		host_keys: [%q]
		kexec: path: "image.tar.gz"
	}
	imports: ["machine.nix"]
	config: users: users: root: openssh: authorizedKeys: keys: [%q]
	secrets: {
		token: env: "TOKEN"
		link: {command: ["echo", "linked"], path: "/etc/link"}
		ram: {command: ["echo", "in memory"], volatile: true}
	}
}
`, disko, minios, strings.TrimSpace(recipient), v.port, device, serial, rescue, v.read("tree/keys/user.pub")))
}

// start starts the machine.
func (v *virtualMachine) start() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.off {
		close(v.down)
		return
	}
	args := []string{
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024", "-display", "none", "-no-reboot",
		"-serial", fmt.Sprintf("file:%s/serial-%d.log", v.dir, v.boots), "-device", "virtio-rng-pci",
		"-netdev", fmt.Sprintf("user,id=net,hostfwd=tcp:127.0.0.1:%d-:22", v.port), "-device", "virtio-net-pci,netdev=net",
	}
	for i, d := range v.disks {
		drive := fmt.Sprintf("if=none,format=raw,cache=unsafe,id=disk%d,file=%s", i, filepath.Join(v.dir, d.file))
		args = append(args, "-drive", drive, "-device", fmt.Sprintf("virtio-blk-pci,drive=disk%d,serial=%s", i, d.serial))
	}
	args = append(args, v.boot(v.boots)...)
	v.boots++
	v.qemu = osexec.Command("qemu-system-x86_64", args...)
	v.qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := v.qemu.Start(); err != nil {
		v.t.Errorf("start qemu: %v", err)
		return
	}
	go func(qemu *osexec.Cmd) {
		qemu.Wait()
		v.start()
	}(v.qemu)
}

func (v *virtualMachine) turnOff() {
	v.mu.Lock()
	v.off = true
	running := v.qemu
	if running != nil {
		running.Process.Kill()
	}
	v.mu.Unlock()
	if running != nil {
		<-v.down
	}
	if v.t.Failed() {
		logs, _ := filepath.Glob(filepath.Join(v.dir, "serial-*.log"))
		for _, log := range logs {
			text, _ := os.ReadFile(log)
			v.t.Logf("%s:\n%s", filepath.Base(log), text[max(0, len(text)-4000):])
		}
	}
}

// command is muster in the directory of the fleet.
func (v *virtualMachine) command(args ...string) *osexec.Cmd {
	v.t.Helper()
	self, err := os.Executable()
	if err != nil {
		v.t.Fatal(err)
	}
	muster := filepath.Join(v.dir, "muster") // the test is muster where it is called so
	_ = os.Symlink(self, muster)
	cmd := osexec.Command(muster, append(args, "--ssh-config", filepath.Join(v.dir, "ssh.conf"), "--identity", filepath.Join(v.dir, "id.key"),
		"--connect-timeout", "2m", "--answer-timeout", "5m")...) // an emulated processor is slow
	cmd.Dir = v.dir
	cmd.Env = append(os.Environ(), "HOME="+v.dir, "XDG_STATE_HOME="+filepath.Join(v.dir, "state"), "TOKEN="+vmToken, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
	return cmd
}

// refused runs muster, which must fail with a text.
func (v *virtualMachine) refused(want string, args ...string) {
	v.t.Helper()
	out, err := v.command(args...).CombinedOutput()
	if err == nil || !strings.Contains(strings.Join(strings.Fields(string(out)), " "), want) {
		v.t.Fatalf("muster %s: %v, want %q:\n%s", strings.Join(args, " "), err, want, out)
	}
}

func (v *virtualMachine) must(args ...string) string {
	v.t.Helper()
	out, err := v.command(args...).CombinedOutput()
	if err != nil {
		v.t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// killAt runs muster and kills it a while after it has begun a stage. A machine that is
// too slow to answer is tried again.
func (v *virtualMachine) killAt(stage string, after time.Duration, args ...string) {
	v.t.Helper()
	said := ""
	for range 5 {
		var killed bool
		if said, killed = v.tryToKillAt(stage, after, args...); killed {
			return
		}
		if !strings.Contains(said, "no answer") {
			break
		}
	}
	v.t.Fatalf("muster ended before stage %s:\n%s", stage, said)
}

func (v *virtualMachine) tryToKillAt(stage string, after time.Duration, args ...string) (said string, killed bool) {
	v.t.Helper()
	cmd := v.command(append(args, "--output", "json")...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		v.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	defer cmd.Wait()
	lines := bufio.NewScanner(out)
	var events []string
	for lines.Scan() {
		events = append(events, lines.Text())
		var e struct {
			Event string
			Data  struct{ Stage, Error string }
		}
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Event == "StageStarted" && e.Data.Stage == stage {
			time.Sleep(after)
			cmd.Process.Kill()
			return "", true
		}
		if e.Event == "HostEnded" {
			break
		}
	}
	return strings.Join(events[max(0, len(events)-20):], "\n") + "\n" + errs.String(), false
}

// ssh runs a command on the machine.
func (v *virtualMachine) ssh(command string) string {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), v.patience)
	defer cancel()
	for {
		out, err := osexec.CommandContext(ctx, "ssh", "-F", filepath.Join(v.dir, "ssh.conf"), "-p", fmt.Sprint(v.port), "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR", "root@127.0.0.1", command).Output()
		if err == nil {
			return string(out)
		}
		if ctx.Err() != nil {
			v.t.Fatalf("ssh %s: %v: %s", command, err, out)
		}
		time.Sleep(time.Second)
	}
}

// untouched fails where something was written to a disk.
func (v *virtualMachine) untouched(disk string) {
	v.t.Helper()
	if blocks := strings.TrimSpace(v.local("stat", "-c", "%b", filepath.Join(v.dir, disk))); blocks != "0" {
		v.t.Fatalf("%s: %s blocks were written", disk, blocks)
	}
}

// installed checks the host that muster has made.
func (v *virtualMachine) installed() {
	v.t.Helper()
	if out := v.must("status"); !strings.Contains(out, "in sync") {
		v.t.Errorf("muster status:\n%s", out)
	}
	got := v.ssh("cat /run/muster-secrets/token /etc/link /run/secrets-at-boot /run/muster-secrets/ram; stat -c %a:%U /run/muster-secrets/token 2>/dev/null || ls -lL /run/muster-secrets/token; ls /var/lib/muster")
	for _, want := range []string{vmToken + "linked", "\nlink\ntoken\nin memory\n", "deployments\nsecrets\n"} {
		if !strings.Contains(got, want) {
			v.t.Errorf("the host has\n%s\nwant %q", got, want)
		}
	}
}

// From an empty disk to a booted system with its secrets, whenever muster is killed; no
// disk but the one that is named is touched.
func TestInstallVirtualMachine(t *testing.T) {
	if *installVM == "" {
		t.Skip("off without -install-vm: just test-install")
	}
	v := newVirtualMachine(t)
	v.start()

	v.inventory("virtio-MUSTER02", "MUSTER02", false)
	v.refused("the machine has no such disk; in /dev/disk/by-id it has virtio-MUSTER01 (vda, 1.1 GB), virtio-OTHER01", "install", "vm", "--yes")
	v.inventory("virtio-OTHER01", "MUSTER01", false)
	v.refused(`its serial number is "OTHER01", and the inventory says "MUSTER01"; nothing was wiped`, "install", "vm", "--yes")
	v.ssh("mkfs.ext4 -q /dev/vdb && mkdir /media && mount -t ext4 /dev/vdb /media && touch /media/precious")
	v.inventory("virtio-OTHER01", "OTHER01", false)
	v.refused("it is in use, and has to be unmounted or stopped first: vdb (/media); nothing was wiped", "install", "vm", "--yes")
	v.ssh("ls /media/precious && umount /media")
	v.inventory("virtio-MUSTER01", "MUSTER01", false)
	v.refused("there is no terminal to ask on: --yes agrees to it", "install", "vm")
	v.untouched("disk.img")

	// A killed run's lock lapses.
	first := []string{"install", "vm", "--yes", "--lock-timeout", "5s"}
	for _, kill := range []struct {
		stage string
		after time.Duration
	}{
		{"connect", 0}, {"look", 0}, {"build", 0}, {"kexec", 0}, {"lock", 0},
		{"disks", 0}, {"disks", 2 * time.Second}, {"copy", 3 * time.Second}, {"copy", 15 * time.Second},
		{"keys", 300 * time.Millisecond}, {"keys", time.Second}, {"install", time.Second}, {"install", 6 * time.Second}, {"reboot", 0},
	} {
		began := time.Now()
		v.killAt(kill.stage, kill.after, first...)
		t.Logf("killed %v into %s, after %v", kill.after, kill.stage, time.Since(began).Round(time.Second))
		// Without --yes: what was agreed to holds.
		if kill.stage == "copy" {
			first = []string{"install", "vm", "--lock-timeout", "5s"}
		}
		time.Sleep(6 * time.Second)
	}
	v.killAt("reboot", 800*time.Millisecond, first...)
	t.Log("killed while it waited for the first boot")
	out := v.must("resume", "--reboot-timeout", "15m")
	if !strings.Contains(out, "vm: installed") {
		t.Errorf("muster resume:\n%s", out)
	}
	v.installed()
	v.refused("it is installed already", "install", "vm", "--yes")

	// After a restart the secrets are back without muster.
	before := v.ssh("cat /proc/sys/kernel/random/boot_id")
	v.ssh("rm -f /var/lib/left; touch /var/lib/left; sync; (sleep 1; reboot) >/dev/null 2>&1 &")
	for v.ssh("cat /proc/sys/kernel/random/boot_id") == before {
		time.Sleep(time.Second)
	}
	if out, err := v.command("status").CombinedOutput(); err == nil || !strings.Contains(string(out), "secret ram: new") {
		t.Errorf("muster status after a restart: %v\n%s", err, out)
	}
	v.must("secrets", "push")
	v.installed()

	// The installer of the inventory takes a host over that runs from its disk, which
	// disko makes anew: that disk and no other.
	v.inventory("virtio-OTHER01", "OTHER01", true)
	v.refused("disko.devices makes a disk that the inventory does not name in hosts.vm.disks", "install", "vm", "--yes", "--reinstall")
	v.inventory("virtio-MUSTER01", "MUSTER01", true)
	out = v.must("install", "vm", "--yes", "--reinstall", "--reboot-timeout", "15m")
	if !strings.Contains(out, "vm: installed") {
		t.Errorf("muster install --reinstall:\n%s", out)
	}
	if left := v.ssh("ls /var/lib/left 2>/dev/null || echo gone"); left != "gone\n" {
		t.Errorf("the disk was not wiped: %s", left)
	}
	v.installed()
	v.turnOff()
	if disk, err := os.ReadFile(filepath.Join(v.dir, "disk.img")); err != nil || bytes.Contains(disk, []byte(vmToken)) {
		t.Errorf("the disk holds a secret: %v", err)
	}
}

// An installer that is fetched is the one that the inventory means.
func TestInstallersAreFetched(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(file, []byte("an installer"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("an installer"))
	image, err := openImage(t.Context(), "/", schema.Kexec{URL: "file://" + file, Hash: "sha256-" + base64.StdEncoding.EncodeToString(sum[:])})
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	if got, err := io.ReadAll(image); err != nil || string(got) != "an installer" {
		t.Errorf("got %q, %v", got, err)
	}
	sum[0]++
	if _, err := openImage(t.Context(), "/", schema.Kexec{URL: "file://" + file, Hash: "sha256-" + base64.StdEncoding.EncodeToString(sum[:])}); err == nil || !strings.Contains(err.Error(), "hash mismatch") {
		t.Errorf("another hash: %v", err)
	}
}
