package archive

import (
	"context"
	"os"
	"strings"
	"testing"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
	"muster/exec/transfer"
)

const somePath = store.Path("/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-some")

// source is a store to export from.
func source(t testing.TB, s storelab.Store) *transfer.Local {
	l := transfer.NewLocal(s.Dir(), func(ctx context.Context) (*nixserve.Client, error) { return nixserve.New(ctx, s.Serve()) })
	t.Cleanup(func() { l.Close() })
	return l
}

// copyTo copies a closure to a store.
func copyTo(t *testing.T, to storelab.Store, src transfer.Source, tops ...store.Path) (transfer.Stats, error) {
	link := transfer.Link{Serve: func(context.Context) (nixserve.Stream, error) { return to.Serve(), nil }}
	dst, stats, err := link.Copy(context.Background(), src, tops, transfer.Options{})
	if dst != nil {
		t.Cleanup(func() { dst.Close() })
	}
	return stats, err
}

// publicKey is the key that a store of storelab.Closure has signed its outputs with.
func publicKey(t *testing.T, s storelab.Store) PublicKey {
	t.Helper()
	text, err := os.ReadFile(s.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParsePublicKey(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}
