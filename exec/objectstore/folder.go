package objectstore

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync"

	"muster/exec/bounded"
)

// A Shell runs commands on the machine of a folder.
type Shell interface {
	// Feed runs a command to its end. The words of the command arrive as they are.
	Feed(ctx context.Context, argv []string, stdin io.Reader, stdout, stderr io.Writer) error
}

// A folder is a store whose objects are files of another machine, such as one with a web server that hosts pull from.
// A put writes a temporary file beside the object and renames it.
type folder struct {
	dir  string
	text string
	open func(ctx context.Context) (Shell, error)
	busy chan struct{} // holds one for each request that runs

	connecting chan struct{} // holds one while a request connects

	mu    sync.Mutex
	shell Shell // nil before the first request, and after one that lost it
}

// requests is how many requests run side by side: sshd allows ten sessions a connection, and ends one a moment after its
// command has ended.
const requests = 6

//go:embed folderget.sh
var folderGet string

//go:embed folderput.sh
var folderPut string

// newFolder returns the folder at ssh://[USER@]HOST[:PORT]/PATH.
func newFolder(u *url.URL, o Options) (*folder, error) {
	_, secret := u.User.Password()
	dir := path.Clean(u.Path)
	if u.Hostname() == "" || secret || !path.IsAbs(u.Path) || dir == "/" || u.RawQuery != "" || strings.ContainsAny(u.Path, "\n\x00") || strings.HasPrefix(u.Hostname(), "-") {
		return nil, ErrNoURL
	}
	f := &folder{dir: dir, text: "ssh://" + u.Host + dir, busy: make(chan struct{}, requests), connecting: make(chan struct{}, 1)}
	if u.User != nil {
		f.text = "ssh://" + u.User.Username() + "@" + u.Host + dir
	}
	f.open = func(ctx context.Context) (Shell, error) {
		if o.Connect == nil {
			return nil, errors.New("nothing here connects by SSH")
		}
		return o.Connect(ctx, u)
	}
	return f, nil
}

func (f *folder) String() string { return f.text }

// connect returns the way to the machine, which all requests share.
func (f *folder) connect(ctx context.Context) (Shell, error) {
	select {
	case f.connecting <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-f.connecting }()
	f.mu.Lock()
	s := f.shell
	f.mu.Unlock()
	if s != nil {
		return s, nil
	}
	s, err := f.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	f.mu.Lock()
	f.shell = s
	f.mu.Unlock()
	return s, nil
}

// lost has the next request connect anew.
func (f *folder) lost(s Shell) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shell == s {
		f.shell = nil
	}
}

// An answer is what a script says before anything else.
type answer struct {
	word, rest string
	body       *bufio.Reader // what comes behind it
}

// request runs a script and returns its answer. The caller ends it.
func (f *folder) request(ctx context.Context, script, name string, stdin io.Reader, args ...string) (_ *answer, end func(), err error) {
	select {
	case f.busy <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	shell, err := f.connect(ctx)
	if err != nil {
		<-f.busy
		return nil, nil, err
	}
	running, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	ended := make(chan struct{})
	go func() {
		said := &bounded.Tail{Limit: 1 << 10}
		defer close(ended)
		err := shell.Feed(running, append([]string{"/bin/sh", "-c", script, name, f.dir}, args...), stdin, w, said)
		if text := strings.Join(strings.Fields(said.String()), " "); err != nil && running.Err() == nil {
			f.lost(shell)
			err = fmt.Errorf("%w: %w", ErrUnreachable, err)
			if text != "" {
				err = fmt.Errorf("%w: %s", err, text)
			}
		}
		w.CloseWithError(err) // nil is the end
	}()
	end = sync.OnceFunc(func() {
		cancel()
		r.Close()
		<-ended
		<-f.busy
	})
	a, err := readAnswer(bufio.NewReader(r))
	if err == nil && (a.word == "nofolder" || a.word == "refused") {
		io.Copy(io.Discard, a.body) // the script tidies up
		err = errors.New(a.rest)
		if a.word == "nofolder" {
			err = fmt.Errorf("there is no folder %s on it that this user can enter: make it first", f.dir)
		}
	}
	if err != nil {
		end()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, nil, err
	}
	return a, end, nil
}

// maxGreeting is how much a login shell may print before the answer.
const maxGreeting = 64 << 10

// readAnswer passes over what the login shell prints.
func readAnswer(r *bufio.Reader) (*answer, error) {
	for read := 0; read < maxGreeting; {
		line, err := r.ReadSlice('\n')
		read += len(line)
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: it ends without an answer", ErrUnreachable)
			}
			return nil, err
		}
		if text, ok := strings.CutPrefix(strings.TrimSuffix(string(line), "\n"), "muster-object "); ok {
			word, rest, _ := strings.Cut(text, " ")
			return &answer{word: word, rest: rest, body: r}, nil
		}
	}
	return nil, fmt.Errorf("%w: its shell prints %d kB before the answer", ErrUnreachable, maxGreeting>>10)
}

func (f *folder) Get(ctx context.Context, key, etag string) (*Object, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	a, end, err := f.request(ctx, folderGet, "muster-get", strings.NewReader(""), key, strings.Trim(etag, `"`))
	if err != nil {
		return nil, err
	}
	words := strings.Fields(a.rest)
	if a.word == "object" && len(words) == 2 {
		if size, err := strconv.ParseInt(words[0], 10, 64); err == nil && size >= 0 {
			return &Object{Body: &folderBody{io.LimitReader(a.body, size), end}, Size: size, ETag: `"` + words[1] + `"`}, nil
		}
	}
	end()
	switch a.word {
	case "none":
		return nil, ErrNotFound
	case "same":
		return nil, ErrNotModified
	}
	return nil, fmt.Errorf("unexpected answer %.100q", a.word+" "+a.rest)
}

// A folderBody is an object that arrives.
type folderBody struct {
	io.Reader
	end func()
}

func (b *folderBody) Close() error {
	b.end()
	return nil
}

func (f *folder) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, c Condition) error {
	if err := checkKey(key); err != nil {
		return err
	}
	args := []string{key, strconv.FormatInt(size, 10), "any"}
	switch {
	case c.Absent:
		args[2] = "absent"
	case c.Match != "":
		args = append(args[:2], "match", strings.Trim(c.Match, `"`))
	}
	a, end, err := f.request(ctx, folderPut, "muster-put", io.LimitReader(body, size), args...)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, a.body) // until the file is in its place
	end()
	switch {
	case err != nil:
		return err
	case a.word == "conflict":
		return ErrConflict
	case a.word != "written":
		return fmt.Errorf("unexpected answer %.100q", a.word+" "+a.rest)
	}
	return nil
}
