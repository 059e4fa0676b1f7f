package objectstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"muster/exec/backoff"
)

// A server is a store behind HTTP: GET reads, PUT writes, as WebDAV and S3 have it. Conditions are those of RFC 9110.
type server struct {
	base    *url.URL // without credentials
	text    string   // the URL that the user knows
	client  *http.Client
	limit   time.Duration                                                      // for one request with a small object
	sign    func(req *http.Request, body io.ReadSeeker) (*http.Request, error) // gives a request its credentials
	refused func(*http.Response) error                                         // makes an error of an answer that is not the object
	list    func(ctx context.Context, found func(Entry)) error
}

func newServer(u *url.URL, o Options) (*server, error) {
	if u.Host == "" || u.RawQuery != "" {
		return nil, ErrNoURL
	}
	base := *u
	base.User = nil
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	auth := Authorization(o.Authorization)
	if password, has := u.User.Password(); has {
		auth = basic(u.User.Username() + ":" + password)
	}
	sign := func(req *http.Request, _ io.ReadSeeker) (*http.Request, error) {
		if auth != "" {
			req.Header.Set("Authorization", auth)
		}
		return req, nil
	}
	s := &server{base: &base, text: strings.TrimSuffix(base.String(), "/"), client: newClient(o), limit: o.Limit, sign: sign, refused: discard}
	s.list = s.listCollections
	return s, nil
}

// newClient returns the client of a store's requests.
func newClient(o Options) *http.Client {
	return &http.Client{CheckRedirect: sameServer, Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    15 * time.Second,
		ResponseHeaderTimeout:  o.Limit,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    32,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
	}}
}

// maxRedirects is how often an answer may lead on.
const maxRedirects = 5

// sameServer follows redirections that stay on a server, or lead from http to https on it. Another server would be asked with
// what this one has made of the request, from within the network that the agent is in.
func sameServer(req *http.Request, via []*http.Request) error {
	from := via[0].URL
	same := req.URL.Host == from.Host && req.URL.Scheme == from.Scheme
	safer := req.URL.Hostname() == from.Hostname() && from.Scheme == "http" && req.URL.Scheme == "https"
	switch {
	case !same && !safer:
		return fmt.Errorf("%w to %s://%s: where that is the store, name it instead", errRedirect, req.URL.Scheme, req.URL.Host)
	case len(via) > maxRedirects:
		return fmt.Errorf("%w more than %d times", errRedirect, maxRedirects)
	}
	return nil
}

var errRedirect = errors.New("it redirects")

// Authorization is the header for credentials: USER:PASSWORD or a token; "" for none.
func Authorization(words string) string {
	switch {
	case strings.Contains(words, ":"):
		return basic(words)
	case words != "":
		return "Bearer " + words
	}
	return ""
}

func basic(words string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(words))
}

func (s *server) String() string { return s.text }

// attempts is how often a request is made that a store refuses because it has too many.
const attempts = 3

// do makes a request for an object, a collection or a list.
func (s *server) do(ctx context.Context, method string, at *url.URL, body io.ReadSeeker, size int64, header map[string]string) (*http.Response, error) {
	wait := backoff.Backoff{First: 200 * time.Millisecond, Max: 2 * time.Second, Jitter: true}
	for left := attempts - 1; ; left-- {
		resp, err := s.once(ctx, method, at, body, size, header)
		busy := err == nil && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable)
		if !busy || left == 0 {
			return resp, err
		}
		resp.Body.Close()
		if wait.Wait(ctx) != nil {
			return nil, context.Cause(ctx)
		}
		if body != nil {
			if _, err := body.Seek(0, io.SeekStart); err != nil {
				return nil, err
			}
		}
	}
}

