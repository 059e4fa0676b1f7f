package lab

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// hangs is after which time something counts as hanging.
const hangs = 2 * time.Minute

// sshTo runs a command on a host with the real ssh.
func sshTo(t *testing.T, l *Lab, name string, command ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	args := append([]string{"-F", l.SSHConfig, "-o", "BatchMode=yes", "-o", "ConnectTimeout=60", name}, command...)
	out, err := exec.CommandContext(ctx, "ssh", args...).CombinedOutput()
	return string(out), err
}

func mustSSH(t *testing.T, l *Lab, name string, command ...string) string {
	t.Helper()
	out, err := sshTo(t, l, name, command...)
	if err != nil {
		t.Fatalf("ssh %s %q: %v\n%s", name, command, err, out)
	}
	return out
}

func run(t *testing.T, h *Host, argv ...string) string {
	t.Helper()
	out, err := h.Run(t.Context(), argv...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// dial connects to the host's sshd and reads the first line it says.
func dial(h *Host, timeout time.Duration) (net.Conn, string, error) {
	conn, err := net.DialTimeout("tcp", h.Addr+":22", timeout)
	if err != nil {
		return nil, "", err
	}
	conn.SetDeadline(time.Now().Add(timeout))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		conn.Close()
		return nil, "", err
	}
	conn.SetDeadline(time.Time{})
	return conn, line, nil
}

func TestHostsAnswerToNameAndAlias(t *testing.T) {
	l := NewWith(t, Options{
		Hosts: []string{"il", "ee", "sam"},
		Alias: map[string][]string{"il": {"192.168.10.121", "master.example"}},
	})
	for _, h := range l.Hosts {
		if got := mustSSH(t, l, h.Name, "hostname; whoami; nix-store --version"); !strings.HasPrefix(got, h.Name+"\nroot\nnix-store (Nix) ") {
			t.Errorf("ssh %s: %q", h.Name, got)
		}
		if got := run(t, h, "hostname"); got != h.Name+"\n" {
			t.Errorf("Run on %s: hostname %q", h.Name, got)
		}
	}
	for _, alias := range l.Host("il").Alias {
		if got := mustSSH(t, l, alias, "hostname"); got != "il\n" {
			t.Errorf("ssh %s: %q", alias, got)
		}
	}
	if out, err := exec.Command("ssh", "-F", l.SSHConfig, "-J", "il", "ee", "hostname").CombinedOutput(); err != nil || string(out) != "ee\n" {
		t.Errorf("ssh to ee through il: %q, %v", out, err)
	}
}

// A host's files are its own: what it writes is seen neither by this machine nor by another host, and what this machine has
// in these places is not seen by the host.
func TestFilesAreSeparate(t *testing.T) {
	l := New(t, "il", "ee")
	il, ee := l.Host("il"), l.Host("ee")
	name := "of-" + filepath.Base(l.Dir)
	places := []string{"/etc", "/run", "/root", "/tmp", "/var", "/var/lib", "/boot", "/home", "/nix", "/nix/var/nix/profiles",
		"/usr/bin", "/bin", "/dev", "/dev/shm", "/"}
	for _, dir := range places {
		path := filepath.Join(dir, name)
		run(t, il, "sh", "-c", "echo il >"+path)
		if _, err := os.Lstat(path); err == nil {
			os.Remove(path)
			t.Errorf("%s of il is seen on this machine", path)
		}
		if _, err := ee.Run(t.Context(), "test", "!", "-e", path); err != nil {
			t.Errorf("%s of il is seen on ee", path)
		}
		if got, err := il.ReadFile(path); err != nil || string(got) != "il\n" {
			t.Errorf("ReadFile %s: %q, %v", path, got, err)
		}
	}
	if out, err := il.Run(t.Context(), "ls", "-A", "/root"); err != nil || strings.TrimSpace(out) != name {
		t.Errorf("/root of a new host: %q, %v", out, err)
	}
	if _, err := il.Run(t.Context(), "ls", l.Dir); err == nil { // it is in /tmp of this machine
		t.Errorf("il sees %s of this machine", l.Dir)
	}
	// Its processes and its host name are its own, too.
	before, _ := os.Hostname()
	run(t, il, "hostname", "changed")
	if after, _ := os.Hostname(); after != before {
		t.Errorf("il changed the name of this machine to %s", after)
	}
	if got := strings.Fields(run(t, il, "sh", "-c", "cd /proc; echo [0-9]*")); len(got) > 10 {
		t.Errorf("il sees %d processes", len(got))
	}
}

func TestStoresAreSeparate(t *testing.T) {
	l := New(t, "il", "ee")
	il, ee := l.Host("il"), l.Host("ee")
	must(t, il.WriteFile("/tmp/hello", []byte("hello"), 0o644))
	path := strings.TrimSpace(mustSSH(t, l, "il", "nix-store --add /tmp/hello"))
	if !strings.HasPrefix(path, "/nix/store/") {
		t.Fatalf("nix-store --add: %q", path)
	}
	mustSSH(t, l, "il", "nix-store --check-validity "+path)
	if out, err := sshTo(t, l, "ee", "nix-store --check-validity "+path); err == nil {
		t.Errorf("ee has %s of il: %s", path, out)
	}
	if _, err := os.Stat(path); err == nil {
		t.Errorf("this machine has %s of il", path)
	}
	// What a deployment does: from one store to the other, then a generation of the profile.
	nar, err := exec.Command("sh", "-c", fmt.Sprintf("ssh -F %[1]s il nix-store --export %[2]s | ssh -F %[1]s ee nix-store --import",
		l.SSHConfig, path)).CombinedOutput()
	if err != nil {
		t.Fatalf("copy: %v\n%s", err, nar)
	}
	mustSSH(t, l, "ee", "nix-env -p /nix/var/nix/profiles/system --set "+path)
	if got, err := ee.ReadFile("/nix/var/nix/profiles/system"); err != nil || string(got) != "hello" {
		t.Errorf("profile of ee: %q, %v", got, err)
	}
	if _, err := il.ReadFile("/nix/var/nix/profiles/system"); err == nil {
		t.Error("il has a profile nobody set")
	}
	mustSSH(t, l, "ee", "nix-store --verify --check-contents")
	mustSSH(t, l, "ee", "nix-store --gc")
	// A build on the host.
	drv := `derivation { name = "made"; system = builtins.currentSystem; builder = "/bin/sh"; args = ["-c" "echo made >$out"]; }`
	if got := mustSSH(t, l, "il", "cat $(nix-build --no-out-link -E '"+drv+"' 2>/dev/null)"); got != "made\n" {
		t.Errorf("build on il: %q", got)
	}
}

func TestStopAndStart(t *testing.T) {
	l := New(t, "il", "ee")
	il := l.Host("il")
	must(t, il.WriteFile("/var/kept", []byte("kept"), 0o644))
	must(t, il.WriteFile("/run/lost", []byte("lost"), 0o644))
	boot := run(t, il, "cat", "/proc/sys/kernel/random/boot_id")
	if here, _ := os.ReadFile("/proc/sys/kernel/random/boot_id"); boot == string(here) || len(boot) != len(here) {
		t.Errorf("boot ID of il %q, of this machine %q", boot, here)
	}
	processes := il.Processes()
	must(t, il.Stop())
	must(t, il.Stop())
	for _, pid := range processes {
		if _, alive := readProcess(pid); alive {
			t.Errorf("process %d of il lives on", pid)
		}
	}
	if _, _, err := dial(il, hangs); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("dial a stopped host: %v", err)
	}
	if _, err := il.Run(t.Context(), "true"); err == nil {
		t.Error("Run on a stopped host passes")
	}
	if got, err := il.ReadFile("/var/kept"); err != nil || string(got) != "kept" {
		t.Errorf("disk of a stopped host: %q, %v", got, err)
	}
	mustSSH(t, l, "ee", "true")

	must(t, il.Start(t.Context()))
	if got := mustSSH(t, l, "il", "cat /var/kept; ls /run"); !strings.HasPrefix(got, "kept") || strings.Contains(got, "lost") {
		t.Errorf("after the start: %q", got)
	}
	if again := run(t, il, "cat", "/proc/sys/kernel/random/boot_id"); again == boot {
		t.Errorf("boot ID is %q again", again)
	}
}

