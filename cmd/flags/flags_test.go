package flags_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"muster/cmd/flags"
)

func Example() {
	var jobs int
	var evaluator string
	command := pflag.NewFlagSet("deploy", pflag.ContinueOnError)
	set := flags.New(command)
	set.VarP(flags.Number(&jobs, 10, 1, 1000), "jobs", "j", "work on at most `n` hosts at once")
	set.Var(flags.OneOf(&evaluator, "embedded", "nix", "both"), "evaluator", "evaluate with `what`: %s")
	fmt.Print(command.FlagUsages())
	for _, args := range []string{"-j 20", "-j 0", "--evaluator bogus", "--jobs"} {
		err := flags.Explain(command.Parse(strings.Fields(args)))
		fmt.Println(jobs, err)
	}
	// Output:
	//       --evaluator what   evaluate with what: embedded, nix or both (default embedded)
	//   -j, --jobs n           work on at most n hosts at once (default 10)
	// 20 <nil>
	// 20 --jobs 0: want a number from 1 to 1000
	// 20 --evaluator bogus: want embedded, nix or both
	// 20 --jobs needs a value: want a number from 1 to 1000
}

// A value is what its kind says, and a refused one leaves the variable alone.
func TestKinds(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var (
		on       bool
		wait     time.Duration
		text     string
		pair     flags.Pair
		existing = flags.Existing()
		isName   = func(s string) bool { return s == "a" }
	)
	for _, c := range []struct {
		name   string
		value  flags.Value
		takes  []string
		refuse []string
	}{
		{"bool", flags.Bool(&on, false), []string{"true", "0"}, []string{"", "maybe"}},
		{"positive", flags.Positive(&wait, time.Minute), []string{"1ns", "2h"}, []string{"0", "-1s", "5", "9999999999h"}},
		{"not negative", flags.NotNegative(&wait, time.Minute), []string{"0s"}, []string{"-1s"}},
		{"existing", flags.Of(&text, "", existing), []string{file, dir}, []string{file + "x", ""}},
		{"new file", flags.Of(&text, "", flags.NewFile()), []string{file, file + "x", "/dev/null"}, []string{dir, file + "/x", "/nonexistent/x"}},
		{"new directory", flags.Of(&text, "", flags.NewDirectory()), []string{dir, dir + "/a/b", "a/b"}, []string{file, file + "/x"}},
		{"pair", flags.Of(&pair, "", flags.NameValue("a pair", isName)), []string{"a=", "a=b=c", "a=b\nc"}, []string{"a", "b=c", "a=\x00"}},
		{"text", flags.Of(&text, "", flags.Text("a text", "it is free")), []string{"x y"}, []string{"", "a\nb", "a\x00b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, text := range c.takes {
				if err := c.value.Set(text); err != nil {
					t.Errorf("%q is refused: %v", text, err)
				}
			}
			before := c.value.String()
			for _, text := range c.refuse {
				if c.value.Set(text) == nil {
					t.Errorf("%q is taken", text)
				}
			}
			if after := c.value.String(); after != before {
				t.Errorf("a refused value changed %q to %q", before, after)
			}
		})
	}
}

// A default from the environment is checked, unless the flag is given.
func TestTheEnvironmentIsChecked(t *testing.T) {
	t.Setenv("MUSTER_TEST_FILE", "/nonexistent")
	var file string
	command := pflag.NewFlagSet("", pflag.ContinueOnError)
	set := flags.New(command)
	set.Var(flags.FromEnvironment(&file, "MUSTER_TEST_FILE", flags.Existing()), "file", "")
	want := "--file (from $MUSTER_TEST_FILE) /nonexistent: want a file that can be read"
	if err := set.Check(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := command.Parse([]string{"--file", "/dev/null"}); err != nil {
		t.Fatal(err)
	}
	if err := set.Check(); err != nil {
		t.Errorf("the flag was given: %v", err)
	}
}

func TestDefaultsAreShownShort(t *testing.T) {
	var d time.Duration
	for standard, want := range map[time.Duration]string{
		10 * time.Second: "10s", 10 * time.Minute: "10m", 14 * 24 * time.Hour: "336h", 110 * time.Second: "1m50s", time.Hour + time.Minute: "1h1m",
	} {
		if got := flags.Positive(&d, standard).String(); got != want || d != standard {
			t.Errorf("%v is shown as %s, want %s", standard, got, want)
		}
	}
}

// A duration in a unit that is none of Go's is refused with how it is written.
func TestDurationsInOtherUnits(t *testing.T) {
	var d time.Duration
	for text, want := range map[string]string{
		"30": "it has no unit: 30s, 30m or 30h", "0": "", "30d": "days are written as hours: 720h", "2w": "weeks are written as hours: 336h", "2 weeks": "weeks are written as hours: 336h",
		"1day": "days are written as hours: 24h", "5min": "that is written 5m", "5mins": "that is written 5m", "10 minutes": "that is written 10m", "30sec": "that is written 30s", "1hour": "that is written 1h", "3hrs": "that is written 3h", "1y": "", "": "", "soon": "", "9999999d": "", "30S": "that is written 30s",
	} {
		got := ""
		if err := flags.NotNegative(&d, 0).Set(text); err != nil {
			got = err.Error()
		}
		if want == "" && strings.Contains(got, "written") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