// once makes a request once.
func (s *server) once(ctx context.Context, method string, at *url.URL, body io.ReadSeeker, size int64, header map[string]string) (*http.Response, error) {
	guarded, guard := guardStall(ctx, s.limit)
	done := guard.wait()
	resp, err := s.send(guarded, guard, method, at, body, size, header)
	done()
	if err != nil {
		guard.cancel(nil)
		return nil, err
	}
	resp.Body = &guardedBody{ReadCloser: resp.Body, guard: guard, ctx: guarded}
	return resp, nil
}

// send sends a request and returns the head of its answer.
func (s *server) send(ctx context.Context, guard *stallGuard, method string, at *url.URL, body io.ReadSeeker, size int64, header map[string]string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if body != nil {
		req.ContentLength = size
		// The client closes bodies, and this one may be sent again.
		req.Body = io.NopCloser(&sentBody{Reader: body, guard: guard})
		if size == 0 {
			req.Body = http.NoBody
		}
	}
	if req, err = s.sign(req, body); err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		var wrapped *url.Error // which repeats the URL
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, errRedirect) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return resp, nil
}

func (s *server) Get(ctx context.Context, key, etag string) (*Object, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	header := map[string]string{}
	if etag != "" {
		header["If-None-Match"] = etag
	}
	resp, err := s.do(ctx, http.MethodGet, s.base.JoinPath(key), nil, 0, header)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return &Object{Body: resp.Body, Size: resp.ContentLength, ETag: resp.Header.Get("ETag")}, nil
	}
	return nil, s.refused(resp)
}

func (s *server) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, c Condition) error {
	if err := checkKey(key); err != nil {
		return err
	}
	err := s.put(ctx, key, body, size, c)
	if !errors.Is(err, errNoCollection) {
		return err
	}
	if err := s.makeCollections(ctx, path.Dir(key)); err != nil {
		return err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return s.put(ctx, key, body, size, c)
}

func (s *server) put(ctx context.Context, key string, body io.ReadSeeker, size int64, c Condition) error {
	header := map[string]string{"Content-Type": "application/octet-stream"}
	switch {
	case c.Absent:
		header["If-None-Match"] = "*"
	case c.Match != "":
		header["If-Match"] = c.Match
	}
	resp, err := s.do(ctx, http.MethodPut, s.base.JoinPath(key), body, size, header)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 == 2 {
		resp.Body.Close()
		return nil
	}
	return s.refused(resp)
}

// errNoCollection says that the directory of an object is missing, as WebDAV does.
var errNoCollection = errors.New("its collection does not exist")

// makeCollections makes the directories of WebDAV that lead to one.
func (s *server) makeCollections(ctx context.Context, dir string) error {
	made := ""
	for name := range strings.SplitSeq(dir, "/") {
		made = path.Join(made, name)
		resp, err := s.do(ctx, "MKCOL", s.base.JoinPath(made+"/"), nil, 0, nil)
		if err != nil {
			return err
		}
		resp.Body.Close()
		// 405 Method Not Allowed: it is there.
		if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusMethodNotAllowed {
			return fmt.Errorf("make the collection %s: it answers %s", made, resp.Status)
		}
	}
	return nil
}

// discard makes an error of an answer that is not the object.
func discard(resp *http.Response) error {
	io.CopyN(io.Discard, resp.Body, 4<<10) // so that the connection can be used again
	resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return ErrNotFound
	case http.StatusNotModified:
		return ErrNotModified
	case http.StatusPreconditionFailed:
		return ErrConflict
	case http.StatusConflict:
		return errNoCollection
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("it answers %s: the credentials are missing or do not allow this", resp.Status)
	}
	return troubled(resp, fmt.Errorf("it answers %s", resp.Status))
}

// troubled is the error about an answer, where that says that the server fails an [ErrTrouble].
// One that does not know a method does not fail.
func troubled(resp *http.Response, err error) error {
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented || resp.StatusCode == http.StatusTooManyRequests {
		return fmt.Errorf("%w: %w", ErrTrouble, err)
	}
	return err
}
