package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"muster/exec/human"
)

// evil is what nothing foreign may bring to a terminal: a title, a cleared screen, a text turned round, and more.
const evil = "\x1b]0;owned\x07\x1b[2J\u202eevil\u2066\u200b\ufeff\u2028\u009b1m\r\x7f\xff"

// evilJSON is the same in JSON and in CUE, but for what is not UTF-8.
var evilJSON = func() string {
	text, _ := json.Marshal(strings.ToValidUTF8(evil, ""))
	return string(text)
}()

// Nothing foreign moves the cursor, or turns what is shown round: on a terminal and in a pipe.
func TestForeignTextIsPlain(t *testing.T) {
	t.Setenv("TERM", "dumb")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", "")
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	nix := func(text string) string {
		return `"` + strings.ReplaceAll(strings.ToValidUTF8(text, ""), `"`, `\"`) + `"`
	}
	good := `package fleet
hosts: a: {host: "10.0.0.1", nix: "{ }", user: ` + evilJSON + `}
meta: note: ` + evilJSON + "\n"
	wellFormed := `{"hosts": {"a": {"host": "10.0.0.1"}}, "meta": {"note": ` + evilJSON + `}}`
	for _, tt := range []struct {
		name string
		args []string
		doc  bool // it prints a document, which is exact in a pipe
	}{
		{name: "a value of an inventory in CUE", args: []string{"vet", write("cue/hosts.cue", good)}},
		{name: "as JSON", args: []string{"vet", "--output", "json", write("cue/hosts.cue", good)}},
		{name: "as SARIF", args: []string{"vet", "--output", "sarif", write("cue/hosts.cue", good)}},
		{name: "bytes in an inventory", args: []string{"vet", write("bytes/hosts.toml", "a = \""+evil+"\"\n")}},
		{name: "a key of an inventory in JSON", args: []string{"vet", write("json/hosts.json", `{`+evilJSON+`: 1, "hosts": {`+evilJSON+`: {}}}`)}},
		{name: "a key of an inventory in YAML", args: []string{"vet", write("yaml/hosts.yaml", evilJSON+": 1\nhosts: {"+evilJSON+": {}}\n")}},
		{name: "a syntax error", args: []string{"vet", write("syntax/hosts.cue", "package fleet\nhosts: "+evil)}},
		{name: "an inventory's value", args: []string{"inventory", "get", "meta", write("get/hosts.json", wellFormed)}},
		{name: "an inventory's values", args: []string{"inventory", "list", "--json", write("get/hosts.json", wellFormed)}},
		{name: "the inventory", args: []string{"inventory", "show", write("get/hosts.json", wellFormed)}},
		{name: "a directory's name", args: []string{"vet", filepath.Join(dir, evil)}},
		{name: "a file's name", args: []string{"vet", write(evil+"/hosts.cue", "package fleet\nhosts: 1\n")}},
		{name: "files formatted", args: []string{"fmt", "--check", write(evil+"/x.cue", "package   fleet\n")}},
		{name: "generated Nix", args: []string{"compile", write("nix/hosts.json", `{"hosts": {"a": {"host": "10.0.0.1", "config": {"x": `+evilJSON+`}}}}`)}, doc: true},
		{name: "a value of Nix", args: []string{"eval", "--expr", nix(evil)}, doc: true},
		{name: "an error of Nix", args: []string{"eval", "--expr", "throw " + nix(evil)}},
		{name: "an error of Nix with its trace", args: []string{"eval", "--show-trace", "--expr", "builtins.addErrorContext " + nix(evil) + " (throw " + nix(evil) + ")"}},
		{name: "a trace of Nix", args: []string{"eval", "--expr", "builtins.trace " + nix(evil) + " 1"}},
		{name: "an unknown verb", args: []string{evil}},
		{name: "an unknown flag", args: []string{"vet", "--" + evil}},
		{name: "a flag's value", args: []string{"vet", "--output", evil}},
		{name: "a selector", args: []string{"compile", "--on", evil, write("get/hosts.json", wellFormed)}},
		{name: "a completion", args: []string{"__complete", "vet", evil}},
		{name: "an archive's name", args: []string{"import", filepath.Join(dir, evil)}},
		{name: "an archive that is none", args: []string{"import", write("archive.tar", evil+strings.Repeat(evil, 100))}},
		{name: "an archive's manifest", args: []string{"import", filepath.Dir(write("archive/muster.json", `{"hosts": [{"name": `+evilJSON+`}], `+evilJSON+`: 1}`))}},
		{name: "an archive's sums", args: []string{"import", filepath.Dir(write("sums/SHA256SUMS", strings.Repeat("0", 64)+"  "+evil+"\n"))}},
		{name: "a plan", args: []string{"apply", write("plan", `{"version": `+evilJSON+`, `+evilJSON+`: 1}`)}},
		{name: "a plan that is none", args: []string{"apply", write("noplan", evil)}},
		{name: "settings of ssh", args: []string{"status", "--ssh-config", write("ssh", evil+" x\nHost *\n "+evil+"\n"), write("get/hosts.json", wellFormed)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			piped := outputOf(t, tt.args, pipe)
			if !tt.doc {
				checkPlain(t, "in a pipe", piped)
			}
			shown := outputOf(t, tt.args, openPTY)
			checkPlain(t, "on a terminal", strings.ReplaceAll(shown, "\r\n", "\n"))
			if piped == "" || shown == "" {
				t.Error("nothing is said")
			}
		})
	}
}

// checkPlain looks at the bytes of an output.
func checkPlain(t *testing.T, where, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s: not UTF-8: %q", where, text)
	}
	for _, r := range text {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || human.Hidden(r)) {
			t.Errorf("%s: %U in %q", where, r, text)
			return
		}
	}
}

// outputOf runs muster with both outputs to one end of a channel, and returns what comes out of the other.
func outputOf(t *testing.T, args []string, open func(*testing.T) (in, out *os.File)) string {
	t.Helper()
	in, out := open(t)
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(out) // a terminal ends with an error
		read <- string(text)
	}()
	Run(t.Context(), args, strings.NewReader(""), in, in)
	in.Close()
	text := <-read
	out.Close()
	return text
}

func pipe(t *testing.T) (in, out *os.File) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}

func openPTY(t *testing.T) (in, out *os.File) {
	t.Helper()
	out, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	if err := unix.IoctlSetPointerInt(int(out.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(out.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	in, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}
