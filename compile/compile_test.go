package compile

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
	"muster/schema"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// load loads an inventory of testdata.
func load(t *testing.T, name string) *schema.Fleet {
	t.Helper()
	f, err := schema.Load(t.Context(), name, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestGoldens compiles the inventories of testdata for all tools. Reviewers read the
// goldens, which should look as if written by hand.
func TestGoldens(t *testing.T) {
	inventories, err := filepath.Glob("testdata/*/hosts.*")
	if err != nil || len(inventories) == 0 {
		t.Fatalf("no inventories in testdata: %v", err)
	}
	for _, inventory := range inventories {
		for _, format := range Formats() {
			golden := filepath.Join(filepath.Dir(inventory), string(format)+".nix")
			t.Run(golden, func(t *testing.T) {
				file, err := Network(load(t, inventory), Options{Format: format})
				if err != nil {
					t.Fatal(err)
				}
				var got bytes.Buffer
				if err := syntax.Fprint(&got, file); err != nil {
					t.Fatal(err)
				}
				if _, err := syntax.ParseFile(golden, got.Bytes(), syntax.Options{}); err != nil {
					t.Errorf("what was written is not Nix: %v\n%s", err, &got)
				}
				if *update {
					if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), got.String()); diff != "" {
					t.Errorf("(-want +got; -update accepts it):\n%s", diff)
				}
			})
		}
	}
}

func TestNixInTheInventoryThatIsNone(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "hosts.cue")
	if err := os.WriteFile(name, []byte(`package fleet

nixpkgs: unpinned: true
hosts: web: {
	host: "192.0.2.1"
	config: {
		environment: systemPackages: [{$expr: "pkgs.hello +"}]
		services: web: root: $str: "${pkgs.site"
		services: web: port: $force: $expr: "1 +"
	}
	nix: """
		{ pkgs, ... }:
		{
		  a = ;
		}
		"""
}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := schema.Load(t.Context(), name, schema.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Network(f, Options{})
	errs, ok := err.(schema.Errors)
	if !ok {
		t.Fatalf("got %v, want schema.Errors", err)
	}
	var got []string
	for _, e := range errs {
		got = append(got, e.Error())
	}
	want := []string{
		`hosts.cue:7:54: not Nix: syntax error, unexpected end of file`,
		`hosts.cue:8:33: not Nix: unterminated ${: want a Nix expression and }`,
		`hosts.cue:9:43: not Nix: syntax error, unexpected end of file`,
		`hosts.cue:14:7: not Nix: syntax error, unexpected ';'`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTemplatesAreTextButForInterpolation(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"plain", `a "b" \n ''c''`, `"a \"b\" \\n ''c''"`},
		{"interpolation", `${pkgs.valgrind.doc}/share`, `"${pkgs.valgrind.doc}/share"`},
		{"brace inside", `x${ { a = "}"; }.a }y`, `"x${{ a = "}"; }.a}y"`},
		{"escaped", `cost: $${5}`, `"cost: \${5}"`},
		{"lone dollar", `$5 {x}`, `"$5 {x}"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter(&schema.Fleet{}, Options{})
			got := w.template(schema.Template{Text: tt.text})
			if len(w.errs) > 0 {
				t.Fatal(w.errs)
			}
			want, err := syntax.ParseExpr(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parsed(t, want), parsed(t, got)); diff != "" {
				t.Errorf("got %s, want %s", syntax.FormatExpr(got), tt.want)
			}
		})
	}
}

// parsed returns an expression as nix-instantiate --parse prints it.
func parsed(t *testing.T, e syntax.Expr) string {
	t.Helper()
	var b strings.Builder
	if err := syntax.FprintParse(&b, &syntax.File{Expr: e}, "/", "/"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPathsAreSeenFromTheFileThatIsWritten(t *testing.T) {
	for _, tt := range []struct {
		name, dir, path string
		absolute        bool
		want            string
	}{
		{"beside", "/fleet", "./base.nix", false, `./base.nix`},
		{"without a dot", "/fleet", "base.nix", false, `./base.nix`},
		{"below", "/fleet", "hosts/il.nix", false, `./hosts/il.nix`},
		{"above", "/fleet", "../minios", false, `../minios`},
		{"the directory itself", "/fleet", ".", false, `./.`},
		{"its parent", "/fleet", "..", false, `../.`},
		{"from elsewhere", "/fleet/out", "./base.nix", false, `../base.nix`},
		{"absolute", "/fleet", "/etc/nixos/x.nix", false, `/etc/nixos/x.nix`},
		{"for evaluation", "/fleet", "./base.nix", true, `/fleet/base.nix`},
		{"with a blank", "/fleet", "./my base.nix", false, `./. + "/my base.nix"`},
		{"with what would be Nix", "/fleet", "./${x}.nix", true, `/. + "/fleet/\${x}.nix"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWriter(&schema.Fleet{Dir: "/fleet"}, Options{Dir: tt.dir, Absolute: tt.absolute})
			if got := syntax.FormatExpr(w.path(schema.Pos{}, tt.path)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestRolesKeepTheirNamesApart(t *testing.T) {
	got := roleIdents([]*schema.Role{{Name: "web-server"}, {Name: "web_server"}, {Name: "let"}, {Name: "3d"}})
	want := map[string]string{"web-server": "webServerRole", "web_server": "webServerRole2", "let": "letRole", "3d": "r3dRole"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDisksOfAnInstallation(t *testing.T) {
	h := &schema.Host{Name: "web", Address: "192.0.2.1", Install: schema.Install{Disko: true}, Disks: []schema.Disk{
		{Name: "main", Device: "/dev/disk/by-id/a", Boot: true, Layout: schema.Layout{Table: "gpt", Partitions: []schema.Partition{
			{Name: "boot", FS: "ext4", Mount: "/boot"}, {Name: "root", FS: "ext4", Mount: "/", Encrypt: "disk"},
		}}},
	}}
	file, err := Network(&schema.Fleet{Hosts: []*schema.Host{h}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	text := string(syntax.Format(file))
	for _, want := range []string{
		`boot.initrd.luks.devices.main-root.device = "/dev/disk/by-id/a-part2";`,
		`grub.devices = [ "/dev/disk/by-id/a" ];`,
		`environment.etc."muster/disko".source = config.system.build.diskoScript;`,
		`builtins.all (disk: builtins.elem disk.device [ "/dev/disk/by-id/a" ]) (`,
		`message = "disko.devices makes a disk that the inventory does not name in hosts.web.disks";`,
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
