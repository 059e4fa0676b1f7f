package nixcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/syntax"
)

// A machineOf is a machine whose environment and files are texts.
type machineOf struct {
	env, files map[string]string
}

func (m machineOf) source() SettingsSource {
	return SettingsSource{
		LookupEnv: func(name string) (string, bool) { v, ok := m.env[name]; return v, ok },
		ReadFile: func(name string) ([]byte, error) {
			text, ok := m.files[name]
			if !ok {
				return nil, fs.ErrNotExist
			}
			return []byte(text), nil
		},
		Stat: func(name string) (fs.FileInfo, error) {
			for file := range m.files {
				if file == name || strings.HasPrefix(file, name+"/") {
					return nil, nil
				}
			}
			return nil, os.ErrNotExist
		},
		Home: "/home/op",
	}
}

func TestSettings(t *testing.T) {
	type files = map[string]string
	for _, tt := range []struct {
		name      string
		env       map[string]string
		files     files
		overrides []Setting
		want      Settings
	}{
		{name: "nothing is set"},
		{
			name:  "the machine's file",
			files: files{"/etc/nix/nix.conf": "# comment\npure-eval = true # another\nmax-call-depth = 7\n\nsystem = armv7l-linux\n"},
			want:  Settings{PureEval: true, MaxCallDepth: 7, System: "armv7l-linux"},
		},
		{
			name:  "a last line without end",
			files: files{"/etc/nix/nix.conf": "restrict-eval = yes"},
			want:  Settings{RestrictEval: true},
		},
		{
			name: "the user's file counts more than the machine's, $NIX_CONFIG more, an override most",
			env:  map[string]string{"NIX_CONFIG": "eval-system = c\ntrace-verbose = 1"},
			files: files{
				"/etc/nix/nix.conf":               "system = a\npure-eval = true\nexperimental-features = flakes",
				"/home/op/.config/nix/nix.conf":   "system = b\npure-eval = false\nextra-experimental-features = nix-command",
				"/etc/xdg/nix/nix.conf":           "system = x\nabort-on-warn = true",
				"/home/op/.config/other/nix.conf": "system = y",
			},
			overrides: []Setting{{Name: "extra-experimental-features", Value: "pipe-operators"}},
			want:      Settings{System: "c", TraceVerbose: true, AbortOnWarn: true, ExperimentalFeatures: []string{"flakes", "nix-command", "pipe-operators"}},
		},
		{
			name:  "the environment names the files",
			env:   map[string]string{"NIX_CONF_DIR": "/conf", "NIX_USER_CONF_FILES": "/first:/second"},
			files: files{"/conf/nix.conf": "system = a\nrestrict-eval = true", "/first": "system = b", "/second": "system = c"},
			want:  Settings{System: "b", RestrictEval: true},
		},
		{
			name: "files include others, and may include themselves",
			files: files{
				"/etc/nix/nix.conf":  "include more.conf\n!include /missing\ninclude /other",
				"/etc/nix/more.conf": "system = a\ninclude nix.conf",
				"/other":             "pure-eval = true",
			},
			want: Settings{System: "a", PureEval: true},
		},
		{
			name: "import from derivation and lints",
			env:  map[string]string{"NIX_ABORT_ON_WARN": "1", "NIX_CONFIG": "allow-import-from-derivation = false\nlint-url-literals = fatal\nlint-short-path-literals = warn\nlint-absolute-path-literals = ignore"},
			want: Settings{NoImportFromDerivation: true, AbortOnWarn: true, Lints: syntax.Lints{URLs: syntax.LintFatal, ShortPaths: syntax.LintWarn}},
		},
		{
			name: "import from derivation, allowed in words",
			env:  map[string]string{"NIX_CONFIG": "allow-import-from-derivation = true"},
		},
		{
			name:  "$NIX_PATH, with URLs in it",
			env:   map[string]string{"NIX_PATH": "nixpkgs=https://example.org/x.tar.gz:/a::channel:b:flake:c"},
			files: files{"/etc/nix/nix.conf": "nix-path = /no"},
			want:  Settings{SearchPath: []string{"nixpkgs=https://example.org/x.tar.gz", "/a", "", "channel:b", "flake:c"}},
		},
		{
			name:  "the setting nix-path",
			files: files{"/etc/nix/nix.conf": "nix-path = a=/a /b"},
			want:  Settings{SearchPath: []string{"a=/a", "/b"}},
		},
		{
			name: "channels that exist",
			files: files{
				"/home/op/.nix-defexpr/channels/x":                           "",
				"/nix/var/nix/profiles/per-user/root/channels/nixpkgs/x.nix": "",
			},
			want: Settings{SearchPath: []string{
				"/home/op/.nix-defexpr/channels",
				"nixpkgs=/nix/var/nix/profiles/per-user/root/channels/nixpkgs",
				"/nix/var/nix/profiles/per-user/root/channels",
			}},
		},
		{
			name:      "no channels in pure evaluation",
			files:     files{"/home/op/.nix-defexpr/channels/x": ""},
			overrides: []Setting{{Name: "pure-eval", Value: "true"}},
			want:      Settings{PureEval: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := machineOf{tt.env, tt.files}.source().Read(tt.overrides)
			if err != nil {
				t.Fatal(err)
			}
			if tt.want.System == "" {
				tt.want.System = thisSystem()
			}
			got.Builders, got.BuildSystems = "", nil // TestBuildersOfSettings has those
			if tt.want.ExperimentalFeatures == nil {
				tt.want.ExperimentalFeatures = []string{}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	for _, tt := range []struct{ config, want string }{
		{"max-call-depth = many", `$NIX_CONFIG:1: setting max-call-depth: want a number, not "many"`},
		{"max-call-depth = 0", `$NIX_CONFIG:1: setting max-call-depth: want a number, not "0"`},
		{"lint-url-literals = error", `$NIX_CONFIG:1: setting lint-url-literals: want ignore, warn or fatal, not "error"`},
		{"\n# comment\nno setting", `read Nix's settings: $NIX_CONFIG:3: want NAME = VALUE, not "no setting"`},
		{"pure-eval = true\nmax-call-depth = x", `$NIX_CONFIG:2: setting max-call-depth: want a number, not "x"`},
		{strings.Repeat("x", 1<<16), "read Nix's settings: $NIX_CONFIG:1: want NAME = VALUE, not \"" + strings.Repeat("x", 60) + "\"…"},
	} {
		_, err := machineOf{env: map[string]string{"NIX_CONFIG": tt.config}}.source().Read(nil)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.config, err, tt.want)
		}
	}
}

// Files that cannot be read, and files that never end, are named with the line that includes them.
func TestSettingsFilesThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(dir string) error
		want string // "": read
	}{
		{name: "missing", make: func(string) error { return nil }},
		{name: "a line of a megabyte", make: conf("nix.conf", "experimental-features = "+strings.Repeat("x ", 1<<19)+"\npure-eval = true\n")},
		{name: "a directory", make: func(dir string) error { return os.Mkdir(dir+"/nix.conf", 0o700) }, want: "nix.conf\": it is a directory"},
		{name: "a fifo", make: func(dir string) error { return syscall.Mkfifo(dir+"/nix.conf", 0o600) }, want: "nix.conf\": it is a fifo"},
		{name: "a link to /dev/zero", make: func(dir string) error { return os.Symlink("/dev/zero", dir+"/nix.conf") }, want: "it is a device"},
		{name: "a link to /dev/null", make: func(dir string) error { return os.Symlink("/dev/null", dir+"/nix.conf") }},
		{name: "sparse", make: func(dir string) error {
			return errors.Join(conf("nix.conf", "")(dir), os.Truncate(dir+"/nix.conf", 4<<30))
		}, want: "larger than 4194304 bytes"},
		{name: "others may write to it", make: func(dir string) error {
			return errors.Join(conf("nix.conf", "")(dir), os.Chmod(dir+"/nix.conf", 0o666))
		}, want: "may be written to by others (mode 0666): chmod go-w"},
		{name: "includes itself under its name", make: conf("nix.conf", "include nix.conf\n")},
		{name: "includes itself under other names", make: func(dir string) error {
			return errors.Join(os.Symlink(".", dir+"/d"), conf("nix.conf", "\ninclude d/nix.conf\n")(dir))
		}, want: "nix.conf:2: "},
		{name: "includes without end, side by side", make: func(dir string) error {
			all := conf("9", strings.Repeat("a = b\n", 1000))(dir)
			for i := range 9 {
				all = errors.Join(all, conf(fmt.Sprint(i), strings.Repeat(fmt.Sprintf("include %d\n", i+1), 30))(dir))
			}
			return errors.Join(all, conf("nix.conf", "include 0")(dir))
		}, want: "more than 500 files or 4194304 bytes"},
		{name: "includes a fifo", make: func(dir string) error {
			return errors.Join(syscall.Mkfifo(dir+"/fifo", 0o600), conf("nix.conf", "\n!include fifo\n")(dir))
		}, want: "nix.conf:2: open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tt.make(dir); err != nil {
				t.Fatal(err)
			}
			source := machineOf{env: map[string]string{"NIX_CONF_DIR": dir}}.source()
			source.ReadFile = ReadSettings
			source.Home = dir
			_, err := source.Read(nil)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// conf returns a function that makes a file in a directory.
func conf(name, text string) func(dir string) error {
	return func(dir string) error { return os.WriteFile(dir+"/"+name, []byte(text), 0o600) }
}

func TestWithSettings(t *testing.T) {
	n := &Nix{Env: []string{"A=1"}}
	got := n.WithSettings("sandbox = false", []Setting{{Name: "pure-eval", Value: "true"}, {Name: "cores", Value: "1"}})
	want := &Nix{Env: []string{"A=1", "NIX_CONFIG=sandbox = false\npure-eval = true\ncores = 1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n.WithSettings("sandbox = false", nil) != n {
		t.Error("without settings, it is another Nix")
	}
}
