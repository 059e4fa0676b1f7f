package adopt

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
	"muster/exec/host"
	"muster/schema"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// machines are the machines of exec/host's tests.
func machines(t *testing.T) map[string]*host.Hardware {
	t.Helper()
	files, err := filepath.Glob("../host/testdata/machines/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no machines: %v", err)
	}
	all := map[string]*host.Hardware{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		hw := new(host.Hardware)
		if err := json.Unmarshal(text, hw); err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = hw
	}
	return all
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: %s", file, diff)
	}
}

func TestModules(t *testing.T) {
	for name, hw := range machines(t) {
		var b strings.Builder
		if err := syntax.Fprint(&b, Module(hw)); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".nix", b.String())
		if _, err := syntax.ParseFile(name, []byte(b.String()), syntax.Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What a module and an entry cannot say of a machine is told.
func TestNotes(t *testing.T) {
	var b strings.Builder
	all := machines(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.WriteString(name + ":\n")
		for _, note := range slices.Concat(Notes(all[name]), EntryNotes(Way{User: "root", Address: "192.0.2.1"}, all[name])) {
			b.WriteString("  " + note + "\n")
		}
	}
	golden(t, "notes.txt", b.String())
}

// A says is a machine that answers every command with a text.
type says string

func (s says) Run(_ context.Context, _ []string, stdout, _ io.Writer) error {
	_, err := io.WriteString(stdout, string(s))
	return err
}

// Whatever a machine says, its module is one that Nix reads and in which it differs in
// nothing, and its entry is one that every language of inventories holds.
func FuzzAdopt(f *testing.F) {
	f.Add("adopt 1\nname web1\nmachine x86_64\nos ID=debian\nos PRETTY_NAME=\"a ${b} '' c\"\nfirmware efi\nblock sda dev 8:0\nblock sda size 1000\nudev sda S:disk/by-id/ata-a\n" +
		"block sda1 partition 1\nblock sda1 dev 8:1\nblock sda1 parent sda\nudev sda1 E:ID_FS_UUID=1-2\nmount 25 1 8:1 / / rw,noatime - ext4 /dev/sda1 rw\nmount 26 25 8:1 /x /srv/y\\040${z} rw - ext4 /dev/sda1 rw\n")
	f.Add("adopt 1\nname a\nswap /swap file 1 0 -2\nnet eth0 physical\naddr 2: eth0 inet 10.0.0.1/8 scope global eth0\nroute eth0 00000000 0100000A 0003 0 0 0 00000000\n" +
		"user root 0 0 /root /bin/sh\nkey root /root/.ssh/authorized_keys ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ a\"b${c}''\\\n" +
		"block dm-0 dm/name c\nblock dm-0 dm/uuid CRYPT-LUKS2-0123456789abcdef0123456789abcdef-c\nblock dm-0 dev 254:0\nmount 1 1 254:0 / / rw - btrfs /dev/mapper/c rw,subvol=/\nmount 2 1 0:4 / /t rw - zfs a/b rw\n")
	f.Fuzz(func(t *testing.T, out string) {
		hw, err := host.New(says(out), time.Minute).Hardware(t.Context())
		if err != nil {
			return
		}
		Notes(hw)
		var b strings.Builder
		if err := syntax.Fprint(&b, Module(hw)); err != nil {
			t.Fatal(err)
		}
		file, err := syntax.ParseFile("", []byte(b.String()), syntax.Options{Comments: true})
		if err != nil {
			t.Fatalf("%v\n%s", err, &b)
		}
		if err := syntax.Resolve(file, nil); err != nil {
			t.Fatalf("%v\n%s", err, &b)
		}
		if list := CompareModule("", file, nil, hw); len(list) > 0 {
			t.Fatalf("%v\n%s", list, &b)
		}
		entry := Entry("web1", Way{User: "root", Address: "192.0.2.1"}, hw)
		for _, name := range []string{"hosts.cue", "hosts.toml", "hosts.yaml", "hosts.json"} {
			if _, err := schema.AddHost(name, nil, entry); err != nil {
				t.Fatal(err)
			}
		}
	})
}
