package ui_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/cmd/ui"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/host"
	"muster/exec/units"
)

// The end of a run is printed in the way that suits what it did.
func TestEnds(t *testing.T) {
	t.Setenv("TZ", "UTC")
	const system = "/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-nixos-system-web1"
	before := exec.Outcome{}.Before
	before.Generation.Number = 3
	failed := exec.Outcome{Host: "web2", Status: exec.Failed, Stage: exec.ConnectTo, Err: errors.New("connection refused")}
	for _, c := range []struct {
		name     string
		outcomes []exec.Outcome
		want     string
	}{
		{"none", nil, "no hosts\n"},
		{"unchanged", []exec.Outcome{{Host: "web1", Status: exec.Unchanged, System: system, Before: before}},
			`HOST  OUTCOME    GENERATION  DETAIL
web1  unchanged  3           s66mzxpv…-nixos-system-web1
1 host: 1 unchanged
nothing to do: every host already is what the inventory says
`},
		{"left alone", []exec.Outcome{{Host: "web1", Status: exec.Unchanged, Reason: "not changed by run 20260131-142233-k3qz", System: system, Before: before}},
			`HOST  OUTCOME    GENERATION  DETAIL
web1  unchanged  3           not changed by run 20260131-142233-k3qz
1 host: 1 unchanged
`},
		{"rebooted", []exec.Outcome{
			{Host: "web1", Status: exec.Activated, Rebooted: true, KernelBefore: "6.6.1", KernelAfter: "6.6.2", System: system, Before: before, After: host.Generation{Number: 4}},
			{Host: "web2", Status: exec.Unchanged, Rebooted: true, KernelBefore: "6.6.2", KernelAfter: "6.6.2", System: system, Before: before},
		},
			`HOST  OUTCOME    GENERATION  DETAIL
web1  activated  3 → 4       rebooted: kernel 6.6.1 → 6.6.2
web2  unchanged  3           rebooted: kernel 6.6.2
2 hosts: 1 activated, 1 unchanged
`},
		{"generations", []exec.Outcome{
			{Host: "web1", Status: exec.Listed, Generations: []host.Generation{
				{Number: 1, System: system, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.Local), Version: "25.11", Current: true},
				{Number: 2, System: system, Created: time.Date(2026, 1, 2, 3, 4, 6, 0, time.Local), Version: "a very long version of NixOS"},
			}},
			{Host: "web3", Status: exec.Listed}, failed},
			`HOST  GENERATION  CREATED                      VERSION                       SYSTEM
web1  1           2026-01-02 03:04:05          25.11                         s66mzxpv…  current
web1  2           2026-01-02 03:04:06          a very long version of NixOS  s66mzxpv…  newest
web3  none
web2  failed      connect: connection refused
`},
		{"garbage", []exec.Outcome{{Host: "web1", Status: exec.Cleaned, Removed: []int{1, 2}, Freed: "3 MB freed"}, failed},
			`HOST  OUTCOME  GENERATIONS REMOVED  DETAIL
web1  cleaned  1 2                  3 MB freed
web2  failed                        connect: connection refused
`},
		{"plan", []exec.Outcome{
			{Host: "web1", Status: exec.Seen, System: system, Before: before, Diff: &exec.Diff{
				PackageDiff: exec.PackageDiff{
					Added:   []*exec.Package{{Name: "hello", After: []string{"2.12"}}},
					Removed: []*exec.Package{{Name: "cowsay", Before: []string{"3"}}},
					Changed: []*exec.Package{{Name: "nginx", Before: []string{"1.26"}, After: []string{"1.28"}}},
					Rebuilt: 2,
				},
				CopyPaths: 4, CopyBytes: 61_600, Etc: exec.FileDiff{Added: []string{"motd"}, Changed: []string{"ssh/sshd_config", "hosts"}},
				Forecast: units.Forecast{
					Restart: []string{"nginx.service"}, Again: []string{"backup.service"},
					Unknown: []units.Note{{Unit: "new.service", Text: "it starts if its conditions hold"}, {Text: "what scripts ask for"}},
					Undone:  []units.Note{{Unit: "web.socket", Text: "restart it"}},
				},
				Reboot: []string{"kernel"},
			}}, failed},
			`HOST  WAVE  GENERATION  PACKAGES                     TO COPY           UNITS     REBOOT
web2  1                 connect: connection refused
web1  1     3 → new     +1 −1 ~3                     4 paths, 61.6 kB  +0 −0 ~1  needed

web1
  to       ` + system + `
  copy     4 paths, 61.6 kB
  + hello 2.12
  − cowsay 3
  ~ nginx 1.26 → 1.28
  ~ 2 packages in the same version
  + /etc/ motd
  ~ /etc/ hosts, ssh/sshd_config
  restart  nginx.service
  again    backup.service
  reboot   kernel
  unknown  new.service: it starts if its conditions hold
  unknown  what scripts ask for
  undone   web.socket: restart it

What becomes of units is foretold by the rules of NixOS. A host that already
has its new system, after muster push, is asked what it would do.
`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			ui.NewText(&out, &bytes.Buffer{}, noHint, ui.ColorAuto).End(c.outcomes)
			if diff := cmp.Diff(c.want, out.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Hosts on which the same changes are one entry, however many they are.
func TestEqualChangesAreOneEntry(t *testing.T) {
	var outcomes []exec.Outcome
	for i := range 40 {
		name := fmt.Sprint("web", i+1)
		d := &exec.Diff{CopyPaths: 3, CopyBytes: int64(1000 + len(name))}
		d.Changed = []*exec.Package{{Name: "nginx", Before: []string{"1.26"}, After: []string{"1.28"}}, {Name: "nixos-system-" + name, Before: []string{"25.05"}, After: []string{"25.11"}}}
		if name == "web7" {
			d.Reboot = []string{"kernel"}
		}
		outcomes = append(outcomes, exec.Outcome{Host: name, Status: exec.Previewed, System: store.Path("/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-nixos-system-" + name), Diff: d})
	}
	var out bytes.Buffer
	ui.NewText(&out, &bytes.Buffer{}, noHint, ui.ColorAuto).End(outcomes)
	want := `HOST              WAVE  GENERATION  PACKAGES  TO COPY          UNITS     REBOOT
web1 and 38 more  1     new         +0 −0 ~2  3 paths, 1.0 kB  +0 −0 ~0
web7              1     new         +0 −0 ~2  3 paths, 1.0 kB  +0 −0 ~0  needed

web1..web6, web8..web40 (39 hosts)
  to       /nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-nixos-system-web1 (web1)
  copy     3 paths, 1.0 kB
  ~ nginx 1.26 → 1.28
  ~ nixos-system-web1 25.05 → 25.11

web7
  to       /nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-nixos-system-web7
  copy     3 paths, 1.0 kB
  ~ nginx 1.26 → 1.28
  ~ nixos-system-web7 25.05 → 25.11
  reboot   kernel
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
