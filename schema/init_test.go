package schema

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The stock cue vet accepts the files of Init and a valid inventory with them, and
// rejects an invalid one, without network and registry.
func TestStockVetKnowsTheSchema(t *testing.T) {
	cue := stockCUE(t)
	for _, tt := range []struct{ name, more, want string }{
		{"good as it is", "", ""},
		{"good", `hosts: db1: {host: "192.0.2.7", tags: ["store"], policy: "best_effort", config: x: $force: true}`, ""},
		{"good address", `hosts: db1: host: "fd00::1"`, ""},
		{"bad address", `hosts: db1: host: "10.0.0.300"`, "hosts.db1.host"},
		{"bad port", `hosts: db1: {host: "10.0.0.3", port: 70000}`, "hosts.db1.port"},
		{"bad field", `hosts: db1: {host: "10.0.0.3", tag: ["x"]}`, "hosts.db1.tag"},
		{"bad name", `hosts: "db+1": host: "10.0.0.3"`, "db+1"},
		{"bad policy", `hosts: web1: policy: "optional"`, "hosts.web1.policy"},
		{"no address", `hosts: db1: local: true`, ""},
		{"missing field", `hosts: db1: swap: [{size: 512}]`, "hosts.db1.swap"},
		{"bad uuid", `hosts: web1: disk_uuid: "x"`, "hosts.web1.disk_uuid"},
		{"bad default", `defaults: prot: 22`, "defaults.prot"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := Init(dir, ""); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "more.cue"), []byte("package fleet\n"+tt.more+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(cue, "vet", "-c", ".")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "CUE_REGISTRY=none", "CUE_CACHE_DIR="+filepath.Join(dir, "cache"))
			out, err := cmd.CombinedOutput()
			if (err == nil) != (tt.want == "") || !strings.Contains(string(out), tt.want) {
				t.Errorf("cue vet: %v, want %q in\n%s", err, tt.want, out)
			}
			// We say the same.
			_, err = Load(context.Background(), "", Options{Dir: dir})
			if (err == nil) != (tt.want == "") || !strings.Contains(messages(err), strings.TrimSuffix(tt.want, ".host")) {
				t.Errorf("Load: %v, want %q", err, tt.want)
			}
		})
	}
}

func TestInitKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hosts.cue"), []byte("package mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	written, err := Init(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "hosts.cue"))
	if string(text) != "package mine\n" || len(written) != 2 {
		t.Errorf("wrote %v, hosts.cue is %q", written, text)
	}
}

func TestInitIsFormatted(t *testing.T) {
	for name, text := range map[string]string{"init.cue": initText, "schema.cue": schemaText} {
		out, err := Format(name, []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(text, string(out)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestFormat(t *testing.T) {
	out, err := Format("hosts.cue", []byte("hosts:{ a :host:\"x\"\n}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("hosts: {a: host: \"x\"\n}\n", string(out)); d != "" {
		t.Error(d)
	}
	if _, err = Format("hosts.cue", []byte("hosts: {\n"), nil); messages(err) != "hosts.cue:1:10: expected '}', found 'EOF'" {
		t.Errorf("got %v", err)
	}
	out, err = Format("hosts.toml", []byte("a  =  1"), nil)
	if err != nil || string(out) != "a  =  1" {
		t.Errorf("TOML: %q, %v", out, err)
	}
}

func TestJSONSchema(t *testing.T) {
	text, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Schema     string         `json:"$schema"`
		Properties map[string]any `json:"properties"`
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	for _, name := range inventoryShape().order {
		if s.Properties[name] == nil {
			t.Errorf("no property %s", name)
		}
	}
	for _, want := range []string{"The machines, by name.", "The port of the SSH server", `"sudo-password"`, "Wants a port number, 1 to 65535."} {
		if !strings.Contains(text, want) {
			t.Errorf("does not say %q", want)
		}
	}
}

func TestInspect(t *testing.T) {
	f, err := loadFiles(t, "hosts.toml", blog)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ path, want, at string }{
		{"hosts.il.host", `"192.168.10.121"`, "hosts.toml:5:8"},
		{"hosts.il.roles", `["kubernetes-master","kubernetes-node"]`, "-"},
		{"hosts.il.roles[1]", `"kubernetes-node"`, "-"},
		{`hosts."ee".system`, `"x86_64-linux"`, "-"},
		{"kluster", `{"distribution":"kubernetes","master":"il","etcd":["il"],"domain":"cluster.local"}`, "hosts.toml:1:2"},
		{"hosts.el", `error: inspect "hosts.el": hosts has no "el"; did you mean "il"?`, ""},
		{"hosts..x", `error: inspect "hosts..x": missing name before ".x"`, ""},
		{"hosts.", `error: inspect "hosts.": missing name at the end`, ""},
		{`hosts."x`, `error: inspect "hosts.\"x": unterminated quote`, ""},
	} {
		v, err := Inspect(f, tt.path)
		got, at := "", ""
		if err != nil {
			got = "error: " + err.Error()
		} else {
			got, at = string(JSON(v)), v.Pos().String()
		}
		if got != tt.want || at != tt.at {
			t.Errorf("Inspect(%s) = %s at %s, want %s at %s", tt.path, got, at, tt.want, tt.at)
		}
	}
	all, err := Inspect(f, "")
	if err != nil {
		t.Fatal(err)
	}
	if leaves := Leaves(all, ""); len(leaves) < 20 || !strings.HasPrefix(leaves[0].Path, "network.") {
		t.Errorf("%d leaves, first %+v", len(leaves), leaves[0])
	}
}
