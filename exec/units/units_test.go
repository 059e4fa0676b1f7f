package units

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A files is a directory of unit files in a test: path → text. A text that begins
// with "-> " is where a link leads. Wants are links below multi-user.target.wants.
type files map[string]string

func (f files) tree() *Tree {
	var entries []Entry
	for path, text := range f {
		e := Entry{Path: path, Link: "/nix/store/x/" + path, Text: text}
		if link, ok := strings.CutPrefix(text, "-> "); ok {
			e.Link, e.Text = link, ""
		}
		if text == "unread" {
			e.Text, e.Unread = "", true
		}
		entries = append(entries, e)
	}
	return NewTree(entries)
}

// loaded is a state in which these units are active, with what they are strongly
// bound to: "a.service b.service" says that a requires b. A name after "!" is of
// a unit that is loaded and inactive.
func loaded(lines ...string) State {
	s := State{Known: true, Units: map[string]Loaded{"multi-user.target": {Active: "active", Fragment: "/etc/systemd/system/multi-user.target"}}}
	for _, line := range lines {
		words := strings.Fields(line)
		name, inactive := strings.CutPrefix(words[0], "!")
		dir := "/etc/systemd/system/"
		if path.Ext(name) == ".mount" {
			dir = "/run/systemd/generator/"
		}
		l := Loaded{Active: "active", Fragment: dir + name, Strong: words[1:], Checked: true, Met: true}
		if inactive {
			l.Active = "inactive"
		}
		s.Units[name] = l
	}
	return s
}

// with adds files to the multi-user.target that every system here has.
func (f files) with(more files) files {
	all := files{"multi-user.target": "[Unit]\nDescription=Multi-User\n"}
	for _, m := range []files{f, more} {
		for path, text := range m {
			all[path] = text
		}
	}
	return all
}

func lines(f Forecast) (all []string) {
	for _, list := range []struct {
		what  string
		names []string
	}{{"stop", f.Stop}, {"start", f.Start}, {"restart", f.Restart}, {"reload", f.Reload}, {"again", f.Again}, {"stay", f.Stay}} {
		for _, name := range list.names {
			all = append(all, list.what+" "+name)
		}
	}
	for _, n := range f.Unknown {
		all = append(all, "unknown "+n.Unit)
	}
	for _, n := range f.Undone {
		all = append(all, "undone "+n.Unit)
	}
	return all
}

const (
	a        = "[Unit]\nDescription=a\n[Service]\nExecStart=/bin/a\n"
	b        = "[Unit]\nDescription=a\n[Service]\nExecStart=/bin/b\n"
	wantsA   = "multi-user.target.wants/a.service"
	wantsNew = "multi-user.target.wants/new.service"
)

