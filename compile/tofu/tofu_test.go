package tofu

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/schema"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func load(t *testing.T, name string) *schema.Fleet {
	t.Helper()
	f, err := schema.Load(t.Context(), name, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestGoldens writes the machines of all targets. Names of resources and arguments are
// those of the providers' documentation.
func TestGoldens(t *testing.T) {
	for _, f := range Files(load(t, "testdata/clouds")) {
		golden := filepath.Join("testdata/clouds/provision", f.Name)
		if *update {
			if err := os.WriteFile(golden, f.Text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(f.Text)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
		if !json.Valid(f.Text) {
			t.Errorf("%s is not JSON", golden)
		}
	}
}

// The same fleet gives the same bytes.
func TestFilesAreStable(t *testing.T) {
	fleet := load(t, "testdata/clouds")
	for range 20 {
		if diff := cmp.Diff(Files(load(t, "testdata/clouds")), Files(fleet)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestSplitZone(t *testing.T) {
	for place, want := range map[string][2]string{
		"eu-central-1":     {"eu-central-1", ""},
		"eu-central-1b":    {"eu-central-1", "eu-central-1b"},
		"us-gov-west-1a":   {"us-gov-west-1", "us-gov-west-1a"},
		"us-east-1-bos-1a": {"us-east-1", "us-east-1-bos-1a"},
	} {
		if region, within := splitZone(place); region != want[0] || within != want[1] {
			t.Errorf("%s: region %s, zone %q", place, region, within)
		}
	}
}

// What muster made for a machine goes with it; nothing else does.
func TestGoesWith(t *testing.T) {
	for address, want := range map[string]bool{
		"hcloud_ssh_key.muster-7b54a2eb":  true,
		"hcloud_ssh_key.ann":              false,
		"aws_key_pair.web":                true,
		"aws_key_pair.db":                 false,
		"azurerm_network_interface.web":   true,
		"libvirt_volume.web-image":        true,
		"libvirt_volume.web":              true,
		"libvirt_volume.data":             false,
		"hcloud_volume.web":               false,
		"module.own.libvirt_volume.web":   false,
		"hcloud_server.web":               false,
		`hcloud_volume.data["web"]`:       false,
		"digitalocean_ssh_key.muster-aaa": true,
	} {
		if got := GoesWith(address, []string{"web"}); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
	if !IsMachine("hcloud_server") || IsMachine("hcloud_volume") || LabelOf("module.a.hcloud_server.web") != "web" {
		t.Error("machines and labels")
	}
}
