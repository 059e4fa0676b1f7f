package examples_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile"
	"muster/compile/syntax"
	"muster/schema"
)

var update = flag.Bool("update", false, "rewrite the network.nix of every example")

// set is an attribute set in JSON.
type set = map[string]any

// The examples, with the warnings of vet and the values of some options of their
// hosts after evaluation.
var examples = []struct {
	dir       string
	inventory string // the file, unless the directory is enough
	warnings  []string
	want      map[string]set // values by host and Nix expression over its config
}{
	{
		dir: "webserver",
		want: map[string]set{"webserver": {
			"deployment.targetHost":                                                 "203.0.113.10",
			"networking.hostName":                                                   "webserver",
			"networking.firewall.allowedTCPPorts":                                   []any{22.0, 80.0},
			"services.openssh.enable":                                               true,
			"services.openssh.settings.PasswordAuthentication":                      false,
			"builtins.length users.users.root.openssh.authorizedKeys.keys":          1.0,
			"map (s: { inherit (s) device size; }) swapDevices":                     []any{set{"device": "/var/swap", "size": 1024.0}},
			"boot.loader.grub.devices":                                              []any{"/dev/vda"},
			`fileSystems."/".device`:                                                "/dev/disk/by-uuid/8a5f1e64-5a3c-4d1c-9d0b-3f5d2a9f0b11",
			"services.httpd.enable":                                                 true,
			`baseNameOf (dirOf services.httpd.virtualHosts.localhost.documentRoot)`: "valgrind",
			`builtins.match "/nix/store/[^/]*-valgrind-[^/]*-doc/share/doc/valgrind/html" services.httpd.virtualHosts.localhost.documentRoot != null`: true,
			`builtins.elem "virtio_pci" boot.initrd.availableKernelModules`:                                                                           true,
		}},
	},
	{
		dir: "blog",
		want: map[string]set{"blog": {
			"deployment.targetHost": "blog.example.org",
			"deployment.targetUser": "admin",
			"networking.fqdn":       "blog.example.org",
			`services.caddy.virtualHosts."blog.example.org".extraConfig`: "reverse_proxy 127.0.0.1:2368",
			"virtualisation.oci-containers.backend":                      "podman",
			"virtualisation.oci-containers.containers.ghost.ports":       []any{"127.0.0.1:2368:2368"},
			"virtualisation.podman.enable":                               true,
			"systemd.services ? podman-ghost":                            true,
			"networking.firewall.allowedTCPPorts":                        []any{22.0, 80.0, 443.0},
			`fileSystems."/boot".options`:                                []any{"umask=0077"},
			"users.users.admin.isNormalUser":                             true,
			"security.sudo.wheelNeedsPassword":                           false,
		}},
	},
	{
		dir: "kluster", inventory: "hosts.toml",
		warnings: []string{
			"kluster/hosts.toml:1:1: warning: nixpkgs: missing: the fleet depends on what <nixpkgs> is where it is evaluated; pin it with rev and hash, or set unpinned: true",
			"kluster/hosts.toml:3:8: warning: hosts.il: no SSH key gives access to this and 2 other hosts after deployment; set users.users.root.openssh.authorizedKeys.keys in config",
		},
		want: map[string]set{
			"il":  {"services.kubernetes.roles": []any{"master", "node"}, "services.kubernetes.masterAddress": "il", `fileSystems."/".device`: "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322"},
			"ee":  {"services.kubernetes.roles": []any{"node"}, "services.kubernetes.apiserverAddress": "https://il:443"},
			"sam": {"services.kubernetes.roles": []any{"node"}, "deployment.targetHost": "192.168.10.123"},
		},
	},
	{
		dir: "kluster-cue",
		want: map[string]set{
			"il":  {"time.timeZone": "Europe/Berlin", "boot.loader.grub.device": "/dev/sda", "services.kubernetes.roles": []any{"master", "node"}},
			"sam": {"services.openssh.enable": true, "builtins.length users.users.root.openssh.authorizedKeys.keyFiles": 1.0, "services.kubernetes.roles": []any{"node"}},
		},
	},
	{
		dir: "production",
		want: map[string]set{
			"shop1": {"deployment.targetUser": "deploy", "nix.nixPath": []any{}, "documentation.enable": false, "systemd.services.greeter.wantedBy": []any{"multi-user.target"}},
			"till":  {"networking.hostName": "till", "security.sudo.wheelNeedsPassword": false},
		},
	},
	{
		dir: "split",
		want: map[string]set{
			"web": {"deployment.targetHost": "192.0.2.11", "services.httpd.enable": true, "environment.variables.DATABASE": "192.0.2.12:5432"},
			"db":  {"deployment.targetHost": "192.0.2.12", "services.postgresql.ensureDatabases": []any{"shop"}, `fileSystems."/var/lib/postgresql".options`: []any{"noatime"}},
		},
	},
	{
		dir: "environments/staging",
		want: map[string]set{
			"web":  {"deployment.targetHost": "web.staging.example.org", "environment.variables.SHOP": "staging", "nix.gc.automatic": true, `services.caddy.virtualHosts."staging.example.org".extraConfig`: "reverse_proxy app1.staging.example.org:8080"},
			"app1": {"networking.firewall.allowedTCPPorts": []any{22.0, 8080.0}},
		},
	},
	{
		dir: "environments/production",
		want: map[string]set{
			"web":  {"deployment.targetHost": "web.example.org", "nix.gc.automatic": false, `services.caddy.virtualHosts."example.org".extraConfig`: "reverse_proxy app1.example.org:8080 app2.example.org:8080 app3.example.org:8080"},
			"app3": {"deployment.targetHost": "app3.example.org", "environment.variables.SHOP": "production"},
		},
	},
	{
		dir: "roles",
		want: map[string]set{
			"web1": {"services.nginx.enable": true, "services.postgresql.enable": false, "services.cron.systemCronJobs": []any{"0 6 * * * root df -h / | mail -s web1 ops@example.org"}},
			"db":   {"services.postgresql.ensureDatabases": []any{"app", "reports"}, "services.nginx.enable": false},
			"mail": {"services.cron.enable": true, "services.nginx.enable": false},
		},
	},
	{
		dir: "inputs",
		want: map[string]set{
			"red":  {"environment.variables.COLOUR": "#ff0000", "environment.variables.GREETING": "hello from Fleet of flakes", "environment.variables.COLOURS": "blue red"},
			"blue": {"environment.variables.COLOUR": "#0000ff", "environment.variables.GREETING": "hello from blue"},
		},
	},
	{
		dir: "secrets",
		want: map[string]set{
			"sops": {
				"sops.secrets.db.path":                     "/run/secrets/db",
				"sops.age.sshKeyPaths":                     []any{"/etc/ssh/ssh_host_ed25519_key"},
				`environment.etc."app/paths".text`:         "/run/secrets/db\n/run/muster-secrets/token\n",
				"muster.secrets.token.mode":                "0440",
				"system.activationScripts ? setupSecrets":  true,
				"system.activationScripts ? musterSecrets": true,
				`systemd.services ? "muster-secret-token"`: true,
			},
			"agenix": {
				"age.secrets.db.path":                      "/run/agenix/db",
				`environment.etc."app/paths".text`:         "/run/agenix/db\n/run/muster-secrets/token\n",
				"builtins.attrNames muster.secrets":        []any{"token"},
				"system.activationScripts ? agenix":        true,
				"system.activationScripts ? musterSecrets": true,
			},
			"keys": {
				"builtins.attrNames muster.secrets":                   []any{"db-password", "token"},
				"muster.secrets.db-password.path":                     "/run/keys/db-password",
				"muster.secrets.db-password.restart":                  []any{"app.service"},
				"systemd.services.app.after":                          []any{"db-password-key.service"},
				`systemd.services."db-password-key".requires`:         []any{"muster-secret-db-password.service"},
				`systemd.services."muster-secret-db-password".before`: []any{"app.service"},
			},
		},
	},
	{
		dir: "terraform",
		want: map[string]set{
			"web-a": {"deployment.targetHost": "198.51.100.7", "services.nginx.enable": true},
			"web-b": {"deployment.targetHost": "2001:db8::b"},
			"db":    {"deployment.targetHost": "10.0.1.5", "services.nginx.enable": false},
		},
	},
}

