package transfer

import (
	"context"
	"testing"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
)

const somePath = store.Path("/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-some")

// A testStore is a real store, to copy from and to.
type testStore struct {
	storelab.Store
	t *testing.T
}

func newStore(t *testing.T) testStore { return testStore{storelab.New(t), t} }

// builtClosure is storelab.Closure.
func builtClosure(t *testing.T) (testStore, store.Path) {
	s, top := storelab.Closure(t)
	return testStore{s, t}, top
}

// client starts a session that ends with the test.
func (s testStore) client() *nixserve.Client {
	s.t.Helper()
	c, err := nixserve.New(context.Background(), s.Serve())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

// local is the store as a source.
func (s testStore) local() *Local {
	l := NewLocal(s.Dir(), func(ctx context.Context) (*nixserve.Client, error) { return nixserve.New(ctx, s.Serve()) })
	s.t.Cleanup(func() { l.Close() })
	return l
}

// copyClosure copies over a session that is open already.
func copyClosure(ctx context.Context, src Source, dst *nixserve.Client, paths []store.Path, opts Options) (Stats, error) {
	t := newTransfer(src, opts)
	if err := t.find(ctx, paths); err != nil {
		return t.stats, err
	}
	if err := t.compare(ctx, dst); err != nil {
		return t.stats, err
	}
	return t.stats, t.send(ctx, dst, &window{confirmed: t.confirmed})
}

// missing returns those of infos that a store lacks.
func missing(ctx context.Context, dst *nixserve.Client, infos []nixserve.PathInfo) ([]nixserve.PathInfo, error) {
	t := &transfer{closure: infos}
	for _, info := range infos {
		t.roots = append(t.roots, info.Path)
	}
	err := t.findMissing(ctx, dst)
	return t.missing, err
}
