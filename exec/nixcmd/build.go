package nixcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"muster/compile/store"
)

// A Builder builds derivations of the local store. It may be asked by many
// hosts at once: what is asked while it builds is built together next, so that
// no two builds wait for each other's locks, which Nix looks at every five
// seconds only.
type Builder struct {
	// Machines build, in the words of Nix's builders setting; nil: as nix.conf says.
	Machines []string

	nix *Nix

	mu      sync.Mutex
	busy    bool
	waiting []*request
}

// NewBuilder returns a Builder that runs nix-store --realise.
func (n *Nix) NewBuilder() *Builder { return &Builder{nix: n} }

// A request is one derivation somebody waits for.
type request struct {
	ctx  context.Context
	drv  store.Path
	root string
	log  func(string)

	done chan struct{}
	out  store.Path
	err  error
}

// Realise builds drv, or finds it built, and makes root, where it is given, a
// garbage collector root for it. Lines of a build go to log, also those of
// what is built for others meanwhile. The error of a failed build is a
// [BuildError].
func (b *Builder) Realise(ctx context.Context, drv store.Path, root string, log func(line string)) (store.Path, error) {
	r := &request{ctx: ctx, drv: drv, root: root, log: log, done: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, r)
	lead := !b.busy
	b.busy = true
	b.mu.Unlock()
	if lead {
		go b.work()
	}
	select {
	case <-r.done:
		return r.out, r.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// work builds batch after batch until nobody waits.
func (b *Builder) work() {
	for {
		b.mu.Lock()
		batch := b.waiting
		b.waiting = nil
		if len(batch) == 0 {
			b.busy = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		b.build(batch)
	}
}

// build realises a batch in one process, then takes each request's part.
func (b *Builder) build(batch []*request) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	// The build ends when nobody wants it any more.
	var left sync.WaitGroup
	left.Add(len(batch))
	for _, r := range batch {
		stop := context.AfterFunc(r.ctx, left.Done)
		defer func() {
			if stop() {
				left.Done()
			}
		}()
	}
	go func() {
		left.Wait()
		cancel(context.Canceled)
	}()

	var failures failures
	args := append([]string{"--realise", "--keep-going"}, b.options()...)
	for _, r := range batch {
		args = append(args, string(r.drv))
	}
	_, err := b.nix.output(ctx, nil, func(line string) {
		failures.read(line)
		if strings.Contains(line, "--add-root") {
			return // each request's part gets its root when it is built
		}
		for _, r := range batch {
			if r.log != nil {
				r.log(line)
			}
		}
	}, "nix-store", args...)

	for _, r := range batch {
		r.out, r.err = b.take(ctx, r, err, &failures)
		close(r.done)
	}
}

// take is a request's part of a batch that ended with err.
func (b *Builder) take(ctx context.Context, r *request, err error, f *failures) (store.Path, error) {
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil && len(f.list) > 0 {
		closure, qerr := b.nix.output(ctx, nil, nil, "nix-store", "--query", "--requisites", string(r.drv))
		if qerr != nil {
			return "", qerr
		}
		if mine := f.among(strings.Fields(string(closure))); mine != nil {
			return "", mine
		}
	}
	var exit *ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", err
	}
	// Built already, or failed for a reason that is only told once more.
	return b.nix.realise(ctx, r.drv, r.root, r.log, b.options()...)
}

// options are what the builder has of its own for every build.
func (b *Builder) options() []string {
	if b.Machines == nil {
		return nil
	}
	return []string{"--option", "builders", strings.Join(b.Machines, ";")}
}

// realise builds one derivation, under a root where one is given.
func (n *Nix) realise(ctx context.Context, drv store.Path, root string, log func(string), options ...string) (store.Path, error) {
	args := append([]string{"--realise", string(drv)}, options...)
	if root != "" {
		if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
			return "", fmt.Errorf("make a garbage collector root: %v", err)
		}
		args = append(args, "--add-root", root, "--indirect")
	}
	out, err := n.output(ctx, nil, log, "nix-store", args...)
	if err != nil {
		return "", err
	}
	built := strings.TrimSpace(string(out))
	if root != "" {
		if built, err = os.Readlink(root); err != nil {
			return "", fmt.Errorf("read the garbage collector root: %v", err)
		}
	}
	return store.ParsePath(built)
}

// A BuildError says which derivation did not build.
type BuildError struct {
	Drv store.Path
	Msg string   // what Nix says of it
	Log []string // the last lines of the build, where Nix repeats them
}

func (e *BuildError) Error() string {
	if len(e.Log) == 0 {
		return e.Msg
	}
	return e.Msg + "\n" + strings.Join(e.Log, "\n")
}

// failures are the builds that failed in one run of Nix, in order.
type failures struct{ list []*BuildError }

// A failed build, as Nix 2.8 to 2.28 say it ("builder for '…' failed with exit
// code 1") and newer ones ("Cannot build '…'.").
var failedBuild = regexp.MustCompile(`error: (?:builder for|Cannot build|build of|hash mismatch in fixed-output derivation) '(/nix/store/[^']+\.drv)'.*`)

// read takes a line of Nix's standard error.
func (f *failures) read(line string) {
	if m := failedBuild.FindStringSubmatch(line); m != nil {
		f.list = append(f.list, &BuildError{Drv: store.Path(m[1]), Msg: strings.TrimPrefix(m[0], "error: ")})
		return
	}
	// Nix repeats the end of the log as "       > line".
	if n := len(f.list); n > 0 {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "> "); ok {
			f.list[n-1].Log = append(f.list[n-1].Log, text)
		}
	}
}

// among returns the first failure that concerns a closure of derivations.
func (f *failures) among(closure []string) error {
	for _, e := range f.list {
		if slices.Contains(closure, string(e.Drv)) {
			return e
		}
	}
	return nil
}
