package convert

import (
	"os"
	"path/filepath"
	"testing"

	"muster/schema"
)

// FuzzFacts converts whatever a source may say of its hosts, and where: what comes of it
// is CUE, or an error.
func FuzzFacts(f *testing.F) {
	f.Add(`{"hosts": [{"name": "a", "settings": [{"name": "deployment.tags", "set": true, "value": ["x"], "files": ["hive.nix"]}]}]}`, `{ a.deployment.tags = [ "x" ]; }`, "colmena")
	f.Add(`{"hosts": [{"name": "a.b", "addresses": ["::1/64"], "settings": [{"name": "deployment.keys", "value": {"k": {"text": "t", "path": "/x", "permissions": "0"}}}]}]}`, `{ "a.b" = x: { deployment.keys.k.text = "t"; }; }`, "nixops")
	f.Add(`{"about": [{"name": "machinesFile", "value": "/dev/null"}], "hosts": [{"name": "a", "settings": [{"name": "deployment.healthChecks", "value": {"http": [{"port": 1}]}}]}]}`, `{`, "morph")
	f.Add(`{"hosts": [{"name": "a", "attr": ["x", "y.z"], "settings": [{"name": "sshOpts", "value": ["-o", "Port=0", "-p"]}]}], "others": ["b"]}`, ``, "deploy-rs")
	f.Fuzz(func(t *testing.T, data, text, kind string) {
		facts, err := Read(data)
		if err != nil {
			return
		}
		file := filepath.Join(t.TempDir(), "hive.nix")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c := New(&Source{Kind: Kind(kind), Dir: filepath.Dir(file), Files: []string{file}, Here: "."}, facts)
		out, err := c.Inventory([]string{"age1x"})
		if err != nil {
			return
		}
		if _, err := schema.Format("hosts.cue", out, nil); err != nil {
			t.Errorf("%v:\n%s", err, out)
		}
	})
}
