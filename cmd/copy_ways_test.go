package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec/builds"
	"muster/exec/lab"
	"muster/exec/nixcmd"
)

// Ways for a closure to come to a host other than from here to root's nix-store --serve.

// muster runs muster where the sender's store is, and returns what it says.
func (s *sender) muster(lab *lab.Lab, args ...string) (string, error) {
	s.t.Helper()
	muster := filepath.Join(s.dir, "muster") // by that name it is muster: see TestMain
	if self, err := os.Executable(); err != nil {
		s.t.Fatal(err)
	} else if err := os.Symlink(self, muster); err != nil && !errors.Is(err, os.ErrExist) {
		s.t.Fatal(err)
	}
	cmd := s.command(context.Background(), lab, append([]string{muster}, args...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	return said.String(), err
}

// sign signs the sender's closure and returns the public key.
func (s *sender) sign() string {
	s.t.Helper()
	key := s.key()
	argv := []string{"nix", "--extra-experimental-features", "nix-command", "store", "sign", "--recursive", "--key-file", key, string(s.top)}
	if out, err := s.command(context.Background(), nil, argv...).CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	return s.public()
}

// key makes a key to sign with, and returns its file.
func (s *sender) key() string {
	s.t.Helper()
	key := filepath.Join(s.dir, "key")
	if out, err := exec.Command("nix-store", "--generate-binary-cache-key", "lab-1", key, key+".pub").CombinedOutput(); err != nil {
		s.t.Fatalf("%v\n%s", err, out)
	}
	return key
}

func (s *sender) public() string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "key.pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// configure adds lines to a host's nix.conf.
func configure(t *testing.T, h *lab.Host, lines string) {
	t.Helper()
	conf, err := h.ReadFile("/etc/nix/nix.conf")
	if err == nil {
		err = h.WriteFile("/etc/nix/nix.conf", append(conf, lines+"\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What hosts lack goes into a cache once, and they fetch it there; a host that does not trust the cache's key gets nothing, and
// is told what to do.
func TestHostsFetchFromACache(t *testing.T) {
	s := newSender(t)
	lab, hosts := s.lab(3)
	s.key()
	for _, h := range lab.Hosts[:2] {
		configure(t, h, "trusted-public-keys = "+s.public())
	}
	cache := filepath.Join(s.dir, "cache")
	var nars atomic.Int64
	files := http.FileServer(http.Dir(cache))
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/nar/") {
			nars.Add(1)
		}
		files.ServeHTTP(w, r)
	})}
	way, err := net.Dial("udp", lab.Hosts[0].Addr+":9") // sends nothing; tells this machine's address there
	if err != nil {
		t.Fatal(err)
	}
	way.Close()
	address, _, _ := net.SplitHostPort(way.LocalAddr().String())
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close()

	push := []string{"push", "--path", string(s.top), "--push-to", "file://" + cache + "?secret-key=" + filepath.Join(s.dir, "key"),
		"--pull-from", "http://" + l.Addr().String(), hosts}
	said, err := s.muster(lab, push...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(said, "2 copied, 1 failed") {
		t.Fatalf("%v\n%s", err, said)
	}
	if !strings.Contains(said, "h2: failed: copy: pull from http://") || !strings.Contains(said, "trusted-public-keys") {
		t.Errorf("not said what is missing:\n%s", said)
	}
	for _, h := range lab.Hosts[:2] {
		verify(t, h)
		if _, err := h.Run(t.Context(), "nix-store", "--check-validity", string(s.top)); err != nil {
			t.Error(err)
		}
	}
	if n := nars.Load(); n < 48 || strings.Contains(said, "paths sent") {
		t.Errorf("%d archives were fetched, want 24 by each of two hosts, and none sent:\n%s", n, said)
	}

	// Who has it all asks nobody.
	nars.Store(0)
	os.RemoveAll(cache)
	if said, err := s.muster(lab, append(push, "--on", "h0,h1")...); err != nil || nars.Load() != 0 {
		t.Errorf("again: %v\n%s", err, said)
	}
	if _, err := os.Stat(cache); err == nil {
		t.Error("a cache was filled for nobody")
	}
}

// Who logs in as a user that is not root and may not become root adds paths through the daemon, which wants them signed or the
// user trusted: otherwise muster says that, and how.
func TestUserWhoIsNotTrusted(t *testing.T) {
	s := newSender(t)
	lab, hosts := s.lab(1)
	h := lab.Hosts[0]
	inventory, err := os.ReadFile(hosts)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(hosts, append(inventory, "user = \"ann\"\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	for file, line := range map[string]string{
		"/etc/passwd": "ann:x:1000:1000:ann:/home/ann:/bin/sh\n", "/etc/group": "ann:x:1000:\n", "/etc/shadow": "ann:*:19000:0:99999:7:::\n",
	} {
		text, err := h.ReadFile(file)
		if err == nil {
			err = h.WriteFile(file, append(text, line...), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	keys, err := h.ReadFile("/etc/ssh/authorized_keys.d/root")
	if err == nil {
		err = h.WriteFile("/etc/ssh/authorized_keys.d/ann", keys, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	restart, err := os.ReadFile("testdata/restart-nix-daemon.sh")
	if err != nil {
		t.Fatal(err)
	}
	daemon := func() {
		t.Helper()
		if _, err := h.Run(t.Context(), "/bin/sh", "-c", string(restart)); err != nil {
			t.Fatal(err)
		}
	}
	daemon()
	push := []string{"push", "--path", string(s.top), hosts}
	said, err := s.muster(lab, push...)
	if err == nil || !strings.Contains(said, "unsigned path from a user who is not trusted") || !strings.Contains(said, "trusted-users") || !strings.Contains(said, "nix store sign") {
		t.Fatalf("%v\n%s", err, said)
	}
	if said, err := s.muster(lab, append(push, "--copy-with", "nix")...); err == nil || !strings.Contains(said, "trusted-users") {
		t.Errorf("by nix copy: %v\n%s", err, said)
	}
	configure(t, h, "trusted-public-keys = "+s.sign())
	daemon()
	if said, err := s.muster(lab, push...); err != nil || !strings.Contains(said, "24 paths sent") {
		t.Errorf("signed: %v\n%s", err, said)
	}
	verify(t, h)
}

// A nobody watches builds and keeps nothing.
type nobody struct{}

func (nobody) Started(store.Path, string)                      {}
func (nobody) Phase(store.Path, string)                        {}
func (nobody) Printed(store.Path, string)                      {}
func (nobody) Ended(store.Path, string, time.Duration, string) {}
func (nobody) Counted(builds.Counts)                           {}
func (nobody) Lost(builds.Loss)                                {}
func (nobody) Said(string)                                     {}

// Nix builds on the machines that builders names.
func TestBuildersBuild(t *testing.T) {
	lab.RequireLab(t)
	lab := lab.New(t, "builder")
	n, err := nixcmd.Find()
	if err != nil {
		t.Fatal(err)
	}
	n.Env = []string{"NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =\nmax-jobs = 0", "NIX_SSHOPTS=-F " + lab.SSHConfig}
	var drv bytes.Buffer
	expr := fmt.Sprintf(`derivation { name = "built-elsewhere"; system = builtins.currentSystem; builder = "/bin/sh"; nonce = "%d";
		args = [ "-c" "read -r name </proc/sys/kernel/hostname; echo built on $name >$out" ]; }`, time.Now().UnixNano())
	if err := n.Run(t.Context(), []string{"nix-instantiate", "--expr", expr}, &drv, nil); err != nil {
		t.Fatal(err)
	}
	g := n.NewGraph()
	g.Machines = []string{"ssh://builder x86_64-linux,aarch64-linux - 2 1"}
	var out store.Path
	g.Build(t.Context(), []builds.Want{{Drv: store.Path(strings.TrimSpace(drv.String())), Done: func(built store.Path, failed error) { out, err = built, failed }}}, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(string(out)); err != nil || string(text) != "built on builder\n" {
		t.Errorf("%q, %v", text, err)
	}
}