func TestForecasts(t *testing.T) {
	service := func(more string) string { return a + more }
	for _, tt := range []struct {
		name     string
		old, new files
		state    State
		want     []string
	}{
		{"nothing", files{"a.service": a}, files{"a.service": a}, loaded("a.service"), nil},
		{"a command", files{"a.service": a, wantsA: ""}, files{"a.service": b, wantsA: ""}, loaded("a.service"), []string{"restart a.service"}},
		{"a unit that nothing wants, started by hand", files{"a.service": a}, files{"a.service": b}, loaded("a.service"), []string{"restart a.service"}},
		{"inactive", files{"a.service": a}, files{"a.service": b}, loaded("!a.service"), nil},
		{"order of sections and keys", files{"a.service": "[Service]\nType=simple\nExecStart=/a\n[Unit]\nAfter=x\n"},
			files{"a.service": "# comment\n[Unit]\nAfter=x\n\n[Service]\nExecStart=/a\nType = simple\n"}, loaded("a.service"), nil},
		{"order of the values of a key", files{"a.service": "[Service]\nExecStartPre=/a\nExecStartPre=/b\n"},
			files{"a.service": "[Service]\nExecStartPre=/b\nExecStartPre=/a\n"}, loaded("a.service"), []string{"restart a.service"}},
		{"ignored keys", files{"a.service": a}, files{"a.service": "[Unit]\nDescription=other\nDocumentation=man:a\nOnFailure=mail.service\n[Service]\nExecStart=/bin/a\n[Install]\nWantedBy=x\n"}, loaded("a.service"), nil},
		{"a new section", files{"a.service": a}, files{"a.service": a + "[Custom]\nX=y\n"}, loaded("a.service"), []string{"restart a.service"}},
		{"a key that was emptied", files{"a.service": a}, files{"a.service": a + "ExecStart=\nExecStart=/bin/a\n"}, loaded("a.service"), nil},
		{"a reload trigger", files{"a.service": a}, files{"a.service": a + "[Unit]\nX-Reload-Triggers=/x\n"}, loaded("a.service"), []string{"reload a.service"}},
		{"a reload trigger is gone", files{"a.service": a + "[Unit]\nX-Reload-Triggers=/x\n"}, files{"a.service": a}, loaded("a.service"), nil},
		{"a reload trigger and a command", files{"a.service": a}, files{"a.service": b + "[Unit]\nX-Reload-Triggers=/x\n"}, loaded("a.service"), []string{"restart a.service"}},
		{"a restart trigger", files{"a.service": a}, files{"a.service": a + "[Unit]\nX-Restart-Triggers=/x\n"}, loaded("a.service"), []string{"restart a.service"}},
		{"reloadIfChanged", files{"a.service": a}, files{"a.service": b + "X-ReloadIfChanged=true\n"}, loaded("a.service"), []string{"reload a.service"}},
		{"restartIfChanged", files{"a.service": a}, files{"a.service": b + "X-RestartIfChanged=false\n"}, loaded("a.service"), []string{"stay a.service"}},
		{"stopIfChanged", files{"a.service": a}, files{"a.service": b + "X-StopIfChanged=false\n"}, loaded("a.service"), []string{"restart a.service"}},
		{"RefuseManualStop", files{"a.service": a}, files{"a.service": b + "[Unit]\nRefuseManualStop=true\n"}, loaded("a.service"), []string{"stay a.service"}},
		{"X-OnlyManualStart", files{"a.service": a}, files{"a.service": b + "[Unit]\nX-OnlyManualStart=yes\n"}, loaded("a.service"), []string{"stay a.service"}},
		{"removed", files{"a.service": a}, nil, loaded("a.service"), []string{"stop a.service"}},
		{"removed, X-StopOnRemoval", files{"a.service": a + "[Unit]\nX-StopOnRemoval=false\n"}, nil, loaded("a.service"), nil},
		{"masked", files{"a.service": a, wantsA: ""}, files{"a.service": "-> /dev/null", wantsA: ""}, loaded("a.service"), []string{"stop a.service"}},
		{"not masked any more", files{"a.service": "-> /dev/null", wantsA: ""}, files{"a.service": a, wantsA: ""}, loaded("!a.service"), []string{"start a.service"}},
		{"not of the system", nil, nil, loaded("session-1.scope", "other.service"), nil},
		{"new and wanted", nil, files{"new.service": a, wantsNew: ""}, loaded(), []string{"start new.service"}},
		{"new and not wanted", nil, files{"new.service": a}, loaded(), nil},
		{"new, by way of another", nil, files{"new.service": "[Unit]\nRequires=next.service\n", "next.service": a, wantsNew: ""}, loaded(), []string{"start new.service", "start next.service"}},
		{"new, wanted by an inactive target", nil, files{"new.service": a, "rescue.target": "", "rescue.target.wants/new.service": ""}, loaded("!rescue.target"), nil},
		{"an alias", files{"a.service": a, "b.service": "-> a.service"}, files{"a.service": b, "b.service": "-> a.service", "multi-user.target.wants/b.service": ""}, loaded("a.service"), []string{"restart a.service"}},
		{"a drop-in", files{"a.service": a}, files{"a.service": a, "a.service.d/overrides.conf": "[Service]\nNice=5\n"}, loaded("a.service"), []string{"restart a.service"}},
		{"a drop-in that changes nothing", files{"a.service": a}, files{"a.service": a, "a.service.d/overrides.conf": "[Unit]\nDescription=b\n"}, loaded("a.service"), nil},
		{"a drop-in for a unit that is not of the system", nil, files{"a.service.d/overrides.conf": "[Service]\nNice=5\n"}, loaded("a.service"), nil},
		{"a template", files{"a@.service": a}, files{"a@.service": b}, loaded("a@one.service", "a@two.service"), []string{"restart a@one.service", "restart a@two.service"}},
		{"an instance's drop-in", files{"a@.service": a}, files{"a@.service": a, "a@one.service.d/x.conf": "[Service]\nNice=5\n"}, loaded("a@one.service", "a@two.service"), []string{"restart a@one.service"}},
		{"an instance with a file of its own", files{"a@.service": a, "a@one.service": a}, files{"a@.service": b, "a@one.service": a}, loaded("a@one.service", "a@two.service"), []string{"restart a@two.service"}},
		{"an instance gets a file of its own", files{"a@.service": a}, files{"a@.service": a, "a@one.service": b}, loaded("a@one.service"), nil},
		{"an instance with a dot in its name", files{"a@.service": a}, files{"a@.service": b}, loaded("a@wg0.100.service"), nil},
		{"a timer", files{"a.timer": "[Timer]\nOnCalendar=daily\n"}, files{"a.timer": "[Timer]\nOnCalendar=weekly\n"}, loaded("a.timer"), []string{"restart a.timer"}},
		{"a timer that is due", files{"a.timer": "[Timer]\nOnBootSec=5min\n"}, files{"a.timer": "[Timer]\nOnBootSec=6min\n"}, loaded("a.timer", "!a.service"), []string{"restart a.timer", "unknown a.service"}},
		{"a path unit", files{"a.path": "[Path]\nPathChanged=/a\n"}, files{"a.path": "[Path]\nPathChanged=/b\n"}, loaded("a.path"), []string{"restart a.path"}},
		{"a slice", files{"a.slice": "[Slice]\nMemoryMax=1G\n"}, files{"a.slice": "[Slice]\nMemoryMax=2G\n"}, loaded("a.slice"), nil},
		{"a socket's listeners", files{"a.socket": "[Socket]\nListenStream=1\n"}, files{"a.socket": "[Socket]\nListenStream=2\n"}, loaded("a.socket"), []string{"stay a.socket", "undone a.socket"}},
		{"a service with a socket", files{"a.service": a, "a.socket": ""}, files{"a.service": b, "a.socket": ""}, loaded("a.service", "a.socket"), []string{"stop a.service", "restart a.socket"}},
		{"a service with a socket, wanted", files{"a.service": a, "a.socket": ""}, files{"a.service": b, "a.socket": "", wantsA: ""}, loaded("a.service", "a.socket"), []string{"restart a.service", "restart a.socket"}},
		{"a service with a socket, X-NotSocketActivated", files{"a.service": a, "a.socket": ""}, files{"a.service": b + "X-NotSocketActivated=true\n", "a.socket": ""}, loaded("a.service", "a.socket"), []string{"restart a.service", "restart a.socket"}},
		{"a service whose socket goes", files{"a.service": a, "a.socket": ""}, files{"a.service": b}, loaded("a.service", "a.socket"), []string{"stop a.socket", "restart a.service"}},
		{"a service with sockets by name", files{"a.service": service("Sockets=x.socket\n"), "x.socket": ""}, files{"a.service": b + "Sockets=x.socket\n", "x.socket": ""}, loaded("a.service", "x.socket"), []string{"stop a.service", "restart x.socket"}},
		{"required, and wanted", files{"a.service": a, "new.service": "[Unit]\nRequires=a.service\n"}, files{"a.service": b, "new.service": "[Unit]\nRequires=a.service\n", wantsNew: ""}, loaded("a.service", "new.service a.service"), []string{"restart a.service", "restart new.service"}},
		{"required, and not wanted", files{"a.service": a, "x.service": "[Unit]\nRequires=a.service\n"}, files{"a.service": b, "x.service": "[Unit]\nRequires=a.service\n"}, loaded("a.service", "x.service a.service"), []string{"stop x.service", "restart a.service"}},
		{"required by one that is required", files{"a.service": a}, files{"a.service": b}, loaded("a.service", "x.service a.service", "y.service x.service"), []string{"stop x.service", "stop y.service", "restart a.service"}},
		{"part of one that is restarted at once", files{"a.service": a, "x.service": "[Unit]\nPartOf=a.service\n"}, files{"a.service": b + "X-StopIfChanged=no\n", "x.service": "[Unit]\nPartOf=a.service\n"}, loaded("a.service", "x.service a.service"), []string{"restart a.service", "restart x.service"}},
		{"to be reloaded, and stopped with another", files{"a.service": a, "x.service": a}, files{"a.service": b, "x.service": a + "[Unit]\nX-Reload-Triggers=/x\n"}, loaded("a.service", "x.service a.service"), []string{"restart a.service", "restart x.service"}},
		{"conflict", nil, files{"new.service": "[Unit]\nConflicts=a.service\n", wantsNew: "", "a.service": a}, loaded("a.service"), []string{"stop a.service", "start new.service"}},
		{"a oneshot that ended", files{"a.service": service("Type=oneshot\n"), wantsA: ""}, files{"a.service": service("Type=oneshot\n"), wantsA: ""}, loaded("!a.service"), []string{"again a.service"}},
		{"a oneshot that remains", files{"a.service": service("Type=oneshot\nRemainAfterExit=yes\n"), wantsA: ""}, files{"a.service": b + "Type=oneshot\nRemainAfterExit=yes\n", wantsA: ""}, loaded("a.service"), []string{"restart a.service"}},
		{"wanted by an active service", files{"a.service": a, wantsA: ""}, files{"a.service": a, wantsA: "", "a.service.wants/new.service": "", "new.service": a}, loaded("a.service"), nil},
		{"wanted by a service that is restarted", files{"a.service": a, wantsA: ""}, files{"a.service": b, wantsA: "", "a.service.wants/new.service": "", "new.service": a}, loaded("a.service"), []string{"start new.service", "restart a.service"}},
		{"a failed unit", files{"a.service": a, wantsA: ""}, files{"a.service": a, wantsA: ""}, loaded("!a.service"), []string{"start a.service"}},
		{"a new condition", nil, files{"new.service": "[Unit]\nConditionPathExists=/x\n", wantsNew: ""}, loaded(), []string{"unknown new.service"}},
		{"a target that is stopped", files{"x.target": ""}, files{"x.target": "[Unit]\nX-StopOnReconfiguration=true\n"}, loaded("x.target", "x.service x.target"), []string{"stop x.service", "restart x.target"}},
		{"a target that may not be started", files{"x.target": ""}, files{"x.target": "[Unit]\nRefuseManualStart=true\n", "x.target.wants/new.service": "", "new.service": a}, loaded("x.target"), nil},
		{"sysinit-reactivation.target", files{reactivation: "", "x.service": service("Type=oneshot\n")}, files{reactivation: "", reactivation + ".requires/x.service": "", "x.service": service("Type=oneshot\n")}, loaded("!x.service"), []string{"again x.service"}},
		{"a mount", files{"x.mount": "[Mount]\nWhat=a\nOptions=ro\n"}, files{"x.mount": "[Mount]\nWhat=b\nOptions=ro\n"}, loaded("x.mount", "x.service x.mount"), []string{"restart x.mount", "restart x.service"}},
		{"a mount of a directory that a service uses", files{"x.mount": "[Mount]\nWhat=a\n", "x.service": a}, files{"x.mount": "[Mount]\nWhat=b\n", "x.service": a}, loaded("x.mount", "x.service x.mount"), []string{"restart x.mount", "restart x.service"}},
		{"RequiresMountsFor", files{"x-y.mount": "[Mount]\nWhat=a\n"}, files{"x-y.mount": "[Mount]\nWhat=b\n", "x.service": a + "[Unit]\nRequiresMountsFor=/x/y/z\n"}, loaded("x-y.mount", "x.service"), []string{"restart x-y.mount", "restart x.service"}},
		{"a reload that is passed on", files{"a.service": a}, files{"a.service": a + "[Unit]\nX-Reload-Triggers=/x\nPropagatesReloadTo=b.service\n", "b.service": a, "c.service": a + "[Unit]\nReloadPropagatedFrom=a.service\n"}, loaded("a.service", "b.service", "c.service"), []string{"restart a.service"}},
		{"a reload that is passed on, before as well", files{"a.service": a + "[Unit]\nPropagatesReloadTo=b.service\n"}, files{"a.service": a + "[Unit]\nX-Reload-Triggers=/x\nPropagatesReloadTo=b.service\n", "b.service": a, "c.service": a + "[Unit]\nReloadPropagatedFrom=a.service\n"}, loaded("a.service", "b.service", "c.service"), []string{"reload a.service", "reload b.service", "reload c.service"}},
		{"the options of a mount", files{"x.mount": "[Mount]\nOptions=ro\n"}, files{"x.mount": "[Mount]\nOptions=rw\n"}, loaded("x.mount"), []string{"reload x.mount"}},
		{"the store's mount", files{"nix.mount": "[Mount]\nWhat=a\n"}, files{"nix.mount": "[Mount]\nWhat=b\n"}, loaded("nix.mount"), []string{"reload nix.mount"}},
		{"a container", files{"systemd-nspawn@.service": a}, files{"systemd-nspawn@.service": b}, loaded("systemd-nspawn@x.service"), nil},
		{"files that cannot be read", files{"a.service": "unread"}, files{"a.service": b}, loaded("a.service"), []string{"unknown a.service"}},
		{"what is active is not known", files{"a.service": a, wantsA: ""}, files{"a.service": b, wantsA: "", "new.service": a, wantsNew: ""}, State{}, []string{"start new.service", "restart a.service", "unknown "}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Switch{Old: tt.old.with(nil).tree(), New: tt.new.with(nil).tree(), State: tt.state}
			if diff := cmp.Diff(tt.want, lines(s.Foresee(s.Decide()))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFstab(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		state          State
		want           []string
	}{
		{"the same", "/dev/sda1 / ext4 defaults 0 1\n", "/dev/sda1 / ext4 defaults 0 1\n", loaded("-.mount"), nil},
		{"options", "/dev/sdb /data ext4 ro\n", "/dev/sdb /data ext4 rw\n", loaded("data.mount"), []string{"reload data.mount"}},
		{"a device", "/dev/sdb /data ext4 ro\n", "/dev/sdc /data ext4 ro\n", loaded("data.mount", "db.service data.mount"), []string{"restart data.mount", "restart db.service"}},
		{"the device of /", "/dev/sda / ext4 ro\n", "/dev/sdb / ext4 ro\n", loaded("-.mount"), []string{"stay -.mount"}},
		{"the device and options of /nix", "/dev/sda /nix ext4 ro\n", "/dev/sdb /nix ext4 rw\n", loaded("nix.mount"), []string{"reload nix.mount"}},
		{"gone", "/dev/sda /srv/my-data ext4 ro\n", "", loaded(`srv-my\x2ddata.mount`), []string{`stop srv-my\x2ddata.mount`}},
		{"new", "", "/dev/sda /data ext4 ro\n/dev/sdb /other ext4 noauto\n", loaded(), []string{"start data.mount"}},
		{"not mounted at boot", "/dev/sda /data ext4 nofail\n", "/dev/sda /data ext4 nofail\n", loaded("!data.mount"), []string{"unknown data.mount"}},
		{"swap goes", "/swap none swap defaults\n", "", loaded("swap.swap"), []string{"stop swap.swap"}},
		{"swap comes", "", "/swap none swap defaults\n", loaded(), []string{"start swap.swap"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.state.Fstab = tt.old
			s := Switch{Old: files{}.tree(), New: files{}.tree(), NewFstab: tt.new, State: tt.state}
			if diff := cmp.Diff(tt.want, lines(s.Foresee(s.Decide()))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	s := Switch{Old: files{}.tree(), New: files{}.tree(), NewFstab: "/dev/sda /data ext4 ro\n/swap none swap x\n", State: State{Known: true, Container: true}}
	if f := s.Foresee(s.Decide()); len(f.Start) > 0 {
		t.Errorf("a container mounts devices: %v", f.Start)
	}
}

// What the system says comes to the same, and what it does not say is added.
func TestDryActivate(t *testing.T) {
	d := ReadDry(`noise
would stop the following units: a.service, gone.service
would NOT stop the following changed units: left.service
would activate the configuration...
would reload the following units: r.service
would restart the following units: at-once.service
would start the following units: a.service
`)
	want := Decision{Stop: Set{"a.service": true, "gone.service": true}, Skip: Set{"left.service": true}, Reload: Set{"r.service": true},
		Restart: Set{"at-once.service": true}, Start: Set{"a.service": true}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	system := files{"a.service": a, "left.service": a, "r.service": a, "at-once.service": a, "x.service": "[Unit]\nRequires=at-once.service\n"}
	s := Switch{Old: system.with(files{"gone.service": a}).tree(), New: system.with(files{"new.service": a, wantsNew: ""}).tree(),
		State: loaded("a.service", "gone.service", "left.service", "r.service", "at-once.service", "x.service at-once.service")}
	if diff := cmp.Diff([]string{"stop gone.service", "start new.service", "restart a.service", "restart at-once.service", "restart x.service", "reload r.service", "stay left.service"},
		lines(s.Foresee(d))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"stop gone.service", "restart a.service", "restart at-once.service", "reload r.service", "stay left.service"}, lines(d.Forecast())); diff != "" {
		t.Errorf("without the systems (-want +got):\n%s", diff)
	}
}

func TestUserUnits(t *testing.T) {
	s := Switch{Old: files{}.tree(), New: files{}.tree(), OldUser: files{"a.service": a, "kept.service": a}.tree(), NewUser: files{"a.service": b, "kept.service": a}.tree(),
		State: State{Known: true, Users: []UserUnit{{"joe", "a.service"}, {"ann", "a.service"}, {"joe", "kept.service"}, {"joe", "app-foo.service"}}}}
	want := []Note{{"a.service", "user unit of ann, joe: it runs on as it is until it is restarted or the user logs in anew"}}
	if diff := cmp.Diff(want, s.Foresee(s.Decide()).Undone); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInterruptedActivation(t *testing.T) {
	s := Switch{Old: files{"a.service": a}.tree(), New: files{"a.service": a}.tree(), State: loaded("!a.service")}
	s.State.Pending.Start.Add("a.service")
	if diff := cmp.Diff([]string{"start a.service"}, lines(s.Foresee(s.Decide()))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadedUnits(t *testing.T) {
	got := ParseLoaded(`Id=a.service
Names=a.service b.service
LoadState=loaded
ActiveState=active
Requires=sysinit.target x.service
Wants=
ConditionResult=yes
ConditionTimestampMonotonic=12
FragmentPath=/etc/systemd/system/a.service
Type=simple
RemainAfterExit=no

Id=gone.service
LoadState=not-found
ActiveState=inactive
ConditionResult=no
ConditionTimestampMonotonic=0
FragmentPath=/x
`)
	want := map[string]Loaded{
		"a.service": {Names: []string{"a.service", "b.service"}, Active: "active", Fragment: "/etc/systemd/system/a.service", Checked: true, Met: true,
			Strong: []string{"sysinit.target", "x.service"}, Pulls: []string{"sysinit.target", "x.service"}},
		"gone.service": {Active: "inactive"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUnitOfPath(t *testing.T) {
	for path, want := range map[string]string{"/": "-.mount", "/mnt/data": "mnt-data.mount", "/a-b/c/": `a\x2db-c.mount`, "/.x": `\x2ex.mount`, "/ü": `\xc3\xbc.mount`} {
		if got := unitOfPath(path, ".mount"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func ExampleSwitch() {
	before := NewTree([]Entry{{Path: "web.service", Text: "[Service]\nExecStart=/bin/web --port 80"}})
	after := NewTree([]Entry{{Path: "web.service", Text: "[Service]\nExecStart=/bin/web --port 81"}})
	s := Switch{Old: before, New: after, State: State{Known: true, Units: map[string]Loaded{
		"web.service":   {Active: "active", Fragment: "/etc/systemd/system/web.service"},
		"proxy.service": {Active: "active", Strong: []string{"web.service"}},
	}}}
	f := s.Foresee(s.Decide())
	fmt.Println("restart", f.Restart)
	fmt.Println("stop", f.Stop)
	// Output:
	// restart [web.service]
	// stop [proxy.service]
}
