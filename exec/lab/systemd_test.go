package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// comesBack waits until the host has another boot ID and its sshd listens.
func comesBack(t *testing.T, h *Host, before string) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if h.Pid() == 0 || h.awaitSSH(t.Context()) != nil {
			continue
		}
		if id, err := h.Run(t.Context(), "cat", "/proc/sys/kernel/random/boot_id"); err == nil && id != before {
			return
		}
	}
	t.Fatalf("%s did not restart:\n%s", h.Name, h.Log())
}

func bootID(t *testing.T, h *Host) string {
	t.Helper()
	return run(t, h, "cat", "/proc/sys/kernel/random/boot_id")
}

// awaitUp waits until systemd has finished booting and returns what it says of the machine.
func awaitUp(t *testing.T, h *Host) string {
	t.Helper()
	out, _ := h.Run(t.Context(), "systemctl", "is-system-running", "--wait")
	return strings.TrimSpace(out)
}

func TestSystemdHosts(t *testing.T) {
	start := time.Now()
	l := NewSystemd(t, "il", "ee")
	t.Logf("2 hosts in %v", time.Since(start))
	il, ee := l.Host("il"), l.Host("ee")
	for _, h := range l.Hosts {
		if got := awaitUp(t, h); got != "running" {
			t.Errorf("%s is %s:\n%s", h.Name, got, run(t, h, "systemctl", "--failed"))
		}
		if got := run(t, h, "systemctl", "list-units", "--plain", "--no-legend", "*ssh*"); !strings.HasPrefix(got, "sshd.service loaded active running") || strings.Count(got, "\n") != 1 {
			t.Errorf("sshd of %s: %q", h.Name, got)
		}
		if got := mustSSH(t, l, h.Name, "hostname; whoami; cat /proc/1/comm; nix-store --version"); !strings.HasPrefix(got, h.Name+"\nroot\nsystemd\nnix-store (Nix) ") {
			t.Errorf("ssh %s: %q", h.Name, got)
		}
	}
	t.Logf("up after %v", time.Since(start))
	if a, b := run(t, il, "cat", "/etc/machine-id"), run(t, ee, "cat", "/etc/machine-id"); a == b {
		t.Error("two hosts with one machine ID")
	}

	// Each has files of its own, unseen by the other and by this machine.
	for _, dir := range []string{"/etc", "/run", "/root", "/tmp", "/var/lib", "/boot", "/home", "/nix/store", "/usr/bin", "/"} {
		path := dir + "/only-il"
		run(t, il, "touch", path)
		if _, err := ee.Run(t.Context(), "test", "!", "-e", path); err != nil {
			t.Errorf("%s of il is seen on ee", path)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s of il is seen on this machine", path)
		}
		if _, err := il.ReadFile(path); err != nil {
			t.Errorf("ReadFile %s: %v", path, err)
		}
	}
	must(t, il.WriteFile("/run/written", []byte("here"), 0o644))
	if got := run(t, il, "cat", "/run/written"); got != "here" {
		t.Errorf("written %q", got)
	}

	// Units, transient ones, the journal and user sessions work.
	run(t, il, "systemd-run", "--wait", "--quiet", "--unit=greet", "echo", "hello from a unit")
	if got := run(t, il, "journalctl", "--unit=greet", "--output=cat"); !strings.Contains(got, "hello from a unit") {
		t.Errorf("journal: %q", got)
	}
	if got := mustSSH(t, l, "il", "cat /proc/self/cgroup; systemctl --user is-system-running --wait"); !strings.Contains(got, "user.slice") || !strings.Contains(got, "running") {
		t.Errorf("session: %q", got)
	}
	// A store of its own that Nix can write to.
	mustSSH(t, l, "il", "nix-store --add /etc/hosts && nix-store --verify --check-contents && nix-store --gc")
}

func TestSystemdRestarts(t *testing.T) {
	l := NewWith(t, Options{Hosts: []string{"il"}, Systemd: true, Boot: "echo booted >>/var/log/boots"})
	il := l.Host("il")
	run(t, il, "sh", "-c", "echo kept >/var/kept; echo kept >/usr/kept; echo lost >/run/lost; systemctl --no-block start nothing 2>/dev/null; true")
	first := bootID(t, il)
	sshTo(t, l, "il", "systemctl reboot")
	comesBack(t, il, first)
	if got := mustSSH(t, l, "il", "cat /var/kept /usr/kept /var/log/boots; ls /run/lost 2>&1; true"); !strings.HasPrefix(got, "kept\nkept\nbooted\nbooted\nls: ") {
		t.Errorf("after the restart: %q", got)
	}
	second := bootID(t, il)
	must(t, il.Reboot(t.Context()))
	if third := bootID(t, il); third == second || third == first {
		t.Errorf("boot IDs %q, %q, %q", first, second, third)
	}
	processes := il.Processes()
	if len(processes) < 5 {
		t.Errorf("processes of il: %v", processes)
	}
	must(t, il.Stop())
	for _, pid := range processes {
		if _, alive := readProcess(pid); alive {
			t.Errorf("process %d of il lives on", pid)
		}
	}
	if _, err := il.Run(t.Context(), "true"); err == nil {
		t.Error("Run on a stopped host passes")
	}
	if got, err := il.ReadFile("/var/kept"); err != nil || string(got) != "kept\n" {
		t.Errorf("disk of a stopped host: %q, %v", got, err)
	}
	must(t, il.Start(t.Context()))
	awaitUp(t, il)
	sshTo(t, l, "il", "systemctl poweroff")
	for end := time.Now().Add(60 * time.Second); !il.isOff(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("il did not go off:\n%s", il.Log())
		}
	}
	must(t, il.Start(t.Context()))
	mustSSH(t, l, "il", "true")
}

