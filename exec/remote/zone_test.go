package remote

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// An address with a zone, and any other form of an address, is known to ssh by what muster writes, and the other way
// around.
func TestAddressesInKnownHosts(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	l.Close()
	s := startSSHD(t, "ListenAddress ::")
	for _, address := range append(linkLocal(t), "127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "localhost") {
		t.Run(address, func(t *testing.T) {
			target := Target{Name: "web1", Address: address, Port: s.port}
			config := s.client(t)
			s.write(t, "known_hosts", "")
			d := NewDialer(Config{ConfigFile: config})
			defer d.Close()
			p, err := d.HostKey(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.AddKnownHost(t.Context(), target, p.Key, false); err != nil {
				t.Fatal(err)
			}
			m, err := d.Dial(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			m.Close()
			argv := []string{"-F", config, "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-p", fmt.Sprint(s.port), address, "echo in"}
			if out, err := exec.CommandContext(t.Context(), *sshProgram, argv...).CombinedOutput(); err != nil || string(out) != "in\n" {
				t.Errorf("ssh: %v: %s", err, out)
			}
			s.write(t, "known_hosts", "")
			argv = append([]string{"-oStrictHostKeyChecking=accept-new"}, argv...)
			if out, err := exec.CommandContext(t.Context(), *sshProgram, argv...).CombinedOutput(); err != nil || !strings.Contains(string(out), "in\n") {
				t.Errorf("ssh: %v: %s", err, out)
			}
			if p, err := d.HostKey(t.Context(), target); err != nil || p.Verdict != nil {
				t.Errorf("what ssh has written: %v, %v", err, p.Verdict)
			}
		})
	}
}

// linkLocal is an address of this machine with a zone, such as fe80::1%eth0, if it has one.
func linkLocal(t *testing.T) []string {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		for _, a := range addresses {
			if ip, ok := a.(*net.IPNet); ok && ip.IP.To4() == nil && ip.IP.IsLinkLocalUnicast() && i.Flags&net.FlagUp != 0 {
				return []string{ip.IP.String() + "%" + i.Name}
			}
		}
	}
	return nil
}
