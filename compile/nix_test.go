package compile

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
	"muster/schema"
)

// instantiate evaluates a Nix expression with real Nix and returns its JSON. Without
// Nix it skips the test, or fails if Nix can be installed.
func instantiate(t *testing.T, expr string, env ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("nix-instantiate"); err != nil {
		if _, apt := exec.LookPath("apt-get"); apt == nil {
			t.Fatal("nix-instantiate is not in PATH: apt-get install nix-bin")
		}
		t.Skip("this machine has no Nix")
	}
	cmd := exec.Command("nix-instantiate", "--eval", "--strict", "--json", "-E", expr)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("nix-instantiate: %v\n%s", err, &stderr)
	}
	return out
}

// write compiles a fleet to a temporary file and returns its name.
func write(t *testing.T, f *schema.Fleet, format Format) string {
	t.Helper()
	file, err := Network(f, Options{Format: format, Absolute: true})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "network.nix")
	if err := os.WriteFile(name, syntax.Format(file), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func minios(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../examples/minios")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The values that the expression of the blog post evaluates to.
func TestTheBlogsFleetSaysWhatItsAuthorWroteByHand(t *testing.T) {
	network := write(t, load(t, "testdata/blog/hosts.toml"), Muster)
	got := map[string]any{}
	out := instantiate(t, `
		let
		  net = import `+network+`;
		  evalConfig = import <nixpkgs/nixos/lib/eval-config.nix>;
		  lib = import <nixpkgs/lib>;
		  node = name: (evalConfig {
		    system = "x86_64-linux";
		    modules = [
		      { options.deployment = lib.mkOption { type = lib.types.attrsOf lib.types.unspecified; default = { }; }; }
		      net.${name}
		    ];
		  }).config;
		  of = config: {
		    inherit (config.deployment) targetHost targetEnv;
		    inherit (config.networking) hostName;
		    extraHosts = lib.hasInfix "192.168.10.121 il\n" (config.networking.extraHosts + "\n");
		    root = { inherit (config.fileSystems."/") device fsType; };
		    kubernetes = { inherit (config.services.kubernetes) roles masterAddress easyCerts apiserverAddress; };
		    securePort = config.services.kubernetes.apiserver.securePort;
		    dns = config.services.kubernetes.addons.dns.enable;
		    packages = lib.unique (map (p: p.pname or p.name) (lib.filter (p: lib.elem (p.pname or p.name) [ "kubernetes" "kubectl" ]) config.environment.systemPackages));
		  };
		in
		{ inherit (net) network; il = of (node "il"); ee = of (node "ee"); sam = of (node "sam"); }`,
		"NIX_PATH=nixpkgs="+minios(t))
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	host := func(name, address, uuid, api string, port float64, roles ...any) map[string]any {
		return map[string]any{
			"targetHost": address, "targetEnv": "none", "hostName": name, "extraHosts": true,
			"root":       map[string]any{"device": "/dev/disk/by-uuid/" + uuid, "fsType": "ext4"},
			"kubernetes": map[string]any{"roles": roles, "masterAddress": "il", "easyCerts": true, "apiserverAddress": api},
			"securePort": port, "dns": true, "packages": []any{"kubernetes", "kubectl"},
		}
	}
	want := map[string]any{
		"network": map[string]any{"description": "kubernetes cluster", "enableRollback": true},
		"il":      host("il", "192.168.10.121", "01b3bcba-c0ef-4538-8dd2-f7dee2952322", "https://il:443", 443, "master", "node"),
		"ee":      host("ee", "192.168.10.122", "7278ee48-598d-40fd-9765-a0b0db9ba1d9", "https://il:443", 6443, "node"),
		"sam":     host("sam", "192.168.10.123", "f433b748-e485-4668-a7fd-fc5d92fbd682", "https://il:443", 6443, "node"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// All formats define the same fleet: the driver, which accepts all but the flake,
// evaluates each to the same systems.
func TestEveryFormatIsTheSameFleet(t *testing.T) {
	f, err := schema.Load(t.Context(), "../examples/kluster-cue", schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	driver := filepath.Join(t.TempDir(), "driver.nix")
	if err := os.WriteFile(driver, []byte(Driver), 0o644); err != nil {
		t.Fatal(err)
	}
	systems := func(format Format) string {
		return string(instantiate(t, `import `+driver+` { network = `+write(t, f, format)+`; }`, "NIX_PATH=nixpkgs="+minios(t)))
	}
	want := systems(Muster)
	for _, format := range []Format{NixOps, Morph, Colmena} {
		if diff := cmp.Diff(want, systems(format)); diff != "" {
			t.Errorf("%s (-muster +%s):\n%s", format, format, diff)
		}
	}
}
