package exec_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"muster/cmd/ui"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
	"muster/exec/remote"
	"muster/schema"
)

// A hostile host takes what it can get: memory, disk, time. Its name says how:
// the command that it answers wrongly, and what it does then.

// What a hostile host does in place of an answer. The marker is what package
// remote skips to.
var misdeeds = map[string]func(ch ssh.Channel, marker string){
	"flood before out": func(ch ssh.Channel, _ string) { flood(ch, noise) },
	"flood before err": func(ch ssh.Channel, _ string) { flood(ch.Stderr(), noise) },
	"no marker":        func(ch ssh.Channel, _ string) { block(ch) },
	"flood":            begun(func(ch ssh.Channel) { flood(ch, noise) }),
	"flood err":        begun(func(ch ssh.Channel) { flood(ch.Stderr(), noise) }),
	"flood lines":      begun(func(ch ssh.Channel) { flood(ch, bytes.Repeat([]byte("activating\n"), 4096)) }),
	"flood nothing":    begun(func(ch ssh.Channel) { flood(ch, bytes.Repeat([]byte("\n"), 32<<10)) }),
	"flood one line":   begun(func(ch ssh.Channel) { flood(ch, bytes.Repeat([]byte("x"), 32<<10)) }),
	"flood late": begun(func(ch ssh.Channel) {
		fmt.Fprintln(ch, "ok")
		ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
		flood(ch, noise)
	}),
	"trickle": begun(func(ch ssh.Channel) {
		for {
			if _, err := ch.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}),
	"silence": begun(block),
	"garbage": begun(func(ch ssh.Channel) {
		for _, w := range []io.Writer{ch, ch.Stderr()} {
			w.Write(noise[:8<<10])
			fmt.Fprintln(w)
		}
		ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
	}),
	"long fields": begun(func(ch ssh.Channel) {
		long := strings.Repeat("y", 100<<10)
		fmt.Fprintf(ch, "time 1\nuid 0\nnix %s\nlacks %[1]s\nfailed %[1]s\nlock 1 1 %[1]s %[1]s\nguard %[1]s\ndisk other %[1]s\n", long)
		for i := range 5000 {
			fmt.Fprintf(ch, "failed unit-%d.service\nneeds part-%d\nlacks tool-%[1]d\n", i, i)
		}
		fmt.Fprintf(ch.Stderr(), "reverted %s\n", long)
		ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
	}),
}

// What a nix-store --serve does that lies.
var lies = map[string]func(ch ssh.Channel, marker string){
	"huge list": served(func(ch ssh.Channel) {
		ch.Write(storelab.Words(16 << 20))
		flood(ch, storelab.String(string(exec.NewSystem)))
	}),
	"long list": served(func(ch ssh.Channel) {
		ch.Write(storelab.Words(1))
		flood(ch, bytes.Repeat([]byte{0xff, 0xff, 0, 0, 0, 0, 0, 0}, 4096))
	}),
	"other paths": served(func(ch ssh.Channel) {
		ch.Write(slices.Concat(storelab.Words(1), storelab.String("/nix/store/00000000000000000000000000000009-other")))
		block(ch)
	}),
	"greeting only":   served(block),
	"flood of errors": served(func(ch ssh.Channel) { flood(ch.Stderr(), noise) }),
	"slow, byte-wise": served(func(ch ssh.Channel) { misdeeds["trickle"](ch, "") }),
	"huge closure": begun(func(ch ssh.Channel) {
		answerServe(ch, func(ch ssh.Channel) {
			ch.Write(storelab.Words(1 << 17))
			long := "/nix/store/00000000000000000000000000000009-" + strings.Repeat("x", 200)
			flood(ch, bytes.Repeat(storelab.String(long), 100))
		})
	}),
	"takes no archive": served(func(ch ssh.Channel) { ch.Write(storelab.Words(0, 0)); block(ch) }),
}

// noise is bytes of no meaning, with line ends.
var noise = func() []byte {
	b := make([]byte, 32<<10)
	rand.Read(b)
	return b
}()

func flood(w io.Writer, block []byte) {
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// block answers nothing until the session is closed.
func block(ch ssh.Channel) {
	for {
		if _, err := ch.SendRequest("nothing", false, nil); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// begun answers from the marker on.
func begun(answer func(ssh.Channel)) func(ssh.Channel, string) {
	return func(ch ssh.Channel, marker string) {
		fmt.Fprintln(ch, marker)
		fmt.Fprintln(ch.Stderr(), marker, 1<<22) // of a process that cannot be
		answer(ch)
	}
}

// served answers from the greeting of nix-store --serve on.
func served(answer func(ssh.Channel)) func(ssh.Channel, string) {
	return begun(func(ch ssh.Channel) {
		ch.Write(storelab.Words(storelab.ServerMagic, 2<<8|7))
		io.ReadFull(ch, make([]byte, 16))
		answer(ch)
	})
}

// hostileCommands are commands that are answered wrongly, by a word in them.
var hostileCommands = map[string]string{
	"inspect": "muster-inspect", "lock": "muster-lock", "verify": "muster-verify", "arm": "muster-arm",
	"follow": "muster-follow", "tell": "muster-tell", "confirm": "muster-confirm", "unlock": "muster-unlock", "serve": "--serve",
}

// hostileStep is a step in which the command that a host answers wrongly is sent: an
// honest host without checks and hooks is sent fewer.
func hostileStep(name string) exec.Step {
	s := exec.Step{Host: &schema.Host{Name: name}, System: exec.System{Drv: exec.OldSystem, Out: exec.OldSystem}}
	switch command, _, _ := strings.Cut(name, "-"); command {
	case "tell":
		s.Host.Health = []schema.Check{{Command: []string{"true"}, Timeout: time.Second}}
	case "unlock":
		s.Hooks = []schema.Hook{{After: "confirm", Command: []string{"true"}, OnHost: true, Timeout: time.Second}}
	}
	return s
}

// hostileHosts are the names of the hosts that answer one command wrongly.
func hostileHosts(command string) []string {
	kinds := slices.Collect(maps.Keys(misdeeds))
	if command == "serve" {
		kinds = slices.AppendSeq(kinds, maps.Keys(lies))
	}
	for i, kind := range kinds {
		kinds[i] = command + "-" + strings.NewReplacer(" ", "_", ",", "").Replace(kind)
	}
	slices.Sort(kinds)
	return kinds
}

// misbehaved has the names of the hosts that have answered wrongly.
var misbehaved sync.Map

// misbehave plays the hosts of hostileHosts, and the store of all.
func misbehave(host, command, marker string, ch ssh.Channel) bool {
	if strings.HasPrefix(host, "follow-") && strings.Contains(command, "muster-arm") {
		fmt.Fprintln(ch, marker)
		fmt.Fprintln(ch.Stderr(), "armed") // and not yet activated: it is followed
		ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
		return true
	}
	for short, word := range hostileCommands {
		kind, ours := strings.CutPrefix(host, short+"-")
		if !ours || !strings.Contains(command, word) {
			continue
		}
		for _, all := range []map[string]func(ssh.Channel, string){misdeeds, lies} {
			for name, answer := range all {
				if strings.NewReplacer(" ", "_", ",", "").Replace(name) == kind {
					misbehaved.Store(host, true)
					answer(ch, marker)
					return true
				}
			}
		}
	}
	if strings.Contains(command, "--serve") {
		fmt.Fprintln(ch, marker)
		honestServe(ch)
		ch.SendRequest("exit-status", false, []byte{0, 0, 0, 0})
		return true
	}
	return false
}

// queryClosure is a request of the protocol.
const queryClosure = 7

// honestServe has all paths that it is asked for.
func honestServe(ch ssh.Channel) { answerServe(ch, func(ssh.Channel) {}) }

// answerServe is honestServe, but for what it answers first where it is asked for a
// closure.
func answerServe(ch ssh.Channel, closure func(ssh.Channel)) {
	in := store.WireReader{Reader: bufio.NewReader(ch)}
	if _, err := io.ReadFull(in, make([]byte, 16)); err != nil {
		return
	}
	ch.Write(storelab.Words(storelab.ServerMagic, 2<<8|7))
	for {
		request, err := in.Uint64()
		if err != nil {
			return
		}
		in.Uint64() // whether to lock, or to include outputs
		if request == queryClosure {
			closure(ch)
		} else {
			in.Uint64() // whether to substitute
		}
		paths, err := in.Paths(1 << 20)
		if err != nil {
			return
		}
		var out bytes.Buffer
		w := store.WireWriter{Writer: bufio.NewWriter(&out)}
		w.PutPaths(paths)
		w.Flush()
		ch.Write(out.Bytes())
	}
}

// hostileEnv has the child of TestHostileHosts carry out an order.
const hostileEnv = "MUSTER_TEST_HOSTILE"

type hostileOrder struct {
	SSHConfig string
	Journals  string // directory
	Hosts     []string
}

// TestHostileHosts deploys to good hosts beside hostile ones, and compares with
// good hosts alone: memory and what is written stay small, and the good ones end
// as if they were alone.
func TestHostileHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("not in short tests")
	}
	m, _ := exec.StartManyHosts(t)
	m.SetMisbehave(misbehave)
	good := func(n string) []string { return []string{n + "a", n + "b", n + "c", n + "d", n + "e"} }
	alone := deployBeside(t, m.SSHConfig, good("alone"), nil)
	for _, command := range slices.Sorted(maps.Keys(hostileCommands)) {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			u := deployBeside(t, m.SSHConfig, good("beside"+command), hostileHosts(command))
			t.Logf("%d MB, alone %d MB; journal %d kB, terminal %d kB; %v", u.memory>>20, alone.memory>>20, u.journal>>10, u.terminal>>10, u.took.Round(time.Second))
			limit := int64(150 << 20)
			if exec.RaceDetected {
				limit *= 4 // what the race detector remembers of each byte
			}
			if more := u.memory - alone.memory; more > limit {
				t.Errorf("it took %d MB more than without hostile hosts", more>>20)
			}
			if written := u.journal + u.terminal; written > 5<<20 {
				t.Errorf("it wrote %d kB", written>>10)
			}
			if u.took > 2*time.Minute {
				t.Errorf("it took %v", u.took)
			}
		})
	}
}