func TestHostRebootsItself(t *testing.T) {
	l := NewWith(t, Options{Hosts: []string{"il"}, Boot: "echo booted >>/var/log/boots"})
	il := l.Host("il")
	first := il.Pid()
	sshTo(t, l, "il", "reboot")
	for end := time.Now().Add(hangs); il.Pid() == first || il.Pid() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("il did not reboot")
		}
	}
	must(t, il.awaitSSH(t.Context()))
	if got := mustSSH(t, l, "il", "cat /var/log/boots"); got != "booted\nbooted\n" {
		t.Errorf("boots: %q", got)
	}
	sshTo(t, l, "il", "poweroff") // the connection may end first
	for end := time.Now().Add(hangs); il.Pid() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("il did not go off")
		}
	}
	must(t, il.Reboot(t.Context()))
	if got := mustSSH(t, l, "il", "cat /var/log/boots"); got != "booted\nbooted\nbooted\n" {
		t.Errorf("boots: %q", got)
	}
}

func TestUnplug(t *testing.T) {
	l := New(t, "il", "ee")
	il := l.Host("il")
	must(t, il.Unplug())
	if _, _, err := dial(il, hangs); err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("dial an unplugged host: %v", err)
	}
	run(t, il, "true")
	mustSSH(t, l, "ee", "true")
	must(t, il.Plug())
	mustSSH(t, l, "il", "true")
}

