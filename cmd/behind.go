package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"muster/compile/eval"
	"muster/compile/store"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
)

// A nixBehind is the Nix that an embedded evaluator turns to for what it cannot
// do itself: to fetch, to build, and to know what is in the store. Whether
// there is one is found out when it is needed.
type nixBehind struct {
	eval.OS            // files and environment are those of this process
	log      io.Writer // told what builds say
	settings []string  // NAME=VALUE: what the evaluator was given over what Nix reads itself

	mu      sync.Mutex
	found   *nixcmd.Nix
	builder *nixcmd.Builder
	store   *nixserve.Client
}

// nix is wireNix, once.
func (b *nixBehind) nix(ctx context.Context) (*nixcmd.Nix, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.found == nil {
		nix, err := wireNix()
		if err != nil {
			return nil, err
		}
		if len(b.settings) > 0 {
			config := os.Getenv("NIX_CONFIG")
			for _, s := range b.settings {
				config += "\n" + strings.Replace(s, "=", " = ", 1)
			}
			nix.Env = append(nix.Env, "NIX_CONFIG="+config)
		}
		b.found, b.builder = nix, nix.NewBuilder()
	}
	return b.found, nil
}

// Fetch has Nix get what a fetcher asks for; its caches and credentials then
// count as well.
func (b *nixBehind) Fetch(ctx context.Context, r eval.FetchRequest) (eval.Fetched, error) {
	nix, err := b.nix(ctx)
	if errors.Is(err, nixcmd.ErrNoNix) {
		return eval.Fetched{}, fmt.Errorf("fetching needs Nix, once for what is pinned: %w", err)
	}
	if err != nil {
		return eval.Fetched{}, err
	}
	p, told, err := nix.Fetch(ctx, r.Fetcher, r.JSON)
	return eval.Fetched{Path: p, JSON: told}, err
}

// Realise builds outputs for import from derivation. Their derivations are
// written to the store first.
func (b *nixBehind) Realise(ctx context.Context, ev *eval.Evaluator, outputs []eval.DerivationOutput) error {
	nix, err := b.nix(ctx)
	if errors.Is(err, nixcmd.ErrNoNix) {
		return fmt.Errorf("import from derivation builds, which needs Nix: %w", err)
	}
	if err != nil {
		return err
	}
	var drvs []store.Path
	for _, o := range outputs {
		drvs = append(drvs, o.Drv)
	}
	if err := instantiate(ctx, nix, ev, drvs); err != nil {
		return err
	}
	for _, o := range outputs {
		_, err := b.builder.Realise(ctx, o.Drv, "", func(line string) {
			if !strings.Contains(line, "--add-root") { // it is only read, and soon
				fmt.Fprintln(plainWriter{b.log}, line)
			}
		})
		if err != nil {
			return err
		}
		if _, err := os.Lstat(string(o.Path)); err != nil {
			return fmt.Errorf("it is built, but not there: %v", err)
		}
	}
	return nil
}

// References asks the store what one of its objects refers to.
func (b *nixBehind) References(ctx context.Context, p store.Path) ([]store.Path, error) {
	nix, err := b.nix(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.store == nil || b.store.Err() != nil {
		// It serves all hosts, and outlives the one that asks first.
		process, err := nix.Serve(context.WithoutCancel(ctx), false)
		if err != nil {
			return nil, err
		}
		if b.store, err = nixserve.New(ctx, process); err != nil {
			return nil, err
		}
	}
	infos, err := b.store.QueryPathInfos(ctx, []store.Path{p})
	if err != nil || len(infos) == 0 {
		return nil, err
	}
	return infos[0].References, nil
}
