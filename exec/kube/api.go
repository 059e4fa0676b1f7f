package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"muster/exec/backoff"
	"muster/exec/foreign"
)

// apiName is a name that the certificate of every API server is for.
const apiName = "kubernetes.default.svc"

// An api is the API of a cluster, behind the masters: a handful of requests in JSON, as
// https://kubernetes.io/docs/reference/using-api/api-concepts/ describes them. client-go,
// which the tests use, would add 3 MB to the program and 1 ms to each of its starts.
type api struct {
	masters *masters
	client  *http.Client
	own     *x509.Certificate // the administrator's

	mu     sync.Mutex
	server *x509.Certificate // that the API server has shown last
}

// certificates are those that the administrator and the API server show each other.
func (a *api) certificates() map[string]*x509.Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return map[string]*x509.Certificate{"of the API server": a.server, "of the administrator": a.own}
}

// shown keeps the certificate that an API server has shown.
func (a *api) shown(state *tls.ConnectionState) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.server = state.PeerCertificates[0]
}

// requestLimit is the limit for one request.
const requestLimit = 10 * time.Second

// newAPI makes the API of a cluster that is at an address as each master sees it.
func newAPI(m *masters, addr string, c *Credentials) (*api, error) {
	shows, err := showing(c.Cert, c.Key, "the administrator's certificate", c.CA, "the cluster's authority")
	if err != nil {
		return nil, err
	}
	shows.ServerName = apiName
	a := &api{masters: m, own: shows.Certificates[0].Leaf}
	a.client = &http.Client{
		Timeout: requestLimit,
		// HTTP/1.1: an idle connection to a master that went away is not used again.
		Transport: &http.Transport{
			DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return m.dial(ctx, addr) },
			TLSClientConfig: shows,
			TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{}, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second,
		},
	}
	return a, nil
}

func (a *api) close() { a.client.CloseIdleConnections() }

// get reads an object or a list.
func (a *api) get(ctx context.Context, path string, into any) error {
	return a.do(ctx, http.MethodGet, path, "", nil, into)
}

// patch changes the fields of an object that a merge patch has.
func (a *api) patch(ctx context.Context, path string, patch any) error {
	return a.do(ctx, http.MethodPatch, path+"?fieldManager="+fieldManager, "application/merge-patch+json", patch, nil)
}

// post makes an object.
func (a *api) post(ctx context.Context, path string, object any) error {
	return a.do(ctx, http.MethodPost, path, "application/json", object, nil)
}

// remove deletes an object.
func (a *api) remove(ctx context.Context, path string) error {
	return a.do(ctx, http.MethodDelete, path, "", nil, nil)
}

// answerLimit is the limit of one answer, in bytes: a list of all pods of a node has some
// hundred kilobytes.
const answerLimit = 64 << 20

// do makes one request with a body of a type and reads the answer. What the API refuses is
// a *refusal.
func (a *api) do(ctx context.Context, method, path, contentType string, body, into any) error {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "https://"+apiName+path, sent)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", fieldManager)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	answer, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	a.shown(answer.TLS)
	text, err := foreign.ReadAll(answer.Body, "the answer of the API", answerLimit)
	switch {
	case err != nil:
		return fmt.Errorf("%s %s: %w", method, request.URL.Path, err)
	case answer.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: the API does not take the certificate of the administrator, which ends on %s", refused(request, answer, text), a.own.NotAfter.UTC().Format(time.DateOnly))
	case answer.StatusCode >= 300:
		return refused(request, answer, text)
	case into == nil && !json.Valid(text): // cut, or none of the API: whether the change was made is not known
		return fmt.Errorf("%s %s: the answer of the API is no JSON", method, request.URL.Path)
	case into == nil:
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s %s: the answer of the API: %w", method, request.URL.Path, err)
	}
	return nil
}

// fieldManager is the name under which muster changes objects.
const fieldManager = "muster"

// retry makes a request until it gets an answer, or ctx ends: the API may be gone for a
// while, when a master is changed.
func (a *api) retry(ctx context.Context, request func(ctx context.Context) error) error {
	wait := backoff.Backoff{First: 100 * time.Millisecond, Max: 2 * time.Second, Jitter: true}
	for {
		err := request(ctx)
		if err == nil || !passes(err) {
			return err
		}
		a.client.CloseIdleConnections()
		a.masters.skip()
		if wait.Wait(ctx) != nil {
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		}
	}
}

// passes reports whether an error may be gone when the request is made again.
func passes(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		return true // no answer
	}
	// An API server that has just begun forbids what it will allow: its rules are not there yet.
	return r.Code >= 500 || r.Code == http.StatusTooManyRequests || r.Code == http.StatusForbidden && r.cause(namespaceTerminating) == nil
}

// A Version is that of a part of a cluster.
type Version struct{ Major, Minor, Patch int }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// ParseVersion reads a version such as v1.34.1+k3s1; false where it is none.
func ParseVersion(s string) (v Version, ok bool) {
	n, _ := fmt.Sscanf(s, "v%d.%d.%d", &v.Major, &v.Minor, &v.Patch)
	return v, n >= 2
}

// serverVersion is the version of an API server.
func (a *api) serverVersion(ctx context.Context) (v Version, err error) {
	err = a.retry(ctx, func(ctx context.Context) error {
		var said struct {
			GitVersion string `json:"gitVersion"`
		}
		if err := a.get(ctx, "/version", &said); err != nil {
			return err
		}
		var ok bool
		if v, ok = ParseVersion(said.GitVersion); !ok {
			return fmt.Errorf("the API server says that its version is %q", said.GitVersion)
		}
		return nil
	})
	return v, err
}
