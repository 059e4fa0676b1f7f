package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"

	"muster/compile/eval"
	"muster/compile/store"
	"muster/exec/nixcmd"
)

// fetch gets what a fetcher asks for. What is pinned and in the store already
// is just there; the rest is fetched by Nix, whose caches and credentials then
// count as well.
func fetch(ctx context.Context, r eval.FetchRequest) (store.Path, error) {
	if p, ok := pinned(r); ok {
		if _, err := os.Lstat(string(p)); err == nil {
			return p, nil
		}
	}
	nix, err := nixcmd.Find(ctx)
	if errors.Is(err, nixcmd.ErrNoNix) {
		return "", fmt.Errorf("fetching needs Nix, once for what is pinned: %w", err)
	}
	if err != nil {
		return "", err
	}
	return nix.Fetch(ctx, r.Fetcher, r.JSON)
}

// pinned is where what a fetcher asks for belongs in the store, if its hash is
// given.
func pinned(r eval.FetchRequest) (store.Path, bool) {
	var arg struct{ URL, Name, SHA256, Hash string }
	if json.Unmarshal([]byte(r.JSON), &arg) != nil {
		return "", false // a bare URL
	}
	text := arg.SHA256
	if text == "" {
		text = arg.Hash
	}
	hash, err := store.ParseHash(text, store.SHA256)
	if text == "" || err != nil {
		return "", false
	}
	name, recursive := arg.Name, true
	switch {
	case r.Fetcher == "fetchurl":
		recursive = false
		if name == "" {
			name = path.Base(arg.URL)
		}
	case r.Fetcher != "fetchTarball":
		return "", false
	case name == "":
		name = "source"
	}
	p, err := store.FixedPath(name, hash, recursive)
	return p, err == nil
}