func TestDropTraffic(t *testing.T) {
	l := New(t, "il", "ee")
	il := l.Host("il")
	conn, _, err := dial(il, hangs)
	must(t, err)
	defer conn.Close()
	must(t, il.DropTraffic())
	for range 2 { // the second time with all caches warm
		start := time.Now()
		_, _, err = dial(il, time.Second)
		if e, ok := err.(net.Error); !ok || !e.Timeout() || time.Since(start) < time.Second {
			t.Errorf("dial while traffic is dropped: %v after %v", err, time.Since(start))
		}
	}
	conn.Write([]byte("SSH-2.0-test\r\n"))
	conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d byte while traffic is dropped", n)
	}
	mustSSH(t, l, "ee", "true")
	must(t, il.RestoreTraffic())
	mustSSH(t, l, "il", "true")
	// The open connection goes on where it was: sshd answers with its key exchange.
	conn.SetReadDeadline(time.Now().Add(hangs))
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Errorf("read after traffic is restored: %v", err)
	}
}

func TestDelay(t *testing.T) {
	l := New(t, "il", "ee")
	il := l.Host("il")
	// roundTrip is the time of a TCP connection: one round trip.
	roundTrip := func(h *Host) time.Duration {
		t.Helper()
		best := time.Hour
		for range 3 { // the first may have to ask for the address
			start := time.Now()
			conn, err := net.DialTimeout("tcp", h.Addr+":22", hangs)
			must(t, err)
			best = min(best, time.Since(start))
			conn.Close()
		}
		return best
	}
	// A busy machine is slow at times, so that one round trip has to be as quick as the delay lets it be.
	within := func(h *Host, least, most time.Duration) {
		t.Helper()
		for began := time.Now(); ; {
			got := roundTrip(h)
			if got >= least && got <= most {
				return
			}
			if got < least || time.Since(began) > hangs {
				t.Errorf("round trip to %s: %v, want %v to %v", h.Name, got, least, most)
				return
			}
		}
	}
	within(il, 0, 30*time.Millisecond)
	must(t, il.Delay(40*time.Millisecond))
	within(il, 40*time.Millisecond, 80*time.Millisecond)
	within(l.Host("ee"), 0, 30*time.Millisecond)
	must(t, il.Delay(100*time.Millisecond))
	within(il, 100*time.Millisecond, 140*time.Millisecond)

	// Much data comes through whole, both ways.
	must(t, il.Delay(10*time.Millisecond))
	content := bytes.Repeat([]byte("all that glitters is not gold\n"), 1<<20)
	cat := exec.Command("ssh", "-F", l.SSHConfig, "il", "cat")
	cat.Stdin = bytes.NewReader(content)
	start := time.Now()
	got, err := cat.Output()
	t.Logf("%d MB there and back in %v", len(content)>>20, time.Since(start))
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("cat of %d bytes: %d bytes, %v", len(content), len(got), err)
	}

	// A delayed host is unplugged and loses traffic as any other.
	must(t, il.Unplug())
	if _, _, err := dial(il, hangs); err == nil || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("dial a delayed, unplugged host: %v", err)
	}
	must(t, il.Plug())
	mustSSH(t, l, "il", "true")
	must(t, il.DropTraffic())
	if _, _, err := dial(il, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("dial while traffic is dropped: %v", err)
	}
	must(t, il.Delay(0))
	if _, _, err := dial(il, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("dial while traffic is dropped: %v", err)
	}
	must(t, il.RestoreTraffic())
	within(il, 0, 30*time.Millisecond)
	mustSSH(t, l, "il", "true")
	must(t, il.Delay(5*time.Millisecond)) // Close ends it
}

