package cmd

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"muster/exec/lab"
)

// On machines that systemd boots, the units of a mesh start, whatever makes its interface,
// with the key at its place before them. It is there again after machines have lost their
// power, with keys that were switched to a moment before, and after a unit is restarted.
func TestMeshOnSystemd(t *testing.T) {
	if !*onSystemd {
		t.Skip("machines that systemd boots: -systemd")
	}
	for _, row := range []struct {
		backend, unit, key string
	}{
		{"wireguard", "wireguard-wg0.service", "400 root root"},
		{"networkd", "systemd-networkd.service", "440 root systemd-network"},
	} {
		t.Run(row.backend, func(t *testing.T) {
			hosts := []string{"h1", "h2", "h4"}
			m := newMeshLabWith(t, lab.Options{Hosts: hosts, Systemd: true}, nil)
			m.module, m.mesh = "testdata/mesh/systemd.nix", `, backend: "`+row.backend+`"`
			for _, h := range hosts {
				m.bring(h, "wg", "wireguard-go")
			}
			m.inventory(hosts)
			m.muster(t, "mesh", "assign")
			m.muster(t, "secrets", "generate")
			m.muster(t, "deploy", "--identity", "identity")
			m.allReach("after the deployment", hosts)
			m.unitsRun("after the deployment", hosts, row.unit, row.key, 1)

			pings := []*pinging{m.begin("h1", "h2"), m.begin("h2", "h4")}
			m.rotate("h2")
			for _, p := range pings {
				sent, lost := p.end(t)
				if t.Logf("rotation of the key of h2: ping %s: %d of %d lost", p.name, lost, sent); lost != 0 {
					t.Errorf("pings are lost:\n%s", p.out.String())
				}
			}

			m.restart(hosts...)
			m.allReach("after all lost their power", hosts)
			m.unitsRun("after all lost their power", hosts, row.unit, row.key, 1)

			// Between the switch and the deployment after it, the former key is that of the
			// configuration.
			m.muster(t, "secrets", "rotate", "mesh-wg0", "--on", "h1")
			m.muster(t, "deploy", "--identity", "identity")
			m.muster(t, "mesh", "switch")
			m.restart("h1", "h4")
			m.allReach("after a restart with a key that was switched to", hosts)
			m.muster(t, "deploy", "--identity", "identity")
			m.allReach("after the rotation", hosts)
			m.unitsRun("after the rotation", []string{"h1", "h4"}, row.unit, row.key, 1)

			m.run("h2", "systemctl", "restart", row.unit)
			m.allReach("after a unit was restarted", hosts)
			if out := m.muster(t, "status", "--identity", "identity"); !strings.Contains(out, " ago") || strings.Contains(out, "mesh wg0: the interface") {
				t.Errorf("status:\n%s", out)
			}
		})
	}
}

// bring gives a host programs of this machine.
func (m *meshLab) bring(host string, programs ...string) {
	m.t.Helper()
	for _, program := range programs {
		path, err := exec.LookPath(program)
		if err != nil {
			m.t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			m.t.Fatal(err)
		}
		if err := m.lab.Host(host).WriteFile("/usr/bin/"+program, text, 0o755); err != nil {
			m.t.Fatal(err)
		}
	}
}

// restart cuts hosts off from their power, starts them again and waits until they have
// booted.
func (m *meshLab) restart(hosts ...string) {
	m.t.Helper()
	for _, h := range hosts {
		if err := m.lab.Host(h).Stop(); err != nil {
			m.t.Fatal(err)
		}
	}
	for _, h := range hosts {
		if err := m.lab.Host(h).Start(m.t.Context()); err != nil {
			m.t.Fatal(err)
		}
	}
	for _, h := range hosts {
		m.lab.Host(h).Run(m.t.Context(), "systemctl", "is-system-running", "--wait") // fails where a unit has
	}
}

// unitsRun checks that the units of the mesh are active and none has failed, and that the
// key was there, with its permissions, each time before the interface was made.
func (m *meshLab) unitsRun(when string, hosts []string, unit, key string, made int) {
	m.t.Helper()
	for _, h := range hosts {
		units := []string{unit, "muster-mesh-wg0.service", "muster-secret-mesh-wg0.service"}
		active := func() string {
			out, _ := m.lab.Host(h).Run(m.t.Context(), append([]string{"systemctl", "is-active"}, units...)...)
			return out
		}
		for deadline := time.Now().Add(time.Minute); active() != "active\nactive\nactive\n" && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		}
		if out := active(); out != "active\nactive\nactive\n" {
			log, _ := m.lab.Host(h).Run(m.t.Context(), append([]string{"systemctl", "status", "--no-pager", "--lines", "30"}, units...)...)
			m.t.Errorf("%s: %s: %q\n%s", when, h, out, log)
		}
		if out := m.run(h, "systemctl", "list-units", "--failed", "--plain", "--no-legend"); out != "" {
			m.t.Errorf("%s: %s: units have failed:\n%s", when, h, out)
		}
		if got, want := m.run(h, "cat", "/run/lab/key-wg0"), strings.Repeat(key+"\n", made); got != want {
			m.t.Errorf("%s: %s: before the interface was made, the key is %q, want %q", when, h, got, want)
		}
	}
}
