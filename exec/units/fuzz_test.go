package units

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What systemctl show says of one unit changes nothing of what it says of others.
func FuzzParseLoaded(f *testing.F) {
	f.Add("Id=a.service\nNames=a.service b.service\nLoadState=loaded\nActiveState=active\nFragmentPath=/a\nRequires=c.service\n\nId=c.service\n")
	f.Fuzz(func(t *testing.T, shown string) {
		all := ParseLoaded(shown)
		for name, l := range all {
			for _, word := range slices.Concat(l.Names, l.Strong, l.Pulls, l.Triggers) {
				if word == "" || strings.ContainsAny(word, " \n\t") {
					t.Errorf("%q: %q", name, word)
				}
			}
		}
		const other = "other.service"
		want := maps.Clone(all)
		want[other] = ParseLoaded("Id=" + other)[other]
		if diff := cmp.Diff(want, ParseLoaded(shown+"\n\nId="+other+"\n")); diff != "" {
			t.Errorf("with another unit (-want +got):\n%s", diff)
		}
	})
}

// What a dry run says names units that are in the text, and no empty one.
func FuzzReadDry(f *testing.F) {
	f.Add("would stop the following units: a.service, b.service\nwould NOT restart the following changed units: c.service\n")
	f.Fuzz(func(t *testing.T, said string) {
		d := ReadDry(said)
		for _, set := range []Set{d.Stop, d.Start, d.Restart, d.Reload, d.Skip} {
			for name := range set {
				if name == "" || strings.ContainsAny(name, ", \n") || !strings.Contains(said, name) {
					t.Errorf("%q", name)
				}
			}
		}
	})
}

// Any units and any state come to a forecast, which for a system that is not another one restarts and reloads nothing.
func FuzzSwitch(f *testing.F) {
	f.Add(a, b, "/dev/sda / ext4 ro\n", "/dev/sdb /data ext4 rw\n", "Id=a.service\nLoadState=loaded\nActiveState=active\nFragmentPath=/etc/systemd/system/a.service\n")
	f.Add("[Unit]\nX-StopOnRemoval=false\n[Service]\nX-RestartIfChanged=no \\\n y\n", "-> /dev/null", "# x\n", "/swap none swap x\n", "")
	f.Fuzz(func(t *testing.T, old, new, oldFstab, newFstab, shown string) {
		if len(old)+len(new)+len(oldFstab)+len(newFstab)+len(shown) > 1<<16 {
			return
		}
		forecast := func(old, new, oldFstab, newFstab string) Decision {
			tree := func(text string) *Tree {
				return files{"a.service": text, "a.service.d/x.conf": text, "a.socket": "[Socket]\nListenStream=1\n", wantsA: "-> ../a.service"}.with(nil).tree()
			}
			s := Switch{Old: tree(old), New: tree(new), NewFstab: newFstab, State: State{Known: true, Units: ParseLoaded(shown), Fstab: oldFstab}}
			d := s.Decide()
			s.Foresee(d)
			return d
		}
		forecast(old, new, oldFstab, newFstab)
		d := forecast(old, old, oldFstab, oldFstab)
		if len(d.Restart)+len(d.Reload) > 0 {
			t.Errorf("nothing has changed: %+v", d)
		}
	})
}
