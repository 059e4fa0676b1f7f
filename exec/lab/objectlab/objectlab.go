// Package objectlab is a small server of objects for tests: GET, PUT, ETags and conditions, in memory, as a server of WebDAV
// has them. It counts what it is asked, and can be told to misbehave.
//
//	s := objectlab.New("user:word")
//	server := httptest.NewServer(s)
package objectlab

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A Server holds objects. Its methods may be called side by side.
type Server struct {
	auth string

	mu      sync.Mutex
	objects map[string][]byte
	load    Load
	fault   func(r *http.Request) bool
}

// Load is what a server was asked.
type Load struct {
	Requests, Reads, Writes, NotModified int
	Sent                                 int64 // bytes of objects
}

// New makes an empty server. Requests need USER:PASSWORD; "" for none.
func New(auth string) *Server { return &Server{auth: auth, objects: map[string][]byte{}} }

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
		s.objects[key] = text
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
		s.objects[key] = body
		w.Header().Set("ETag", etag(body))
		w.WriteHeader(http.StatusCreated)
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
