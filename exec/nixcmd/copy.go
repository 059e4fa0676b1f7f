package nixcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"muster/compile/store"
)

// A Channel is a running `nix-daemon --stdio` on some machine. Read reads its
// standard output, Write writes to its standard input.
type Channel interface {
	io.Reader
	io.Writer
	Close() error   // kills it
	Stderr() string // returns its standard error so far
}

// CopyToDaemon copies the closure of paths with `nix copy` to the store of a daemon
// that open connects to: Nix speaks the protocol, open knows how to reach the
// machine. With substitute the daemon first fetches what it can from its own binary
// caches. log gets the lines of Nix.
//
// The channels stay open afterwards, because an open daemon keeps what it received
// from garbage collection. The caller closes them.
func (n *Nix) CopyToDaemon(ctx context.Context, open func(context.Context) (Channel, error), paths []store.Path, substitute bool, log func(line string)) error {
	dir, err := os.MkdirTemp("", "muster-nix-")
	if err != nil {
		return fmt.Errorf("listen for nix copy: %v", err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s") // the path of a socket may have at most 107 bytes
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listen for nix copy: %v", err)
	}
	b := &bridge{listener: listener, open: open}
	served := make(chan struct{})
	go func() { b.serve(ctx); close(served) }()
	args := []string{"--no-check-sigs", "--to", "unix://" + socket}
	if substitute {
		args = append(args, "--substitute-on-destination")
	}
	err = n.copy(ctx, log, args, paths)
	listener.Close()
	<-served
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return b.explain(err)
}

// copy runs nix copy.
func (n *Nix) copy(ctx context.Context, log func(string), args []string, paths []store.Path) error {
	for _, argv := range copyCommands(args, paths) {
		if _, err := n.output(ctx, nil, log, argv[0], argv[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// copyCommands returns the one or two commands that copy the closure of paths.
// Derivations need a command of their own: without --derivation, Nix copies what
// they build.
func copyCommands(args []string, paths []store.Path) [][]string {
	copying := append([]string{"nix", "copy", "--extra-experimental-features", "nix-command"}, args...)
	var plain, drvs []string
	for _, p := range paths {
		if strings.HasSuffix(string(p), ".drv") {
			drvs = append(drvs, string(p))
		} else {
			plain = append(plain, string(p))
		}
	}
	var commands [][]string
	if len(plain) > 0 {
		commands = append(commands, slices.Concat(copying, plain))
	}
	if len(drvs) > 0 {
		commands = append(commands, slices.Concat(copying, []string{"--derivation"}, drvs))
	}
	return commands
}

// A bridge forwards connections to a socket to channels.
type bridge struct {
	listener net.Listener
	open     func(context.Context) (Channel, error)

	mu       sync.Mutex
	channels []Channel
	err      error // of the last channel that could not be opened
}

// serve forwards each connection to a channel of its own until the listener is
// closed.
func (b *bridge) serve(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			defer conn.Close()
			c, err := b.open(ctx)
			b.mu.Lock()
			if err != nil {
				b.err = err
			} else {
				b.channels = append(b.channels, c)
			}
			b.mu.Unlock()
			if err != nil {
				return
			}
			// Close only the connection: the daemon holds locks.
			ended := make(chan struct{})
			go func() { io.Copy(c, conn); conn.Close(); close(ended) }()
			go func() { io.Copy(conn, c); conn.Close() }()
			<-ended
		})
	}
}

// explain adds the standard error of the daemon to the error of Nix.
func (b *bridge) explain(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	for _, c := range b.channels {
		c.Close()
		if said := strings.TrimSpace(c.Stderr()); said != "" {
			return fmt.Errorf("%w; nix-daemon --stdio: %s", err, message(said))
		}
	}
	return err
}

// A Pusher copies paths to a binary cache, or any other store with a URL. It may be
// called for many hosts at once. It runs one process at a time, which copies all that
// was requested meanwhile, and copies nothing twice.
type Pusher struct {
	nix *Nix
	url string

	mu      sync.Mutex
	pushed  map[store.Path]bool
	waiting []*push
	busy    bool
}

// A push is one call of Push.
type push struct {
	paths []store.Path
	log   func(string)
	done  chan struct{}
	err   error
}

// NewPusher returns a Pusher to a store URL such as s3://bucket.
func (n *Nix) NewPusher(url string) *Pusher {
	return &Pusher{nix: n, url: url, pushed: make(map[store.Path]bool)}
}

// Push copies the closure of paths to the cache. log gets the lines of Nix.
func (p *Pusher) Push(ctx context.Context, paths []store.Path, log func(line string)) error {
	w := &push{paths: paths, log: log, done: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	lead := !p.busy
	p.busy = true
	p.mu.Unlock()
	if lead {
		// The work is for all callers, so it outlives the first one.
		go p.work(context.WithoutCancel(ctx))
	}
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// work copies batches until there are no calls.
func (p *Pusher) work(ctx context.Context) {
	for {
		p.mu.Lock()
		batch := p.waiting
		p.waiting = nil
		if len(batch) == 0 {
			p.busy = false
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		err := p.copy(ctx, batch)
		for _, w := range batch {
			w.err = err
			close(w.done)
		}
	}
}

// copy copies the paths of a batch that are not yet copied.
func (p *Pusher) copy(ctx context.Context, batch []*push) error {
	var paths []store.Path
	for _, w := range batch {
		for _, path := range w.paths {
			if !p.pushed[path] && !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	if len(paths) == 0 {
		return nil
	}
	err := p.nix.copy(ctx, func(line string) {
		for _, w := range batch {
			w.log(line)
		}
	}, []string{"--to", p.url}, paths)
	if err != nil {
		return fmt.Errorf("push to %s: %w", PlainURL(p.url), err)
	}
	for _, path := range paths {
		p.pushed[path] = true
	}
	return nil
}

// PlainURL returns a store URL without its settings, for messages.
func PlainURL(url string) string {
	url, _, _ = strings.Cut(url, "?")
	return url
}

// PullCommands returns the commands by which a machine copies the closure of paths
// from the store at a URL. The machine accepts only signatures of keys it trusts.
func PullCommands(url string, paths []store.Path) [][]string {
	return copyCommands([]string{"--from", url}, paths)
}

// PullURL returns the URL to pull from what was pushed to a store URL: the same
// without the settings for writing.
func PullURL(url string) string {
	base, query, ok := strings.Cut(url, "?")
	if !ok {
		return url
	}
	var kept []string
	for _, setting := range strings.Split(query, "&") {
		key, _, _ := strings.Cut(setting, "=")
		if !slices.Contains(writersSettings, key) {
			kept = append(kept, setting)
		}
	}
	if len(kept) == 0 {
		return base
	}
	return base + "?" + strings.Join(kept, "&")
}

// writersSettings are the settings of store URLs that refer to the writing machine
// or say how to write (nix help-stores).
var writersSettings = []string{
	"secret-key", "secret-keys", "profile", "compression", "compression-level", "parallel-compression", "write-nar-listing", "index-debug-info",
	"local-nar-cache", "ls-compression", "log-compression", "narinfo-compression", "multipart-upload", "buffer-size", "ssh-key",
}

// ErrNoURL means that a text is not a store URL.
var ErrNoURL = errors.New("want a store URL such as s3://bucket, file:///srv/cache or ssh://user@host")

// CheckURL returns ErrNoURL for a text that cannot be a store URL.
func CheckURL(url string) error {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || scheme == "" || rest == "" || strings.HasPrefix(url, "-") || strings.ContainsAny(url, " \t\n") {
		return ErrNoURL
	}
	return nil
}
