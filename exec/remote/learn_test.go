package remote

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// known_hosts has after a connection what it has after one by ssh: new keys that the server proves to have, and no
// others, where UpdateHostKeys says so.
func TestUpdateHostKeys(t *testing.T) {
	y := &yard{sshd: startSSHD(t)}
	y.keygen(t, "-t", "rsa", "-b", "2048", "-N", "", "-f", "host_rsa")
	y.keygen(t, "-t", "ecdsa", "-N", "", "-f", "host_ecdsa")
	s := startSSHD(t, "HostKey "+y.path("host_rsa"), "HostKey "+y.path("host_ecdsa"))
	name := fmt.Sprintf("[127.0.0.1]:%d", s.port)
	own, rsaKey, gone := authorized(s.hostKey), authorized(mustPublic(t, y.path("host_rsa"))), authorized(s.writeKey(t, "gone"))
	for _, tt := range []struct {
		name, known string
		lines       []string
		changes     bool
	}{
		{"two are new", name + " " + own, nil, true},
		{"one is new, another host's stays", "web1 " + gone + name + " " + own + name + " " + rsaKey, nil, true},
		{"one is gone", name + " " + own + name + " " + gone, nil, true},
		{"switched off", name + " " + own, []string{"UpdateHostKeys no"}, false},
		{"a question", name + " " + own, []string{"UpdateHostKeys ask"}, false},
		{"a pattern", "[127.*]:* " + own, nil, false},
		{"revoked", "@revoked * " + rsaKey + name + " " + own, nil, false},
		{"too short", name + " " + own, []string{"RequiredRSASize 3072"}, true},
		{"by an alias", "web1 " + own, []string{"HostKeyAlias web1"}, true},
		{"in another file", name + " " + own, []string{"UserKnownHostsFile " + s.path("empty") + " " + s.path("known_hosts")}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := s.client(t, append(slices.Clone(tt.lines), "UpdateHostKeys yes", "HashKnownHosts no", "StrictHostKeyChecking yes")...)
			s.write(t, "empty", "")
			s.write(t, "known_hosts", tt.known)
			before := sortedLines(t, s)
			if out, err := exec.CommandContext(t.Context(), *sshProgram, "-F", config, "-oBatchMode=yes", "host", "sleep 0.5").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			want := sortedLines(t, s)
			if changed := !slices.Equal(want, before); changed != tt.changes {
				t.Errorf("ssh changes it: %v, want %v: %q", changed, tt.changes, want)
			}
			s.write(t, "known_hosts", tt.known)
			s.write(t, "empty", "")
			m := s.connect(t, Config{ConfigFile: config}, Target{})
			if err := m.Run(t.Context(), Command{Argv: []string{"true"}}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for began := time.Now(); time.Since(began) < hangs; time.Sleep(50 * time.Millisecond) {
				if got = sortedLines(t, s); slices.Equal(got, want) && tt.changes {
					break
				}
				if !tt.changes && time.Since(began) > time.Second {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("it is\n%q\nafter ssh\n%q", got, want)
			}
		})
	}
}

func sortedLines(t *testing.T, s *sshd) []string {
	t.Helper()
	var all []string
	for _, name := range []string{"known_hosts", "empty"} {
		text, err := os.ReadFile(s.path(name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
		all = append(all, slices.Sorted(strings.Lines(string(text)))...)
	}
	return all
}

// What is not a signature by each of the keys proves nothing.
func TestHostKeysAreProven(t *testing.T) {
	_, key, err := newTestKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, payload := range []string{"", "x", "\x00\x00\x00\x00", "\x00\x00\x00\x04\x00\x00\x00\x00", strings.Repeat("\xff", 100)} {
		if signedByAll([]byte("session"), []ssh.PublicKey{key}, []byte(payload)) {
			t.Errorf("%q proves a key", payload)
		}
	}
}
