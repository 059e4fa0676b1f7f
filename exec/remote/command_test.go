package remote

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

var oddWords = []string{"", " ", "a b", "it's", `a\b`, `a\\b`, `\'`, `'\''`, "$HOME", "${x}", "`id`", "$(id)", "!!", "*", "~", "#x", "a;b", "&", "|", "<", "\"", "-n", "=", "é", "\x01\xff", "%s", "{a,b}", "[a]", "\t"}

func TestQuoteInEveryShell(t *testing.T) {
	for _, shell := range []string{"sh", "bash", "zsh", "fish", "busybox"} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skip("not on this machine")
			}
			argv := []string{path, "-c"}
			if shell == "busybox" {
				argv = []string{path, "sh", "-c"}
			}
			// As in line, the command is quoted twice.
			line := "exec /bin/sh -c " + quoteWord("exec "+Quote(append([]string{"printf", "%s\\0"}, oddWords...)))
			out, err := exec.Command(argv[0], append(argv[1:], line)...).Output()
			if want := strings.Join(oddWords, "\x00") + "\x00"; err != nil || string(out) != want {
				t.Errorf("%v\ngot  %q\nwant %q", err, out, want)
			}
		})
	}
}

func FuzzQuote(f *testing.F) {
	for _, w := range oddWords {
		f.Add(w, "x")
	}
	f.Add("new\nline", "\\\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			if _, err := (&Command{Argv: []string{"echo", a, b}}).argv(); err == nil {
				t.Error("a NUL byte was accepted")
			}
			t.Skip()
		}
		line := "exec /bin/sh -c " + quoteWord("exec "+Quote([]string{"printf", "%s\\0", a, b}))
		if len(line) > 100000 {
			t.Skip("longer than one argument can be")
		}
		out, err := exec.Command("sh", "-c", line).Output()
		if want := a + "\x00" + b + "\x00"; err != nil || string(out) != want {
			t.Errorf("%v\ngot  %q\nwant %q", err, out, want)
		}
	})
}

// The process id is found however the writes are split, and nothing else is lost.
func TestPIDFilter(t *testing.T) {
	const marker = "muster-ABC "
	for _, tt := range []struct {
		name, in, out string
		pid           int
	}{
		{"first line", marker + "42\nhello\n", "hello\n", 42},
		{"after noise", "motd\n" + marker + "42\nhello", "motd\nhello", 42},
		{"after noise without end", "motd m" + marker + "42\nhello", "motd mhello", 42},
		{"never", "muster-AB, said nobody", "muster-AB, said nobody", 0},
		{"cut off", marker + "4", marker + "4", 0},
		{"nothing", "", "", 0},
		{"not a number", marker + "x\nhello", marker + "x\nhello", 0},
		{"no end of the number", marker + strings.Repeat("4", 100), marker + strings.Repeat("4", 100), 0},
		{"twice", marker + "42\n" + marker + "43\n", marker + "43\n", 42},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size := 1; size <= len(tt.in)+1; size++ {
				var out bytes.Buffer
				pid := make(chan int, 1)
				f := &pidFilter{marker: []byte(marker), begun: func(n int) { pid <- n }, out: &out}
				for rest := tt.in; rest != ""; {
					n := min(size, len(rest))
					f.Write([]byte(rest[:n]))
					rest = rest[n:]
				}
				f.flush()
				got := 0
				select {
				case got = <-pid:
				default:
				}
				if got != tt.pid || out.String() != tt.out {
					t.Errorf("by %d: pid %d, output %q; want %d, %q", size, got, out.String(), tt.pid, tt.out)
				}
			}
		})
	}
}
