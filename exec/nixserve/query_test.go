package nixserve

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec/lab/storelab"
)

func TestQueriesAgree(t *testing.T) {
	from, top := storelab.Closure(t)
	ctx := context.Background()
	c, err := New(ctx, from.Serve())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	closure, err := c.QueryClosure(ctx, []store.Path{top}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := storelab.ParsePaths(t, from.Run("nix-store", "-qR", string(top)))
	slices.Sort(closure)
	slices.Sort(want)
	if diff := cmp.Diff(want, closure); diff != "" {
		t.Errorf("closure:\n%s", diff)
	}
	var b strings.Builder
	if err := store.Dump(&b, filepath.Join(from.Root, string(top)), nil); err != nil {
		t.Fatal(err)
	}
	infos, err := c.QueryPathInfos(ctx, []store.Path{top, somePath})
	if err != nil || len(infos) != 1 || infos[0].NARHash != store.HashString(store.SHA256, b.String()) || infos[0].NARSize != int64(b.Len()) {
		t.Errorf("info %+v, %v; the archive has %d bytes", infos, err, b.Len())
	}
	valid, err := c.QueryValidPaths(ctx, []store.Path{somePath, top}, true, false)
	if err != nil || !slices.Equal(valid, []store.Path{top}) {
		t.Errorf("valid: %v, %v", valid, err)
	}
}
