// Package objectstore reads and writes the objects of a store that others may share: a directory, here or on a machine that is
// reached by SSH, a server that takes PUT, or a bucket of S3.
//
//	s, err := objectstore.Open("s3://fleet?endpoint=minio.example.com", objectstore.Options{})
//	text, etag, err := objectstore.Read(ctx, s, "muster/release.json", objectstore.ReadOptions{Limit: 4096, ETag: last})
//	err = objectstore.Write(ctx, s, "muster/release.json", text, objectstore.Condition{Match: etag})
//
// What is read is not trusted: it is bounded here, and its reader checks signatures. A Put is atomic: readers see the
// former object or the new one. Credentials are never part of an error.
package objectstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"strings"
	"time"

	"muster/exec/foreign"
)

// A Store holds objects by their keys, such as nar/1b4s….nar.zst. Its methods may be called side by side.
type Store interface {
	// Get returns an object. With an ETag, the error about an object that still has it is [ErrNotModified].
	Get(ctx context.Context, key, etag string) (*Object, error)
	// Put writes an object of size bytes, where the condition holds; else the error is [ErrConflict].
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, c Condition) error
	// String is the URL of the store without credentials.
	String() string
}

// An Object is what was stored under a key. Its reader closes Body.
type Object struct {
	Body io.ReadCloser
	Size int64  // -1 where the store does not say
	ETag string // changes with the contents; "" where the store has none
}

// A Condition says what a Put replaces. The zero value replaces anything.
type Condition struct {
	Absent bool   // there is no such object
	Match  string // the object has this ETag
}

// The errors that callers tell apart.
var (
	ErrNotFound    = errors.New("there is no such object")
	ErrNotModified = errors.New("the object has not changed")
	ErrUnreachable = errors.New("the store does not answer")
	ErrTrouble     = errors.New("the store is in trouble") // it answers that it cannot now
	ErrConflict    = errors.New("somebody else has written the object")
)

// Fails reports whether an error is about the store, and says nothing of the object.
func Fails(err error) bool { return errors.Is(err, ErrUnreachable) || errors.Is(err, ErrTrouble) }

// Options say how a store is reached.
type Options struct {
	// Authorization is for servers that are reached by HTTP: USER:PASSWORD, or a token.
	Authorization string
	// Connect reaches the machine of a folder by SSH; nil where nothing does.
	Connect func(ctx context.Context, u *url.URL) (Shell, error)
	// Limit is for one request with a small object; 0 is a minute.
	Limit time.Duration
}

// ErrNoURL says that a text is not the URL of a store.
var ErrNoURL = errors.New("want s3://BUCKET?endpoint=HOST, https://HOST/PATH, ssh://HOST/PATH or file:///PATH")

// Open returns the store at a URL. It does not connect yet.
func Open(text string, o Options) (Store, error) {
	if o.Limit <= 0 {
		o.Limit = time.Minute
	}
	u, err := url.Parse(text)
	if err != nil || u.Fragment != "" {
		return nil, ErrNoURL
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" || !path.IsAbs(u.Path) || u.RawQuery != "" {
			return nil, ErrNoURL
		}
		return directory{u.Path}, nil
	case "http", "https":
		return newServer(u, o)
	case "ssh":
		return newFolder(u, o)
	case "s3":
		return newBucket(u, o)
	}
	return nil, ErrNoURL
}

// checkKey refuses keys that lead out of a store.
func checkKey(key string) error {
	if key == "" || path.IsAbs(key) || path.Clean(key) != key || key == ".." || strings.HasPrefix(key, "../") || strings.ContainsAny(key, "\\?#%\x00") {
		return fmt.Errorf("object %.100q: want a relative path", key)
	}
	return nil
}

// ReadOptions say what [Read] reads.
type ReadOptions struct {
	Limit int64  // most bytes of the object; must be positive
	ETag  string // that of the object when it was read before; "" for none
}

// readLimit is how long a small object may take.
const readLimit = 10 * time.Minute

// Read reads a small object and returns it with its ETag.
func Read(ctx context.Context, s Store, key string, o ReadOptions) (text []byte, etag string, err error) {
	if o.Limit <= 0 {
		panic("objectstore: no limit of bytes")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readLimit, fmt.Errorf("%w: it has not sent the whole object in %v", ErrUnreachable, readLimit))
	defer cancel()
	obj, err := s.Get(ctx, key, o.ETag)
	if err != nil {
		return nil, "", fmt.Errorf("read %s of %s: %w", key, s, err)
	}
	defer obj.Body.Close()
	name := key + " of " + s.String()
	text, err = foreign.ReadAll(obj.Body, "it", o.Limit)
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("read %s: %w", name, err)
	case obj.Size >= 0 && obj.Size != int64(len(text)):
		return nil, "", fmt.Errorf("read %s of %s: it ends after %d of %d bytes", key, s, len(text), obj.Size)
	}
	return text, obj.ETag, nil
}

// Write writes a small object.
func Write(ctx context.Context, s Store, key string, text []byte, c Condition) error {
	if err := s.Put(ctx, key, bytes.NewReader(text), int64(len(text)), c); err != nil {
		return fmt.Errorf("write %s of %s: %w", key, s, err)
	}
	return nil
}
