package remote

import (
	"bytes"
	"errors"
	"os/exec"
	"os/user"
	"strings"
	"testing"
	"time"

	"muster/exec/remote/sshconfig"
)

// Options of the target go before the ssh configuration, as those of ssh -o.
func TestOptionsOfATargetGoFirst(t *testing.T) {
	s := startSSHD(t)
	s.write(t, "empty", "")
	wrong := s.client(t, "Host host", "  IdentityFile none", "  AddressFamily inet6", "  UserKnownHostsFile "+s.path("empty"))
	d := NewDialer(Config{ConfigFile: wrong})
	defer d.Close()
	right := map[string]string{"addressfamily": "inet", "identityfile": s.path("id"), "userknownhostsfile": s.path("known_hosts")}
	m, err := d.Dial(t.Context(), Target{Name: "host", Options: right})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Address() != "127.0.0.1" {
		t.Errorf("connected to %q", m.Address())
	}
	for name, want := range map[string]error{"addressfamily": ErrUnreachable, "userknownhostsfile": ErrHostKeyUnknown} {
		less := map[string]string{}
		for k, v := range right {
			if k != name {
				less[k] = v
			}
		}
		if _, err := d.Dial(t.Context(), Target{Name: "host", Options: less}); !errors.Is(err, want) {
			t.Errorf("without %s: got %v, want %v", name, err, want)
		}
	}
	if _, err := d.Dial(t.Context(), Target{Name: "host", Options: map[string]string{"userknownhostsfile": s.path("empty"), "addressfamily": "any", "stricthostkeychecking": "no"}}); !errors.Is(err, ErrHostKeyUnknown) {
		t.Errorf("with StrictHostKeyChecking no: got %v", err)
	}
}

// Where nothing names a user, it is root, or that of this machine if the target says so.
func TestDefaultUser(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := startSSHD(t)
	text := s.client(t, "Match host other", "  User ignored")
	for _, target := range []Target{{Name: "127.0.0.1", Port: s.port}, {Name: "127.0.0.1", Port: s.port, DefaultUser: LocalUser}} {
		m := s.connect(t, Config{ConfigFile: text}, target)
		if want := me.Username; m.User() != "root" || want != "root" {
			t.Errorf("%+v: user %s, want %s", target, m.User(), want)
		}
	}
	q := sshconfig.Query{Host: "fe80::1%Usb0", DefaultUser: "someone"}
	settings, err := NewDialer(Config{ConfigFile: "none"}).settings(t.Context(), q)
	if err != nil || settings.User != "someone" || settings.HostName != "fe80::1%Usb0" {
		t.Errorf("%+v: %v", settings, err)
	}
}

// Commands on a machine use the agent here if the target allows it, and not otherwise.
func TestAgentForwarding(t *testing.T) {
	for _, program := range []string{"ssh-agent", "ssh-add"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no %s on this machine", program)
		}
	}
	s := startSSHD(t)
	socket := s.path("agent")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { agent.Process.Kill(); agent.Wait() }()
	add := func() error {
		cmd := exec.Command("ssh-add", "-q", s.path("id"))
		cmd.Env = []string{"SSH_AUTH_SOCK=" + socket}
		return cmd.Run()
	}
	for try := 0; add() != nil; try++ {
		if try == 5000 {
			t.Fatal("the agent takes no key")
		}
		time.Sleep(20 * time.Millisecond)
	}
	ways := []bool{false, true}
	if *throughOpenSSH { // which refuses to forward it: see dialOpenSSH
		ways = ways[:1]
	}
	for _, forward := range ways {
		m := s.connect(t, Config{}, Target{Name: "host", ForwardAgent: forward, Options: map[string]string{"identityagent": socket}})
		for range 2 {
			var out bytes.Buffer
			err := m.Run(t.Context(), Command{Argv: []string{"ssh-add", "-L"}, Stdout: &out})
			if has := err == nil && strings.HasPrefix(out.String(), "ssh-ed25519 "); has != forward {
				t.Errorf("forwarding %v: %v, %q", forward, err, out.String())
			}
		}
	}
	d := NewDialer(Config{ConfigFile: s.client(t)})
	defer d.Close()
	if _, err := d.Dial(t.Context(), Target{Name: "host", ForwardAgent: true}); err == nil || !strings.Contains(err.Error(), "there is no ssh-agent here") {
		t.Errorf("without an agent: %v", err)
	}
}

// A command of the inventory's makes a user root, with its arguments as they are.
func TestOwnPrivilegeCommand(t *testing.T) {
	s := startSudoHost(t, "")
	for _, tt := range []struct {
		user string
		argv []string
		want error
	}{
		{"free", []string{"sudo", "-n", "-u", "root"}, nil},
		{"free", []string{"env", "A=it's $HOME", "sudo", "-n", "--preserve-env=A", "-u", "root", "--"}, nil},
		{"free", []string{"runuser", "-u", "root", "--"}, ErrNoSudo},
		{"asked", []string{"sudo", "-u", "root"}, ErrNoSudo},
		{"free", []string{"no-such-program"}, ErrNoSudo},
		{"root", []string{"no-such-program"}, nil},
	} {
		m := s.connect(t, Config{}, Target{Name: "host", User: tt.user, Become: OwnCommand, BecomeArgv: tt.argv})
		var out bytes.Buffer
		err := m.Run(t.Context(), Command{Argv: []string{"sh", "-c", `id -u; echo "$1"; cat`, "sh", "a  b'\""}, Privileged: true, Stdin: strings.NewReader("input\n"), Stdout: &out})
		if !errors.Is(err, tt.want) || tt.want == nil && (err != nil || out.String() != "0\na  b'\"\ninput\n") {
			t.Errorf("%s, %q: %v, output %q", tt.user, tt.argv, err, out.String())
		}
	}
}
