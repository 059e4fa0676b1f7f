package schema

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostile are inventories that try to exhaust the machine. Each must give an error
// that contains want, or load if want is "".
func hostile(t *testing.T) []hostileCase {
	pkg := "package fleet\n"
	laughs := pkg + "_x0: [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]\n"
	yamlLaughs := "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n"
	for i := 1; i < 12; i++ {
		laughs += fmt.Sprintf("_x%d: [%s]\n", i, strings.Repeat(fmt.Sprintf("_x%d, ", i-1), 10))
		yamlLaughs += fmt.Sprintf("x%d: &x%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 10), ", "))
	}
	structs := pkg + "_x0: {a: 1, b: 2}\n"
	for i := 1; i < 30; i++ {
		structs += fmt.Sprintf("_x%d: {a: _x%d, b: _x%d}\n", i, i-1, i-1)
	}
	choices := pkg + "_c: {"
	for i := range 24 {
		choices += fmt.Sprintf("f%d: 1 | 2, ", i)
	}
	choices += "}\nmeta: x: "
	for i := range 24 {
		choices += fmt.Sprintf("({f%d: 1} | {f%d: 2}) & ", i, (i+1)%24)
	}
	mega := strings.Repeat("m", 1<<20)
	deep := 100_000
	host := `hosts: a: host: "10.0.0.1"` + "\n"
	return []hostileCase{
		{"cue_laughs", "hosts.cue", laughs + "meta: x: _x11\n" + host, "hosts.cue:14:7: meta.x: evaluate the inventory: "},
		{"cue_laughs_structs", "hosts.cue", structs + "meta: x: _x29\n" + host, "evaluate the inventory"},
		{"cue_choices", "hosts.cue", choices + "_c\n" + host, "hosts.cue:"},
		{"cue_comprehension", "hosts.cue", pkg + "import \"list\"\n_l: list.Range(0, 3000, 1)\nmeta: x: [for a in _l for b in _l for c in _l {a+b+c}]\n" + host, "hosts.cue:4:7: meta.x: evaluate the inventory: "},
		{"cue_range", "hosts.cue", pkg + "import \"list\"\nmeta: x: list.Range(0, 1000000000, 1)\n" + host, "hosts.cue:"},
		{"cue_repeat", "hosts.cue", pkg + "import \"strings\"\nmeta: x: strings.Repeat(\"x\", 100000000000)\n" + host, "hosts.cue:"},
		{"cue_repeat_list", "hosts.cue", pkg + "import \"list\"\nmeta: x: list.Repeat([1], 100000000000)\n" + host, "hosts.cue:"},
		{"cue_doubling", "hosts.cue", pkg + "import \"strings\"\nmeta: {x: \"\\(_s5)\"}\n_s0: strings.Repeat(\"x\", 9000000)\n" +
			"_s1: _s0+_s0+_s0+_s0\n_s2: _s1+_s1+_s1+_s1\n_s3: _s2+_s2+_s2+_s2\n_s4: _s3+_s3+_s3+_s3\n_s5: _s4+_s4+_s4+_s4\n" + host, "hosts.cue:"},
		{"cue_recursion", "hosts.cue", pkg + "#F: {n: int, out: (#F & {n: n + 1}).out}\nmeta: x: (#F & {n: 1}).out\n" + host, "hosts.cue:"},
		{"cue_growth", "hosts.cue", pkg + "#F: {n: int, if n < 100000000 {next: #F & {\"n\": n + 1}}}\nmeta: x: #F & {n: 1}\n" + host, "hosts.cue:"},
		{"cue_huge_number", "hosts.cue", pkg + "hosts: a: config: x: 1e9999\n" + host, "hosts.cue:"},
		{"cue_power", "hosts.cue", pkg + "import \"math\"\nmeta: x: math.Pow(10, 999999999)\n" + host, "hosts.cue:"},
		{"cue_regexp", "hosts.cue", pkg + "meta: x: =~\"" + strings.Repeat("(a*)*", 200) + "b\"\nmeta: x: \"" + strings.Repeat("a", 5000) + "\"\n" + host, "hosts.cue:"},
		{"cue_brackets", "hosts.cue", pkg + "meta: x: " + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "\n" + host, "nested deeper"},
		{"cue_parentheses", "hosts.cue", pkg + "meta: x: " + strings.Repeat("(", deep) + "1" + strings.Repeat(")", deep) + "\n" + host, "nested deeper"},
		{"cue_chain", "hosts.cue", pkg + "meta: " + strings.Repeat("a: ", deep) + "1\n" + host, "nested deeper"},
		{"cue_unary", "hosts.cue", pkg + "meta: x: " + strings.Repeat("!", deep) + "true\n" + host, "nested deeper"},
		{"cue_sum", "hosts.cue", pkg + "meta: x: 1" + strings.Repeat("+1", deep) + "\n" + host, "nested deeper"},
		{"cue_interpolation", "hosts.cue", pkg + "meta: x: " + strings.Repeat(`"\(`, 5000) + "1" + strings.Repeat(`)"`, 5000) + "\n" + host, "hosts.cue:"},
		{"cue_let_chain", "hosts.cue", pkg + "meta: x: " + strings.Repeat("{let y = 1, z: y, w: ", 5000) + "1" + strings.Repeat("}", 5000) + "\n" + host, "nested deeper"},
		{"cue_nul", "hosts.cue", pkg + "meta: x: \"a\x00b\"\n" + host, "hosts.cue:2:12: NUL byte"},
		{"cue_invalid_utf8", "hosts.cue", pkg + "meta: x: \"a\xffb\"\n" + host, "hosts.cue:2:12: byte 0xff is not UTF-8"},
		{"cue_string_host", "hosts.cue", pkg + "hosts: a: host: \"" + mega + "\"\n", "hosts.a.host"},
		{"cue_string_name", "hosts.cue", pkg + "hosts: \"" + mega + "\": host: \"10.0.0.1\"\n", "got the name"},
		{"cue_string_fine", "hosts.cue", pkg + "hosts: a: {host: \"10.0.0.1\", config: x: \"" + mega + "\"}\n", ""},
		{"cue_string_selector", "hosts.cue", pkg + host + "rollout: canaries: \"" + mega + "\"\n", "rollout.canaries"},
		{"cue_bidi", "hosts.cue", pkg + "hosts: \"a\u202eb\": host: \"10.0.0.1\"\n", `"a\u202eb"`},
		{"cue_bom", "hosts.cue", "\ufeff" + pkg + "hosts: a: host: \"10.0.0.300\"\n", "hosts.a.host"},
		{"cue_import_outside", "hosts.cue", pkg + "import \"fleet.local/fleet/../../x\"\nmeta: x: x\n" + host, "hosts.cue:2:8"},
		{"cue_import_tool", "hosts.cue", pkg + "import \"tool/exec\"\nmeta: x: exec.Run & {cmd: \"id\"}\n" + host, "hosts.cue:"},
		{"yaml_laughs", "hosts.yaml", yamlLaughs + "hosts: {a: {host: 10.0.0.1}}\n", "aliases expand"},
		{"yaml_deep", "hosts.yaml", "meta: " + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "\n", "hosts.yaml:"},
		{"yaml_deep_block", "hosts.yaml", "meta:\n" + strings.Repeat(" ", 1) + strings.Repeat("- ", 20000) + "x\n", "hosts.yaml:"},
		{"yaml_keys", "hosts.yaml", "hosts:\n  a: {host: 10.0.0.1, " + strings.Repeat("? [", 3000) + "}\n", "hosts.yaml:"},
		{"json_deep", "hosts.json", `{"meta":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "}", "nested deeper"},
		{"json_deep_objects", "hosts.json", strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep), "nested deeper"},
		{"json_string", "hosts.json", `{"hosts":{"a":{"host":"` + mega + `"}}}`, "hosts.a.host"},
		{"json_surrogate", "hosts.json", `{"hosts":{"a\ud800":{"host":"10.0.0.1"}}}`, "got the name"},
		{"toml_deep", "hosts.toml", "x = " + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "\n", "nested deeper"},
		{"toml_deep_tables", "hosts.toml", "x = " + strings.Repeat("{a=", deep) + "1" + strings.Repeat("}", deep) + "\n", "nested deeper"},
		{"toml_dots", "hosts.toml", "x" + strings.Repeat(".x", deep) + " = 1\n", "nested deeper"},
		{"toml_header", "hosts.toml", "[x" + strings.Repeat(".x", deep) + "]\n", "nested deeper"},
		{"toml_array_tables", "hosts.toml", strings.Repeat("[[x]]\n", deep), "unknown field"},
		{"toml_duplicates", "hosts.toml", strings.Repeat("a = 1\n", deep), "duplicate key"},
		{"toml_unknown", "hosts.toml", "[hosts.a]\n" + many("x%d = 1\n", deep), "unknown field"},
		{"toml_long_roles", "hosts.toml", "[hosts.a]\nhost = \"10.0.0.1\"\ntags = [" + strings.Repeat(`"a", `, deep) + "]\n", ""},
		{"toml_guests", "hosts.toml", many("[hosts.h%d]\nguest_of = \"h1\"\n", 20_000), "h1.guest_of: a host cannot be that of itself"},
		{"toml_guest_circle", "hosts.toml", "[hosts.a]\nguest_of = \"b\"\n[hosts.b]\nguest_of = \"a\"\n" + many("[hosts.h%d]\nguest_of = \"a\"\n", 20_000), "circle of guests: a → b → a"},
		{"toml_no_addresses", "hosts.toml", many("[hosts.h%d]\nhost = \"ssh-%[1]d\"\n[hosts.x%[1]dy]\n", 10_000), ""},
		{"toml_zeros", "hosts.toml", strings.Repeat("\x00", 1<<20), "NUL byte"},
	}
}

type hostileCase struct{ name, file, text, want string }

func many(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestHostile loads each in a process of its own, since an abandoned evaluation runs
// until the process exits.
func TestHostile(t *testing.T) {
	if name := os.Getenv("SCHEMA_HOSTILE"); name != "" {
		allowed, _ := time.ParseDuration(os.Getenv("SCHEMA_TIME"))
		_, err := Load(context.Background(), name, Options{Time: allowed})
		var l Errors
		switch {
		case errors.As(err, &l):
			for _, e := range l[:min(len(l), 20)] {
				if !e.Pos.IsValid() {
					fmt.Println("NO PLACE")
				}
				fmt.Println(e)
			}
		case err != nil:
			fmt.Println("other:", err)
		default:
			fmt.Println("loads")
		}
		os.Exit(0)
	}
	for _, tt := range hostile(t) {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			runHostile(t, dir, tt.file, tt.want)
		})
	}
}

func runHostile(t *testing.T, dir, file, want string) {
	t.Helper()
	// An evaluation whose limit is ignored runs into this.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe, "-test.run=^TestHostile$")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SCHEMA_HOSTILE="+file, "CUE_EXPERIMENT=", "CUE_DEBUG=")
	if !strings.HasSuffix(t.Name(), "/cue_laughs") {
		// One case tests the default limit.
		cmd.Env = append(cmd.Env, "SCHEMA_TIME=2s")
	}
	out, err := cmd.CombinedOutput()
	took := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	text := string(out)
	if len(text) > 3000 {
		text = text[:3000] + "…"
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	memory := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
	t.Logf("%.1f s, %d MiB: %.200s", took.Seconds(), memory, text)
	if memory > 2048 {
		t.Errorf("took %d MiB, want at most 2048 MiB", memory)
	}
	if strings.Contains(text, "NO PLACE") || unwelcome.MatchString(text) {
		t.Errorf("unwelcome words in\n%s", text)
	}
	if want == "" {
		if text != "loads\n" {
			t.Errorf("want it to load, got\n%s", text)
		}
	} else if !strings.Contains(text, want) || strings.HasPrefix(text, "loads") {
		t.Errorf("want %q in\n%s", want, text)
	}
}

// TestNothingOutsideIsRead follows links out of the inventory's tree.
func TestNothingOutsideIsRead(t *testing.T) {
	base := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("secret.json", `"tell-tale"`)
	write("secret.cue", "package fleet\nmeta: x: \"tell-tale\"\n")
	link := func(name, to string) {
		if err := os.Symlink(to, filepath.Join(base, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ name, text, link, to string }{
		{"embed", "@extern(embed)\npackage fleet\nmeta: x: _ @embed(file=secret.json)\nhosts: a: host: \"10.0.0.1\"\n", "secret.json", "../secret.json"},
		{"package", "package fleet\nhosts: a: host: \"10.0.0.1\"\n", "secret.cue", "../secret.cue"},
		{"dir", "@extern(embed)\npackage fleet\nmeta: x: _ @embed(file=\"up/secret.json\")\nhosts: a: host: \"10.0.0.1\"\n", "up", ".."},
		{"glob", "@extern(embed)\npackage fleet\nmeta: x: _ @embed(glob=\"*.json\")\nhosts: a: host: \"10.0.0.1\"\n", "secret.json", "../secret.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			write(tt.name+"/hosts.cue", tt.text)
			link(tt.name+"/"+tt.link, tt.to)
			f, err := Load(context.Background(), tt.name, Options{Dir: base})
			if err == nil {
				t.Errorf("loads: %s", f.Files)
			}
			t.Log(err)
			if strings.Contains(fmt.Sprint(err), "tell-tale") {
				t.Errorf("it was read: %v", err)
			}
		})
	}
}
