package exec

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEtcIsCompared(t *testing.T) {
	system := t.TempDir()
	etc := filepath.Join(system, "store-etc", "etc")
	for name, link := range map[string]string{"motd": "/nix/store/new-motd", "hosts": "/nix/store/same-hosts", "ssh/sshd_config": "/nix/store/c", "systemd/system": "/nix/store/new-units"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(etc, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(link, filepath.Join(etc, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(etc, "shadow.mode"), []byte("0400"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(etc, filepath.Join(system, "etc")); err != nil {
		t.Fatal(err)
	}
	before := map[string]string{"motd": "/nix/store/old-motd", "hosts": "/nix/store/same-hosts", "issue": "/nix/store/i", "systemd/system": "/nix/store/old-units"}
	want := FileDiff{Added: []string{"ssh/sshd_config"}, Removed: []string{"issue"}, Changed: []string{"motd"}}
	if diff := cmp.Diff(want, compareEtc(before, filepath.Join(system, "etc"))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(FileDiff{}, compareEtc(before, "/nowhere")); diff != "" {
		t.Errorf("without the new system:\n%s", diff)
	}
}
