package objectstore

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "embed"

	"golang.org/x/sync/errgroup"
)

// An Entry is an object in a listing.
type Entry struct {
	Key      string
	Size     int64
	Modified time.Time // by the store's clock; the zero value where the store does not say
}

// A Lister is a store that can say what it holds. All kinds of store can, but for servers that take PUT and know no PROPFIND.
type Lister interface {
	// List calls found for each object, in any order.
	List(ctx context.Context, found func(Entry)) error
	// Remove removes objects. One that is not there is no error.
	Remove(ctx context.Context, keys []string) error
}

// ErrNoListing says that a store does not tell what it holds.
var ErrNoListing = errors.New("it does not list its objects")

// maxEntries is the most objects of a store that is listed.
const maxEntries = 10_000_000

// List returns the objects of a store, sorted by key, each once.
func List(ctx context.Context, s Store) ([]Entry, error) {
	l, ok := s.(Lister)
	if !ok {
		return nil, fmt.Errorf("list %s: %w", s, ErrNoListing)
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var entries []Entry
	err := l.List(ctx, func(e Entry) {
		if len(entries) == maxEntries {
			stop(fmt.Errorf("it has more than %d objects", maxEntries))
		} else if checkKey(e.Key) == nil {
			entries = append(entries, e)
		}
	})
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", s, err)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return slices.CompactFunc(entries, func(a, b Entry) bool { return a.Key == b.Key }), nil
}

// Remove removes objects from a store.
func Remove(ctx context.Context, s Store, keys []string) error {
	l, ok := s.(Lister)
	if !ok {
		return fmt.Errorf("remove objects of %s: %w", s, ErrNoListing)
	}
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return err
		}
	}
	if err := l.Remove(ctx, keys); err != nil {
		return fmt.Errorf("remove objects of %s: %w", s, err)
	}
	return nil
}

// List follows no link. Files that no Put has finished are objects, too.
func (d directory) List(ctx context.Context, found func(Entry)) error {
	return filepath.WalkDir(d.dir, func(name string, at fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it has gone meanwhile, or there is no store yet
		}
		if err != nil || !at.Type().IsRegular() {
			return err
		}
		info, err := at.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		key, err := filepath.Rel(d.dir, name)
		if err == nil {
			found(Entry{Key: filepath.ToSlash(key), Size: info.Size(), Modified: info.ModTime()})
		}
		return err
	})
}

// Remove removes the directories, too, that are empty then, but for the two outermost levels, into which others write.
func (d directory) Remove(ctx context.Context, keys []string) error {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, key := range keys {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := root.Remove(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for dir := path.Dir(key); strings.Count(dir, "/") >= 2; dir = path.Dir(dir) {
			if root.Remove(dir) != nil {
				break
			}
		}
	}
	return nil
}

//go:embed folderlist.sh
var folderList string

//go:embed folderremove.sh
var folderRemove string

func (f *folder) List(ctx context.Context, found func(Entry)) error {
	a, end, err := f.request(ctx, folderList, "muster-list", strings.NewReader(""))
	if err != nil {
		return err
	}
	defer end()
	if a.word != "list" {
		return fmt.Errorf("unexpected answer %.100q", a.word+" "+a.rest)
	}
	for {
		// A path is shorter than the reader's buffer (PATH_MAX is 4096).
		line, err := a.body.ReadSlice(0)
		if errors.Is(err, io.EOF) && string(line) == "end" {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: the list ends in the middle", ErrUnreachable)
		}
		if err != nil {
			return err
		}
		words := strings.SplitN(strings.TrimSuffix(string(line), "\x00"), " ", 3)
		if len(words) != 3 {
			return fmt.Errorf("unexpected line %.100q", line)
		}
		size, sized := strconv.ParseInt(words[0], 10, 64)
		seconds, timed := strconv.ParseFloat(words[1], 64)
		if sized != nil || timed != nil {
			return fmt.Errorf("unexpected line %.100q", line)
		}
		found(Entry{Key: words[2], Size: size, Modified: time.Unix(int64(seconds), 0)})
	}
}

// Remove has the script of [directory.Remove].
func (f *folder) Remove(ctx context.Context, keys []string) error {
	a, end, err := f.request(ctx, folderRemove, "muster-remove", strings.NewReader(strings.Join(append(slices.Clone(keys), ""), "\x00")))
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, a.body)
	end()
	if err == nil && a.word != "removed" {
		err = fmt.Errorf("unexpected answer %.100q", a.word+" "+a.rest)
	}
	return err
}

func (s *server) List(ctx context.Context, found func(Entry)) error { return s.list(ctx, found) }

// removals is how many requests a removal makes side by side.
const removals = 16

