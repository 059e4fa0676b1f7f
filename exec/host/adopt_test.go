package host

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// Machines of different make are read as testdata/machines/*.json has them. The archive
// beside each holds the files of the machine.
func TestHardware(t *testing.T) {
	archives, err := filepath.Glob("testdata/machines/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no machines: %v", err)
	}
	for _, archive := range archives {
		for _, shell := range []string{"dash", "bash", "busybox"} {
			name := strings.TrimSuffix(filepath.Base(archive), ".txtar")
			t.Run(name+"/"+shell, func(t *testing.T) {
				hw, err := parseHardware(readRoot(t, shell, unpack(t, archive)))
				if err != nil {
					t.Fatal(err)
				}
				got, err := json.MarshalIndent(hw, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, '\n')
				golden := strings.TrimSuffix(archive, ".txtar") + ".json"
				if *update {
					if err := os.WriteFile(golden, got, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// Without the program ip, the kernel's tables say which addresses a machine has, and of
// which interface, unless two are in one network.
func TestAddressesWithoutIP(t *testing.T) {
	hw, err := parseHardware(`adopt 1
name a
net eth0 physical
net eth1 physical
net eth2 physical
net eth3 physical
noaddr
inet6 20010db8000000000000000000000007 02 40 00 00     eth2
inet6 broken
trie +-- 10.0.0.0/24 2 0 2
trie |-- 10.0.0.5
trie /32 host LOCAL
trie |-- 10.0.0.255
trie /32 link BROADCAST
trie |-- 10.9.0.6
trie /32 host LOCAL
trie |-- 127.0.0.1
trie /32 host LOCAL
trie |-- 192.168.7.20
trie /32 host LOCAL
route Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
route eth2	00000000	0107A8C0	0003	0	0	200	00000000	0	0	0
route eth0	0000000A	00000000	0001	0	0	0	00FFFFFF	0	0	0
route eth1	0000090A	00000000	0001	0	0	0	00FFFFFF	0	0	0
route eth3	0000090A	00000000	0001	0	0	0	00FFFFFF	0	0	0
route eth2	0007A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
dhcp dhclient -4 eth2
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Interface{
		{Name: "eth0", Physical: true, Addresses: []Address{{Prefix: netip.MustParsePrefix("10.0.0.5/24")}}},
		{Name: "eth1", Physical: true},
		{Name: "eth2", Physical: true, Addresses: []Address{{Prefix: netip.MustParsePrefix("2001:db8::7/64"), Dynamic: true}, {Prefix: netip.MustParsePrefix("192.168.7.20/24"), Dynamic: true}}},
		{Name: "eth3", Physical: true},
	}
	if diff := cmp.Diff(want, hw.Interfaces, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(hw.Undetected) != 2 || !strings.Contains(hw.Undetected[0], "10.9.0.6") || !strings.Contains(hw.Undetected[1], "no program ip") {
		t.Errorf("%q", hw.Undetected)
	}
}

// unpack lays out the files of an archive. Its file symlinks has links and where they
// lead.
func unpack(t testing.TB, archive string) (root string) {
	t.Helper()
	a, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	root = t.TempDir()
	var links string
	for _, f := range a.Files {
		if f.Name == "symlinks" {
			links = string(f.Data)
			continue
		}
		write(t, filepath.Join(root, f.Name), f.Data)
	}
	for line := range strings.Lines(links) {
		link, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		link = filepath.Join(root, link)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func write(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// readRoot is what adopt.sh says of a directory in a shell.
func readRoot(t *testing.T, shell, root string) string {
	t.Helper()
	argv := adoptScript.argv(root)
	argv[0] = shell
	if shell == "busybox" {
		argv = append([]string{shell, "sh"}, argv[1:]...)
	}
	var out, stderr bytes.Buffer
	c := exec.Command(argv[0], argv[1:]...)
	c.Stdout, c.Stderr = &out, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	return out.String()
}

// Whatever a machine says, each text of the answer is one line without control
// characters, of limited length, and names of things have the form of such names.
func FuzzHardware(f *testing.F) {
	archives, err := filepath.Glob("testdata/machines/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, archive := range archives {
		argv := adoptScript.argv(unpack(f, archive))
		out, err := exec.Command(argv[0], argv[1:]...).Output()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(out))
	}
	f.Fuzz(func(t *testing.T, out string) {
		hw, err := parseHardware(out)
		if err != nil {
			return
		}
		text, err := json.Marshal(hw)
		if err != nil {
			t.Fatal(err)
		}
		var all any
		if err := json.Unmarshal(text, &all); err != nil {
			t.Fatal(err)
		}
		eachText(all, func(s string) {
			if hasControl(s) || len(s) > maxFact {
				t.Errorf("%q", s)
			}
		})
		for _, d := range hw.Devices {
			if !deviceForm().MatchString(d.Name) || strings.Contains(d.Path(), "/../") || len(hw.Below(d.Name)) == 0 {
				t.Errorf("device %q", d.Name)
			}
		}
		for _, k := range hw.HostKeys {
			if !keyForm().MatchString(k) {
				t.Errorf("key %q", k)
			}
		}
	})
}

// eachText calls f for every text of a JSON value.
func eachText(v any, f func(string)) {
	switch v := v.(type) {
	case string:
		f(v)
	case []any:
		for _, e := range v {
			eachText(e, f)
		}
	case map[string]any:
		for _, e := range v {
			eachText(e, f)
		}
	}
}

// here runs commands on this computer.
type here struct{}

func (here) Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Stdout, c.Stderr = stdout, stderr
	return c.Run()
}

// This computer, whatever it is, has a name, memory and a root.
func TestHardwareOfThisMachine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	hw, err := New(here{}, time.Minute).Hardware(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if hw.Name == "" || hw.Memory <= 0 || hw.System == "" || hw.MountedAt("/") == nil {
		t.Errorf("%+v", hw)
	}
}