func TestRate(t *testing.T) {
	l := New(t, "il")
	il := l.Host("il")
	const size = 2 << 20
	move := func(command string, stdin []byte) time.Duration {
		t.Helper()
		cmd := exec.Command("ssh", "-F", l.SSHConfig, "il", command)
		cmd.Stdin = bytes.NewReader(stdin)
		start := time.Now()
		out, err := cmd.Output()
		if err != nil || len(out)+len(stdin) != size {
			t.Fatalf("%s: %d bytes, %v", command, len(out), err)
		}
		return time.Since(start)
	}
	must(t, il.Rate(8<<20)) // 1 MiB a second
	limited := []time.Duration{move("cat >/dev/null", make([]byte, size)), move(fmt.Sprintf("head -c %d /dev/zero", size), nil)}
	for _, took := range limited {
		if took < 1900*time.Millisecond || took > hangs {
			t.Errorf("2 MiB at 8 Mibit/s took %v", took)
		}
	}
	must(t, il.Rate(0))
	if took := move("cat >/dev/null", make([]byte, size)); took > limited[0] {
		t.Errorf("2 MiB without a limit took %v, and %v at 8 Mibit/s", took, limited[0])
	}
}

func TestFreezeAndThaw(t *testing.T) {
	l := New(t, "il", "ee")
	il := l.Host("il")
	run(t, il, "sh", "-c", "while :; do echo x >>/var/ticks; sleep 0.01; done >/dev/null 2>&1 &")
	ticks := func() int {
		content, _ := il.ReadFile("/var/ticks")
		return len(content)
	}
	grows := func() bool {
		before := ticks()
		time.Sleep(200 * time.Millisecond)
		return ticks() > before
	}
	if !grows() {
		t.Fatal("nothing happens on il")
	}
	must(t, il.Freeze())
	for _, pid := range il.Processes() {
		if p, ok := readProcess(pid); ok && p.state != "T" {
			t.Errorf("process %d (%s) of a frozen host is in state %s", pid, p.name, p.state)
		}
	}
	if grows() {
		t.Error("il works while frozen")
	}
	if _, _, err := dial(il, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("dial a frozen host: %v", err)
	}
	run(t, il, "true")
	mustSSH(t, l, "ee", "true")
	must(t, il.Thaw())
	if !grows() {
		t.Error("il does nothing after the thaw")
	}
	mustSSH(t, l, "il", "true")
	must(t, il.Freeze())
	must(t, il.Stop())
	must(t, il.Start(t.Context()))
}

func TestFillDisk(t *testing.T) {
	for _, size := range []int64{0, 64 << 20} {
		l := NewWith(t, Options{Hosts: []string{"il", "ee"}, DiskSize: size})
		il := l.Host("il")
		const leaving = 1 << 20
		must(t, il.FillDisk(leaving))
		if _, free, err := il.DiskUse(); err != nil || free < leaving || free > leaving+64<<10 {
			t.Errorf("%d bytes free, %v", free, err)
		}
		for _, dir := range []string{"/nix/store", "/tmp"} {
			out, err := sshTo(t, l, "il", "head -c 2000000 /dev/zero >"+dir+"/big")
			if err == nil || !strings.Contains(out, "No space left on device") {
				t.Errorf("write 2 MB to %s: %q, %v", dir, out, err)
			}
			mustSSH(t, l, "il", "rm "+dir+"/big; head -c 500000 /dev/zero >"+dir+"/small && rm "+dir+"/small")
		}
		if out, err := sshTo(t, l, "il", "head -c 3000000 /dev/zero >/tmp/big; nix-store --add /tmp/big"); err == nil || !strings.Contains(out, "No space left") {
			t.Errorf("nix-store on a full disk: %q, %v", out, err)
		}
		mustSSH(t, l, "ee", "head -c 2000000 /dev/zero >/tmp/big")
		must(t, il.EmptyDisk())
		mustSSH(t, l, "il", "head -c 2000000 /dev/zero >/tmp/big && nix-store --add /tmp/big")
	}
}