func TestSystemdFaults(t *testing.T) {
	l := NewWith(t, Options{Hosts: []string{"il"}, Systemd: true, DiskSize: 256 << 20})
	il := l.Host("il")
	awaitUp(t, il)
	done := make(chan string)
	go func() {
		out, err := sshTo(t, l, "il", "touch /run/in; while [ ! -e /run/go ]; do sleep 0.02; done; echo done")
		done <- out
		_ = err
	}()
	run(t, il, "sh", "-c", "while [ ! -e /run/in ]; do sleep 0.02; done")
	must(t, il.StopSSH())
	if _, _, err := dial(il, 5*time.Second); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("dial without sshd: %v", err)
	}
	must(t, il.WriteFile("/run/go", nil, 0o644))
	if got := <-done; got != "done\n" {
		t.Errorf("open session: %q", got)
	}
	must(t, il.StartSSH(t.Context()))
	mustSSH(t, l, "il", "true")

	go func() {
		out, _ := sshTo(t, l, "il", "touch /run/in2; sleep 30; echo done")
		done <- out
	}()
	run(t, il, "sh", "-c", "while [ ! -e /run/in2 ]; do sleep 0.02; done")
	must(t, il.KillSessions())
	if got := <-done; strings.Contains(got, "done") {
		t.Errorf("session that was cut: %q", got)
	}
	mustSSH(t, l, "il", "true")

	must(t, il.Unplug())
	if _, _, err := dial(il, 10*time.Second); err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("dial an unplugged host: %v", err)
	}
	must(t, il.Plug())
	must(t, il.Delay(50*time.Millisecond))
	began := time.Now()
	mustSSH(t, l, "il", "true")
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("ssh over a slow line took %v", took)
	}
	must(t, il.Delay(0))

	must(t, il.Freeze())
	if _, _, err := dial(il, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("dial a frozen host: %v", err)
	}
	must(t, il.Thaw())
	mustSSH(t, l, "il", "true")

	must(t, il.FillDisk(1<<20))
	if out, err := sshTo(t, l, "il", "head -c 3000000 /dev/zero >/var/tmp/big"); err == nil || !strings.Contains(out, "No space left on device") {
		t.Errorf("write 3 MB: %q, %v", out, err)
	}
	run(t, il, "rm", "/var/tmp/big")
	must(t, il.EmptyDisk())
	mustSSH(t, l, "il", "head -c 3000000 /dev/zero >/var/tmp/big && nix-store --add /var/tmp/big")

	must(t, il.ChangeHostKey(t.Context()))
	if out, err := sshTo(t, l, "il", "true"); err == nil || !strings.Contains(out, "REMOTE HOST IDENTIFICATION HAS CHANGED") {
		t.Errorf("ssh il: %v\n%s", err, out)
	}
}

func TestSystemdLeavesNothing(t *testing.T) {
	RequireLab(t)
	l, err := Start(t.Context(), Options{Hosts: []string{"il", "ee"}, Systemd: true})
	must(t, err)
	if all := allControlGroups(t); all != "" {
		if hosts, err := os.ReadDir(filepath.Join(all, filepath.Base(l.Dir))); err != nil || len(hosts) == 0 {
			t.Errorf("control groups: %v, %v", hosts, err)
		}
	}
	must(t, l.Host("ee").Freeze())
	must(t, l.Close())
	noTraces(t, l.Dir, l.net.uplink)

	for _, way := range []string{"kill -9", "exit"} {
		t.Run(way, func(t *testing.T) {
			child := exec.Command(os.Args[0], "-test.run=^TestChildThatDies$")
			child.Env = append(os.Environ(), "LAB_CHILD="+way, "LAB_SYSTEMD=yes")
			dies(t, child, way)
		})
	}
}

func TestAptMirror(t *testing.T) {
	const release = "ID=debian\nVERSION_CODENAME=bookworm\n"
	tests := []struct {
		name  string
		files map[string]string
		want  mirror
	}{
		{"no sources", map[string]string{"os-release": release}, mirror{"http://deb.debian.org/debian", "bookworm", "main"}},
		{"deb822", map[string]string{"os-release": release, "apt/sources.list.d/debian.sources": "Types: deb\n# note\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\n\nTypes: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\nComponents: main\n"},
			mirror{"http://mirror.example/debian", "bookworm", "main,contrib"}},
		{"one line", map[string]string{"os-release": "VERSION_CODENAME=\"trixie\"\n", "apt/sources.list": "# deb http://a trixie main\ndeb [signed-by=/k.gpg] http://m/debian trixie main\n"},
			mirror{"http://m/debian", "trixie", "main"}},
		{"others only", map[string]string{"os-release": release, "apt/sources.list.d/cloud.list": "deb https://packages.example/apt cloud-bookworm main\n"},
			mirror{"http://deb.debian.org/debian", "bookworm", "main"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			etc := t.TempDir()
			for name, content := range tt.files {
				path := filepath.Join(etc, name)
				must(t, os.MkdirAll(filepath.Dir(path), 0o755))
				must(t, os.WriteFile(path, []byte(content), 0o644))
			}
			if got := aptMirror(etc); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func BenchmarkStartSystemd(b *testing.B) {
	RequireLab(b)
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var names []string
			for i := range n {
				names = append(names, fmt.Sprintf("h%d", i))
			}
			for b.Loop() {
				l, err := Start(b.Context(), Options{Hosts: names, Systemd: true})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				start := time.Now()
				l.Close()
				b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/close")
				b.StartTimer()
			}
		})
	}
}
