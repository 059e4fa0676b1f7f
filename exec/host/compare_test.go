package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec/units"
)

func TestComparisonIsRead(t *testing.T) {
	c := Comparison{Parts: map[string]string{}}
	c.read(`motd of the host
lacks /nix/store/a-x
has /nix/store/00000000000000000000000000000002-y
part kernel /nix/store/k-linux/bzImage
interface 2
unit /nix/store/s-system/etc/systemd/system/ a.service /nix/store/u-a/a.service
unit /nix/store/s-system/etc/systemd/system/ multi-user.target.wants/a.service ../a.service
unit /nix/store/s-system/etc/systemd/system/ plain.service 
unit /nix/store/s-system/etc/systemd/user/ b.service /nix/store/u-b/b.service
etc /nix/store/m-motd motd
etc /nix/store/s-sshd_config ssh/sshd config
etc /nix/store/nothing
fstab /dev/sda1 / ext4 defaults 0 1
pending restart a.service
user joe b.service
container
loaded
Id=a.service
LoadState=loaded
ActiveState=active

Id=loaded.service
LoadState=loaded
ActiveState=failed
`, []store.Path{"/nix/store/a-x"})
	want := Comparison{
		Lacks:     []store.Path{"/nix/store/a-x"},
		Has:       []store.Path{"/nix/store/00000000000000000000000000000002-y"},
		Parts:     map[string]string{"kernel": "/nix/store/k-linux/bzImage"},
		Interface: "2",
		SystemUnits: []units.Entry{
			{Path: "a.service", Link: "/nix/store/u-a/a.service", Unread: true},
			{Path: "multi-user.target.wants/a.service", Link: "../a.service", Unread: true},
			{Path: "plain.service", Link: "/nix/store/s-system/etc/systemd/system/plain.service", Unread: true},
		},
		UserUnits: []units.Entry{{Path: "b.service", Link: "/nix/store/u-b/b.service", Unread: true}},
		Etc:       map[string]string{"motd": "/nix/store/m-motd", "ssh/sshd config": "/nix/store/s-sshd_config"},
		State: units.State{
			Known:     true,
			Units:     map[string]units.Loaded{"a.service": {Active: "active"}, "loaded.service": {Active: "failed"}},
			Fstab:     "/dev/sda1 / ext4 defaults 0 1\n",
			Container: true,
			Pending:   units.Decision{Restart: units.Set{"a.service": true}},
			Users:     []units.UserUnit{{User: "joe", Name: "b.service"}},
		},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTextsAreRead(t *testing.T) {
	got := map[string]string{}
	readTexts(got, "motd\n==> /a <==\n[Unit]\n==> /other <==\nDescription=x\n\n==> /b <==\n", []string{"/a", "/b", "/missing"})
	want := map[string]string{"/a": "[Unit]\n==> /other <==\nDescription=x\n\n", "/b": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
