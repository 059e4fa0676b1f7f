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

// A Channel is a running `nix-daemon --stdio` on some machine: reading is its
// standard output, writing its standard input.
type Channel interface {
	io.Reader
	io.Writer
	Close() error   // ends it at once
	Stderr() string // what it has written to standard error
}

// CopyToDaemon copies paths and all they refer to with `nix copy`, to the store
// behind a daemon that open reaches: Nix speaks its protocol, and knows nothing
// of how the machine is reached. With substitute the daemon first fetches what
// it can from its own binary caches. Lines of Nix go to log.
//
// What open has opened stays open afterwards, and with it what the daemon keeps
// from garbage collection; ending it is the caller's.
func (n *Nix) CopyToDaemon(ctx context.Context, open func(context.Context) (Channel, error), paths []store.Path, substitute bool, log func(line string)) error {
	dir, err := os.MkdirTemp("", "muster-nix-")
	if err != nil {
		return fmt.Errorf("listen for nix copy: %v", err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s") // short: the name of a socket has at most 107 bytes
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

// copyCommands are the commands that copy paths and all they refer to, one or two:
// without being told otherwise Nix takes a derivation for what it builds.
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

// A bridge leads connections to a socket to daemons elsewhere.
type bridge struct {
	listener net.Listener
	open     func(context.Context) (Channel, error)

	mu       sync.Mutex
	channels []Channel
	err      error // why one could not be opened
}

// serve leads every connection to a channel of its own until the listener is
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
			// Only the connection ends with Nix; the daemon holds locks.
			ended := make(chan struct{})
			go func() { io.Copy(c, conn); conn.Close(); close(ended) }()
			go func() { io.Copy(conn, c); conn.Close() }()
			<-ended
		})
	}
}

// explain adds what the far end said to Nix's own error.
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

// A Pusher copies paths to a binary cache, or any other store that Nix knows by
// a URL. It may be asked by many hosts at once: what is asked while it copies is
// copied together next, and nothing is copied twice.
type Pusher struct {
	nix *Nix
	url string

	mu      sync.Mutex
	pushed  map[store.Path]bool
	waiting []*push
	busy    bool
}

// A push is what somebody waits for.
type push struct {
	paths []store.Path
	log   func(string)
	done  chan struct{}
	err   error
}

// NewPusher returns a Pusher to a store URL, such as s3://bucket.
func (n *Nix) NewPusher(url string) *Pusher {
	return &Pusher{nix: n, url: url, pushed: make(map[store.Path]bool)}
}

// Push makes paths and all they refer to valid in the cache. Lines of Nix go to
// log.
func (p *Pusher) Push(ctx context.Context, paths []store.Path, log func(line string)) error {
	w := &push{paths: paths, log: log, done: make(chan struct{})}
	p.mu.Lock()
	p.waiting = append(p.waiting, w)
	lead := !p.busy
	p.busy = true
	p.mu.Unlock()
	if lead {
		// It is for all hosts, and goes on when the first gives up.
		go p.work(context.WithoutCancel(ctx))
	}
	select {
	case <-w.done:
		return w.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// work copies batch after batch until nobody waits.
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

// PlainURL is a store URL without its settings, for people to read.
func PlainURL(url string) string {
	url, _, _ = strings.Cut(url, "?")
	return url
}

// PullCommands are the commands by which another machine copies paths and all
// they refer to from a store at a URL. It takes what is signed by a key it trusts.
func PullCommands(url string, paths []store.Path) [][]string {
	return copyCommands([]string{"--from", url}, paths)
}

// PullURL is where others pull from what was pushed to a store URL: the same
// without the settings that only matter to who writes there.
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

// writersSettings are settings of store URLs that name something on the machine
// that writes, or say how to write (nix help-stores).
var writersSettings = []string{
	"secret-key", "secret-keys", "profile", "compression", "compression-level", "parallel-compression", "write-nar-listing", "index-debug-info",
	"local-nar-cache", "ls-compression", "log-compression", "narinfo-compression", "multipart-upload", "buffer-size", "ssh-key",
}

// ErrNoURL says that something is no store URL.
var ErrNoURL = errors.New("want a store's URL such as s3://bucket, file:///srv/cache or ssh://user@host")

// CheckURL finds out whether a text can be the URL of a store.
func CheckURL(url string) error {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok || scheme == "" || rest == "" || strings.HasPrefix(url, "-") || strings.ContainsAny(url, " \t\n") {
		return ErrNoURL
	}
	return nil
}
