package cmd

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"muster/exec/lab"
)

var meshRounds = flag.Int("mesh-rounds", 1, "how many keys TestMeshInTheLab rotates")

// A meshLab is a fleet with a mesh on lab hosts: h1 to h7, of which h6 is behind NAT, and
// gw, which translates its addresses and is no host of the fleet.
type meshLab struct {
	*meshFleet
	t      *testing.T
	lab    *lab.Lab
	prefix string // of the mesh's addresses, such as 10.213.4.
	id     *age.X25519Identity
}

func newMeshLab(t *testing.T) *meshLab {
	t.Helper()
	for _, program := range []string{"wireguard-go", "wg", "iptables", "ping"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: apt-get install wireguard-go wireguard-tools iptables iputils-ping", err)
		}
	}
	l := lab.NewWith(t, lab.Options{Hosts: []string{"gw", "h1", "h2", "h3", "h4", "h5", "h6", "h7"}, Boot: "mkdir -p /dev/net && mknod /dev/net/tun c 10 200"})
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	m := &meshLab{t: t, lab: l, id: id, prefix: fmt.Sprintf("10.213.%d.", os.Getpid()%256)}
	m.meshFleet = newMeshFleet(t, "")
	m.write(t, "identity", id.String()+"\n")
	m.write(t, "ssh_config", fmt.Sprintf("Host *\n  User root\n  IdentityFile %q\n  IdentitiesOnly yes\n  UserKnownHostsFile %q\n  ConnectTimeout 5\n", l.Identity, l.KnownHosts))
	m.env = append(m.env, "MUSTER_SSH_CONFIG="+filepath.Join(m.dir, "ssh_config"))
	if out, err := exec.Command("testdata/mesh/nat.sh", fmt.Sprint(l.Host("gw").Pid()), fmt.Sprint(l.Host("h6").Pid())).CombinedOutput(); err != nil {
		t.Fatalf("nat.sh: %v\n%s", err, out)
	}
	return m
}

// inventory writes the fleet with these hosts.
func (m *meshLab) inventory(hosts []string) {
	m.t.Helper()
	here := func(path string) string {
		abs, err := filepath.Abs(path)
		if err != nil {
			m.t.Fatal(err)
		}
		return abs
	}
	key, err := m.lab.Hosts[0].ReadFile("/etc/ssh/authorized_keys.d/root")
	if err != nil {
		m.t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "package fleet\n\nnixpkgs: path: %q\nsecret_recipients: [%q]\n", here("../examples/minios"), m.id.Recipient())
	fmt.Fprintf(&b, "defaults: {imports: [%q], config: users: users: root: openssh: authorizedKeys: keys: [%q]}\n", here("testdata/mesh/lab.nix"), strings.TrimSpace(string(key)))
	fmt.Fprintf(&b, "mesh: wg0: {network: \"%s0/24\", names: true, deploy: true, hub: \"h1\", hosts: h6: nat: true}\n", m.prefix)
	for i, name := range hosts {
		h := m.lab.Host(name)
		address := h.Addr
		if name == "h6" {
			address = m.lab.Host("gw").Addr + ":2222"
		}
		fmt.Fprintf(&b, "hosts: %s: {host: %q, host_keys: [%q], disk_uuid: \"01b3bcba-c0ef-4538-8dd2-f7dee29523%02d\"}\n", name, address, h.HostKey(), i)
	}
	m.write(m.t, "hosts.cue", b.String())
}

// address is the address of a host in the mesh, by mesh.lock.
func (m *meshLab) address(name string) string {
	m.t.Helper()
	return strings.TrimSpace(strings.Trim(strings.TrimSpace(m.muster(m.t, "inventory", "get", "mesh.wg0.hosts."+name+".address")), `"`))
}

// run runs a command on a host.
func (m *meshLab) run(name string, argv ...string) string {
	m.t.Helper()
	out, err := m.lab.Host(name).Run(context.Background(), argv...)
	if err != nil {
		m.t.Fatalf("%s: %s: %v\n%s", name, strings.Join(argv, " "), err, out)
	}
	return out
}

// reaches pings all members from all others, and returns the pairs that do not.
func (m *meshLab) unreached(hosts []string, wait string) []string {
	m.t.Helper()
	addresses := map[string]string{}
	for _, h := range hosts {
		addresses[h] = m.address(h)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed []string
	for _, from := range hosts {
		for _, to := range hosts {
			if from == to {
				continue
			}
			wg.Go(func() {
				if _, err := m.lab.Host(from).Run(context.Background(), "ping", "-c", "1", "-W", wait, addresses[to]); err != nil {
					mu.Lock()
					defer mu.Unlock()
					failed = append(failed, from+" "+to)
				}
			})
		}
	}
	wg.Wait()
	slices.Sort(failed)
	return failed
}

func (m *meshLab) allReach(when string, hosts []string) {
	m.t.Helper()
	if failed := m.unreached(hosts, "10"); len(failed) > 0 {
		for _, h := range hosts {
			m.t.Logf("%s:\n%s", h, m.run(h, "sh", "-c", "wg show; ip address; /etc/muster/mesh show"))
		}
		m.t.Fatalf("%s: no answer over the mesh: %v", when, failed)
	}
}

// A pinging is a ping that goes on until it is ended.
type pinging struct {
	name string
	out  bytes.Buffer
	cmd  *exec.Cmd
}

// begin pings one member from another, five times a second.
func (m *meshLab) begin(from, to string) *pinging {
	m.t.Helper()
	p := &pinging{name: from + " to " + to}
	p.cmd = exec.Command("nsenter", "--target", fmt.Sprint(m.lab.Host(from).Pid()), "--net", "ping", "-i", "0.2", m.address(to))
	p.cmd.Stdout = &p.out
	if err := p.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// lost ends the ping and returns how many answers came, and the numbers of pings without
// one.
func (p *pinging) lost(t *testing.T) (lines []string) {
	t.Helper()
	p.cmd.Process.Signal(os.Interrupt)
	p.cmd.Wait()
	gaps := exec.Command("testdata/mesh/gaps.sh")
	gaps.Stdin = &p.out
	out, err := gaps.CombinedOutput()
	if err != nil {
		t.Fatalf("gaps.sh: %v\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// Six hosts, one of them behind NAT, reach each other over the mesh after they are
// deployed. A seventh changes nobody's address, one that is removed is cut off, the
// rotation of a key loses no ping, and a broken mesh is mended by the next deployment.
func TestMeshInTheLab(t *testing.T) {
	m := newMeshLab(t)
	six := []string{"h1", "h2", "h3", "h4", "h5", "h6"}
	step := func(what string) func() {
		began := time.Now()
		return func() { t.Logf("%s: %v", what, time.Since(began).Round(10*time.Millisecond)) }
	}

	done := step("deploy six")
	m.inventory(six)
	m.muster(t, "mesh", "assign")
	m.muster(t, "secrets", "generate")
	m.muster(t, "deploy", "--identity", "identity")
	m.allReach("after the deployment", six)
	done()

	done = step("add a seventh")
	before := map[string]string{}
	for _, h := range six {
		before[h] = m.address(h)
	}
	seven := append(slices.Clone(six), "h7")
	m.inventory(append([]string{"h7"}, six...)) // before all others
	m.muster(t, "mesh", "assign")
	m.muster(t, "secrets", "generate")
	after := map[string]string{}
	for _, h := range six {
		after[h] = m.address(h)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Fatalf("a new member changes addresses (-before +after):\n%s", diff)
	}
	m.muster(t, "deploy", "--identity", "identity")
	m.allReach("with a seventh", seven)
	done()
}