// A usage is what a deployment took.
type usage struct {
	memory, journal, terminal int64 // bytes
	took                      time.Duration
}

// deployBeside deploys to good and hostile hosts in a process of its own, and
// checks that the good ones are well.
func deployBeside(t *testing.T, sshConfig string, good, hostile []string) usage {
	t.Helper()
	order := hostileOrder{SSHConfig: sshConfig, Journals: t.TempDir(), Hosts: slices.Concat(good, hostile)}
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	master, tty := openPTY(t)
	var u usage
	var drained atomic.Int64
	go func() {
		n, _ := io.Copy(io.Discard, master)
		drained.Store(n)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := osexec.CommandContext(ctx, os.Args[0], "-test.run=^TestHostileDeployment$", "-test.v")
	cmd.Env = append(os.Environ(), hostileEnv+"="+string(text), "TERM=xterm")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, tty
	began := time.Now()
	err = cmd.Run()
	u.took = time.Since(began)
	tty.Close()
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, name := range good {
		if !strings.Contains(out.String(), "ended "+name+" activated ") {
			t.Errorf("%s is not activated:\n%s", name, out.String())
		}
	}
	for _, name := range hostile {
		if !strings.Contains(out.String(), "ended "+name+" ") {
			t.Errorf("%s has not ended", name)
		}
		if _, ok := misbehaved.Load(name); !ok {
			t.Errorf("%s was never sent what it answers wrongly", name)
		}
	}
	if testing.Verbose() {
		t.Log(out.String())
	}
	for u.terminal == 0 && time.Since(began) < 5*time.Minute {
		u.terminal = drained.Load()
		time.Sleep(10 * time.Millisecond)
	}
	u.terminal += int64(out.Len())
	if _, err := fmt.Sscanf(out.String()[max(0, strings.Index(out.String(), "peak ")):], "peak %d", &u.memory); err != nil {
		t.Fatalf("no peak: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(order.Journals, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		u.journal += info.Size()
	}
	return u
}

// openPTY returns both ends of a pseudo-terminal.
func openPTY(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return master, tty
}

// TestHostileDeployment is the process that deploys.
func TestHostileDeployment(t *testing.T) {
	text := os.Getenv(hostileEnv)
	if text == "" {
		t.Skip("for TestHostileHosts")
	}
	var order hostileOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		t.Fatal(err)
	}
	dialer := remote.NewDialer(remote.Config{ConfigFile: order.SSHConfig, ConnectTimeout: time.Minute})
	defer dialer.Close()
	plan := &exec.Plan{Action: exec.Switch, Run: exec.NewRunID()}
	for _, name := range order.Hosts {
		plan.Steps = append(plan.Steps, hostileStep(name))
	}
	journal, err := exec.CreateJournal(order.Journals, plan)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	report := ui.NewText(io.Discard, os.Stderr, func(string, error) string { return "" }, ui.ColorNever)
	defer report.Close()
	out := exec.Run(t.Context(), plan, exec.Options{
		Jobs: 50, AnswerTimeout: 5 * time.Second, ActivateTimeout: 4 * time.Second, ConfirmTimeout: 4 * time.Second,
		RevertTimeout: 4 * time.Second, LockTimeout: time.Minute,
		Builder: built{}, Source: someClosure{}, Sink: journal.Sink(report.Event),
		Connect: func(ctx context.Context, h *schema.Host) (exec.Machine, error) {
			m, err := dialer.Dial(ctx, remote.Target{Name: h.Name, Address: "host", User: h.Name})
			if err != nil {
				return nil, err
			}
			return unprivileged{machine{m}}, nil
		},
	})
	report.Close()
	fmt.Printf("peak %d\n", peakMemory(t))
	for _, o := range out {
		fmt.Printf("ended %s %s %s %.200s\n", o.Host, o.Status, cmp.Or(string(o.Stage), "-"), o.Error)
	}
}

// peakMemory is the most that this process had in memory. The kernel's count for a
// child includes what its parent had when it began.
func peakMemory(t *testing.T) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var kb int64
	if _, err := fmt.Sscanf(string(text[max(0, bytes.Index(text, []byte("VmHWM:"))):]), "VmHWM: %d kB", &kb); err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// An unprivileged machine runs commands as the user who logs in.
type unprivileged struct{ machine }

func (m unprivileged) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	return m.Machine.Run(ctx, remote.Command{Argv: argv, Script: argv[0] == "/bin/sh", Stdout: stdout, Stderr: stderr})
}

func (m unprivileged) Serve(ctx context.Context) (nixserve.Stream, error) {
	s, err := m.Machine.Stream(ctx, remote.Command{Argv: []string{"nix-store", "--serve", "--write"}})
	if err != nil {
		return nil, err
	}
	return serve{s}, nil
}

// someClosure is a source of systems of 200 paths.
type someClosure struct{}

func (someClosure) Closure(_ context.Context, paths []store.Path) ([]nixserve.PathInfo, error) {
	var infos []nixserve.PathInfo
	for i := range 200 {
		infos = append(infos, nixserve.PathInfo{Path: store.Path(fmt.Sprintf("/nix/store/0000000000000000000000000000%04d-part", i)), NARSize: 64 << 10})
	}
	for _, p := range paths {
		infos = append(infos, nixserve.PathInfo{Path: p, NARSize: 64 << 10})
	}
	return infos, nil
}

func (someClosure) NAR(_ context.Context, info nixserve.PathInfo, w io.Writer) error {
	_, err := w.Write(make([]byte, info.NARSize))
	return err
}
