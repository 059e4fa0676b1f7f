package cmd

import (
	"bytes"
	"cmp"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"muster/exec/lab"
)

var allBombs = flag.Bool("bombs", false, "run all of testdata/bombs.txt, not only the quick ones")

//go:embed testdata/bombs.txt
var bombsText string

// A bomb is a value whose evaluation ends at a limit.
type bomb struct {
	name  string
	quick bool
	nix   bool // needs Nix
	want  *regexp.Regexp
	expr  string
}

func readBombs(t *testing.T) []bomb {
	header := regexp.MustCompile(`(?m)^=== (.*?)(?: \[(quick|nix)\])?: (.*)$`)
	var bombs []bomb
	for _, m := range header.FindAllStringSubmatchIndex(bombsText, -1) {
		mark := ""
		if m[4] >= 0 {
			mark = bombsText[m[4]:m[5]]
		}
		expr, _, _ := strings.Cut(bombsText[m[1]+1:], "\n===")
		bombs = append(bombs, bomb{
			name:  bombsText[m[2]:m[3]],
			quick: mark == "quick",
			nix:   mark == "nix",
			want:  regexp.MustCompile(bombsText[m[6]:m[7]]),
			expr:  strings.TrimSpace(expr),
		})
	}
	if len(bombs) < 60 {
		t.Fatalf("%d bombs", len(bombs))
	}
	return bombs
}

// bombMemory is the limit of memory in MB, bombTime that of time.
const bombMemory, bombTime = 256, "20s"

// TestBombs evaluates a bomb beside a good host. The good host has its system, the
// bomb an error with its place, and the process keeps to its memory.
func TestBombs(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	minios, err2 := filepath.Abs("../examples/minios")
	muster := filepath.Join(dir, "muster") // by that name it is muster: see TestMain
	if err := errors.Join(err, err2, os.Symlink(self, muster)); err != nil {
		t.Fatal(err)
	}
	files := filepath.Join(dir, "files")
	fifo, sparse := filepath.Join(files, "fifo"), filepath.Join(files, "sparse")
	if err := errors.Join(os.Mkdir(files, 0o755), syscall.Mkfifo(fifo, 0o644), os.WriteFile(sparse, nil, 0o644), os.Truncate(sparse, 64<<30)); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer server.Close()
	words := strings.NewReplacer("FIFO", fifo, "SPARSE", sparse, "DIR", files, "URL", server.URL+"/x.tar.gz")
	for _, b := range readBombs(t) {
		t.Run(b.name, func(t *testing.T) {
			switch {
			case !b.quick && !*allBombs:
				t.Skip("only with -bombs")
			case b.nix && lab.Check() != nil:
				t.Skip("needs Nix")
			}
			fleet := filepath.Join(dir, strings.ReplaceAll(b.name, " ", "-"))
			module := "{ ... }:\n{\n  environment.etc.bomb.text = toString (builtins.deepSeq (\n    " + words.Replace(b.expr) + "\n  ) \"\");\n}\n"
			inventory := fmt.Sprintf(`nixpkgs: path: %q
defaults: config: {networking: useDHCP: true, system: stateVersion: "24.11"}
hosts: bomb: {host: "192.0.2.1", disk_uuid: "8a5f1e64-5a3c-4d1c-9d0b-3f5d2a9f0b11", imports: ["./bomb.nix"]}
hosts: good: {host: "192.0.2.2", disk_uuid: "8a5f1e64-5a3c-4d1c-9d0b-3f5d2a9f0b12"}
hosts: other: {host: "192.0.2.3", disk_uuid: "8a5f1e64-5a3c-4d1c-9d0b-3f5d2a9f0b13"}
`, minios)
			if err := errors.Join(os.Mkdir(fleet, 0o755), os.WriteFile(fleet+"/bomb.nix", []byte(module), 0o644), os.WriteFile(fleet+"/hosts.cue", []byte(inventory), 0o644)); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(muster, "eval", "--max-memory", fmt.Sprint(bombMemory), "--eval-timeout", bombTime)
			cmd.Dir = fleet
			cmd.Env = append(os.Environ(), "HOME="+dir, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			cmd.Run()
			shown := errs.String()[:min(errs.Len(), 2000)]
			if got := cmd.ProcessState.ExitCode(); got != 3 {
				t.Errorf("exit status %d, want 3", got)
			}
			for _, host := range []string{"good", "other"} {
				if !regexp.MustCompile(`(?m)^` + host + ` +/nix/store/.*\.drv$`).Match(out.Bytes()) {
					t.Errorf("%s has no system:\n%s\n%s", host, out.String(), shown)
				}
			}
			line := regexp.MustCompile(`(?m)^bomb: evaluate: (bomb|hosts)\.\w+:\d+:\d+: .*$`).FindString(errs.String())
			if line == "" || !b.want.MatchString(line) {
				t.Errorf("want a place and %v:\n%s", b.want, shown)
			}
			if errs.Len() > 256<<10 {
				t.Errorf("%d bytes of messages", errs.Len())
			}
			peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
			if !raceDetected && peak > bombMemory*11/10 {
				t.Errorf("%d MB at the peak, want at most a tenth over %d", peak, bombMemory)
			}
			t.Logf("%d MB, %v, %s", peak, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), cmp.Or(line[:min(len(line), 150)], "no message"))
		})
	}
}
