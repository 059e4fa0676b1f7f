package secret

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"muster/schema"
)

// pluginKey is what the plugin of the tests decrypts with.
const pluginKey = "AGE-SECRET-KEY-184JMZMVQH3E6U0PSL869004Y3U2NYV7R30EU99CSEDNPH02YUVFSZW44VU"

// TestMain is the plugin where it is called age-plugin-test.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "age-plugin-test" {
		os.Exit(testPlugin())
	}
	os.Exit(m.Run())
}

func testPlugin() int {
	p, err := plugin.New("test")
	if err != nil {
		return 1
	}
	p.HandleRecipient(func([]byte) (age.Recipient, error) {
		id, err := age.ParseX25519Identity(pluginKey)
		if err != nil {
			return nil, err
		}
		return id.Recipient(), nil
	})
	p.HandleIdentity(func([]byte) (age.Identity, error) { return age.ParseX25519Identity(pluginKey) })
	return p.Main()
}

// A plugin's recipient is encrypted to, and its identity decrypts; a plugin that is not
// there is named.
func TestPlugins(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, "age-plugin-test")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	recipient := plugin.EncodeRecipient("test", []byte("somebody"))
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := SealFile([]byte("swordfish"), recipient, other.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{plugin.EncodeIdentity("test", []byte("somebody")), other.String()} {
		ids, err := Identities(aFile(t, "identity", line+"\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Open(sealed, ids); err != nil || string(got) != "swordfish" {
			t.Errorf("%.20s: %q, %v", line, got, err)
		}
	}
	if _, err := SealFile(nil, plugin.EncodeRecipient("nowhere", nil)); err == nil || !strings.Contains(err.Error(), "age-plugin-nowhere") {
		t.Errorf("%v", err)
	}

	// vet knows by the header that muster wrote that both may read it.
	file := aFile(t, "x.age", string(sealed))
	for _, tt := range []struct{ recipients, want string }{
		{`"` + recipient + `", "` + other.Recipient().String() + `"`, ""},
		{`"` + recipient + `"`, "is also encrypted to 1 that secret_recipients does not name"},
		{`"` + other.Recipient().String() + `", "` + plugin.EncodeRecipient("test", []byte("else")) + `"`, "is not encrypted to age1test1"},
	} {
		text := "package fleet\nnixpkgs: unpinned: true\nsecret_recipients: [" + tt.recipients + "]\n" +
			"hosts: a: {host: \"10.0.0.1\", disk_uuid: \"01b3bcba-c0ef-4538-8dd2-f7dee2952322\", secrets: x: age: \"" + file + "\"}\n"
		fleet, err := schema.Load(t.Context(), aFile(t, "hosts.cue", text), schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		said := ""
		for _, w := range fleet.Warnings {
			if w.Rule == "recipients" {
				said += w.Error()
			}
		}
		if !strings.Contains(said, tt.want) || (tt.want == "") != (said == "") {
			t.Errorf("%s: %q, want %q", tt.recipients, said, tt.want)
		}
	}
}
