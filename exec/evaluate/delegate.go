package evaluate

import (
	"context"
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

// A delegate is the [eval.World] of the embedded evaluator. Files are those of
// the machine. It delegates to Nix what the evaluator cannot do itself: to fetch,
// to build, and to find out what objects in the store refer to.
type delegate struct {
	eval.OS
	nix    *nixcmd.Nix         // nil if Nix is not installed
	log    io.Writer           // gets the lines that builds print
	getenv func(string) string // nil: every variable is empty

	mu      sync.Mutex
	builder *nixcmd.Builder  // nil until the first build
	store   *nixserve.Client // nil until the first question
}

// Getenv is builtins.getEnv.
func (d *delegate) Getenv(name string) string {
	if d.getenv == nil {
		return ""
	}
	return d.getenv(name)
}

// Fetch calls a fetcher of Nix, which uses Nix's own caches and credentials.
func (d *delegate) Fetch(ctx context.Context, r eval.FetchRequest) (eval.Fetched, error) {
	if d.nix == nil {
		return eval.Fetched{}, fmt.Errorf("fetching needs Nix, for pinned sources only once: %w", nixcmd.ErrNoNix)
	}
	p, attributes, err := d.nix.Fetch(ctx, r.Fetcher, r.JSON)
	return eval.Fetched{Path: p, JSON: attributes}, err
}

// Realise writes derivations to the store and builds outputs of them, for import
// from derivation.
func (d *delegate) Realise(ctx context.Context, ev *eval.Evaluator, outputs []eval.DerivationOutput) error {
	if d.nix == nil {
		return fmt.Errorf("import from derivation builds, which needs Nix: %w", nixcmd.ErrNoNix)
	}
	var drvs []store.Path
	for _, o := range outputs {
		drvs = append(drvs, o.Drv)
	}
	if err := instantiate(ctx, d.nix, ev, drvs); err != nil {
		return err
	}
	for _, o := range outputs {
		if err := d.build(ctx, o.Drv); err != nil {
			return err
		}
		if _, err := os.Lstat(string(o.Path)); err != nil {
			return fmt.Errorf("find what was built: %v", err)
		}
	}
	return nil
}

func (d *delegate) build(ctx context.Context, drv store.Path) error {
	_, err := d.sharedBuilder().Realise(ctx, drv, "", func(line string) {
		// The result is read right away, so Nix's advice to add a root is moot.
		if !strings.Contains(line, "--add-root") {
			fmt.Fprintln(d.log, line)
		}
	})
	return err
}

// sharedBuilder returns the builder of all hosts: it joins builds of the same
// derivation.
func (d *delegate) sharedBuilder() *nixcmd.Builder {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.builder == nil {
		d.builder = d.nix.NewBuilder()
	}
	return d.builder
}

// References returns what an object in the store refers to.
func (d *delegate) References(ctx context.Context, p store.Path) ([]store.Path, error) {
	if d.nix == nil {
		return nil, nixcmd.ErrNoNix
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.store == nil || d.store.Err() != nil {
		// All hosts use the process, so the context of one must not end it.
		client, err := serve(context.WithoutCancel(ctx), d.nix, false)
		if err != nil {
			return nil, err
		}
		d.store = client
	}
	infos, err := d.store.QueryPathInfos(ctx, []store.Path{p})
	if err != nil || len(infos) == 0 {
		return nil, err
	}
	return infos[0].References, nil
}

// close ends the process that answers questions about the store.
func (d *delegate) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.store != nil {
		d.store.Close()
	}
}

// serve starts a client of the local store.
func serve(ctx context.Context, nix *nixcmd.Nix, write bool) (*nixserve.Client, error) {
	process, err := nix.Serve(ctx, write)
	if err != nil {
		return nil, err
	}
	return nixserve.New(ctx, process)
}
