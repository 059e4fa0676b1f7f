package cmd

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/exec/secret"
	"muster/schema"
)

// cutRounds is how many times each test here cuts something, at times spread over the whole.
var cutRounds = flag.Int("powercuts", 6, "cut `n` pushes of secrets in each test of power cuts")

// boots restarts the host without the deployer, and returns the round that the secrets are
// of which a restart brings back.
func (f *secretFleet) boots() string {
	f.t.Helper()
	if err := f.host.Start(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	// A plain host of the lab has no activation at its start.
	said, _ := f.host.Run(context.Background(), "sh", "-c", "ln -sfn $(readlink -f /nix/var/nix/profiles/system) /run/current-system && /etc/muster/secrets install $(readlink -f /run/current-system) 2>&1")
	out, err := f.host.Run(context.Background(), "sh", "-c", "cd /run/muster-secrets && head -qn 1 s*")
	lines := strings.Fields(out)
	if err != nil || len(lines) != secretCount*3/4 {
		f.t.Fatalf("after its start the host has %d secrets, want %d: %v\n%s", len(lines), secretCount*3/4, err, said)
	}
	round, _, _ := strings.Cut(lines[0], "-")
	for _, line := range lines {
		if !strings.HasPrefix(line, round+"-") {
			f.t.Fatalf("the secrets are of several rounds:\n%s", out)
		}
	}
	return round
}

// cutAt carries a command out and cuts the host's power, or what else cut does, after a
// time. It returns whether the command was done.
func (f *secretFleet) cutAt(after time.Duration, cut func(), round int, args ...string) (done bool, said string) {
	f.t.Helper()
	push := f.command(round, args...)
	var out bytes.Buffer
	push.Stdout, push.Stderr = &out, &out
	if err := push.Start(); err != nil {
		f.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- push.Wait() }()
	time.Sleep(after)
	cut()
	select {
	case err := <-ended:
		return err == nil, out.String()
	case <-time.After(2 * time.Second): // it waits for the host
		push.Process.Kill()
		<-ended
		return false, out.String()
	}
}

func (f *secretFleet) powerOff() {
	f.t.Helper()
	if err := f.host.Stop(); err != nil && !strings.Contains(err.Error(), "off") {
		f.t.Fatal(err)
	}
}

// A host whose power fails at any time of a push starts with the old secrets or the new
// ones, all of them, and the next push ends well.
func TestSecretsAreWholeAfterAPowerCut(t *testing.T) {
	f := newSecretFleet(t)
	f.must(0, "deploy")
	began := time.Now()
	f.must(1, "secrets", "push")
	took := time.Since(began)
	rounds := *cutRounds
	finished := 0
	before := "round1"
	for i := range rounds {
		round := 2 + i
		want := fmt.Sprintf("round%d", round)
		done, said := f.cutAt(took*time.Duration(i)/time.Duration(rounds), f.powerOff, round, "secrets", "push")
		switch got := f.boots(); {
		case got == want:
			finished++
		case done || got != before:
			t.Errorf("after a power cut the host starts with %s, want %s or %s:\n%s", got, before, want, said)
		}
		f.must(round, "secrets", "push")
		if got := f.round(); got != want {
			t.Errorf("after another push the host is on %s, want %s", got, want)
		}
		before = want
	}
	t.Logf("%d of %d power cuts in %v found the new secrets", finished, rounds, took)
}

// hostKey makes an SSH host key, and has the inventory name it and the one before.
func (f *secretFleet) hostKey(hosts string, former string) (public string) {
	f.t.Helper()
	private, line, err := secret.Generate(schema.Generate{Kind: "ssh-ed25519"}, "web")
	if err != nil {
		f.t.Fatal(err)
	}
	words := strings.Fields(line)
	public = words[0] + " " + words[1]
	text := strings.Replace(hosts, "\tsecrets: {\n", fmt.Sprintf("\thost_keys: [%q, %q]\n\tsecrets: {\n\t\town: {file: \"./own\", path: \"/etc/ssh/ssh_host_ed25519_key\"}\n", former, public), 1)
	for name, content := range map[string][]byte{"own": private, "hosts.cue": []byte(text)} {
		if err := os.WriteFile(filepath.Join(f.dir, name), content, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
	return public
}

// A host whose SSH host key is changed, and where that breaks off at any time, has secrets
// that its key opens.
func TestHostKeyOpensTheSecretsWhereverItsChangeIsCut(t *testing.T) {
	f := newSecretFleet(t)
	hosts, err := os.ReadFile(filepath.Join(f.dir, "hosts.cue"))
	if err != nil {
		t.Fatal(err)
	}
	f.must(0, "deploy")
	key := f.hostKey(string(hosts), f.host.HostKey())
	began := time.Now()
	f.must(1, "secrets", "push")
	took := time.Since(began)
	cuts := []struct {
		name string
		cut  func()
		undo func() error
	}{
		{"power", f.powerOff, nil},
		{"connections cut", func() { f.host.KillSessions() }, nil},
		{"disk full", func() { f.host.FillDisk(0) }, f.host.EmptyDisk},
	}
	rounds := *cutRounds
	before, both := "round1", 0
	for i := range rounds {
		c := cuts[i%len(cuts)]
		round, former := 2+i, key
		want := fmt.Sprintf("round%d", round)
		key = f.hostKey(string(hosts), former)
		done, said := f.cutAt(took*time.Duration(i)/time.Duration(rounds), c.cut, round, "secrets", "push")
		if c.undo != nil {
			if err := c.undo(); err != nil {
				t.Fatal(err)
			}
		}
		f.powerOff()
		if got := f.boots(); got != before && got != want || done && got != want {
			t.Errorf("%s: the host starts with %s, want %s or %s:\n%s", c.name, got, before, want, said)
		}
		// Of all that is stored, not only of what the running system has.
		out, err := f.host.Run(t.Context(), "sh", "-c", `cd /var/lib/muster/secrets/sets && for s in */*.age; do age -d -i /etc/ssh/ssh_host_ed25519_key $s >/dev/null || echo $s; done; ls /etc/ssh | grep -c former`)
		if lines := strings.Fields(out); len(lines) != 1 {
			t.Errorf("%s: the host has secrets that its key does not open: %v\n%s\n%s", c.name, err, out, said)
		} else if lines[0] != "0" {
			both++
		}
		f.must(round, "secrets", "push")
		if got := f.round(); got != want {
			t.Errorf("after another push the host is on %s, want %s", got, want)
		}
		has, err := f.host.Run(t.Context(), "sh", "-c", "cat /etc/ssh/ssh_host_ed25519_key.pub; ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key; ls -A /etc/ssh | grep muster; true")
		if err != nil || has != key+"\n"+key+"\n" && !strings.HasPrefix(has, key+"\n"+key+" ") {
			t.Errorf("%s: after another push the host's key is %q, want %q: %v", c.name, has, key, err)
		}
		before = want
	}
	t.Logf("%d of %d changes in %v were cut between the two keys", both, rounds, took)
}
