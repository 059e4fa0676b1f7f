package exec

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"muster/exec/nixserve"
	"muster/schema"
)

// A bareMachine answers every question with the same text.
type bareMachine struct{ text string }

func (m bareMachine) Run(_ context.Context, _ []string, stdout, _ io.Writer) error {
	_, err := io.WriteString(stdout, m.text)
	return err
}

func (m bareMachine) Serve(context.Context) (nixserve.Stream, error) { return nil, io.EOF }
func (m bareMachine) Close() error                                   { return nil }

func TestMachinesThatAreNotInstalled(t *testing.T) {
	const (
		want   = "/nix/store/00000000000000000000000000000001-nixos-system-web-1"
		other  = "/nix/store/00000000000000000000000000000002-nixos-system-web-2"
		rescue = "uid 0\nos debian - A rescue system\nmount 1 0 0:20 / / rw - tmpfs tmpfs rw\nmachine x86_64\n"
		debian = "uid 0\nos debian - Debian 12\nmount 1 0 8:1 / / rw - ext4 /dev/sda1 rw\nmachine x86_64\n"
		nixos  = "uid 0\nos nixos - NixOS\nmount 1 0 8:1 / / rw - ext4 /dev/sda1 rw\nmachine x86_64\ncurrent " + want + "\nbooted " + want + "\n"
	)
	image := schema.Kexec{Path: "image.tar"}
	for _, tt := range []struct {
		name, text string
		kexec      schema.Kexec
		reinstall  bool
		want       string // "" for none
	}{
		{"what an attempt has installed and seen, resumed", nixos + "deployed run1\n", schema.Kexec{}, false, ""},
		{"a rescue system", rescue, schema.Kexec{}, false, ""},
		{"an installer on a medium", "uid 0\nos nixos installer NixOS\nmount 1 0 8:1 / / rw - ext4 /dev/sdb1 rw\nmachine x86_64\n", schema.Kexec{}, false, ""},
		{"of another kind", strings.Replace(rescue, "x86_64", "aarch64", 1), schema.Kexec{}, false, "it is a aarch64, and the inventory says x86_64-linux"},
		{"without Nix", rescue + "lacks nix-env\nlacks nix-store\n", image, false, "the installer that runs (A rescue system) has no nix-env, nix-store: use one that has, or name one in install.kexec of the inventory"},
		{"a Linux", debian, image, false, ""},
		{"a Linux, and no installer", debian, schema.Kexec{}, false, "Debian 12 runs there from its disk, and no installer: start the machine from one, or name one in install.kexec of the inventory"},
		{"a host of the fleet", nixos + "deployed run1\n", image, false, "it is installed already: run run1 has deployed " + want + " to it; --reinstall wipes it and installs it anew"},
		{"a host of the fleet, to be wiped", nixos + "deployed run1\n", image, true, ""},
		{"what was installed, booted and not seen yet", nixos + "pending layout run1 " + want + "\ndeployed run1\n", schema.Kexec{}, false, ""},
		{"another system that was installed", nixos + "pending layout run1 " + other + "\ndeployed run1\n", schema.Kexec{}, false, "it is installed already: it runs " + want + ", which run run1 installed, and the inventory means " + want + " now: muster deploy brings that"},
		{"not root", strings.Replace(rescue, "uid 0", "uid 1000", 1), schema.Kexec{}, false, "not root on the machine, but user 1000"},
		{"no answer", "welcome\n", schema.Kexec{}, false, `look at the machine: unexpected answer "welcome\n"`},
	} {
		h := &schema.Host{Name: "web", System: "x86_64-linux", Install: schema.Install{Kexec: tt.kexec}}
		p := NewPlan(Install, []Step{{Host: h, System: System{Out: want}}})
		p.Wanted.Reinstall = tt.reinstall
		if strings.HasSuffix(tt.name, ", resumed") {
			p.Steps[0].Earlier = &Attempt{Stage: Restart}
		}
		r := newRun(p, Options{}.withDefaults())
		j := r.newJob(r.plan.Steps[0])
		j.conn.use(bareMachine{tt.text})
		if got := errorText(lookBare(t.Context(), j)); got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// The machine of a host that is not there yet has the keys of its installer.
func TestWhereAMachineIsBeforeItIsInstalled(t *testing.T) {
	h := &schema.Host{
		Name: "web", Address: "192.0.2.1", Port: 2222, User: "deploy", Privilege: schema.Sudo, HostKeys: []string{"pinned"}, Local: true,
		Install: schema.Install{Address: "192.0.2.9", User: "root", HostKeys: []string{"rescue"}},
	}
	var tried []string
	dial := Connect(func(_ context.Context, h *schema.Host) (Machine, error) {
		tried = append(tried, strings.Join([]string{h.Address, h.User, string(h.Privilege), h.HostKeys[0]}, " "))
		if h.HostKeys[0] == "rescue" {
			return nil, ErrUnreachable
		}
		return bareMachine{}, nil
	})
	if _, err := dial.orBare()(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(tried, "; "), "192.0.2.9 root root rescue; 192.0.2.1 deploy sudo pinned"; got != want {
		t.Errorf("tried %s, want %s", got, want)
	}
}

// A user such as ubuntu becomes root by sudo, and in the installer that took the machine
// over there is only root.
func TestAMachineThatLetsNoRootIn(t *testing.T) {
	h := &schema.Host{
		Name: "web", Address: "192.0.2.1", User: "root", Privilege: schema.Root, HostKeys: []string{"pinned"},
		Install: schema.Install{User: "ubuntu", HostKeys: []string{"rescue"}},
	}
	for _, tt := range []struct{ lets, want string }{
		{"ubuntu", "ubuntu sudo rescue"},
		{"root", "ubuntu sudo rescue; root root rescue"},
		{"nobody", "ubuntu sudo rescue; root root rescue; root root pinned"},
	} {
		var tried []string
		dial := Connect(func(_ context.Context, h *schema.Host) (Machine, error) {
			tried = append(tried, strings.Join([]string{h.User, string(h.Privilege), h.HostKeys[0]}, " "))
			if h.User == tt.lets && h.HostKeys[0] == "rescue" || h.HostKeys[0] == "pinned" {
				return bareMachine{}, nil
			}
			return nil, errors.New("permission denied")
		})
		if _, err := dial.orBare()(t.Context(), h); err != nil {
			t.Error(err)
		}
		if got := strings.Join(tried, "; "); got != tt.want {
			t.Errorf("where %s may log in: tried %s, want %s", tt.lets, got, tt.want)
		}
	}
}
