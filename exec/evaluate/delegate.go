package evaluate

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"muster/compile/eval"
	"muster/compile/flake"
	"muster/compile/flake/fetch"
	"muster/compile/store"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
)

// A delegate is the [eval.World] of the embedded evaluator. Files are those of
// the machine. It delegates to Nix what the evaluator cannot do itself: to build, and
// to find out what objects in the store refer to.
type delegate struct {
	eval.OS
	nix     *nixcmd.Nix         // nil if Nix is not installed
	fetcher *fetch.Fetcher      // nil: nothing can be fetched
	log     io.Writer           // gets the lines that builds print
	getenv  func(string) string // nil: every variable is empty

	mu      sync.Mutex
	builder *nixcmd.Builder  // nil until the first build
	store   *nixserve.Client // nil until the first question
	built   map[store.Path]bool
}

// Getenv is builtins.getEnv.
func (d *delegate) Getenv(name string) string {
	if d.getenv == nil {
		return ""
	}
	return d.getenv(name)
}

// Fetch fetches without Nix, whose fetchers differ from version to version.
func (d *delegate) Fetch(ctx context.Context, r eval.FetchRequest) (eval.Fetched, error) {
	switch {
	case d.fetcher == nil:
		return eval.Fetched{}, eval.ErrUnsupported
	case r.Fetcher == "fetchurl":
		return d.fetchURL(ctx, r)
	case r.Fetcher == "input":
		return d.fetchInput(ctx, r)
	}
	return eval.Fetched{}, eval.ErrUnsupported
}

func (d *delegate) fetchURL(ctx context.Context, r eval.FetchRequest) (eval.Fetched, error) {
	var argument struct{ URL, Name, SHA256 string }
	if err := json.Unmarshal([]byte(r.JSON), &argument); err != nil {
		return eval.Fetched{}, err
	}
	var want store.Hash
	if argument.SHA256 != "" {
		var err error
		if want, err = store.ParseHash(argument.SHA256, store.SHA256); err != nil {
			return eval.Fetched{}, err
		}
	}
	t, err := d.fetcher.URL(ctx, argument.URL, argument.Name, want)
	return eval.Fetched{Path: t.Path, File: t.Dir}, err
}

func (d *delegate) fetchInput(ctx context.Context, r eval.FetchRequest) (eval.Fetched, error) {
	a, err := flake.ParseAttrs([]byte(r.JSON))
	if err != nil {
		return eval.Fetched{}, err
	}
	dir := ""
	if r.Registry != eval.NoRegistry {
		if a, dir, err = d.fetcher.Find(a, r.Registry == eval.AnyRegistry); err != nil {
			return eval.Fetched{}, err
		}
	}
	t, err := d.fetcher.Fetch(ctx, a, r.Final)
	if err != nil {
		return eval.Fetched{}, err
	}
	return eval.Fetched{Path: t.Path, File: t.Dir, JSON: t.Locked.JSON(), Dir: dir}, nil
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
	var log []string
	_, err := d.sharedBuilder().Realise(ctx, drv, "", func(line string) {
		// The result is read right away, so Nix's advice to add a root is moot.
		if !strings.Contains(line, "--add-root") {
			fmt.Fprintln(d.log, line)
			log = append(log[max(0, len(log)-keptLines+1):], line)
		}
	})
	if err != nil {
		return &loggedError{error: err, log: strings.Join(log, "\n")}
	}
	return nil
}

// A loggedError is the failure of a build, with the last lines that were printed.
type loggedError struct {
	error
	log string
}

func (e *loggedError) Unwrap() error { return e.error }

// keptLines is how many lines of a build a loggedError has at most.
const keptLines = 200

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
func (d *delegate) References(ctx context.Context, p store.Path) (refs []store.Path, err error) {
	err = d.ask(ctx, func(client *nixserve.Client) error {
		infos, err := client.QueryPathInfos(ctx, []store.Path{p})
		if len(infos) > 0 {
			refs = infos[0].References
		}
		return err
	})
	return refs, err
}

// Built asks the store, if there is one, about outputs that exist.
func (d *delegate) Built(ctx context.Context, output store.Path) (built bool) {
	if exists := d.OS.Built(ctx, output); !exists || d.nix == nil {
		return exists
	}
	err := d.ask(ctx, func(client *nixserve.Client) error {
		if built = d.built[output]; built {
			return nil
		}
		valid, err := client.QueryValidPaths(ctx, []store.Path{output}, false, false)
		if built = len(valid) > 0; built {
			if d.built == nil {
				d.built = map[store.Path]bool{}
			}
			d.built[output] = true
		}
		return err
	})
	return err == nil && built
}

// ask asks the local store. The process that answers serves all hosts, one question after
// the other.
func (d *delegate) ask(ctx context.Context, question func(*nixserve.Client) error) error {
	if d.nix == nil {
		return nixcmd.ErrNoNix
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.store == nil || d.store.Err() != nil {
		// All hosts use the process, so the context of one must not end it.
		client, err := serve(context.WithoutCancel(ctx), d.nix, false)
		if err != nil {
			return err
		}
		d.store = client
	}
	return question(d.store)
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