func TestChangeHostKey(t *testing.T) {
	l := New(t, "il", "ee")
	il := l.Host("il")
	old := il.HostKey()
	must(t, il.ChangeHostKey(t.Context()))
	if il.HostKey() == old {
		t.Error("the key is the same")
	}
	out, err := sshTo(t, l, "il", "true")
	if err == nil || !strings.Contains(out, "REMOTE HOST IDENTIFICATION HAS CHANGED") {
		t.Errorf("ssh il: %v\n%s", err, out)
	}
	mustSSH(t, l, "ee", "true")
	scanned, err := exec.Command("ssh-keyscan", "-t", "ed25519", il.Addr).Output()
	if err != nil || !strings.Contains(string(scanned), il.HostKey()) {
		t.Errorf("ssh-keyscan: %q, %v; want %s", scanned, err, il.HostKey())
	}
}

func TestKillSessions(t *testing.T) {
	l := New(t, "il", "ee")
	il := l.Host("il")
	type end struct {
		host string
		err  error
		out  string
	}
	ends := make(chan end, 3)
	for _, name := range []string{"il", "il", "ee"} {
		go func() {
			out, err := sshTo(t, l, name, "touch /run/in.$$; until [ -e /run/go ]; do sleep 0.1; done; echo done")
			ends <- end{name, err, out}
		}()
	}
	for range 12000 {
		if n, _ := il.Run(t.Context(), "sh", "-c", "echo /run/in.*"); len(strings.Fields(n)) == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	must(t, il.KillSessions())
	for _, h := range l.Hosts {
		run(t, h, "touch", "/run/go")
	}
	for range 3 {
		e := <-ends
		if cut := e.err != nil && !strings.Contains(e.out, "done"); cut != (e.host == "il") {
			t.Errorf("session on %s: %q, %v", e.host, e.out, e.err)
		}
	}
	mustSSH(t, l, "il", "true")
}

func TestStopSSHLeavesSessions(t *testing.T) {
	l := New(t, "il")
	il := l.Host("il")
	done := make(chan string)
	go func() {
		out, err := sshTo(t, l, "il", "touch /run/in; while [ ! -e /run/go ]; do sleep 0.02; done; echo done")
		done <- fmt.Sprint(out, err)
	}()
	run(t, il, "sh", "-c", "while [ ! -e /run/in ]; do sleep 0.02; done")
	must(t, il.StopSSH())
	if _, _, err := dial(il, hangs); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("dial without sshd: %v", err)
	}
	must(t, il.WriteFile("/run/go", nil, 0o644))
	if got := <-done; got != "done\n<nil>" {
		t.Errorf("open session: %s", got)
	}
	if err := il.StopSSH(); err == nil {
		t.Error("sshd is stopped a second time")
	}
	must(t, il.KillSessions()) // none are left
	must(t, il.StartSSH(t.Context()))
	mustSSH(t, l, "il", "true")
}

func TestOrphansAreCollected(t *testing.T) {
	il := New(t, "il").Host("il")
	n := len(il.Processes())
	run(t, il, "sh", "-c", "for i in 1 2 3 4 5; do sleep 0.05 >/dev/null 2>&1 & done")
	for end := time.Now().Add(hangs); len(il.Processes()) > n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d processes on il, %d before", len(il.Processes()), n)
		}
	}
}

func TestBadOptions(t *testing.T) {
	RequireLab(t)
	tests := []struct {
		name string
		o    Options
		want string
	}{
		{"twice", Options{Hosts: []string{"il", "il"}}, `two hosts are called "il"`},
		{"path", Options{Hosts: []string{"../il"}}, `host name "../il"`},
		{"no directory", Options{Hosts: []string{"il"}, Dir: "/nonexistent"}, "no such file or directory"},
		{"too small", Options{Hosts: []string{"il"}, DiskSize: 4096}, "no space left on device"},
		{"boot ends", Options{Hosts: []string{"il"}, Boot: "echo broken; exit 1"}, "broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			if tt.o.Dir == "" {
				tt.o.Dir = parent
			}
			l, err := Start(t.Context(), tt.o)
			if err == nil {
				l.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			noTraces(t, parent, "none")
		})
	}
}

