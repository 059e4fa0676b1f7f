package nixcmd

import (
	"io/fs"
	"os"
	"strings"
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
			files: files{"/etc/nix/nix.conf": "# comment\npure-eval = true # another\nmax-call-depth = 7\nno setting\nsystem = armv7l-linux\n"},
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
		{"max-call-depth = many", `setting max-call-depth: want a number, not "many"`},
		{"max-call-depth = 0", `setting max-call-depth: want a number, not "0"`},
		{"lint-url-literals = error", `setting lint-url-literals: want ignore, warn or fatal, not "error"`},
	} {
		_, err := machineOf{env: map[string]string{"NIX_CONFIG": tt.config}}.source().Read(nil)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.config, err, tt.want)
		}
	}
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
