package host

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
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
			if !deviceForm.MatchString(d.Name) || strings.Contains(d.Path(), "/../") || len(hw.Below(d.Name)) == 0 {
				t.Errorf("device %q", d.Name)
			}
		}
		for _, k := range hw.HostKeys {
			if !keyForm.MatchString(k) {
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
