package nixcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"muster/compile/store"
	"muster/exec/ondemand"
)

// A Builder builds derivations in the local store. It may be called for many hosts
// at once. It runs one nix-store process at a time, and builds in the next process
// all that was requested meanwhile: concurrent processes would wait for each other's
// locks, which Nix polls only every five seconds.
type Builder struct {
	nix *Nix

	mu      sync.Mutex
	busy    bool
	waiting []*request
}

// NewBuilder returns a Builder that runs nix-store --realise.
func (n *Nix) NewBuilder() *Builder { return &Builder{nix: n} }

// A request is one call of Realise.
type request struct {
	ctx  context.Context
	drv  store.Path
	root string
	log  func(string)

	done chan struct{}
	out  store.Path
	err  error
}

// Realise builds drv unless it is already built. If root is not "", it becomes a
// garbage collector root of the output. log gets the lines of the build, including
// those of other requests built at the same time. If the build fails, the error is
// a [BuildError].
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

// work builds batches until there are no requests.
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

// build realises a batch in one process, and then completes each request.
func (b *Builder) build(batch []*request) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	// The build is cancelled when all requests are.
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
	args := []string{"--realise", "--keep-going"}
	for _, r := range batch {
		args = append(args, string(r.drv))
	}
	_, err := b.nix.output(ctx, nil, func(line string) {
		failures.read(line)
		if strings.Contains(line, "--add-root") {
			return // a hint of Nix; take adds the roots
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

// take returns the result of one request of a batch that ended with err.
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
	// The derivation is built. If not, building it again tells the reason.
	return b.nix.realise(ctx, r.drv, r.root, r.log)
}

// realise builds one derivation, and adds a garbage collector root unless it is "".
func (n *Nix) realise(ctx context.Context, drv store.Path, root string, log func(string)) (store.Path, error) {
	args := []string{"--realise", string(drv)}
	if root != "" {
		if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
			return "", fmt.Errorf("create garbage collector root %s: %v", root, err)
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
			return "", fmt.Errorf("read garbage collector root: %v", err)
		}
	}
	return store.ParsePath(built)
}

// A BuildError is the failure of one derivation.
type BuildError struct {
	Drv store.Path
	Msg string   // Nix's message
	Log []string // the last lines of the build log, as far as Nix repeats them
}

func (e *BuildError) Error() string {
	if len(e.Log) == 0 {
		return e.Msg
	}
	return e.Msg + "\n" + strings.Join(e.Log, "\n")
}

// FailedBuild returns the derivation, and the last lines of its log.
func (e *BuildError) FailedBuild() (store.Path, []string) { return e.Drv, e.Log }

// failures are the builds that failed in one process of Nix, in order.
type failures struct{ list []*BuildError }

// failedBuild matches Nix's message about a failed build: "builder for '…' failed
// with exit code 1" of Nix 2.8 to 2.28, "Cannot build '…'." of newer ones.
var failedBuild = ondemand.Regexp(`error: (?:builder for|Cannot build|build of|hash mismatch in fixed-output derivation) '(/nix/store/[^']+\.drv)'.*`)

// read processes a line of Nix's standard error.
func (f *failures) read(line string) {
	if m := failedBuild().FindStringSubmatch(line); m != nil {
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

// among returns the first failure of a derivation in a closure, or nil.
func (f *failures) among(closure []string) error {
	for _, e := range f.list {
		if slices.Contains(closure, string(e.Drv)) {
			return e
		}
	}
	return nil
}
