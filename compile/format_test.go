package compile

import (
	"strings"
	"testing"

	"muster/compile/syntax"
	"muster/schema"
)

func TestNixpkgsAsAFlakeReference(t *testing.T) {
	const rev = "0123456789abcdef0123456789abcdef01234567"
	const hash = "sha256-a+b/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	const base32 = "sha256:1iqjpnzkzgzk0wdw6xr8y7lsx7hbxzg4sx3mfyxqmp4wqaql3zdb"
	for _, tt := range []struct {
		nixpkgs schema.Nixpkgs
		want    string
	}{
		{schema.Nixpkgs{Unpinned: true}, "nixpkgs"},
		{schema.Nixpkgs{Path: "../minios"}, "path:../minios"},
		{schema.Nixpkgs{Path: "/srv/nixpkgs"}, "path:/srv/nixpkgs"},
		{schema.Nixpkgs{Rev: rev}, "github:NixOS/nixpkgs/" + rev},
		{schema.Nixpkgs{Rev: rev, Hash: hash}, "github:NixOS/nixpkgs/" + rev + "?narHash=sha256-a%2Bb%2FAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"},
		{schema.Nixpkgs{Rev: rev, Hash: base32}, "github:NixOS/nixpkgs/" + rev},
		{schema.Nixpkgs{Rev: rev, URL: "https://example.org/n.tar.gz"}, "tarball+https://example.org/n.tar.gz"},
		{schema.Nixpkgs{Rev: rev, URL: "https://example.org/n?x=1", Hash: hash}, "tarball+https://example.org/n?x=1&narHash=sha256-a%2Bb%2FAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"},
	} {
		w := newWriter(&schema.Fleet{Dir: "/fleet", Nixpkgs: tt.nixpkgs}, Options{Format: Flake})
		if got := w.flakeURL(); got != tt.want {
			t.Errorf("%+v: got %s, want %s", tt.nixpkgs, got, tt.want)
		}
	}
}

// Colmena connects to a host by its name unless it is told not to; a host that
// may be local is deployed by apply-local too.
func TestHostsWithoutAnAddress(t *testing.T) {
	for _, tt := range []struct {
		format Format
		host   schema.Host
		want   string
	}{
		{Colmena, schema.Host{Unconnected: true}, "{ targetHost = null; }"},
		{Colmena, schema.Host{Local: true}, "{ targetHost = null; allowLocalDeployment = true; }"},
		{Colmena, schema.Host{Address: "192.0.2.1", Local: true}, `{ targetHost = "192.0.2.1"; allowLocalDeployment = true; }`},
		{Muster, schema.Host{Unconnected: true}, `{ targetEnv = "none"; }`},
		{Morph, schema.Host{Unconnected: true}, "{ }"},
	} {
		f := &schema.Fleet{Hosts: []*schema.Host{&tt.host}}
		got := syntax.FormatExpr(newWriter(f, Options{}).attrs(formats[tt.format].deployment(newWriter(f, Options{}), &tt.host)))
		if got = strings.Join(strings.Fields(got), " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.format, got, tt.want)
		}
	}
}

// How a host is reached and what guards it is not lost on the way to other tools.
func TestHowHostsAreReachedByOtherTools(t *testing.T) {
	all := schema.Host{
		Name: "web", Address: "192.0.2.1", Privilege: schema.Doas, Jump: "none",
		SSH:  schema.SSH{AgentForwarding: true, KeepAlive: 15e9, AcceptNew: "a lab", Options: []schema.SSHOption{{Name: "IdentityFile", Value: "~/.ssh/fleet"}}},
		Care: schema.Care{KeepForeign: true, GuardOff: "a lab", RollbackOff: "a lab", Timeouts: schema.Timeouts{Confirm: 20e9, Activate: 90e9 + 1}},
	}
	own, run0 := all, schema.Host{Name: "web", Address: "192.0.2.1", Port: 2222, Privilege: schema.Run0}
	own.Privilege, own.PrivilegeCommand, own.SSH, own.Care = schema.Command, []string{"su-exec", "root"}, schema.SSH{}, schema.Care{}
	const ssh = `[ "-o" "ProxyJump=none" "-A" "-o" "IdentityFile=~/.ssh/fleet" "-o" "ServerAliveInterval=15" "-o" "StrictHostKeyChecking=accept-new" ]`
	for _, tt := range []struct {
		format Format
		host   schema.Host
		want   string
	}{
		{Colmena, all, `{ targetHost = "192.0.2.1"; replaceUnknownProfiles = false; privilegeEscalationCommand = [ "doas" "-n" ]; sshOptions = ` + ssh + `; }`},
		{Colmena, own, `{ targetHost = "192.0.2.1"; privilegeEscalationCommand = [ "su-exec" "root" ]; sshOptions = [ "-o" "ProxyJump=none" ]; }`},
		{DeployRS, all, `{ hostname = "192.0.2.1"; sshOpts = ` + ssh + `; fastConnection = true; sudo = "doas -n -u"; magicRollback = false; autoRollback = false; confirmTimeout = 20; activationTimeout = 91; }`},
		{DeployRS, run0, `{ hostname = "192.0.2.1"; sshOpts = [ "-p" "2222" ]; fastConnection = true; sudo = "run0 --user"; }`},
	} {
		w := newWriter(&schema.Fleet{Hosts: []*schema.Host{&tt.host}}, Options{Format: tt.format})
		var got syntax.Expr
		if tt.format == DeployRS {
			got = w.deployRSNode(&tt.host).Value
		} else {
			got = w.attrs(formats[tt.format].deployment(w, &tt.host))
		}
		if text := strings.Join(strings.Fields(syntax.FormatExpr(got)), " "); text != tt.want {
			t.Errorf("%s: got %s\nwant %s", tt.format, text, tt.want)
		}
	}
	w := newWriter(&schema.Fleet{}, Options{Format: DeployRS})
	if w.deployRSNode(&own); len(w.errs) == 0 {
		t.Error("deploy-rs takes a command of its own")
	}
}

func TestTheWayToAHostBehindAnother(t *testing.T) {
	f := &schema.Fleet{Hosts: []*schema.Host{
		{Name: "gate", Address: "192.0.2.1"},
		{Name: "six", Address: "2001:db8::1", User: "op", Port: 2222},
	}}
	for _, tt := range []struct{ jump, want string }{
		{"gate", "192.0.2.1"},
		{"six", "op@[2001:db8::1]:2222"},
		{"me@bastion.example.org:22", "me@bastion.example.org:22"},
	} {
		d := colmenaDeployment(newWriter(f, Options{}), &schema.Host{Name: "web", Address: "10.0.0.1", Jump: tt.jump})
		w := newWriter(f, Options{})
		want := `{
  targetHost = "10.0.0.1";
  sshOptions = [
    "-J"
    "` + tt.want + `"
  ];
}`
		if got := syntax.FormatExpr(w.attrs(d)); got != want {
			t.Errorf("%s: got %s, want %s", tt.jump, got, want)
		}
	}
}
