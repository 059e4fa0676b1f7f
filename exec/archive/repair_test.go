package archive

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
)

// A valid path whose files are spoilt is found, and mended from the archive.
func TestDamagedPathsAreMended(t *testing.T) {
	ctx := context.Background()
	from, top := storelab.Closure(t)
	name := filepath.Join(t.TempDir(), "archive.tar")
	if _, err := Export(ctx, source(t, from), Manifest{Paths: []store.Path{top}}, name, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	a, err := Open(ctx, name, OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	to := storelab.New(t)
	to.Home = t.TempDir()
	if _, err := copyTo(t, to, a, top); err != nil {
		t.Fatal(err)
	}
	closure, err := a.Closure(ctx, []store.Path{top})
	if err != nil {
		t.Fatal(err)
	}
	find := func() []store.Path {
		t.Helper()
		c, err := nixserve.New(ctx, to.Serve())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		found, err := Damaged(ctx, c, to.Dir(), closure)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := find(); len(found) > 0 {
		t.Fatalf("damaged after the import: %v", found)
	}
	// One is changed, one is gone, one has more than it should.
	spoilt := []store.Path{closure[3].Path, closure[10].Path, top}
	disk := func(p store.Path) string { return filepath.Join(to.Dir(), p.Base()) }
	for i, spoil := range []func(string) error{
		func(p string) error { return os.WriteFile(p, []byte("spoilt"), 0o644) },
		os.RemoveAll,
		func(p string) error { return os.WriteFile(filepath.Join(p, "more"), nil, 0o644) },
	} {
		p := disk(spoilt[i])
		storelab.MakeWritable(p)
		os.Chmod(p, 0o755)
		if i == 0 {
			os.RemoveAll(p)
		}
		if err := spoil(p); err != nil {
			t.Fatal(err)
		}
	}
	want := map[store.Path]bool{spoilt[0]: true, spoilt[1]: true, spoilt[2]: true}
	found := find()
	got := make(map[store.Path]bool)
	for _, p := range found {
		got[p] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("damaged (-want +got):\n%s", diff)
	}
	cache := t.TempDir()
	if err := a.Cache(ctx, cache, found); err != nil {
		t.Fatal(err)
	}
	argv := RepairCommand(cache, found)
	to.Run(argv[0], argv[1:]...)
	if found := find(); len(found) > 0 {
		t.Errorf("still damaged: %v", found)
	}
	to.Verify()
}
