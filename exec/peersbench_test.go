package exec_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	osexec "os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/exec/remote"
)

var (
	peersBench  = flag.Bool("peersbench", false, "compare pushing with and without peers")
	peersHosts  = flag.Int("peersbench-hosts", 30, "hosts behind one uplink")
	peersMB     = flag.Int("peersbench-megabytes", 300, "size of what is pushed")
	peersPaths  = flag.Int("peersbench-paths", 150, "store paths that this is in")
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
	t.Cleanup(func() {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &used); err == nil {
			fmt.Println("processor time of all hosts:", human.Duration(time.Duration(used.Utime.Nano()+used.Stime.Nano())))
		}
	})
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
	all := f.randomClosure(*peersMB*1_000_000, *peersPaths)
	p := all[0]
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
	remove := []string{"nix-store", "--delete", "--ignore-liveness"}
	for _, p := range all {
		remove = append(remove, string(p))
	}
	for _, h := range f.lab.Hosts[:hosts] {
		if out, err := h.Run(f.Context(), remove...); err != nil {
			f.Fatal(err, out)
		}
	}
	osexec.Command(remove[0], slices.Delete(remove[1:], 1, 2)...).Run()
	return took
}

// randomClosure is a closure of so many bytes that do not compress: a root, and what it
// refers to. As in a system, few paths have most of the bytes.
func (f *field) randomClosure(size, paths int) (all []store.Path) {
	f.Helper()
	var harmonic float64
	for i := range paths {
		harmonic += 1 / float64(i+1)
	}
	var infos []nixserve.PathInfo
	contents := map[store.Path][]byte{}
	for i, at := range rand.Perm(paths) {
		bytes := make([]byte, int(float64(size)/harmonic/float64(at+1)))
		rand.NewChaCha8([32]byte{byte(time.Now().UnixNano()), byte(time.Now().UnixNano() >> 8), byte(i)}).Read(bytes)
		h := store.NewHashWriter(store.SHA256, io.Discard)
		if err := store.DumpFile(h, bytes, false); err != nil {
			f.Fatal(err)
		}
		p, err := store.OutputPath(fmt.Sprintf("ballast-%d", i), "out", h.Sum())
		if err != nil {
			f.Fatal(err)
		}
		info := nixserve.PathInfo{Path: p, NARHash: h.Sum(), NARSize: h.Size()}
		if i == paths-1 {
			info.References = slices.Sorted(slices.Values(all))
		}
		contents[p] = bytes
		all, infos = append(all, p), append(infos, info)
	}
	nix, err := nixcmd.Find()
	if err != nil {
		f.Fatal(err)
	}
	stream, err := nix.Serve(f.Context(), true)
	if err != nil {
		f.Fatal(err)
	}
	c, err := nixserve.New(f.Context(), stream)
	if err != nil {
		f.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Send(f.Context(), infos, func(_ context.Context, info nixserve.PathInfo, w io.Writer) error {
		return store.DumpFile(w, contents[info.Path], false)
	}, nil); err != nil {
		f.Fatal(err)
	}
	slices.Reverse(all)
	return all
}
