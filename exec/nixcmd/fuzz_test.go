package nixcmd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Any nix.conf, which may include itself and be the user's too, is read the same twice, or refused with its name and line.
func FuzzNixConf(f *testing.F) {
	f.Add("# c\nexperimental-features = nix-command\nextra-experimental-features = flakes\ninclude nix.conf\n!include more.conf\nmax-call-depth = 7\n", "pure-eval = true")
	f.Add("lint-url-literals = warn\nnix-path = nixpkgs=/a channel:b\n", "include /etc/nix/more.conf")
	f.Fuzz(func(t *testing.T, text, more string) {
		if len(text)+len(more) > 1<<15 {
			return
		}
		read := func() (Settings, error) {
			m := machineOf{env: map[string]string{"NIX_CONFIG": more}, files: map[string]string{
				"/etc/nix/nix.conf": text, "/etc/nix/more.conf": more, "/home/op/.config/nix/nix.conf": more,
			}}
			return m.source().Read(nil)
		}
		s, err := read()
		again, errAgain := read()
		if (err == nil) != (errAgain == nil) {
			t.Fatalf("read twice: %v, %v", err, errAgain)
		}
		if err != nil {
			if !strings.Contains(err.Error(), "nix.conf:") && !strings.Contains(err.Error(), "more.conf:") && !strings.Contains(err.Error(), "$NIX_CONFIG:") {
				t.Errorf("no file and line in %v", err)
			}
			return
		}
		if s.MaxCallDepth < 0 || s.System == "" {
			t.Errorf("%+v", s)
		}
		if diff := cmp.Diff(s, again); diff != "" {
			t.Errorf("read twice:\n%s", diff)
		}
	})
}

// The entries of $NIX_PATH are all of it.
func FuzzNixPath(f *testing.F) {
	f.Add("nixpkgs=/a:https://example.org/x.tar.gz:channel:b:/c")
	f.Fuzz(func(t *testing.T, path string) {
		if joined := strings.Join(splitNixPath(path), ":"); joined != path {
			t.Errorf("got %q", joined)
		}
	})
}

// A log, which a build writes as well, names as failed only derivations that are in it.
func FuzzBuildLog(f *testing.F) {
	f.Add("error: builder for '/nix/store/x.drv' failed with exit code 1;\n       last 2 log lines:\n       > a\n       > b\n")
	f.Fuzz(func(t *testing.T, log string) {
		var failed failures
		for line := range strings.Lines(log) {
			failed.read(line)
		}
		for _, e := range failed.list {
			if !strings.Contains(log, string(e.Drv)) || !strings.HasPrefix(string(e.Drv), "/nix/store/") || strings.Contains(e.Msg, "\n") {
				t.Errorf("%+v", e)
			}
		}
	})
}
