// Package objectlab is a small server of objects for tests: GET, PUT, DELETE, ETags and conditions, in memory, as a server of
// WebDAV has them, with its lists (PROPFIND) and those of S3. It counts what it is asked, and can be told to misbehave.
//
//	s := objectlab.New("user:word")
//	server := httptest.NewServer(s)
package objectlab

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Server holds objects. Its methods may be called side by side.
type Server struct {
	auth string

	mu      sync.Mutex
	objects map[string][]byte
	written map[string]time.Time
	load    Load
	fault   func(r *http.Request) bool
}

// Load is what a server was asked.
type Load struct {
	Requests, Reads, Writes, NotModified int
	Sent                                 int64 // bytes of objects
}

// New makes an empty server. Requests need USER:PASSWORD; "" for none.
func New(auth string) *Server {
	return &Server{auth: auth, objects: map[string][]byte{}, written: map[string]time.Time{}}
}

// Load is what was asked since the last Load.
func (s *Server) Load() Load {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.load
	s.load = Load{}
	return l
}

// Break has requests fail for which f is true, with 503; nil for none.
func (s *Server) Break(f func(r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Get is an object, nil where there is none.
func (s *Server) Get(key string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.objects[key]
}

// Set replaces an object, as somebody who has stolen the store's credentials could; nil removes it.
func (s *Server) Set(key string, text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == nil {
		delete(s.objects, key)
	} else {
		s.objects[key], s.written[key] = text, time.Now()
	}
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	user, word, _ := r.BasicAuth()
	key := strings.TrimPrefix(r.URL.Path, "/")
	var body []byte
	if r.Method == http.MethodPut {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return // half an object is none
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load.Requests++
	old, there := s.objects[key]
	tag := etag(old)
	switch {
	case s.auth != "" && user+":"+word != s.auth:
		w.WriteHeader(http.StatusUnauthorized)
	case s.fault != nil && s.fault(r):
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.Method == http.MethodPut:
		s.load.Writes++
		if r.Header.Get("If-None-Match") == "*" && there || r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != tag {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		s.objects[key], s.written[key] = body, time.Now()
		w.Header().Set("ETag", etag(body))
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodDelete:
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == "PROPFIND":
		s.collection(w, key)
	case r.Method == http.MethodGet && r.URL.Query().Get("list-type") == "2":
		s.page(w, key, r.URL.Query())
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case !there:
		s.load.Reads++
		w.WriteHeader(http.StatusNotFound)
	case r.Header.Get("If-None-Match") == tag:
		s.load.Reads++
		s.load.NotModified++
		w.WriteHeader(http.StatusNotModified)
	default:
		s.load.Reads++
		s.load.Sent += int64(len(old))
		w.Header().Set("ETag", tag)
		w.Header().Set("Content-Length", strconv.Itoa(len(old)))
		w.Write(old)
	}
}

func etag(text []byte) string {
	sum := sha256.Sum256(text)
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

// collection answers a PROPFIND of depth 1.
func (s *Server) collection(w http.ResponseWriter, dir string) {
	if dir != "" {
		dir = strings.TrimSuffix(dir, "/") + "/"
	}
	told := map[string]bool{}
	var text strings.Builder
	tell := func(key, kind string, size int, at time.Time) {
		told[key] = true
		href := url.URL{Path: "/" + key}
		fmt.Fprintf(&text, `<D:response><D:href>%s</D:href><D:propstat><D:prop><D:resourcetype>%s</D:resourcetype><D:getcontentlength>%d</D:getcontentlength><D:getlastmodified>%s</D:getlastmodified></D:prop></D:propstat></D:response>`,
			html.EscapeString(href.EscapedPath()), kind, size, at.UTC().Format(http.TimeFormat))
	}
	for key, object := range s.objects {
		rest, ok := strings.CutPrefix(key, dir)
		if first, _, nested := strings.Cut(rest, "/"); ok && nested && !told[dir+first+"/"] {
			tell(dir+first+"/", "<D:collection/>", 0, s.written[key])
		} else if ok && !nested {
			tell(key, "", len(object), s.written[key])
		}
	}
	if len(told) == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	tell(dir, "<D:collection/>", 0, time.Now())
	w.WriteHeader(http.StatusMultiStatus)
	io.WriteString(w, `<?xml version="1.0"?><D:multistatus xmlns:D="DAV:">`+text.String()+`</D:multistatus>`)
}

// pageSize is how many objects a page of a list of S3 has.
const pageSize = 3

// page answers ListObjectsV2 of a bucket.
func (s *Server) page(w http.ResponseWriter, bucket string, query url.Values) {
	bucket = strings.TrimSuffix(bucket, "/") + "/"
	var keys []string
	for key := range s.objects {
		if rest, ok := strings.CutPrefix(key, bucket); ok && strings.HasPrefix(rest, query.Get("prefix")) && rest > query.Get("continuation-token") {
			keys = append(keys, rest)
		}
	}
	slices.Sort(keys)
	io.WriteString(w, "<ListBucketResult>")
	more := len(keys) > pageSize
	keys = keys[:min(len(keys), pageSize)]
	for _, key := range keys {
		fmt.Fprintf(w, "<Contents><Key>%s</Key><Size>%d</Size><LastModified>%s</LastModified></Contents>",
			html.EscapeString(key), len(s.objects[bucket+key]), s.written[bucket+key].UTC().Format(time.RFC3339Nano))
	}
	fmt.Fprintf(w, "<IsTruncated>%t</IsTruncated>", more)
	if more {
		fmt.Fprintf(w, "<NextContinuationToken>%s</NextContinuationToken>", html.EscapeString(keys[len(keys)-1]))
	}
	io.WriteString(w, "</ListBucketResult>")
}
