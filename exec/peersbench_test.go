package exec_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/human"
	"muster/exec/remote"
)

var (
	peersBench  = flag.Bool("peersbench", false, "compare pushing with and without peers")
	peersHosts  = flag.Int("peersbench-hosts", 30, "hosts behind one uplink")
	peersMB     = flag.Int("peersbench-megabytes", 300, "size of what is pushed")
	peersMbit   = flag.Int64("peersbench-mbit", 100, "rate of the uplink, in Mbit/s")
	peersRounds = flag.Int("peersbench-rounds", 3, "push each way `n` times")
	peersDirect = flag.Bool("peersbench-direct", true, "push to all without peers too")
)

// TestPeersBench pushes new bytes to hosts behind one uplink: to one, to all with peers, and
// to all without. just bench-peers runs it.
func TestPeersBench(t *testing.T) {
	if !*peersBench {
		t.Skip("a benchmark: run it with -peersbench, or just bench-peers")
	}
	var names []string
	for i := range *peersHosts {
		names = append(names, fmt.Sprintf("h%d", i))
	}
	f := newField(t, names...)
	// A full uplink delays answers.
	f.dialer = remote.NewDialer(remote.Config{ConfigFile: f.lab.SSHConfig, ConnectTimeout: time.Minute, KeepAlive: time.Minute, Master: quietMaster})
	t.Cleanup(func() { f.dialer.Close() })
	f.opts.AnswerTimeout = 5 * time.Minute
	if err := f.lab.RateUplink(*peersMbit * 1_000_000); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%-22s %9s %12s %6s\n", "way", "wall", "over uplink", "of one")
	for range *peersRounds {
		one := f.pushNew("one host", 1, "", 0)
		f.pushNew("all, with peers", *peersHosts, "@site", one)
		if *peersDirect {
			f.pushNew("all, without", *peersHosts, "", one)
		}
	}
}

// pushNew pushes bytes that no host has to some hosts, prints what that took, and returns it.
func (f *field) pushNew(way string, hosts int, site string, one time.Duration) time.Duration {
	f.Helper()
	p := f.randomPath(*peersMB)
	plan := &exec.Plan{Action: exec.Push}
	for _, h := range f.lab.Hosts[:hosts] {
		plan.Steps = append(plan.Steps, exec.Step{Host: f.hosts[h.Name], System: exec.System{Out: p}, Site: site})
	}
	o := f.opts
	o.Jobs, o.ActivateTimeout = hosts, time.Hour
	before, _ := f.lab.UplinkBytes()
	began := time.Now()
	for _, out := range f.run(f.Context(), plan, o, nil) {
		if out.Status != exec.Copied {
			f.Fatalf("%s: %s: %v", out.Host, out.Status, out.Err)
		}
		for _, note := range notes(&out) {
			f.Logf("%s: %s", out.Host, note)
		}
	}
	took := time.Since(began)
	after, _ := f.lab.UplinkBytes()
	ratio := ""
	if one > 0 {
		ratio = fmt.Sprintf("%.2fx", took.Seconds()/one.Seconds())
	}
	fmt.Printf("%-22s %9s %12s %6s\n", way, human.Duration(took), human.Bytes(after-before), ratio)
	for _, h := range f.lab.Hosts {
		if _, err := h.Run(f.Context(), "sh", "-c", "nix-store --delete --ignore-liveness "+string(p)+" >/dev/null 2>&1 || true"); err != nil {
			f.Fatal(err)
		}
	}
	osexec.Command("nix-store", "--delete", string(p)).Run()
	return took
}

// randomPath is a store path of so many MB that do not compress.
func (f *field) randomPath(mb int) store.Path {
	f.Helper()
	name := filepath.Join(f.TempDir(), fmt.Sprintf("ballast-%d", time.Now().UnixNano()))
	bytes := make([]byte, mb*1_000_000)
	rand.NewChaCha8([32]byte{byte(time.Now().UnixNano()), 1}).Read(bytes)
	if err := os.WriteFile(name, bytes, 0o644); err != nil {
		f.Fatal(err)
	}
	out, err := osexec.CommandContext(context.WithoutCancel(f.Context()), "nix-store", "--add", name).Output()
	if err != nil {
		f.Fatal(err)
	}
	os.Remove(name)
	return store.Path(string(out[:len(out)-1]))
}