// recorder is a TB that remembers how a test would have ended.
type recorder struct {
	TB
	end string
}

func (r *recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) { r.end = "skip: " + fmt.Sprintf(format, args...) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.end = "fail: " + fmt.Sprintf(format, args...)
}

// A machine that could run a lab but lacks a package fails the test, and the message says what to install.
func TestMissingToolFails(t *testing.T) {
	RequireLab(t)
	t.Setenv("PATH", t.TempDir())
	r := &recorder{}
	RequireLab(r)
	want := "fail: a lab of real hosts needs ip, tc, nsenter, mount: apt-get install iproute2 util-linux mount"
	if r.end != want {
		t.Errorf("got %q, want %q", r.end, want)
	}
}

// traces lists what there is on this machine of the lab whose directory is in or at dir and whose uplink is this (if known). Labs
// of other test processes are not counted.
func traces(t *testing.T, dir, uplink string) (found []string) {
	t.Helper()
	if _, err := net.InterfaceByName(uplink); err == nil {
		found = append(found, "interface "+uplink)
	}
	dirs, _ := filepath.Glob(filepath.Join(dir, prefix+"*"))
	found = append(found, dirs...)
	if _, err := os.Stat(filepath.Join(dir, "ssh_config")); err == nil {
		found = append(found, dir)
	}
	if groups, _ := os.ReadDir(allControlGroups(t)); slices.ContainsFunc(groups, func(d fs.DirEntry) bool { return d.Name() == filepath.Base(dir) }) {
		found = append(found, "control groups of "+dir)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	if bytes.Contains(mounts, []byte(dir)) {
		found = append(found, "a mount in "+dir)
	}
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range all {
		if filepath.Base(process) == fmt.Sprint(os.Getpid()) {
			continue
		}
		// A host's processes have its mounts, of which /usr has a part in the lab's directory. The reaper has the directory as an argument.
		command, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		mounts, _ := os.ReadFile(filepath.Join(process, "mountinfo"))
		if bytes.Contains(mounts, []byte(dir)) || bytes.Contains(command, []byte(dir)) {
			found = append(found, "process "+filepath.Base(process)+" "+strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found
}

// allControlGroups is where this machine has mounted the hierarchy of all control groups; "" if nowhere.
func allControlGroups(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); f[2] == "cgroup2" {
			return f[1]
		}
	}
	return ""
}

// noTraces checks that nothing is left of a lab, soon: the kernel removes a network namespace a moment after its last process.
func noTraces(t *testing.T, dir, uplink string) {
	t.Helper()
	var left []string
	for end := time.Now().Add(hangs); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = traces(t, dir, uplink); len(left) == 0 {
			return
		}
	}
	t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
}

func TestCloseLeavesNothing(t *testing.T) {
	RequireLab(t)
	l, err := Start(t.Context(), Options{Hosts: []string{"il", "ee", "sam"}})
	must(t, err)
	if got := traces(t, l.Dir, l.net.uplink); len(got) < 2+1+3*3 { // interface, directory, reaper, three processes a host
		t.Errorf("traces of a lab that runs: %q", got)
	}
	mustSSH(t, l, "il", "sleep 1000 >/dev/null 2>&1 </dev/null &")
	must(t, l.Host("ee").Freeze())
	must(t, l.Host("sam").Stop())
	pids := l.Host("il").Processes()
	must(t, l.Close())
	must(t, l.Close())
	for _, pid := range pids {
		if p, alive := readProcess(pid); alive {
			t.Errorf("process %d (%s) outlives the lab", pid, p.name)
		}
	}
	noTraces(t, l.Dir, l.net.uplink)
}

// The process that runs a lab dies in every way it can; nothing of the lab stays.
func TestDeathLeavesNothing(t *testing.T) {
	RequireLab(t)
	for _, way := range []string{"kill -9", "kill -9 with a frozen host", "panic", "exit"} {
		t.Run(way, func(t *testing.T) {
			child := exec.Command(os.Args[0], "-test.run=^TestChildThatDies$")
			child.Env = append(os.Environ(), "LAB_CHILD="+way)
			dies(t, child, way)
		})
	}
}

// dies starts the child, which runs a lab, and sees it end: by itself or killed.
func dies(t *testing.T, child *exec.Cmd, way string) {
	t.Helper()
	stdout, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	var dir, uplink string
	if _, err := fmt.Fscanln(stdout, &dir, &uplink); err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(way, "kill") {
		if got := traces(t, dir, uplink); len(got) < 2+1+3*3 {
			t.Errorf("traces of a lab that runs: %q", got)
		}
		must(t, child.Process.Kill())
	}
	child.Wait()
	noTraces(t, dir, uplink)
}

// A start that is cut short leaves nothing either.
func TestDeathAtStartLeavesNothing(t *testing.T) {
	RequireLab(t)
	for after := 10 * time.Millisecond; after < 200*time.Millisecond; after *= 2 {
		parent := t.TempDir()
		child := exec.Command(os.Args[0], "-test.run=^TestChildThatDies$")
		child.Env = append(os.Environ(), "LAB_CHILD=kill -9", "TMPDIR="+parent)
		must(t, child.Start())
		time.Sleep(after)
		must(t, child.Process.Kill())
		child.Wait()
		noTraces(t, parent, "none")
	}
}

func TestChildThatDies(t *testing.T) {
	way := os.Getenv("LAB_CHILD")
	if way == "" {
		t.Skip("for TestDeathLeavesNothing")
	}
	l, err := Start(t.Context(), Options{Hosts: []string{"il", "ee", "sam"}, Systemd: os.Getenv("LAB_SYSTEMD") != ""})
	must(t, err)
	run(t, l.Host("il"), "sh", "-c", "sleep 1000 >/dev/null 2>&1 &")
	if strings.Contains(way, "frozen") {
		must(t, l.Host("ee").Freeze())
	}
	fmt.Println(l.Dir, l.net.uplink)
	switch way {
	case "panic":
		panic("as a test might")
	case "exit":
		os.Exit(1)
	}
	time.Sleep(time.Minute)
}

// When the reaper was killed too, the next lab removes the directory.
func TestSweep(t *testing.T) {
	parent := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{prefix + "dead", prefix + "alive", prefix + "young", "other"} {
		must(t, os.Mkdir(filepath.Join(parent, name), 0o755))
		if !strings.HasSuffix(name, "young") {
			must(t, os.Chtimes(filepath.Join(parent, name), old, old))
		}
	}
	lock, err := lockDir(filepath.Join(parent, prefix+"alive"))
	must(t, err)
	defer lock.Close()
	sweep(parent)
	var left []string
	filepath.WalkDir(parent, func(path string, _ fs.DirEntry, err error) error {
		left = append(left, strings.TrimPrefix(path, parent))
		return err
	})
	if got, want := strings.Join(left, " "), " /muster-lab-alive /muster-lab-young /other"; got != want {
		t.Errorf("left %q, want %q", got, want)
	}
}

func TestFiftyHosts(t *testing.T) {
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("web%d", i))
	}
	start := time.Now()
	l := New(t, names...)
	t.Logf("50 hosts in %v", time.Since(start))
	for _, name := range []string{"web0", "web25", "web49"} {
		if got := mustSSH(t, l, name, "hostname"); got != name+"\n" {
			t.Errorf("ssh %s: %q", name, got)
		}
	}
	for _, h := range l.Hosts {
		if _, line, err := dial(h, hangs); err != nil || !strings.HasPrefix(line, "SSH-2.0-OpenSSH") {
			t.Errorf("%s: %q, %v", h.Name, line, err)
		}
	}
}

