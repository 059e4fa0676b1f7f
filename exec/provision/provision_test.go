package provision

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tfjson "github.com/hashicorp/terraform-json"

	"muster/schema"
)

func TestParseMachine(t *testing.T) {
	tests := []struct {
		name, value string
		want        *schema.PinnedMachine
		err         string
	}{
		{name: "none", value: ``},
		{name: "not made", value: `{"address": null, "id": null, "target": "aws"}`},
		{name: "without an address", value: `{"address": "", "id": "i-1", "target": "aws"}`},
		{name: "id as a number", value: `{"address": "192.0.2.1", "id": 4711, "target": "hetzner"}`, want: &schema.PinnedMachine{Target: "hetzner", ID: "4711", Address: "192.0.2.1"}},
		{
			name: "all", value: `{"address": "2001:db8::1", "id": "i-1", "target": "custom", "host_keys": ["ssh-ed25519 A"], "disks": ["/dev/sda", "/dev/sdb"]}`,
			want: &schema.PinnedMachine{Target: "custom", ID: "i-1", Address: "2001:db8::1", HostKeys: []string{"ssh-ed25519 A"}, Disks: map[string]string{"disk1": "/dev/sda", "disk2": "/dev/sdb"}},
		},
		{
			name: "keys as lines", value: `{"address": "a", "id": "i", "target": "custom", "host_keys": "ssh-ed25519 A\nssh-rsa B\n", "disks": {"root": "/dev/vda"}}`,
			want: &schema.PinnedMachine{Target: "custom", ID: "i", Address: "a", HostKeys: []string{"ssh-ed25519 A", "ssh-rsa B"}, Disks: map[string]string{"root": "/dev/vda"}},
		},
		{name: "not a machine", value: `"192.0.2.1"`, err: "want an address and an id"},
		{name: "odd id", value: `{"address": "a", "id": ["i"]}`, err: "id: want a text or a number"},
		{name: "odd keys", value: `{"address": "a", "id": "i", "host_keys": 7}`, err: "host_keys: want a text or a list of texts"},
		{name: "odd disks", value: `{"address": "a", "id": "i", "disks": 7}`, err: "disks: want a list of devices, or devices by name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseMachine(json.RawMessage(test.value))
			if test.err != "" || err != nil {
				if err == nil || test.err == "" || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want %q", err, test.err)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A console as the serial port of a machine shows it, twice started.
const console = "[   12.3] cloud-init[901]: Cloud-init v. 24.4 running\r\n" +
	"<14>Jan  1 00:00:00 cloud-init: -----BEGIN SSH HOST KEY KEYS-----\r\n" +
	"ssh-ed25519 AAAAold root@ip\r\n" +
	"-----END SSH HOST KEY KEYS-----\r\n" +
	"ssh-ed25519 AAAAnotakey root@elsewhere\n" +
	"ec2: -----BEGIN SSH HOST KEY KEYS-----\n" +
	"[   13.1] cloud-init[901]: ecdsa-sha2-nistp256 AAAAecdsa root@ip-10-0-0-1\n" +
	"[   13.1] cloud-init[901]: ssh-ed25519 AAAAnew root@ip-10-0-0-1\n" +
	"ec2: -----END SSH HOST KEY KEYS-----\n" +
	"-----BEGIN SSH HOST KEY KEYS-----\n" +
	"ssh-ed25519 AAAAcut"

func TestConsoleKeys(t *testing.T) {
	want := []string{"ecdsa-sha2-nistp256 AAAAecdsa", "ssh-ed25519 AAAAnew"}
	if diff := cmp.Diff(want, consoleKeys([]byte(console))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := consoleKeys([]byte("no keys here\n")); got != nil {
		t.Errorf("got %q", got)
	}
}

func TestHostKeysOfConsole(t *testing.T) {
	file := filepath.Join(t.TempDir(), "i-1.log")
	if err := os.WriteFile(file, []byte(console), 0o644); err != nil {
		t.Fatal(err)
	}
	h := &schema.Host{Name: "web", Provision: &schema.ProvisionedMachine{Console: []string{"cat", filepath.Dir(file) + "/{id}.log"}}}
	keys, err := HostKeys(t.Context(), h, schema.PinnedMachine{ID: "i-1"}, time.Minute)
	if err != nil || len(keys) != 2 {
		t.Errorf("got %q, %v", keys, err)
	}
	_, err = HostKeys(t.Context(), h, schema.PinnedMachine{ID: "i-2"}, time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "i-2.log") {
		t.Errorf("of a machine that is not there: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := HostKeys(ended, h, schema.PinnedMachine{ID: "i-2"}, time.Minute); err != context.Canceled {
		t.Errorf("interrupted: %v", err)
	}
}

// Whatever a provider puts into an output, a machine that is read from it has an address
// and an id.
func FuzzParseMachine(f *testing.F) {
	f.Add(`{"address": "192.0.2.1", "id": 4711, "target": "hetzner", "host_keys": ["k"], "disks": {"a": "/dev/sda"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parseMachine(json.RawMessage(text))
		if err == nil && m != nil && (m.Address == "" || m.ID == "") {
			t.Errorf("%q: %+v", text, m)
		}
	})
}

// Whatever a machine prints on its console, what is taken for a host key is a type and a
// text, and nothing else.
func FuzzConsoleKeys(f *testing.F) {
	f.Add(console)
	f.Fuzz(func(t *testing.T, text string) {
		for _, key := range consoleKeys([]byte(text)) {
			if words := strings.Fields(key); len(words) != 2 || strings.Join(words, " ") != key {
				t.Errorf("%q", key)
			}
		}
	})
}

// A plan begins with what the state has of each host, also where the inventory has it no
// more.
func TestOwners(t *testing.T) {
	state := &tfjson.State{Values: &tfjson.StateValues{Outputs: map[string]*tfjson.StateOutput{
		"muster_web": {Value: map[string]any{"host": "web", "id": "m-1"}},
		"muster_num": {Value: map[string]any{"host": "num", "id": json.Number("4711")}},
		"muster_odd": {Value: "text"},
		"other":      {Value: map[string]any{"host": "other"}},
	}}}
	want := map[string]owner{"web": {host: "web", id: "m-1"}, "num": {host: "num", id: "4711"}}
	if diff := cmp.Diff(want, ownersOf(&tfjson.Plan{PriorState: state}), cmp.AllowUnexported(owner{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := ownersOf(&tfjson.Plan{}); len(got) != 0 {
		t.Errorf("of no state: %v", got)
	}
}

// Who waits for a lock is told so, once.
func TestWaitingForALockIsTold(t *testing.T) {
	var said strings.Builder
	w := &lockWatch{program: "tofu", out: &said}
	for _, text := range []string{"Refreshing state...\n", "Acquiring state lock. This may take a few moments...\n", "Acquiring state lock.\n"} {
		if n, err := w.Write([]byte(text)); n != len(text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	if want := "note: another tofu works on the same state: waiting for its lock, 10m at most\n"; said.String() != want {
		t.Errorf("got %q, want %q", said.String(), want)
	}
}

// program is a program of a shell script.
func program(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tofu")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// The reason of a failure is at the end of what is printed, however long that is.
func TestAnApplyThatPrintsMuch(t *testing.T) {
	tofu, err := Open(program(t, "yes 'machine: Still creating...' | head -c 3000000; echo 'Error: no such image'; exit 1"), t.TempDir(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := tofu.Apply(t.Context(), "plan"); err == nil || err.Error() != "tofu apply: Error: no such image" {
		t.Errorf("got %v", err)
	}
}

// A console is kept as far as it is read.
func TestAConsoleThatPrintsMuch(t *testing.T) {
	h := &schema.Host{Name: "web1", Provision: &schema.ProvisionedMachine{Console: []string{program(t, "head -c 200000000 /dev/zero; cat <<'END'\n"+console+"\nEND\n")}}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	keys, err := HostKeys(t.Context(), h, schema.PinnedMachine{ID: "i-1"}, time.Hour)
	runtime.ReadMemStats(&after)
	if diff := cmp.Diff([]string{"ecdsa-sha2-nistp256 AAAAecdsa", "ssh-ed25519 AAAAnew"}, keys); err != nil || diff != "" {
		t.Errorf("%v\n(-want +got):\n%s", err, diff)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 50<<20 {
		t.Errorf("it took %d MB", took>>20)
	}
}