// Every example is valid and compiles to the network.nix beside it, which evaluates
// to the machines it describes.
func TestExamples(t *testing.T) {
	for _, tt := range examples {
		t.Run(tt.dir, func(t *testing.T) {
			t.Parallel()
			f, err := schema.Load(t.Context(), filepath.Join(tt.dir, tt.inventory), schema.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var warnings []string
			for _, w := range f.Warnings {
				warnings = append(warnings, w.Error())
			}
			if diff := cmp.Diff(tt.warnings, warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}

			file, err := compile.Network(f, compile.Options{})
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join(tt.dir, "network.nix")
			if *update {
				if err := os.WriteFile(golden, syntax.Format(file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), string(syntax.Format(file))); diff != "" {
				t.Errorf("(-want +got; -update accepts it):\n%s", diff)
			}

			var hosts []string
			for _, h := range f.Hosts {
				hosts = append(hosts, h.Name)
			}
			got := machines(t, golden, hosts, tt.want)
			for host, want := range tt.want {
				if diff := cmp.Diff(want, got.Options[host]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", host, diff)
				}
			}
			for _, h := range hosts {
				if !strings.HasSuffix(got.Systems[h], ".drv") {
					t.Errorf("%s has no system but %q", h, got.Systems[h])
				}
			}
		})
	}
}

// A result is what Nix evaluates a network to.
type result struct {
	Options map[string]set    // values by host and expression
	Systems map[string]string // derivations, by host
}

// machines evaluates a network file with real Nix.
func machines(t *testing.T, file string, hosts []string, ask map[string]set) result {
	t.Helper()
	need(t, "nix-instantiate")
	var options, systems strings.Builder
	for _, host := range hosts {
		fmt.Fprintf(&options, "%s = with fleet.%s; {", quote(host), quote(host))
		for expr := range ask[host] {
			fmt.Fprintf(&options, "%s = %s;", quote(expr), expr)
		}
		options.WriteString("};\n")
		fmt.Fprintf(&systems, "%s = fleet.%s.system.build.toplevel.drvPath;\n", quote(host), quote(host))
	}
	expr := fmt.Sprintf("let fleet = %s; in { options = {\n%s}; systems = {\n%s}; }", configurations(t, file), &options, &systems)
	cmd := exec.Command("nix-instantiate", "--eval", "--strict", "--json", "-E", expr)
	cmd.Env = append(os.Environ(), "NIX_REMOTE=dummy://", "NIX_PATH=nixpkgs="+absolute(t, "minios"))
	var got result
	if err := json.Unmarshal(output(t, cmd), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

// configurations returns a Nix expression for the set of configurations of the hosts
// of a network file.
func configurations(t *testing.T, file string) string {
	t.Helper()
	driver := filepath.Join(t.TempDir(), "driver.nix")
	if err := os.WriteFile(driver, []byte(compile.Driver), 0o644); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`import %s { network = %s; attr = [ "config" ]; }`, driver, absolute(t, file))
}

func quote(s string) string {
	return syntax.FormatExpr(&syntax.String{Parts: []syntax.Part{{Text: s}}})
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	abs, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func output(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Args[0], err, &stderr)
	}
	return out
}

// need skips the test if programs are missing that cannot be installed. It fails if
// they can be.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if _, apt := exec.LookPath("apt-get"); apt == nil {
				t.Fatalf("%s is not in PATH: apt-get install nix-bin", p)
			}
			t.Skip("this machine has no Nix")
		}
	}
}