func TestTwoLabsAtOnce(t *testing.T) {
	a, b := New(t, "il"), New(t, "il")
	must(t, a.Host("il").WriteFile("/etc/which", []byte("a"), 0o644))
	must(t, b.Host("il").WriteFile("/etc/which", []byte("b"), 0o644))
	if got := mustSSH(t, a, "il", "cat /etc/which") + mustSSH(t, b, "il", "cat /etc/which"); got != "ab" {
		t.Errorf("got %q", got)
	}
}

func BenchmarkStart(b *testing.B) {
	RequireLab(b)
	for _, n := range []int{1, 3, 8, 50} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var names []string
			for i := range n {
				names = append(names, fmt.Sprintf("h%d", i))
			}
			for b.Loop() {
				l, err := Start(b.Context(), Options{Hosts: names})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				l.Close()
				b.StartTimer()
			}
		})
	}
}

// A host is the same whoever starts the lab: below nohup, with a private umask, low limits, a strange environment.
func TestCallerDoesNotMatter(t *testing.T) {
	RequireLab(t)
	child := exec.Command("env", "--ignore-signal=HUP,INT,QUIT,PIPE,TERM,USR1,CHLD,TSTP",
		"prlimit", "--nofile=256:", "--nproc=5000:", "--stack=4194304:", "--fsize=100000000:",
		"sh", "-c", `umask 077; exec "$@"`, "sh", os.Args[0], "-test.run=^TestChildOfStrangeCaller$", "-test.v")
	child.Env = append(os.Environ(), "LAB_CHILD=strange", "ENV=/nonexistent", "LANGUAGE=de", "LC_ALL=de_DE.UTF-8", "POSIXLY_CORRECT=1", "STRANGE=yes")
	if out, err := child.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestChildOfStrangeCaller")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestChildOfStrangeCaller(t *testing.T) {
	if os.Getenv("LAB_CHILD") != "strange" {
		t.Skip("for TestCallerDoesNotMatter")
	}
	l := New(t, "il")
	il := l.Host("il")
	const ask = "umask; ulimit -Sn; ulimit -Sc; ulimit -Ss; ulimit -Sf; grep -E 'Sig(Ign|Blk)' /proc/self/status; env"
	const want = "0022\n1024\n0\n8192\nunlimited\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
	check := func(way, got string) {
		t.Helper()
		if !strings.HasPrefix(got, want) || strings.Contains(got, "STRANGE") || strings.Contains(got, "de_DE") {
			t.Errorf("by %s:\n%s\nwant %s and a clean environment", way, got, want)
		}
	}
	check("Run", run(t, il, "bash", "-c", ask))
	check("ssh", mustSSH(t, l, "il", ask))
	must(t, il.WriteFile("/etc/readable", nil, 0o644))
	run(t, il, "sh", "-c", "echo >/etc/readable-too")
	if got := run(t, il, "stat", "-c", "%a", "/etc/readable", "/etc/readable-too", "/etc/ssh/sshd_config", "/run/sshd", "/nix/store"); got != "644\n644\n644\n755\n1775\n" && got != "644\n644\n644\n755\n755\n" {
		t.Errorf("modes: %q", got)
	}
	first := il.Pid()
	sshTo(t, l, "il", "reboot")
	for end := time.Now().Add(hangs); il.Pid() == first || il.Pid() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("il did not reboot")
		}
	}
	must(t, il.awaitSSH(t.Context()))
	must(t, il.StopSSH())
	must(t, il.StartSSH(t.Context()))
	check("ssh after StartSSH", mustSSH(t, l, "il", ask))
	sshTo(t, l, "il", "poweroff")
	for end := time.Now().Add(hangs); il.Pid() != 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("il did not go off")
		}
	}
}

