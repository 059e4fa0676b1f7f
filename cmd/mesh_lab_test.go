package cmd

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
	behind map[string]string // hosts behind NAT, and their gateways
	module string            // of all hosts: what their kernel lacks
	mesh   string            // more fields of the mesh
}

func newMeshLab(t *testing.T) *meshLab {
	t.Helper()
	return newMeshLabOf(t, []string{"gw", "h1", "h2", "h3", "h4", "h5", "h6", "h7"}, map[string]string{"h6": "gw"})
}

// newMeshLabOf is newMeshLab with hosts of one's own choice, and which of them are behind
// which others.
func newMeshLabOf(t *testing.T, hosts []string, behind map[string]string) *meshLab {
	t.Helper()
	return newMeshLabWith(t, lab.Options{Hosts: hosts, Boot: "mkdir -p /dev/net && mknod /dev/net/tun c 10 200"}, behind)
}

// newMeshLabWith is newMeshLabOf on a lab of one's own choice.
func newMeshLabWith(t *testing.T, options lab.Options, behind map[string]string) *meshLab {
	t.Helper()
	for _, program := range []string{"wireguard-go", "wg", "iptables", "ping"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%v: apt-get install wireguard-go wireguard-tools iptables iputils-ping", err)
		}
	}
	l := lab.NewWith(t, options)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	m := &meshLab{t: t, lab: l, id: id, behind: behind, prefix: fmt.Sprintf("10.213.%d.", os.Getpid()%256), module: "testdata/mesh/lab.nix"}
	m.meshFleet = newMeshFleet(t, "")
	m.write(t, "identity", id.String()+"\n")
	m.write(t, "ssh_config", fmt.Sprintf("Host *\n  User root\n  IdentityFile %q\n  IdentitiesOnly yes\n  UserKnownHostsFile %q\n  ConnectTimeout 5\n", l.Identity, l.KnownHosts))
	m.env = append(m.env, "MUSTER_SSH_CONFIG="+filepath.Join(m.dir, "ssh_config"))
	for inside, gateway := range behind {
		if out, err := exec.Command("testdata/mesh/nat.sh", fmt.Sprint(l.Host(gateway).Pid()), fmt.Sprint(l.Host(inside).Pid())).CombinedOutput(); err != nil {
			t.Fatalf("nat.sh: %v\n%s", err, out)
		}
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
	fmt.Fprintf(&b, "defaults: {imports: [%q], config: users: users: root: openssh: authorizedKeys: keys: [%q]}\n", here(m.module), strings.TrimSpace(string(key)))
	fmt.Fprintf(&b, "mesh: wg0: {network: \"%s0/24\", names: true, deploy: true, hub: \"h1\"%s}\n", m.prefix, m.mesh)
	for _, name := range hosts {
		h := m.lab.Host(name)
		address := h.Addr
		if gateway := m.behind[name]; gateway != "" {
			address = m.lab.Host(gateway).Addr + ":2222"
			fmt.Fprintf(&b, "mesh: wg0: hosts: %s: nat: true\n", name)
		}
		fmt.Fprintf(&b, "hosts: %s: {host: %q, host_keys: [%q], disk_uuid: \"01b3bcba-c0ef-4538-8dd2-f7dee295235%s\"}\n", name, address, h.HostKey(), name[1:])
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

// ping is this machine's ping in the network of a host.
func (m *meshLab) ping(from string, args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--target", fmt.Sprint(m.lab.Host(from).Pid()), "--net", "ping"}, args...)...)
}

// unreached pings all members from all others until each has answered once, and returns the
// pairs that have not within so many seconds. A single ping may be lost without anybody's fault:
// where both ends begin a session at once, one of them may seal with keys that the other has
// dropped, and WireGuard finds that out 15 seconds after it has had no answer.
func (m *meshLab) unreached(hosts []string, seconds string) []string {
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
				if err := m.ping(from, "-c", "1", "-w", seconds, addresses[to]).Run(); err != nil {
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
	if failed := m.unreached(hosts, "90"); len(failed) > 0 {
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
	p.cmd = m.ping(from, "-i", "0.2", m.address(to))
	p.cmd.Stdout = &p.out
	if err := p.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// statistics is what ping prints at its end.
var statistics = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`)

// end ends the ping and returns how many packets were sent, and how many of them were not
// answered. One that is under way at the end is not counted.
func (p *pinging) end(t *testing.T) (sent, lost int) {
	t.Helper()
	p.cmd.Process.Signal(os.Interrupt)
	p.cmd.Wait()
	m := statistics.FindStringSubmatch(p.out.String())
	if m == nil {
		t.Fatalf("ping %s: %s", p.name, p.out.String())
	}
	sent, _ = strconv.Atoi(m[1])
	received, _ := strconv.Atoi(m[2])
	if strings.Contains(p.out.String(), fmt.Sprintf("icmp_seq=%d ", sent)) {
		return sent, sent - received
	}
	return sent - 1, sent - 1 - received
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
	m.join("h1")
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

	done = step("remove h3")
	rest := slices.DeleteFunc(slices.Clone(seven), func(h string) bool { return h == "h3" })
	gone := m.address("h3")
	m.inventory(rest)
	m.muster(t, "deploy", "--identity", "identity")
	for _, other := range rest {
		if _, err := m.lab.Host("h3").Run(t.Context(), "ping", "-c", "1", "-W", "1", m.address(other)); err == nil {
			t.Errorf("h3 is no member any more, and still reaches %s", other)
		}
		if out := m.run(other, "wg", "show"); strings.Contains(out, gone+"/32") {
			t.Errorf("%s still has h3 as a peer:\n%s", other, out)
		}
	}
	if !strings.Contains(m.read(t, "mesh.lock"), `"`+gone+`"`) {
		t.Errorf("the address of h3 is free before anybody has said so:\n%s", m.read(t, "mesh.lock"))
	}
	m.allReach("without h3", rest)
	done()

	for round := range *meshRounds {
		done = step("rotate a key")
		rotated := []string{"h2", "h6", "h1"}[round%3]
		pings := []*pinging{m.begin("h5", rotated), m.begin(rotated, "h6"), m.begin("h4", "h6")}
		if rotated == "h6" {
			pings[1] = m.begin("h6", "h2")
		}
		m.rotate(rotated)
		for _, p := range pings {
			sent, lost := p.end(t)
			if t.Logf("rotation of the key of %s: ping %s: %d of %d lost", rotated, p.name, lost, sent); lost != 0 {
				t.Errorf("pings are lost:\n%s", p.out.String())
			}
		}
		m.allReach("after the rotation", rest)
		done()
	}

	done = step("deploy through the mesh")
	out := m.muster(t, "exec", "--on", "h5", "--", "sh", "-c", "echo $SSH_CONNECTION")
	if !strings.Contains(out, " "+m.address("h5")+" 22") {
		t.Errorf("h5 was not reached over the mesh: %s", out)
	}
	done()

	done = step("mend a broken mesh")
	wrong := m.run("h4", "sh", "-c", "wg genkey | tee /run/wrong | wg pubkey")
	m.run("h4", "wg", "set", "wg0", "private-key", "/run/wrong", "peer", strings.TrimSpace(wrong), "allowed-ips", m.address("h5")+"/32")
	m.run("h4", "ip", "link", "set", "wg0", "down")
	m.run("h5", "sh", "-c", "for peer in $(wg show wg0 peers); do wg set wg0 peer $peer remove; done")
	m.run("h2", "ip", "address", "del", m.address("h2")+"/24", "dev", "wg0")
	if status, err := m.try(t, "status", "--identity", "identity"); err == nil || !strings.Contains(status, "mesh wg0: the interface is not as the configuration says (down)") {
		t.Errorf("status says nothing of it: %v\n%s", err, status)
	}
	out = m.muster(t, "deploy", "--identity", "identity")
	if n := strings.Count(out, ": mended"); n != 3 {
		t.Errorf("%d interfaces were mended, want 3:\n%s", n, out)
	}
	// A host behind NAT finds out by itself that the other has lost its key.
	m.allReach("after it was mended", rest)
	out = m.muster(t, "status", "--identity", "identity")
	if !strings.Contains(out, " ago") || strings.Contains(out, "none with") {
		t.Errorf("status has no handshakes:\n%s", out)
	}
	t.Logf("status:\n%s", out)
	done()
}

// rotate rotates the key of a host, in the steps that users take.
func (m *meshLab) rotate(host string) {
	m.t.Helper()
	former := m.read(m.t, "mesh/wg0/"+host+".age.pub")
	if out, err := m.try(m.t, "mesh", "switch"); err == nil {
		m.t.Fatalf("a switch without a next key: %s", out)
	}
	m.muster(m.t, "secrets", "rotate", "mesh-wg0", "--on", host)
	if out, err := m.try(m.t, "mesh", "switch"); err == nil || !strings.Contains(out, "nothing was switched") {
		m.t.Fatalf("a switch that the hosts do not know of: %v\n%s", err, out)
	}
	m.muster(m.t, "deploy", "--identity", "identity")
	m.muster(m.t, "mesh", "switch")
	if now := m.read(m.t, "mesh/wg0/"+host+".age.pub"); now == former {
		m.t.Fatalf("%s has its former key in the inventory", host)
	}
	time.Sleep(time.Second) // pings with the next key
	m.muster(m.t, "deploy", "--identity", "identity")
	if out := m.run("h4", "wg", "show", "wg0", "peers"); strings.Contains(out, strings.TrimSpace(former)) {
		m.t.Fatalf("h4 still knows the former key of %s", host)
	}
	time.Sleep(time.Second)
}

// join has this machine reach the mesh through a member, which translates its address.
func (m *meshLab) join(through string) {
	m.t.Helper()
	pid := fmt.Sprint(m.lab.Host(through).Pid())
	if out, err := exec.Command("nsenter", "--target", pid, "--net", "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "wg0", "-j", "MASQUERADE").CombinedOutput(); err != nil {
		m.t.Fatalf("iptables: %v\n%s", err, out)
	}
	route := []string{"route", "add", m.prefix + "0/24", "via", m.lab.Host(through).Addr}
	if out, err := exec.Command("ip", route...).CombinedOutput(); err != nil {
		m.t.Fatalf("ip %v: %v\n%s", route, err, out)
	}
	route[1] = "del"
	m.t.Cleanup(func() { exec.Command("ip", route...).Run() })
}

// Two hosts behind NAT of their own know only members with an endpoint, and reach each other
// through the hub, which forwards their packets; none of the others does.
func TestMeshBehindTwoNATs(t *testing.T) {
	hosts := []string{"h1", "h2", "h6", "h7"}
	m := newMeshLabOf(t, append([]string{"gw", "gw2"}, hosts...), map[string]string{"h6": "gw", "h7": "gw2"})
	m.inventory(hosts)
	m.muster(t, "mesh", "assign")
	m.muster(t, "secrets", "generate")
	m.muster(t, "deploy", "--identity", "identity")
	m.allReach("after the deployment", hosts)
	for inside, other := range map[string]string{"h6": "h7", "h7": "h6"} {
		peers := m.run(inside, "wg", "show", "wg0", "allowed-ips")
		if n := len(strings.Split(strings.TrimSpace(peers), "\n")); n != 2 {
			t.Errorf("%s has %d peers, want the two with an endpoint:\n%s", inside, n, peers)
		}
		hub := strings.TrimSpace(m.read(t, "mesh/wg0/h1.age.pub"))
		for line := range strings.Lines(peers) {
			if has := strings.Contains(line, m.address(other)+"/32"); has != strings.HasPrefix(line, hub) {
				t.Errorf("%s sends packets for %s to another one than the hub:\n%s", inside, other, peers)
			}
		}
	}
	// Without the hub, they do not reach each other, and all else goes on.
	m.run("h1", "ip", "link", "set", "wg0", "down")
	want := []string{"h1 h2", "h1 h6", "h1 h7", "h2 h1", "h6 h1", "h6 h7", "h7 h1", "h7 h6"}
	if diff := cmp.Diff(want, m.unreached(hosts, "25")); diff != "" {
		t.Errorf("without the hub, unreached pairs (-want +got):\n%s", diff)
	}
	m.muster(t, "deploy", "--identity", "identity")
	m.allReach("after the hub was mended", hosts)
}
