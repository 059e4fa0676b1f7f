package remote

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestJumpHosts(t *testing.T) {
	target, bastion, front := startSSHD(t), startSSHD(t), startSSHD(t)
	known := func(s *sshd) string { return fmt.Sprintf("[127.0.0.1]:%d %s", s.port, authorized(s.hostKey)) }
	section := func(name string, s *sshd) string {
		return fmt.Sprintf("Host %s\n\tHostName 127.0.0.1\n\tPort %d\n\tUser root\n\tIdentityFile %s/id\n", name, s.port, s.dir)
	}
	target.write(t, "known_hosts", known(target)+known(bastion)+known(front))
	config := func(t *testing.T, head string) string {
		target.write(t, "jump_config", head+"\n"+section("target", target)+section("bastion", bastion)+section("front", front)+
			fmt.Sprintf("Host *\n\tIdentityAgent none\n\tIdentitiesOnly yes\n\tUserKnownHostsFile %s/known_hosts\n", target.dir))
		return target.path("jump_config")
	}
	for _, tt := range []struct {
		name, head, jump string
		bastion, front   bool // the way leads through
		want             string
	}{
		{"configured", "Host target\n\tProxyJump bastion", "", true, false, ""},
		{"from the inventory", "", "bastion", true, false, ""},
		{"with user and port", "", fmt.Sprintf("root@bastion:%d", bastion.port), true, false, ""},
		{"as an address", fmt.Sprintf("Match host 127.0.0.1\n\tIdentityFile %s/id", bastion.dir), fmt.Sprintf("ssh://root@127.0.0.1:%d", bastion.port), true, false, ""},
		{"chain", "", "front,bastion", true, true, ""},
		{"bastion has its own", "Host target\n\tProxyJump bastion\nHost bastion\n\tProxyJump front", "", true, true, ""},
		{"none in the inventory", "Host target\n\tProxyJump bastion", "none", false, false, ""},
		{"none in front", "Host target\n\tProxyJump none\nHost *\n\tProxyJump bastion", "", false, false, ""},
		{"in a circle", "Host target\n\tProxyJump bastion\nHost bastion\n\tProxyJump front\nHost front\n\tProxyJump bastion", "", false, false, "circle"},
		{"through itself", "Host *\n\tProxyJump bastion", "", false, false, "circle"},
		{"user refused by bastion", "", "nobody@bastion", false, false, "jump host 127.0.0.1:"},
		{"not a jump host", "", "bastion:port", false, false, "not a port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := func(s *sshd) int { return strings.Count(s.log.String(), "Accepted publickey") }
			b, f := before(bastion), before(front)
			err := dialOnce(t, Config{ConfigFile: config(t, tt.head)}, Target{Name: "target", Jump: tt.jump})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := before(bastion) > b; got != tt.bastion {
				t.Errorf("through bastion: %v, want %v", got, tt.bastion)
			}
			if got := before(front) > f; got != tt.front {
				t.Errorf("through front: %v, want %v", got, tt.front)
			}
		})
	}

	t.Run("unreachable behind it", func(t *testing.T) {
		err := dialOnce(t, Config{ConfigFile: config(t, ""), ConnectTimeout: time.Minute},
			Target{Name: "web1", Address: "127.0.0.1", Port: freePort(t), Jump: "bastion"})
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "Connection refused") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("silent behind it", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ends(t, func() {
			err = dialOnce(t, Config{ConfigFile: config(t, ""), ConnectTimeout: 2 * time.Second},
				Target{Name: "web1", Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Jump: "bastion"})
		})
		if !errors.Is(err, ErrUnreachable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("shared, and closed by the last", func(t *testing.T) {
		before := strings.Count(bastion.log.String(), "Accepted publickey")
		d := NewDialer(Config{ConfigFile: config(t, "")})
		defer d.Close()
		machines := make([]*Machine, 6)
		var wg sync.WaitGroup
		for i := range machines {
			wg.Go(func() {
				m, err := d.Dial(t.Context(), Target{Name: "target", Jump: "bastion"})
				if err != nil {
					t.Error(err)
					return
				}
				t.Cleanup(func() { m.Close() })
				machines[i] = m
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		if n := strings.Count(bastion.log.String(), "Accepted publickey") - before; n != 1 {
			t.Errorf("%d connections to the jump host, want 1", n)
		}
		for i, m := range machines {
			if out, err := m.Output(t.Context(), "echo", "in"); err != nil || string(out) != "in\n" {
				t.Errorf("machine %d: %q, %v", i, out, err)
			}
			m.Close()
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.jumps) != 0 {
			t.Errorf("still open: %v", d.jumps)
		}
	})
}