// A plain host answers for its units as systemd would.
func TestPlainSystemctl(t *testing.T) {
	il := New(t, "il").Host("il")
	for _, tt := range []struct{ ask, want string }{
		{"systemctl list-units --failed --plain --no-legend --no-pager", "0\n"},
		{"systemctl show --property=ActiveState --value -- web.service", "inactive\n0\n"},
		{"mkdir -p /run/minios/units; echo state=active >/run/minios/units/web.service; echo state=failed >/run/minios/units/db.service", "0\n"},
		{"systemctl show --property=ActiveState --value -- web.service", "active\n0\n"},
		{"systemctl show -p Id,ActiveState,SubState,NRestarts web.service db.service", "Id=web.service\nActiveState=active\nSubState=running\n\nId=db.service\nActiveState=failed\nSubState=failed\n0\n"},
		{"systemctl list-units --failed --plain --no-legend --no-pager", "db.service loaded failed failed db.service\n0\n"},
		{"systemctl is-active web.service gone.service", "active\ninactive\n0\n"},
		{"systemctl is-failed web.service", "active\n1\n"},
		{"systemctl is-system-running", "degraded\n1\n"},
		{"systemctl start web.service 2>/dev/null", "1\n"},
	} {
		if got := run(t, il, "sh", "-c", tt.ask+"; echo $?"); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.ask, got, tt.want)
		}
	}
}
