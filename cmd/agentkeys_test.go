package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"muster/cmd/flags"
)

// A host signs with those of its keys that can be read, and is told where there are none.
func TestHostKeysThatSign(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", good).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	damaged, wide := file("damaged", "-----BEGIN", 0o600), file("wide", "x", 0o666)
	missing := filepath.Join(dir, "missing")
	for name, tt := range map[string]struct {
		files []string
		keys  int
		err   string
	}{
		"one":             {[]string{good}, 1, ""},
		"one of several":  {[]string{missing, damaged, good}, 1, ""},
		"missing":         {[]string{missing}, 0, "no such file"},
		"damaged":         {[]string{damaged}, 0, "no key found"},
		"writable by all": {[]string{wide}, 0, "written to by others"},
	} {
		keys, err := hostKeysIn(strings.Join(tt.files, ":"))
		if len(keys) != tt.keys || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
	}
}

// A secret in the environment is not shown where it is no URL.
func TestAWrongReportURLIsNotShown(t *testing.T) {
	t.Setenv("MUSTER_REPORT_TO", "hooks.example.com/T0/B0/s3cret")
	var url string
	v := flags.FromEnvironment(&url, "MUSTER_REPORT_TO", webURL)
	set := flags.New(pflag.NewFlagSet("", pflag.ContinueOnError))
	set.Var(v, "report-to", "")
	if err := set.Check(); err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "from $MUSTER_REPORT_TO") {
		t.Errorf("got %v", err)
	}
}
