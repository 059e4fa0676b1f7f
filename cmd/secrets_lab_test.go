package cmd

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/exec/lab"
)

// A secretFleet is one lab host with twelve secrets, each of which is the value that
// deploy is called with and its own number.
type secretFleet struct {
	t      *testing.T
	host   *lab.Host
	dir    string
	muster string
	env    []string
}

const secretCount = 12

func newSecretFleet(t *testing.T) *secretFleet {
	t.Helper()
	l := lab.New(t, "web")
	minios, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	key, err := l.Hosts[0].ReadFile("/etc/ssh/authorized_keys.d/root")
	if err != nil {
		t.Fatal(err)
	}
	f := &secretFleet{t: t, host: l.Hosts[0], dir: t.TempDir()}
	var text strings.Builder
	fmt.Fprintf(&text, "package fleet\n\nnixpkgs: path: %q\nhosts: web: {\n\thost: \"web\"\n\tdisk_uuid: \"01b3bcba-c0ef-4538-8dd2-f7dee2952322\"\n", minios)
	fmt.Fprintf(&text, "\tconfig: users: users: root: openssh: authorizedKeys: keys: [%q]\n\tsecrets: {\n", strings.TrimSpace(string(key)))
	for i := range secretCount {
		// Larger than a pipe's buffer holds, so that there is a middle to be cut in.
		fmt.Fprintf(&text, "\t\ts%d: {command: [\"sh\", \"-c\", \"echo $ROUND-%d; head -c 30000 /dev/zero | tr '\\\\0' x\"], volatile: %t}\n", i, i, i%4 == 3)
	}
	text.WriteString("\t}\n}\n")
	if err := os.WriteFile(filepath.Join(f.dir, "hosts.cue"), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f.muster = filepath.Join(t.TempDir(), "muster") // the test is muster where it is called so
	if err := os.Symlink(self, f.muster); err != nil {
		t.Fatal(err)
	}
	f.env = append(os.Environ(), "HOME="+f.dir, "MUSTER_SSH_CONFIG="+l.SSHConfig, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
	return f
}

// command is muster with the values of a round.
func (f *secretFleet) command(round int, args ...string) *exec.Cmd {
	cmd := exec.Command(f.muster, args...)
	cmd.Dir, cmd.Env = f.dir, append(f.env, fmt.Sprintf("ROUND=round%d", round))
	return cmd
}

func (f *secretFleet) must(round int, args ...string) string {
	f.t.Helper()
	out, err := f.command(round, args...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// round returns the round that all secrets in the host's memory are of.
func (f *secretFleet) round() string {
	f.t.Helper()
	out, err := f.listing()
	lines := strings.Fields(out)
	if err != nil && !strings.Contains(out, "total") || len(lines) != secretCount+3 {
		f.t.Fatalf("read the secrets: %v\n%s", err, out)
	}
	round, _, _ := strings.Cut(lines[0], "-")
	for _, line := range lines[:secretCount] {
		if !strings.HasPrefix(line, round+"-") {
			f.t.Fatalf("the secrets are of several rounds:\n%s", out)
		}
	}
	if lines[secretCount+2] != "1" { // the line with the total
		f.t.Errorf("some have other owners, modes or sizes:\n%s", out)
	}
	return round
}

// listing prints the first lines of the secrets, and their attributes. What a muster that
// was killed has begun goes on: a directory that is exchanged meanwhile is read again.
func (f *secretFleet) listing() (out string, err error) {
	at := func() string {
		link, _ := f.host.Run(context.Background(), "readlink", "/run/muster-secrets")
		return link
	}
	for range 20 {
		before := at()
		out, err = f.host.Run(context.Background(), "sh", "-c", `cd $(readlink /run/muster-secrets) && for i in s*; do head -n 1 $i; done; wc -c s* | tail -n 1; ls -lL | grep -vc '^-r-------- 1 root root 30'`)
		if at() == before {
			break
		}
	}
	return out, err
}

// A push of secrets that breaks off anywhere leaves the host on the old ones or the new
// ones, all of them, and the next push ends well.
func TestSecretsAreWholeWhereverAPushIsCut(t *testing.T) {
	f := newSecretFleet(t)
	f.must(0, "deploy")
	if got := f.round(); got != "round0" {
		t.Fatalf("the host is on %s", got)
	}
	began := time.Now()
	f.must(1, "secrets", "push")
	took := time.Since(began)
	rng := rand.New(rand.NewPCG(1, 2))
	cuts := []struct {
		name string
		cut  func(push *exec.Cmd) error
		undo func() error
	}{
		{"muster killed", func(push *exec.Cmd) error { return push.Process.Kill() }, nil},
		{"connections cut", func(*exec.Cmd) error { return f.host.KillSessions() }, nil},
		{"disk full", func(*exec.Cmd) error { return f.host.FillDisk(0) }, f.host.EmptyDisk},
		{"muster interrupted", func(push *exec.Cmd) error { return push.Process.Signal(os.Interrupt) }, nil},
	}
	rounds, finished := 12, 0
	for i := range rounds {
		c := cuts[i%len(cuts)]
		before, round := f.round(), 2+i
		push := f.command(round, "secrets", "push")
		var out bytes.Buffer
		push.Stdout, push.Stderr = &out, &out
		if err := push.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(took))))
		if err := c.cut(push); err != nil && !strings.Contains(err.Error(), "already finished") {
			t.Fatal(c.name, err)
		}
		err := push.Wait()
		if c.undo != nil {
			if err := c.undo(); err != nil {
				t.Fatal(err)
			}
		}
		got := f.round()
		want := fmt.Sprintf("round%d", round)
		if got != before && got != want {
			t.Errorf("%s: the host is on %s, want %s or %s", c.name, got, before, want)
		}
		if err == nil && got != want {
			t.Errorf("%s: muster says it is done, and the host is on %s:\n%s", c.name, got, out.String())
		}
		if got == want {
			finished++
		}
		// A lock that was left behind would lapse in a minute.
		if _, err := f.host.Run(context.Background(), "rm", "-f", "/run/muster/lock"); err != nil {
			t.Fatal(err)
		}
		f.must(round, "secrets", "push")
		if got := f.round(); got != want {
			t.Errorf("after another push the host is on %s, want %s", got, want)
		}
	}
	if finished == 0 || finished == rounds {
		t.Errorf("%d of %d pushes were over before they were cut: the test is about those in between", finished, rounds)
	}
	if left, err := f.host.Run(context.Background(), "sh", "-c", "ls -d /run/muster-secrets.in.* 2>/dev/null; ls /var/lib/muster/secrets/sets"); err != nil || len(strings.Fields(left)) != 1 {
		t.Errorf("what is left: %q, %v", left, err)
	}
}