func (s *server) Remove(ctx context.Context, keys []string) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(removals)
	for _, key := range keys {
		g.Go(func() error {
			resp, err := s.do(ctx, http.MethodDelete, s.base.JoinPath(key), nil, 0, nil)
			if err != nil {
				return err
			}
			if resp.StatusCode/100 == 2 {
				resp.Body.Close()
				return nil
			}
			if err := s.refused(resp); !errors.Is(err, ErrNotFound) {
				return fmt.Errorf("%s: %w", key, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// The bounds of the listings of servers.
const (
	maxListing = 1 << 30 // bytes of one answer
	maxNested  = 10      // collections within each other
)

// propfind asks WebDAV for what is needed of the members of a collection (RFC 4918, section 9.1).
const propfind = `<?xml version="1.0" encoding="utf-8"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>`

// A member is what WebDAV says of an object or a collection.
type member struct {
	Href string     `xml:"href"`
	Prop []propstat `xml:"propstat"`
}

// A propstat is some properties of a member: a server may tell those that it has and those that it lacks apart.
type propstat struct {
	Collection *struct{} `xml:"prop>resourcetype>collection"`
	Length     string    `xml:"prop>getcontentlength"`
	Modified   string    `xml:"prop>getlastmodified"`
}

// listCollections lists a server that speaks WebDAV. Many refuse to list more than one collection in a request.
func (s *server) listCollections(ctx context.Context, found func(Entry)) error {
	left, seen := []string{""}, map[string]bool{}
	for len(left) > 0 {
		dir := left[0]
		left = left[1:]
		err := s.collection(ctx, dir, func(m *member, key string, collection bool) {
			switch {
			case !collection:
				e := Entry{Key: key}
				for _, p := range m.Prop {
					if n, err := strconv.ParseInt(p.Length, 10, 64); err == nil {
						e.Size = n
					}
					if t, err := http.ParseTime(p.Modified); err == nil {
						e.Modified = t
					}
				}
				found(e)
			case !seen[key] && strings.Count(key, "/") < maxNested:
				seen[key] = true
				left = append(left, key)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// collection lists the members of one collection.
func (s *server) collection(ctx context.Context, dir string, found func(m *member, key string, collection bool)) error {
	at := s.base.JoinPath(dir)
	at.Path = strings.TrimSuffix(at.Path, "/") + "/"
	header := map[string]string{"Depth": "1", "Content-Type": "application/xml; charset=utf-8"}
	resp, err := s.do(ctx, "PROPFIND", at, strings.NewReader(propfind), int64(len(propfind)), header)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusMultiStatus {
		err := s.refused(resp)
		switch {
		case errors.Is(err, ErrNotFound):
			return nil // nothing is there, or no longer
		case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden || resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented:
			return err
		}
		return fmt.Errorf("%w: PROPFIND: %w", ErrNoListing, err)
	}
	defer resp.Body.Close()
	answered := false
	err = elements(resp.Body, "response", func(m *member) error {
		answered = true
		href, err := url.Parse(strings.TrimSpace(m.Href))
		if err != nil {
			return fmt.Errorf("unexpected href %.100q", m.Href)
		}
		key, below := strings.CutPrefix(path.Clean("/"+href.Path), strings.TrimSuffix(s.base.Path, "/")+"/")
		if !below || path.Dir("/"+key) != path.Clean("/"+dir) {
			return nil // the collection itself
		}
		collection := slices.ContainsFunc(m.Prop, func(p propstat) bool { return p.Collection != nil })
		found(m, key, collection)
		return nil
	})
	if err == nil && !answered { // a collection is a member of its list
		err = fmt.Errorf("%w: PROPFIND: its answer has no response", ErrNoListing)
	}
	return err
}

// elements calls found for each element of a name in XML that is read as it arrives.
func elements[T any](body io.Reader, name string, found func(*T) error) error {
	limited := &io.LimitedReader{R: body, N: maxListing}
	d := xml.NewDecoder(limited)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if limited.N <= 0 {
			return fmt.Errorf("the list has more than %d bytes", maxListing)
		}
		if err != nil {
			return fmt.Errorf("read the list: %w", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != name {
			continue
		}
		var one T
		if err := d.DecodeElement(&one, &start); err != nil {
			return fmt.Errorf("read the list: %w", err)
		}
		if err := found(&one); err != nil {
			return err
		}
	}
}

// A page is a part of the list of a bucket
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html).
type page struct {
	Contents []struct {
		Key          string
		Size         int64
		LastModified time.Time
	}
	IsTruncated           bool
	NextContinuationToken string
}

// listBucket lists the objects of a bucket whose keys begin with a directory. root is the bucket itself.
func (s *server) listBucket(ctx context.Context, root *url.URL, found func(Entry)) error {
	dir := strings.TrimPrefix(s.base.Path, root.Path)
	tokens := map[string]bool{}
	for token := ""; ; {
		at := *root
		query := url.Values{"list-type": {"2"}}
		if dir != "" {
			query.Set("prefix", dir)
		}
		if token != "" {
			query.Set("continuation-token", token)
		}
		at.RawQuery = query.Encode()
		resp, err := s.do(ctx, http.MethodGet, &at, nil, 0, nil)
		if err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return s.refused(resp)
		}
		var p *page
		err = elements(resp.Body, "ListBucketResult", func(one *page) error {
			p = one
			return nil
		})
		resp.Body.Close()
		if err != nil {
			return err
		}
		if p == nil {
			return fmt.Errorf("%w: its answer has no ListBucketResult", ErrNoListing)
		}
		for _, c := range p.Contents {
			if key, ok := strings.CutPrefix(c.Key, dir); ok {
				found(Entry{Key: key, Size: c.Size, Modified: c.LastModified})
			}
		}
		token = p.NextContinuationToken
		switch {
		case !p.IsTruncated:
			return nil
		case token == "" || tokens[token]:
			return errors.New("the list does not end: it has no new continuation token")
		}
		tokens[token] = true
	}
}
