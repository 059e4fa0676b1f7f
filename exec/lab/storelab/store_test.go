package storelab

import (
	"os"
	"path/filepath"
	"testing"
)

// Tests of copies rely on this.
func TestDamageIsFound(t *testing.T) {
	for name, spoil := range map[string]func(string) error{
		"changed": func(p string) error { return os.WriteFile(filepath.Join(p, "data"), []byte("?"), 0o644) },
		"gone":    os.RemoveAll,
	} {
		t.Run(name, func(t *testing.T) {
			s, top := Closure(t)
			if err := s.Damage(); err != nil {
				t.Fatal(err)
			}
			disk := filepath.Join(s.Root, string(top))
			MakeWritable(disk)
			os.Chmod(filepath.Join(disk, "data"), 0o644)
			if err := spoil(disk); err != nil {
				t.Fatal(err)
			}
			if s.Damage() == nil {
				t.Error("not found")
			}
		})
	}
}