// A directory with an inventory is an example, has a README and is tested.
func TestNoExampleIsForgotten(t *testing.T) {
	var tested []string
	for _, e := range examples {
		tested = append(tested, e.dir)
	}
	slices.Sort(tested)
	var there []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == "minios" || d.Name() == "cue.mod" {
			return fs.SkipDir
		}
		dir := filepath.Dir(path)
		switch name := d.Name(); {
		case dir == "." || d.IsDir():
		case strings.HasPrefix(name, "hosts.") || name == "logical.cue":
			there = append(there, dir)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(there)
	if diff := cmp.Diff(tested, there); diff != "" {
		t.Errorf("(-tested +there):\n%s", diff)
	}
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range there {
		top, _, _ := strings.Cut(dir, "/")
		readme, err := os.ReadFile(filepath.Join(top, "README.md"))
		if err != nil {
			t.Error(err)
		} else if !strings.HasPrefix(string(readme), "# "+top+"\n") {
			t.Errorf("%s/README.md does not begin with its name", top)
		}
		if !strings.Contains(string(index), "["+top+"]("+top+")") {
			t.Errorf("README.md does not mention %s", top)
		}
	}
}

// The machines of the production example get outputs of builds and no sources.
func TestTheProductionClosureHasNoSources(t *testing.T) {
	need(t, "nix-build", "nix-store")
	if os.Getuid() != 0 {
		t.Skip("building into /nix/store needs root here")
	}
	env := append(os.Environ(), "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
	build := exec.Command("nix-build", "--no-out-link", "-E",
		fmt.Sprintf(`(%s).shop1.system.build.toplevel`, configurations(t, "production/network.nix")))
	build.Env = env
	system := strings.TrimSpace(string(output(t, build)))
	query := exec.Command("nix-store", "-qR", system)
	query.Env = env
	closure := strings.Fields(string(output(t, query)))
	programs := 0
	for _, path := range closure {
		if strings.HasSuffix(path, ".drv") {
			t.Errorf("the closure has a derivation: %s", path)
		}
		err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.Name() == "greeter.sh":
				t.Errorf("the closure has a source: %s", file)
			case file == path+"/bin/greeter":
				programs++
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if programs != 1 {
		t.Errorf("the program is %d times in the closure of %d paths", programs, len(closure))
	}
}

// The systems of the web server and the blog are identical to those of networks
// that were written by hand.
func TestTheSystemsAreThoseWrittenByHand(t *testing.T) {
	for _, dir := range []string{"webserver", "blog"} {
		t.Run(dir, func(t *testing.T) {
			byHand := machines(t, "minios/testdata/network/"+dir+".nix", []string{dir}, nil)
			got := machines(t, dir+"/network.nix", []string{dir}, nil)
			if diff := cmp.Diff(byHand, got); diff != "" {
				t.Errorf("(-by hand +muster):\n%s", diff)
			}
		})
	}
}

// The kluster example is the unchanged inventory of the blog post about muster.
func TestTheKlusterIsThePosts(t *testing.T) {
	got, err := os.ReadFile("kluster/hosts.toml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../compile/testdata/blog/hosts.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
