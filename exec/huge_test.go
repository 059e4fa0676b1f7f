package exec

import (
	"bytes"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readerEnv has TestReadLarge read the plan and the journal of these names.
const readerEnv = "MUSTER_TEST_READ"

// Texts that are as large as they may be, and would fill the memory if they were taken as they come. Each is read by a
// process of its own.
func TestLargeTextsTakeBoundedMemory(t *testing.T) {
	fill := func(before, each, after string) []byte {
		most := MaxPlan - len(before) - len(after) - 100
		return []byte(before + strings.Repeat(each, most/len(each)) + after)
	}
	const plan = `{"muster_plan":1,"dir":"/","action":"switch","rollout":{},"steps":[`
	line := `{"time":"2026-01-01T00:00:00Z","event":"Plan","data":` + plan
	for _, tt := range []struct {
		name string
		text []byte
		err  string
	}{
		{"steps", fill(plan, `{"host":{},"system":{}},`, `{}]}`), "it holds too much"},
		{"hooks", fill(plan+`{"hooks":[`, `{},`, `{}]}]}`), "it holds too much"},
		{"host keys", fill(plan+`{"host":{"host_keys":[`, `"",`, `""]}}]}`), "it holds too much"},
		{"one name", fill(plan+`{"host":{"name":"`, `x`, `"}}]}`), "want the name of a host"},
		{"escapes", fill(plan+`{"host":{"name":"`, `\u0041`, `"}}]}`), "want the name of a host"},
		{"unknown fields", fill(`{`, `"x":1,`, `"x":1}`), "unknown field"},
		{"depth", fill(plan, `[`, ``), "want an object"},
		{"too many hosts", planOfHosts(plan, 200_000), "it holds too much"},
		{"many hosts", planOfHosts(plan, 90_000), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file, journal := filepath.Join(dir, "plan"), filepath.Join(dir, "run.jsonl")
			if err := os.WriteFile(file, tt.text, 0o600); err != nil {
				t.Fatal(err)
			}
			text := append(bytes.Replace(tt.text, []byte(plan), []byte(line), 1), "}\n"...)
			if err := os.WriteFile(journal, text, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{file, journal} {
				cmd := osexec.Command(os.Args[0], "-test.run", "^TestReadLarge$", "-test.v")
				cmd.Env = append(os.Environ(), readerEnv+"="+name)
				out, err := cmd.CombinedOutput()
				want := tt.err
				if want == "" {
					want = "<nil>"
				}
				if err != nil || name == file && !strings.Contains(string(out), want) {
					t.Errorf("%v\n%.1000s", err, out)
				}
				t.Logf("%.1000s", out)
			}
		})
	}
}

// TestReadLarge is what the processes of TestLargeTextsTakeBoundedMemory do.
func TestReadLarge(t *testing.T) {
	name := os.Getenv(readerEnv)
	if name == "" {
		t.Skip("there is nothing to read")
	}
	read := func() error { _, err := ReadPlan(name); return err }
	if strings.HasSuffix(name, journalExt) {
		read = func() error { _, err := ReadJournal(name); return err }
	}
	began := time.Now()
	err := read()
	peak := peakMemory(t)
	t.Logf("%v, %d MB: %.500v", time.Since(began).Round(time.Millisecond), peak>>20, err)
	limit := int64(300 << 20)
	if RaceDetected {
		limit *= 4 // what the race detector remembers of each byte
	}
	if peak > limit {
		t.Errorf("%d MB of memory", peak>>20)
	}
}

// planOfHosts is a plan of so many hosts.
func planOfHosts(before string, hosts int) []byte {
	b := []byte(before)
	for n := range hosts {
		b = fmt.Appendf(b, `{"host":{"name":"host%d","address":"10.0.0.%d","user":"root","privilege":"root"},"system":{"drv":"%s","out":"%s"},"wave":0},`, n, n%256, newSystem, newSystem)
	}
	b[len(b)-1] = ']'
	return append(b, '}')
}
